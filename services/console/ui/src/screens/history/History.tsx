import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { get } from "../../api/client";
import type { History as Answer, Entry } from "../../api/types";
import { Go } from "../../app/Go";
import { useUrl } from "../../app/router";
import { last, list } from "../../app/search";
import { day, exact, fromInput, toInput } from "../../format/time";
import { serverNow } from "../../live/clock";
import { EntryLine } from "../../parts/EntryLine";
import { ErrorNote } from "../../parts/ErrorNote";
import { MatcherInput } from "../../parts/MatcherInput";
import styles from "./History.module.css";
import { isNotSent } from "./sentence";

const HOUR = 3_600_000;
const SPANS = [
  { name: "1 h", ms: HOUR },
  { name: "6 h", ms: 6 * HOUR },
  { name: "24 h", ms: 24 * HOUR },
  { name: "7 d", ms: 7 * 24 * HOUR },
] as const;

/** What may be looked at, and the kinds of entries that are meant. */
const KINDS: Record<string, { name: string; kinds: string[] }> = {
  alerts: { name: "Alerts", kinds: ["alert."] },
  incidents: { name: "Incidents", kinds: ["incident.", "escalation."] },
  notifications: { name: "Notifications", kinds: ["notification.", "link."] },
  silenced: { name: "Silenced", kinds: ["group.muted"] },
  people: { name: "People", kinds: ["command.", "incident.acknowledged", "incident.unacknowledged"] },
  refused: { name: "Refused", kinds: ["alert.refused", "command.refused"] },
};
const PAGE = 200;

/** "Was I paged for it at 03:12, and if not, why?" */
export default function History() {
  const [search, setUrl] = useUrl();
  const filters = list(search.filter);
  const kind = last(search.kind) ?? "";
  const since = numberOf(last(search.since));
  const until = numberOf(last(search.until));
  const onlyNotSent = last(search.notsent) === "true";
  // A span without an end is asked up to now, and `now` must not be another one at each render.
  const [opened] = useState(serverNow);
  const from = since ?? opened - 24 * HOUR;
  const query = useInfiniteQuery({
    queryKey: ["history", filters, kind, from, until],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      get<Answer>(
        "api/ui/v1/history",
        {
          since: Math.round(from),
          until,
          filter: filters,
          kind: KINDS[kind]?.kinds ?? [],
          limit: PAGE,
          before: pageParam,
        },
        signal,
      ),
    getNextPageParam: (page) => page.next,
  });
  const entries = useMemo(() => unique(query.data?.pages.flatMap((page) => page.entries) ?? []), [query.data]);
  const shown = onlyNotSent ? entries.filter(isNotSent) : entries;
  const searchedTo = query.data?.pages.at(-1)?.searchedTo;
  return (
    <div className={styles.page}>
      <h1>History</h1>
      <Range from={from} until={until} onChange={setUrl} opened={opened} />
      <MatcherInput
        label="Labels"
        matchers={filters}
        onChange={(next) => setUrl({ filter: next.length === 0 ? null : next })}
      />
      <fieldset className={styles.kinds}>
        <legend className="heard-only">What</legend>
        {["", ...Object.keys(KINDS)].map((key) => (
          <button
            key={key}
            type="button"
            aria-pressed={kind === key}
            onClick={() => setUrl({ kind: key === "" ? null : key })}
          >
            {KINDS[key]?.name ?? "Everything"}
          </button>
        ))}
        <label>
          <input
            type="checkbox"
            checked={onlyNotSent}
            onChange={(event) => setUrl({ notsent: event.target.checked ? "true" : null })}
          />{" "}
          only what was not sent, and why
        </label>
      </fieldset>
      <ErrorNote error={query.error} />
      <Entries entries={shown} />
      {query.isPending && <p className="quiet">Looking …</p>}
      {searchedTo !== undefined && (
        <p className="quiet" role="status">
          {shown.length === 0 ? "Nothing found" : `${shown.length} found`}; looked back to{" "}
          {exact(Math.max(searchedTo, from))}.
        </p>
      )}
      {query.hasNextPage && (
        <button type="button" onClick={() => void query.fetchNextPage()} disabled={query.isFetchingNextPage}>
          {query.isFetchingNextPage ? "Looking …" : "Look further back"}
        </button>
      )}
    </div>
  );
}

function numberOf(text: string | null): number | null {
  const number = Number(text);
  return text === null || text === "" || Number.isNaN(number) ? null : number;
}

/** Pages may overlap by an entry where two were written at once. */
function unique(entries: readonly Entry[]): Entry[] {
  const seen = new Map(entries.map((entry) => [`${entry.partition}/${entry.offset}`, entry]));
  return [...seen.values()];
}

type RangeProps = {
  from: number;
  until: number | null;
  opened: number;
  onChange(change: Record<string, string | null>): void;
};

function Range({ from, until, opened, onChange }: RangeProps) {
  const change = (name: string) => (event: React.ChangeEvent<HTMLInputElement>) => {
    const at = fromInput(event.target.value);
    if (at !== null) onChange({ [name]: String(at) });
  };
  return (
    <div className={styles.range}>
      {SPANS.map(({ name, ms }) => (
        <button
          key={name}
          type="button"
          aria-pressed={until === null && Math.round(from) === Math.round(opened - ms)}
          onClick={() => onChange({ since: String(Math.round(opened - ms)), until: null })}
        >
          {name}
        </button>
      ))}
      <label>
        from <input type="datetime-local" step="1" value={toInput(from)} onChange={change("since")} />
      </label>
      <label>
        to{" "}
        <input type="datetime-local" step="1" value={until === null ? "" : toInput(until)} onChange={change("until")} />
      </label>
    </div>
  );
}

function Entries({ entries }: { entries: readonly Entry[] }) {
  let before = "";
  return (
    <section aria-label="Entries">
      {entries.map((entry) => {
        const today = day(entry.at);
        const heading = today === before ? null : today;
        before = today;
        return (
          <div key={`${entry.partition}/${entry.offset}`}>
            {heading !== null && <h2 className={styles.day}>{heading}</h2>}
            <div className={isNotSent(entry) ? styles.notSent : undefined}>
              <EntryLine entry={entry}>
                {entry.incident !== null && (
                  <Go to={`/incidents/${encodeURIComponent(entry.incident)}`} search={{ group: entry.group }}>
                    Explain: everything about this incident
                  </Go>
                )}
              </EntryLine>
            </div>
          </div>
        );
      })}
    </section>
  );
}

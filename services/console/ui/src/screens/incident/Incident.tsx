import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { get, Refused } from "../../api/client";
import { type Answer, give } from "../../api/commands";
import type { IncidentDetail, Row } from "../../api/types";
import { Go } from "../../app/Go";
import { useKeys } from "../../app/keys";
import { useGo, useUrl } from "../../app/router";
import { last } from "../../app/search";
import { braced } from "../../format/labels";
import { whoActs } from "../../identity/identity";
import { useStale } from "../../live/stale";
import { live, useRow } from "../../live/store";
import { Ago } from "../../parts/Ago";
import { Severity, StateBadge } from "../../parts/Badge";
import { ErrorNote } from "../../parts/ErrorNote";
import { Labels } from "../../parts/Labels";
import { NextStep } from "../now/IncidentRow";
import { Alerts } from "./Alerts";
import { Deliveries } from "./Deliveries";
import { Explain } from "./Explain";
import styles from "./Incident.module.css";
import { Ladder } from "./Ladder";

/** An incident changes without its row too (an attempt that failed): asked again so often while it is looked at. */
const REFETCH = 5_000;

/** Everything about one incident, and what can be done with it. */
export default function Incident() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const [search] = useUrl();
  const group = last(search.group);
  const client = useQueryClient();
  const key = ["incident", id, group];
  const { data, error } = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => get<IncidentDetail>(`api/ui/v1/incidents/${encodeURIComponent(id)}`, { group }, signal),
    refetchInterval: REFETCH,
    retry: (count, failed) => count < 2 && !(failed instanceof Refused && failed.status === 404),
  });
  const hash = data?.row?.group ?? live.byIncident(id)?.group ?? "";
  const row = useNewest(useRow(hash), data?.row ?? null, id);
  useEffect(() => {
    if (hash === "") return;
    return live.onRow(hash, () => void client.invalidateQueries({ queryKey: ["incident", id] }));
  }, [hash, id, client]);

  if (data === undefined) {
    return error === null ? <p className="quiet">Loading …</p> : <ErrorNote error={error} />;
  }
  const title = row?.name ?? data.journal.find((entry) => entry.labels.alertname)?.labels.alertname ?? data.groupKey;
  return (
    <article className={styles.page}>
      <header className={styles.top}>
        <p className="row">
          {row !== null && (
            <>
              <Severity row={row} /> <StateBadge row={row} />
            </>
          )}
          <span className="quiet">
            {row === null ? (
              "over"
            ) : (
              <>
                for <Ago at={row.openedAt} />
              </>
            )}
          </span>
        </p>
        <h1>{title}</h1>
        {row !== null && row.summary !== "" && <p className="prose">{row.summary}</p>}
        <p className="row">
          <span>{row?.team ?? "no team"}</span>
          <span className="quiet">to {row?.receiver ?? data.route}</span>
          {row !== null && <NextStep row={row} />}
        </p>
        <Labels labels={row?.labels ?? {}} without={["alertname"]} />
      </header>
      {row !== null && (
        <Actions row={row} onDone={() => void client.invalidateQueries({ queryKey: ["incident", id] })} />
      )}
      <Alerts alerts={data.alerts} cut={data.alertsCut} />
      {data.plan !== null && row !== null && <Ladder plan={data.plan} row={row} journal={data.journal} />}
      <Deliveries underWay={data.deliveries} journal={data.journal} />
      <Explain journal={data.journal} cut={data.journalCut} />
      <p className="quiet">
        <Go to="/history" search={{ filter: matchersOf(row?.labels ?? {}) }}>
          What happened before, in History
        </Go>{" "}
        · incident {id}
      </p>
    </article>
  );
}

function matchersOf(labels: Record<string, string>): string[] {
  return Object.keys(labels).length === 0 ? [] : [braced(labels)];
}

/** The live row where it is of this incident, else the one that came with the answer. */
function useNewest(fromFeed: Row | undefined, fromAnswer: Row | null, id: string): Row | null {
  return fromFeed !== undefined && fromFeed.id === id ? fromFeed : fromAnswer;
}

function Actions({ row, onDone }: { row: Row; onDone(): void }) {
  const stale = useStale();
  const go = useGo();
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Answer | null>(null);
  const canAcknowledge = row.state === "firing";
  const canGiveBack = row.state === "acknowledged" || row.acknowledgedBy !== null;
  const act = async (action: "acknowledge" | "unacknowledge") => {
    if (busy || stale !== null) return;
    const by = await whoActs();
    if (by === null) return;
    setBusy(true);
    setAnswer(await give(action, row, by));
    setBusy(false);
    onDone();
  };
  const silence = () => go("/silences/new", { filter: braced(row.labels) });
  useKeys({
    a: () => canAcknowledge && void act("acknowledge"),
    s: silence,
    Escape: () => go("/"),
  });
  if (row.state === "resolved" || row.state === "moved") return null;
  const effect =
    row.policy === null
      ? "Marks you as the owner and restarts the repeat clock."
      : "The ladder stops; you own it until it resolves or you give it back.";
  return (
    <section className={styles.actions} aria-label="Actions">
      {canAcknowledge && (
        <button
          type="button"
          className={`primary ${styles.acknowledge}`}
          disabled={busy || stale !== null}
          aria-describedby="effect"
          onClick={() => void act("acknowledge")}
        >
          Acknowledge
        </button>
      )}
      {canGiveBack && (
        <button
          type="button"
          disabled={busy || stale !== null}
          aria-describedby="effect"
          onClick={() => void act("unacknowledge")}
        >
          Give it back
        </button>
      )}
      <button type="button" disabled={stale !== null} onClick={silence}>
        Silence …
      </button>
      <span id="effect" className={styles.effect}>
        {canAcknowledge ? effect : canGiveBack ? "Nobody has it then, and the escalation goes on where it stood." : ""}
      </span>
      {answer !== null && (
        <p role="status" className={answer.accepted ? styles.taken : "error"}>
          {answer.accepted ? "Done" : "Not done"}: {answer.reason}
        </p>
      )}
    </section>
  );
}

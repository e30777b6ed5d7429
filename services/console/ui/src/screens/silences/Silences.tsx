import { useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import { Go } from "../../app/Go";
import { useKeys } from "../../app/keys";
import { useGo, useUrl } from "../../app/router";
import { last } from "../../app/search";
import { matcherText } from "../../format/labels";
import { Ago } from "../../parts/Ago";
import { ErrorNote } from "../../parts/ErrorNote";
import styles from "./Silences.module.css";
import { at, type Silence } from "./silence";

const STATES = ["active", "pending", "expired"] as const;

/** What is silenced now, will be, and was. */
export default function Silences() {
  const [search, setUrl] = useUrl();
  const go = useGo();
  const state = STATES.find((one) => one === last(search.state)) ?? "active";
  const words = (last(search.q) ?? "").toLowerCase();
  const { data, error } = useQuery({
    queryKey: ["silences"],
    queryFn: ({ signal }) => get<Silence[]>("api/v2/silences", {}, signal),
    refetchInterval: 5_000,
  });
  useKeys({ s: () => go("/silences/new") });
  const count = (of: string) => data?.filter((silence) => silence.status.state === of).length ?? 0;
  const shown = (data ?? []).filter((silence) => silence.status.state === state && hasWords(silence, words));
  return (
    <div className={styles.page}>
      <div className="head">
        <h1>Silences</h1>
        <Go to="/silences/new" className={styles.new}>
          New silence
        </Go>
      </div>
      <div className="row">
        {STATES.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={one === state}
            className={styles.state}
            onClick={() => setUrl({ state: one })}
          >
            {one} {count(one)}
          </button>
        ))}
        <input
          type="search"
          aria-label="Search silences"
          placeholder="matcher, person, comment"
          value={last(search.q) ?? ""}
          onChange={(event) => setUrl({ q: event.target.value || null })}
        />
      </div>
      <ErrorNote error={error} />
      {data !== undefined && shown.length === 0 && <p className="quiet">No {state} silences.</p>}
      <ul className={styles.list}>
        {shown.map((silence) => (
          <li key={silence.id} className="panel">
            <Go to={`/silences/${silence.id}`} className={styles.matchers}>
              {silence.matchers.map(matcherText).join(", ")}
            </Go>
            <p>{silence.comment}</p>
            <p className="quiet">
              {silence.createdBy} ·{" "}
              {state === "pending" ? (
                <>
                  begins <Ago at={at(silence.startsAt)} />
                </>
              ) : (
                <>
                  {state === "expired" ? "ended" : "ends"} <Ago at={at(silence.endsAt)} past />
                </>
              )}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}

function hasWords(silence: Silence, words: string): boolean {
  const text = [silence.createdBy, silence.comment, ...silence.matchers.map(matcherText)].join(" ").toLowerCase();
  return text.includes(words);
}

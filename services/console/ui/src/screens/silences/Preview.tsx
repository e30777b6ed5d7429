import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { post } from "../../api/client";
import type { ShownMatcher, SilencePreview } from "../../api/types";
import { ErrorNote } from "../../parts/ErrorNote";
import { Labels } from "../../parts/Labels";
import styles from "./Silences.module.css";

/** A silence that mutes more than this share of everything is likely a mistake. */
const BROAD = 0.5;

/** What matchers mute right now: alerts, incidents, teams, ladders. */
export function Preview({ matchers }: { matchers: readonly ShownMatcher[] }) {
  const { data, error } = useQuery({
    queryKey: ["silence-preview", matchers],
    queryFn: ({ signal }) => post<SilencePreview>("api/ui/v1/silences/preview", { matchers }, signal),
    enabled: matchers.length > 0,
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
  });
  if (matchers.length === 0) return <p className="quiet">With matchers, this shows what goes quiet.</p>;
  if (error !== null) return <ErrorNote error={error} />;
  if (data === undefined) return <p className="quiet">Counting …</p>;
  const broad = data.of > 3 && data.alerts / data.of > BROAD;
  return (
    <div aria-live="polite">
      <p data-testid="preview">
        Mutes <b>{data.alerts}</b> of {data.of} firing alerts in <b>{data.incidents}</b> incident
        {data.incidents === 1 ? "" : "s"}
        {data.ladders > 0 && (
          <>
            {" "}
            and stops <b>{data.ladders}</b> escalation{data.ladders === 1 ? "" : "s"}
          </>
        )}
        .
      </p>
      {broad && (
        <p className="error" role="alert">
          That is {Math.round((100 * data.alerts) / data.of)} % of everything that fires. Is it meant to be so broad?
        </p>
      )}
      {data.teams.length > 0 && (
        <p>
          Teams:{" "}
          {data.teams.map(({ team, incidents }) => `${team === "" ? "nobody's" : team} (${incidents})`).join(", ")}
        </p>
      )}
      <ul className={styles.sample}>
        {data.sample.slice(0, 10).map((alert) => (
          <li key={`${alert.group}/${JSON.stringify(alert.labels)}`}>
            <Labels labels={alert.labels} />
          </li>
        ))}
      </ul>
      {data.alerts > 10 && <p className="quiet">and {data.alerts - 10} more</p>}
    </div>
  );
}

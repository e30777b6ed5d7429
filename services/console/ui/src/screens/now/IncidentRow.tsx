import { memo } from "react";
import type { Row } from "../../api/types";
import { Go } from "../../app/Go";
import { duration } from "../../format/time";
import { useRow } from "../../live/store";
import { Ago, Countdown } from "../../parts/Ago";
import { Severity, StateBadge } from "../../parts/Badge";
import { Labels } from "../../parts/Labels";
import styles from "./Now.module.css";

type Props = {
  group: string;
  isCurrent: boolean;
  isChecked: boolean;
  stale: boolean;
  onToggle(group: string): void;
  onAcknowledge(group: string): void;
  onPick(matcher: string): void;
};

/** One incident: how bad, what, whose, and what happens next. Drawn anew only when it changes itself. */
export const IncidentRow = memo(function IncidentRow(props: Props) {
  const { group, isCurrent, isChecked, stale, onToggle, onAcknowledge, onPick } = props;
  const row = useRow(group);
  if (row === undefined) return null;
  const open = row.id !== "";
  const canAcknowledge = open && row.state === "firing";
  return (
    <article
      className={`${styles.row} ${row.needsHuman ? styles.needs : ""} ${isCurrent ? styles.current : ""}`}
      aria-current={isCurrent ? "true" : undefined}
      data-group={group}
      data-state={row.muted ? "muted" : row.state}
    >
      <input
        type="checkbox"
        className={styles.check}
        checked={isChecked}
        disabled={!open}
        onChange={() => onToggle(group)}
        aria-label={`Select ${row.name}`}
      />
      <div className={styles.what}>
        <div className={styles.title}>
          <Severity row={row} />
          {open ? (
            <Go to={`/incidents/${encodeURIComponent(row.id)}`} className={styles.name}>
              {row.name}
            </Go>
          ) : (
            <span className={styles.name}>{row.name}</span>
          )}
          <span className={styles.summary}>{row.summary}</span>
        </div>
        <Labels labels={row.labels} onPick={onPick} without={["alertname"]} />
      </div>
      <div className={styles.facts}>
        <StateBadge row={row} />
        <span>
          {row.firing} alert{row.firing === 1 ? "" : "s"} · <Ago at={row.openedAt} />
        </span>
        <span>{row.team ?? "no team"}</span>
      </div>
      <div className={styles.next}>
        <NextStep row={row} />
        {canAcknowledge && (
          <button
            type="button"
            disabled={stale}
            className={row.needsHuman ? "primary" : undefined}
            title={
              row.policy === null ? "Marks you as the owner and restarts the repeat clock" : "Stops the escalation"
            }
            onClick={() => onAcknowledge(group)}
          >
            Acknowledge
          </button>
        )}
      </div>
    </article>
  );
});

/** What happens next with an incident, in a few words. */
export function NextStep({ row }: { row: Row }) {
  if (row.state === "waiting") return <span>first notification soon</span>;
  if (row.acknowledgedBy !== null) return <span className={styles.owner}>{row.acknowledgedBy} has it</span>;
  if (row.muted) {
    return (
      <span>
        {row.mutedUntil === null ? (
          "silenced"
        ) : (
          <>
            silenced, ends in <Countdown to={row.mutedUntil} />
          </>
        )}
      </span>
    );
  }
  const { ladder } = row;
  if (ladder === null) return row.state === "firing" ? <span>nobody has it</span> : null;
  if (ladder.due !== null) {
    return (
      <span>
        {ladder.lastResort ? "last resort" : `step ${ladder.step + 1}`}
        {ladder.round > 0 && !ladder.lastResort && ` (round ${ladder.round + 1})`} in <Countdown to={ladder.due} />
      </span>
    );
  }
  if (ladder.phase === "held")
    return <span>on hold{ladder.remainingMs === null ? "" : `, ${duration(ladder.remainingMs)} left`}</span>;
  if (ladder.phase === "exhausted")
    return <span className={styles.exhausted}>everybody was told, nobody answered</span>;
  return <span>last resort under way</span>;
}

import type { Entry, Plan, PlanRung, Row } from "../../api/types";
import { duration } from "../../format/time";
import { Ago, Countdown } from "../../parts/Ago";
import styles from "./Incident.module.css";

/** Where a rung is: fired (and when), next, or still to come. */
type Standing = { at: "done"; when: number | null } | { at: "next" } | { at: "later" };

/** The escalation ladder: who was told, who is next and when, who comes then. */
export function Ladder({ plan, row, journal }: { plan: Plan; row: Row; journal: readonly Entry[] }) {
  const { ladder } = row;
  return (
    <section className="panel" aria-label="Escalation">
      <h2>
        Escalation: {plan.policy}
        {ladder?.phase === "held" && <span className="quiet"> (on hold)</span>}
      </h2>
      <ol className={styles.ladder}>
        {plan.rungs.map((rung) => {
          const standing = standingOf(rung, row, journal);
          return (
            <li key={`${rung.round}/${rung.step}/${rung.lastResort}`} className={styles[standing.at]}>
              <span className={styles.rung}>
                {rung.lastResort
                  ? "Last resort"
                  : `Step ${rung.step + 1}${rung.round > 0 ? `, round ${rung.round + 1}` : ""}`}
              </span>
              <span className={styles.told}>
                {rung.receivers.map(({ receiver, integrations, fallback }) => (
                  <span key={receiver}>
                    <b>{receiver}</b> <span className="quiet">{integrations.join(", ")}</span>
                    {fallback.length > 0 && <span className="quiet">, else {fallback.join(", ")}</span>}
                  </span>
                ))}
              </span>
              <span className={styles.when}>
                <When standing={standing} rung={rung} row={row} />
              </span>
            </li>
          );
        })}
      </ol>
      {row.acknowledgedBy !== null && row.acknowledgedAt !== null && (
        <p>
          {row.acknowledgedBy} has it since <Ago at={row.acknowledgedAt} />: nothing escalates.
        </p>
      )}
    </section>
  );
}

function When({ standing, rung, row }: { standing: Standing; rung: PlanRung; row: Row }) {
  if (standing.at === "done") return standing.when === null ? "done" : <Ago at={standing.when} past />;
  if (standing.at === "next" && row.ladder?.due != null)
    return (
      <>
        in <Countdown to={row.ladder.due} />
      </>
    );
  if (standing.at === "next" && row.ladder?.remainingMs != null) return `${duration(row.ladder.remainingMs)} left`;
  return `after ${duration(rung.afterMs)}`;
}

/** The place of a rung among all, by its round and step. */
function place(round: number, step: number, lastResort: boolean): number {
  return lastResort ? Number.MAX_SAFE_INTEGER : round * 1_000 + step;
}

function standingOf(rung: PlanRung, row: Row, journal: readonly Entry[]): Standing {
  const { ladder } = row;
  if (ladder === null) return { at: "later" };
  const here = place(rung.round, rung.step, rung.lastResort);
  const next = place(ladder.round, ladder.step, ladder.lastResort);
  const over = ladder.phase === "exhausted" || ladder.phase === "last resort";
  if (here < next || over) return { at: "done", when: firedAt(rung, journal) };
  return here === next && row.acknowledgedBy === null ? { at: "next" } : { at: "later" };
}

function firedAt(rung: PlanRung, journal: readonly Entry[]): number | null {
  const kind = rung.lastResort ? "escalation.last_resort" : "escalation.step";
  const found = journal.find(
    ({ kind: of, fields }) =>
      of === kind && (rung.lastResort || (Number(fields.step) === rung.step && Number(fields.round) === rung.round)),
  );
  return found?.at ?? null;
}

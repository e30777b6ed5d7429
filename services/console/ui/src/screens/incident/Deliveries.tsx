import type { Delivery, Entry } from "../../api/types";
import { duration } from "../../format/time";
import { Ago, Countdown } from "../../parts/Ago";
import styles from "./Incident.module.css";

/** How many attempts are listed; all of them stand under Explain. */
const SHOWN = 12;

/** Who was told, who could not be, and what is under way. */
export function Deliveries({ underWay, journal }: { underWay: readonly Delivery[]; journal: readonly Entry[] }) {
  const attempts = journal.filter(({ kind }) => kind === "notification.attempted");
  if (underWay.length === 0 && attempts.length === 0) return null;
  return (
    <section className="panel" aria-label="Deliveries">
      <h2>Deliveries</h2>
      {underWay.map((delivery) => (
        <p key={`${delivery.receiver}/${delivery.integration}/${delivery.giveUpAt}`} className="row">
          <b>{delivery.receiver}</b> {delivery.kind}, under way:
          {delivery.legs.map((leg) => (
            <span key={`${leg.receiver}/${leg.integration}`}>
              {leg.receiver} {leg.state}
              {leg.attempts > 0 && `, ${leg.attempts} attempt${leg.attempts === 1 ? "" : "s"}`}
            </span>
          ))}
          <span className="quiet">
            gives up in <Countdown to={delivery.giveUpAt} />
          </span>
        </p>
      ))}
      <table className={styles.attempts}>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Who</th>
            <th scope="col">Answer</th>
          </tr>
        </thead>
        <tbody>
          {attempts.slice(0, SHOWN).map((entry) => (
            <Attempt key={`${entry.partition}/${entry.offset}`} entry={entry} />
          ))}
        </tbody>
      </table>
      {attempts.length > SHOWN && <p className="quiet">{attempts.length - SHOWN} earlier ones stand below.</p>}
    </section>
  );
}

function Attempt({ entry }: { entry: Entry }) {
  const { link, link_integration: integration, attempt, status, duration_ms: took, error } = entry.fields;
  const failed = entry.reason === "failed" || entry.reason === "not started";
  return (
    <tr>
      <td>
        <Ago at={entry.at} past />
      </td>
      <td>
        <b>{link ?? entry.receiver}</b> <span className="quiet">{integration}</span>
      </td>
      <td className={failed ? styles.firing : undefined}>
        {failed ? "✗" : "✓"} {entry.reason}
        {attempt !== undefined && Number(attempt) > 1 && ` (attempt ${attempt})`} {status}
        {took !== undefined && ` in ${duration(Number(took))}`} <span className="prose">{error}</span>
      </td>
    </tr>
  );
}

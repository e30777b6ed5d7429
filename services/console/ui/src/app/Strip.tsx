import { duration } from "../format/time";
import { useDataAge, useStale } from "../live/stale";
import { useConnection, useHeartbeat } from "../live/store";
import { Go } from "./Go";
import styles from "./Strip.module.css";

/** More records waiting than this is worth a look. */
const MUCH = 1_000;

/** On every page: whether what is shown is live, the counts, and how far each stage is. */
export function Strip({ onHelp }: { onHelp(): void }) {
  const beat = useHeartbeat();
  const totals = beat?.totals;
  return (
    <header className={styles.strip}>
      <Live />
      {totals !== undefined && (
        <ul className={styles.counts}>
          <Count filter={'@state="firing"'} count={totals.firing} word="firing" />
          <Count filter={'@state="acknowledged"'} count={totals.acknowledged} word="acknowledged" />
          <Count filter={'@state="muted"'} count={totals.muted} word="silenced" />
        </ul>
      )}
      <Go to="/pipeline" className={styles.stages}>
        {beat?.stages.map(({ stage, lag }) => (
          <span key={stage} className={lag !== null && lag > MUCH ? styles.late : undefined}>
            {stage} {lag === null ? "?" : lag === 0 ? "✓" : `${lag.toLocaleString()} behind`}
          </span>
        ))}
      </Go>
      <button type="button" className={styles.help} onClick={onHelp} aria-label="Keyboard shortcuts">
        ?
      </button>
    </header>
  );
}

function Count({ filter, count, word }: { filter: string; count: number; word: string }) {
  return (
    <li>
      <Go to="/" search={{ filter }}>
        <b>{count.toLocaleString()}</b> {word}
      </Go>
    </li>
  );
}

function Live() {
  const age = useDataAge();
  const stale = useStale();
  const { live, trouble } = useConnection();
  if (age === null)
    return <span className={styles.live}>{trouble === null ? "connecting …" : `not connected: ${trouble}`}</span>;
  const words = stale !== null ? "stale" : live ? "live" : "polling";
  return (
    <span className={`${styles.live} ${stale === null ? styles.good : styles.late}`} data-testid="live">
      <span aria-hidden="true">●</span> {words} {age < 1_000 ? "" : duration(age)}
    </span>
  );
}

import type { Entry } from "../api/types";
import { clock, exact } from "../format/time";
import { sentence } from "../screens/history/sentence";
import { verdict } from "../screens/incident/gates";
import styles from "./EntryLine.module.css";
import { Labels } from "./Labels";

const SIGNS = { yes: "✓", no: "✗", note: "·" } as const;
const WORDS = { yes: "yes", no: "no", note: "" } as const;

/** One decision: a sentence, and all that was written down with it behind a click. */
export function EntryLine({ entry, children }: { entry: Entry; children?: React.ReactNode }) {
  const said = verdict(entry);
  return (
    <details className={styles.entry} data-kind={entry.kind}>
      <summary>
        <time dateTime={new Date(entry.at).toISOString()} title={exact(entry.at)}>
          {clock(entry.at)}
        </time>
        <span className={styles[said]}>
          <span aria-hidden="true">{SIGNS[said]}</span>
          <span className="heard-only">{WORDS[said]}</span>
        </span>
        <span className={styles.sentence}>{sentence(entry)}</span>
      </summary>
      <div className={styles.more}>
        {children}
        <Labels labels={entry.labels} />
        <dl>
          {Object.entries(entry.fields).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
          <div>
            <dt>{entry.kind}</dt>
            <dd>
              config version {entry.configVersion}, journal/{entry.partition}@{entry.offset}, trace {entry.trace}
            </dd>
          </div>
        </dl>
      </div>
    </details>
  );
}

import { useState } from "react";
import type { Entry } from "../../api/types";
import { EntryLine } from "../../parts/EntryLine";
import { byGate } from "./gates";
import styles from "./Incident.module.css";

/** How many entries of a gate are shown at first. */
const FIRST = 6;

/** Every gate that said yes or no, in the words that the stage wrote down when it did. */
export function Explain({ journal, cut }: { journal: readonly Entry[]; cut: boolean }) {
  const [byTime, setByTime] = useState(false);
  return (
    <section className="panel" aria-label="Explain">
      <div className="head">
        <h2>Explain</h2>
        <button type="button" aria-pressed={byTime} onClick={() => setByTime(!byTime)}>
          {byTime ? "By gate" : "By time"}
        </button>
      </div>
      {byTime ? (
        <Entries entries={journal} first={50} />
      ) : (
        byGate(journal).map(({ name, entries }) => (
          <div key={name} className={styles.gate}>
            <h3>{name}</h3>
            <Entries entries={entries} first={FIRST} />
          </div>
        ))
      )}
      {cut && <p className="quiet">There are older entries: see History.</p>}
    </section>
  );
}

function Entries({ entries, first }: { entries: readonly Entry[]; first: number }) {
  const [all, setAll] = useState(false);
  const shown = all ? entries : entries.slice(0, first);
  return (
    <>
      {shown.map((entry) => (
        <EntryLine key={`${entry.partition}/${entry.offset}`} entry={entry} />
      ))}
      {entries.length > shown.length && (
        <button type="button" onClick={() => setAll(true)}>
          {entries.length - shown.length} earlier
        </button>
      )}
    </>
  );
}

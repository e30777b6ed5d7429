import { useState } from "react";
import { type Answer, give } from "../../api/commands";
import { whoActs } from "../../identity/identity";
import { live } from "../../live/store";
import styles from "./Now.module.css";

export type ActingState = {
  /** What is being done, of how many; null while nothing is. */
  progress: { done: number; of: number } | null;
  answers: readonly Answer[];
  acknowledge(groups: readonly string[]): Promise<void>;
  clear(): void;
};

/** Acknowledges incidents one after the other, and keeps every answer to show. */
export function useActing(): ActingState {
  const [progress, setProgress] = useState<ActingState["progress"]>(null);
  const [answers, setAnswers] = useState<readonly Answer[]>([]);
  return {
    progress,
    answers,
    clear: () => setAnswers([]),
    async acknowledge(groups) {
      const rows = groups.flatMap((group) => live.row(group) ?? []).filter((row) => row.id !== "");
      if (rows.length === 0) return;
      const by = await whoActs();
      if (by === null) return;
      const given: Answer[] = [];
      for (const [done, row] of rows.entries()) {
        setProgress({ done, of: rows.length });
        given.push(await give("acknowledge", row, by));
        setAnswers([...given]);
      }
      setProgress(null);
    },
  };
}

type Props = { acting: ActingState; checked: number; stale: boolean; onAcknowledge(): void; onClear(): void };

/** The bar for what is selected, and what became of what was done. */
export function Acting({ acting, checked, stale, onAcknowledge, onClear }: Props) {
  const { progress, answers } = acting;
  const refused = answers.filter((answer) => !answer.accepted);
  const accepted = answers.length - refused.length;
  return (
    <div aria-live="polite">
      {checked > 0 && (
        <div className={styles.bar}>
          <b>{checked} selected</b>
          <button type="button" className="primary" disabled={stale || progress !== null} onClick={onAcknowledge}>
            Acknowledge {checked}
          </button>
          <button type="button" onClick={onClear}>
            Clear
          </button>
        </div>
      )}
      {progress !== null && (
        <p className={styles.bar}>
          Acknowledging {progress.done + 1} of {progress.of} …
        </p>
      )}
      {progress === null && answers.length > 0 && (
        <div className={styles.bar} role="status">
          {accepted > 0 && (
            <span>Acknowledged {accepted === 1 ? answers.find((one) => one.accepted)?.name : accepted}.</span>
          )}
          {refused.map((answer) => (
            <span key={answer.incident} className={styles.refused}>
              {answer.name}: not acknowledged: {answer.reason}
            </span>
          ))}
          <button type="button" onClick={acting.clear}>
            Close
          </button>
        </div>
      )}
    </div>
  );
}

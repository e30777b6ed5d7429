import type { Row } from "../api/types";
import styles from "./Badge.module.css";

/** The severity, louder the worse it is. */
export function Severity({ row }: { row: Row }) {
  if (row.severity === null || row.severity === "") return null;
  const rank = Math.min(row.severityRank, 3);
  return <span className={`${styles.badge} ${styles[`rank${rank}`]}`}>{row.severity}</span>;
}

const WORDS: Record<Row["state"], string> = {
  waiting: "grouping",
  firing: "firing",
  acknowledged: "acknowledged",
  quiet: "quiet",
  resolved: "resolved",
  moved: "moved",
};

/** Where an incident stands, in a word. */
export function StateBadge({ row }: { row: Row }) {
  const state = row.muted ? "muted" : row.state;
  return <span className={`${styles.state} ${styles[state] ?? ""}`}>{row.muted ? "silenced" : WORDS[row.state]}</span>;
}

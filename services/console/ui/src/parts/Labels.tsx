import { hue, matcherOf } from "../format/labels";
import styles from "./Labels.module.css";

type Props = {
  labels: Record<string, string>;
  /** Called with a matcher when a label is clicked; with Alt held, one that excludes it. */
  onPick?: (matcher: string) => void;
  /** Names that are told elsewhere. */
  without?: readonly string[];
};

/** Labels, each in a colour of its own that is the same everywhere. */
export function Labels({ labels, onPick, without = [] }: Props) {
  const shown = Object.entries(labels).filter(([name]) => !without.includes(name));
  if (shown.length === 0) return null;
  return (
    <ul className={styles.labels}>
      {shown.map(([name, value]) => (
        <li key={name} style={{ "--hue": hue(name, value) } as React.CSSProperties}>
          {onPick === undefined ? (
            <span className={styles.label}>
              <b>{name}</b>={value}
            </span>
          ) : (
            <button
              type="button"
              className={styles.label}
              title={`Filter by ${name}="${value}" (with Alt: exclude)`}
              onClick={(event) => onPick(matcherOf(name, value, event.altKey))}
            >
              <b>{name}</b>={value}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

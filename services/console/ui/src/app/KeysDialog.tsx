import { Dialog } from "../parts/Dialog";
import styles from "./KeysDialog.module.css";

const KEYS: [string, string][] = [
  ["j / k", "next, previous"],
  ["Enter", "open"],
  ["a", "acknowledge"],
  ["s", "silence"],
  ["x", "select"],
  ["/", "filter"],
  ["Esc", "leave the field, clear the selection"],
  ["g n", "go to Now"],
  ["g h", "go to History"],
  ["g s", "go to Silences"],
  ["g r", "go to Routing"],
  ["g p", "go to Pipeline"],
  ["?", "this list"],
];

export function KeysDialog({ open, onClose }: { open: boolean; onClose(): void }) {
  return (
    <Dialog open={open} title="Keyboard" onClose={onClose}>
      <dl className={styles.keys}>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div className="actions">
        <button type="button" className="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

import { useRef } from "react";
import { useStale } from "../live/stale";
import { useConnection, useHeartbeat } from "../live/store";
import styles from "./Banners.module.css";
import { useBoot } from "./boot";

/** What must not be overlooked: old data, a refused config, a page that anybody may use. */
export function Banners() {
  const beat = useHeartbeat();
  const stale = useStale();
  const boot = useBoot();
  const { trouble, refused } = useConnection();
  const first = useRef<string | null>(null);
  if (beat !== null) first.current ??= beat.version;
  const isNew = beat !== null && first.current !== beat.version;
  return (
    <div className={styles.banners}>
      {refused !== null && (
        <p className={styles.bad} role="alert">
          The filter is refused: {refused}. Nothing is listed until it is changed.
        </p>
      )}
      {refused === null && stale !== null && (
        <p className={styles.warn} role="alert">
          {stale} Actions are disabled until it is live again.
        </p>
      )}
      {beat === null && trouble !== null && (
        <p className={styles.warn} role="alert">
          Not connected: {trouble}
        </p>
      )}
      {beat?.reloadError != null && (
        <p className={styles.bad} role="alert">
          The last config was refused; the one before goes on. <span className="prose">{beat.reloadError}</span>
        </p>
      )}
      {boot?.exposed === true && (
        <p className={styles.note}>
          This page is reachable from other machines and asks nobody who they are: whoever reaches it can silence and
          acknowledge.
        </p>
      )}
      {isNew && (
        <p className={styles.note}>
          The server runs a newer release.{" "}
          <button type="button" onClick={() => window.location.reload()}>
            Reload the page
          </button>
        </p>
      )}
    </div>
  );
}

import { duration } from "../format/time";
import { useServerNow } from "./clock";
import { STALE_AFTER, useConnection, useHeartbeat } from "./store";

/** How old what is on screen may be, in milliseconds; null before anything is. */
export function useDataAge(): number | null {
  useServerNow();
  const beat = useHeartbeat();
  const { lastBeat } = useConnection();
  if (beat === null) return null;
  const silent = Date.now() - lastBeat;
  return beat.ageMs + Math.max(0, silent - 2_500);
}

/** Why what is on screen may be over, in words; null while it is not. */
export function useStale(): string | null {
  const age = useDataAge();
  const beat = useHeartbeat();
  const { lastBeat, trouble } = useConnection();
  if (age === null) return null;
  if (Date.now() - lastBeat > STALE_AFTER) {
    return `No word from the server for ${duration(Date.now() - lastBeat)}${trouble === null ? "" : ` (${trouble})`}; reconnecting.`;
  }
  if (age > STALE_AFTER) return `What is shown is ${duration(age)} old: the console is behind the log.`;
  if (beat?.notReady != null) return `Not everything is shown: ${beat.notReady}.`;
  return null;
}

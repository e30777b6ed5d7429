import { useEffect, useState } from "react";

/** The server's clock less this machine's. */
let offset = 0;
let known = false;

/**
 * Takes up what the server's clock showed. An answer is late by its way, never early, so the largest difference is the best
 * one; it is followed down slowly, as clocks drift.
 */
export function setServerNow(now: number) {
  const seen = now - Date.now();
  offset = !known || seen > offset || offset - seen > 1_000 ? seen : offset - (offset - seen) / 50;
  known = true;
}

/** The server's time. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** The server's time, anew every so many milliseconds, on the full second where that is a second. */
export function useServerNow(everyMs = 1_000): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const tick = () => {
      setNow(serverNow());
      timer = setTimeout(tick, everyMs - (serverNow() % everyMs));
    };
    tick();
    return () => clearTimeout(timer);
  }, [everyMs]);
  return now;
}

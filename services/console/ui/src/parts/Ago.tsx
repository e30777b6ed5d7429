import { ago, countdown, exact } from "../format/time";
import { useServerNow } from "../live/clock";

/** How long ago, the exact time a hover (or a long press) away. */
export function Ago({ at, past = false }: { at: number /** Whether to say "ago". */; past?: boolean }) {
  const now = useServerNow();
  const text = ago(at, now);
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)}>
      {past && /^\d/.test(text) ? `${text} ago` : text}
    </time>
  );
}

/** What is left until then. */
export function Countdown({ to }: { to: number }) {
  const now = useServerNow();
  return (
    <time className="count" dateTime={new Date(to).toISOString()} title={exact(to)}>
      {to > now ? countdown(to - now) : "now"}
    </time>
  );
}

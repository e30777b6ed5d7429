/** Times as people read them. All take milliseconds. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The two largest units of a span: "1h 30m", "2d", "45s", "250ms". */
export function duration(ms: number): string {
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms === 0) return "0s";
  if (ms < SECOND) return `${Math.round(ms)}ms`;
  const whole = Math.floor(ms / SECOND) * SECOND;
  const parts: [number, string][] = [
    [Math.floor(whole / DAY), "d"],
    [Math.floor((whole % DAY) / HOUR), "h"],
    [Math.floor((whole % HOUR) / MINUTE), "m"],
    [Math.floor((whole % MINUTE) / SECOND), "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

/** How long something has been so: its largest unit alone, so that a list does not flicker. */
export function ago(at: number, now: number): string {
  const ms = now - at;
  if (ms < -5 * SECOND) return `in ${largest(-ms)}`;
  if (ms < 5 * SECOND) return "just now";
  return largest(ms);
}

function largest(ms: number): string {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)}s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)}h`;
  return `${Math.floor(ms / DAY)}d`;
}

/** What is left: "1:42", "2:03:04". Rounded up, so that "0:00" means now. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND));
  const two = (count: number) => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const EXACT = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY_NAME = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });

/** Date and time where the reader is, with the zone. */
export function exact(at: number): string {
  return EXACT.format(at);
}

/** The time of day where the reader is. */
export function clock(at: number): string {
  return CLOCK.format(at);
}

/** The day where the reader is. */
export function day(at: number): string {
  return DAY_NAME.format(at);
}

/** A time as `<input type="datetime-local">` takes it. */
export function toInput(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * MINUTE).toISOString().slice(0, 19);
}

/** What such a field says; null while it is not whole. */
export function fromInput(text: string): number | null {
  const at = new Date(text).getTime();
  return Number.isNaN(at) ? null : at;
}

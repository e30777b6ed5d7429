import type { ShownMatcher } from "../api/types";

/** A matcher as it is typed. */
export function matcherText({ name, value, isEqual, isRegex }: ShownMatcher): string {
  const operator = isEqual ? (isRegex ? "=~" : "=") : isRegex ? "!~" : "!=";
  const quoted = value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const bare = /^@?[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
  return `${bare ? name : `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`}${operator}"${quoted}"`;
}

/** A matcher for one value, or against it. */
export function matcherOf(name: string, value: string, exclude = false): string {
  return matcherText({ name, value, isEqual: !exclude, isRegex: false });
}

/** Labels as matchers in braces: what Alertmanager's links carry. */
export function braced(labels: Record<string, string>): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => matcherOf(name, value))
    .join(",")}}`;
}

/** A number that is the same for the same label, on every screen and for everybody: its colour. */
export function hue(name: string, value: string): number {
  let hash = 2166136261;
  for (const c of `${name}\u0000${value}`) hash = Math.imul(hash ^ (c.codePointAt(0) ?? 0), 16777619);
  return (hash >>> 0) % 360;
}

import type { Columns, Row, State } from "../api/types";

/** The states in the order of their places in the columns. */
const STATES: readonly State[] = ["waiting", "firing", "acknowledged", "quiet", "resolved", "moved"];

/** The rows that columns stand for. */
export function decode(columns: Columns): Row[] {
  const text = (place: number | undefined) => columns.texts[place ?? -1] ?? "";
  const maybe = (place: number | undefined) => columns.texts[place ?? -1] ?? null;
  return columns.group.map((group, i) => {
    const pairs = columns.labels[i] ?? [];
    const labels: Record<string, string> = {};
    for (let at = 0; at < pairs.length; at += 2) labels[text(pairs[at])] = text(pairs[at + 1]);
    return {
      group,
      id: columns.id[i] ?? "",
      state: STATES[columns.state[i] ?? 0] ?? "waiting",
      generation: columns.generation[i] ?? 0,
      needsHuman: columns.needsHuman[i] === 1,
      muted: columns.muted[i] === 1,
      mutedBy: (columns.mutedBy[i] ?? []).map(text),
      mutedUntil: columns.mutedUntil[i] ?? null,
      name: text(columns.name[i]),
      summary: text(columns.summary[i]),
      labels,
      team: maybe(columns.team[i]),
      severity: maybe(columns.severity[i]),
      severityRank: columns.severityRank[i] ?? 0,
      receiver: text(columns.receiver[i]),
      policy: maybe(columns.policy[i]),
      openedAt: columns.openedAt[i] ?? 0,
      firing: columns.firing[i] ?? 0,
      firingMuted: columns.firingMuted[i] ?? 0,
      acknowledgedBy: maybe(columns.acknowledgedBy[i]),
      acknowledgedAt: columns.acknowledgedAt[i] ?? null,
      ladder: columns.ladder[i] ?? null,
    };
  });
}

import type { Entry } from "../../api/types";

/** The gates that an alert passes on its way to a person, in order. */
export const GATES = [
  { name: "Taken in", kinds: ["alert."] },
  {
    name: "Grouped",
    kinds: [
      "group.flushed",
      "incident.opened",
      "incident.reopened",
      "incident.resolved",
      "incident.moved",
      "incident.returned",
    ],
  },
  { name: "Silences", kinds: ["group.muted"] },
  { name: "Notification log", kinds: ["notification.requested", "notification.unsaid"] },
  { name: "Escalation", kinds: ["escalation."] },
  { name: "People", kinds: ["command.", "incident.acknowledged", "incident.unacknowledged"] },
  {
    name: "Delivery",
    kinds: [
      "notification.attempted",
      "notification.possible_duplicate",
      "notification.delivered",
      "notification.failed",
      "notification.void",
      "link.",
    ],
  },
] as const;

export type Verdict = "yes" | "no" | "note";

const NO = [
  "alert.refused",
  "group.muted",
  "notification.unsaid",
  "notification.failed",
  "notification.void",
  "link.exhausted",
  "command.refused",
  "escalation.unreached",
  "escalation.exhausted",
];
const YES = [
  "alert.opened",
  "incident.opened",
  "notification.requested",
  "notification.delivered",
  "escalation.started",
  "escalation.step",
  "escalation.last_resort",
  "incident.acknowledged",
  "command.accepted",
];

/** Whether a gate let something through, kept it back, or only says what it saw. */
export function verdict(entry: Entry): Verdict {
  if (NO.includes(entry.kind)) return "no";
  if (YES.includes(entry.kind)) return "yes";
  if (entry.kind === "notification.attempted")
    return entry.reason === "failed" || entry.reason === "not started" ? "no" : "yes";
  return "note";
}

/** The journal gate by gate; a kind that no gate names comes last, as it is. */
export function byGate(journal: readonly Entry[]): { name: string; entries: Entry[] }[] {
  const gateOf = (kind: string) =>
    GATES.find(({ kinds }) => kinds.some((begin) => kind.startsWith(begin)))?.name ?? "Other";
  const gates = new Map<string, Entry[]>([...GATES.map(({ name }) => [name, []] as [string, Entry[]]), ["Other", []]]);
  for (const entry of journal) gates.get(gateOf(entry.kind))?.push(entry);
  return [...gates].filter(([, entries]) => entries.length > 0).map(([name, entries]) => ({ name, entries }));
}

import type { Entry } from "../../api/types";
import { duration } from "../../format/time";

/** What an entry says, as a sentence a person reads at three in the morning. A kind it does not know is said as it is. */
export function sentence(entry: Entry): string {
  const say = SENTENCES[entry.kind];
  return say === undefined ? `${entry.kind}: ${entry.reason}` : say(entry, subject(entry));
}

/** What it is about: the alert's name, else its labels. */
export function subject(entry: Entry): string {
  const { alertname, ...others } = entry.labels;
  if (alertname !== undefined) return alertname;
  const pairs = Object.entries(others).map(([name, value]) => `${name}=${value}`);
  return pairs.length > 0 ? pairs.join(" ") : entry.groupKey || "an alert";
}

type Say = (entry: Entry, about: string) => string;

const because = (entry: Entry) => (entry.reason === "" ? "" : `: ${entry.reason}`);
const to = (entry: Entry) => entry.fields.link ?? entry.receiver ?? "nobody";
const who = (entry: Entry) => entry.fields.by ?? "somebody";

const SENTENCES: Record<string, Say> = {
  "alert.opened": (_, about) => `${about} began to fire`,
  "alert.changed": (entry, about) => `${about} changed${because(entry)}`,
  "alert.resolved": (entry, about) => `${about} resolved${because(entry)}`,
  "alert.refused": (entry, about) => `${about} was refused${because(entry)}`,
  "group.flushed": (entry, about) => `The group of ${about} was flushed${because(entry)}`,
  "group.muted": (entry, about) => `${about} was silenced${because(entry)}`,
  "incident.opened": (_, about) => `An incident opened for ${about}`,
  "incident.reopened": (entry, about) => `The incident of ${about} opened again${because(entry)}`,
  "incident.resolved": (_, about) => `The incident of ${about} is over`,
  "incident.moved": (entry, about) => `The incident of ${about} moved${because(entry)}`,
  "incident.returned": (entry, about) => `The incident of ${about} came back${because(entry)}`,
  "incident.acknowledged": (entry, about) => `${who(entry)} acknowledged ${about}`,
  "incident.unacknowledged": (entry, about) => `${who(entry)} gave ${about} back`,
  "notification.requested": (entry, about) => `${to(entry)} is to be told of ${about}${because(entry)}`,
  "notification.unsaid": (entry, about) => `${to(entry)} was not told of ${about}${because(entry)}`,
  "notification.attempted": attempted,
  "notification.possible_duplicate": (entry, about) =>
    `${to(entry)} may have been told of ${about} twice${because(entry)}`,
  "notification.delivered": (entry, about) => `${entry.fields.heard || to(entry)} was told of ${about}`,
  "notification.failed": (entry, about) =>
    `Nobody could be told of ${about} by ${entry.receiver ?? "its receiver"}${because(entry)}`,
  "notification.void": (entry, about) => `${to(entry)} was not told of ${about} any more${because(entry)}`,
  "link.exhausted": (entry) => `${to(entry)} is not tried any more${because(entry)}`,
  "escalation.started": (entry, about) => `The escalation of ${about} began${because(entry)}`,
  "escalation.step": (entry, about) => `Escalation of ${about}, ${entry.reason}: ${entry.fields.receivers ?? ""}`,
  "escalation.held": (entry, about) => `The escalation of ${about} is on hold${because(entry)}`,
  "escalation.resumed": (entry, about) => `The escalation of ${about} goes on${because(entry)}`,
  "escalation.last_resort": (entry, about) => `The last resort was called for ${about}${because(entry)}`,
  "escalation.exhausted": (entry, about) => `Everybody was told of ${about} and nobody answered${because(entry)}`,
  "escalation.unreached": (entry, about) => `A step for ${about} reached nobody${because(entry)}`,
  "escalation.ended": (entry, about) => `The escalation of ${about} ended${because(entry)}`,
  "command.accepted": (entry, about) => `What ${who(entry)} did with ${about} was taken${because(entry)}`,
  "command.refused": (entry, about) => `What ${who(entry)} did with ${about} was refused${because(entry)}`,
};

function attempted(entry: Entry, about: string): string {
  const { status, error, duration_ms: took, attempt } = entry.fields;
  const time = took === undefined ? "" : ` in ${duration(Number(took))}`;
  const which = attempt === undefined || attempt === "1" ? "" : ` (attempt ${attempt})`;
  if (entry.reason === "accepted") return `${to(entry)} accepted ${about}${time}${which}`;
  const why = [status, error].filter((text) => text !== undefined && text !== "").join(" ");
  return `${to(entry)} did not accept ${about}${which}: ${why || entry.reason}`;
}

/** Kinds that say why somebody was not told. */
const NOT_SENT = [
  "alert.refused",
  "group.muted",
  "notification.unsaid",
  "notification.failed",
  "notification.void",
  "escalation.unreached",
  "command.refused",
];

/** Whether an entry answers "why was nobody told?". */
export function isNotSent(entry: Entry): boolean {
  return (
    NOT_SENT.includes(entry.kind) ||
    (entry.kind === "notification.attempted" && entry.reason !== "accepted" && entry.fields.error !== undefined)
  );
}

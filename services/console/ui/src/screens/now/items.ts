import type { Row } from "../../api/types";
import type { Listing } from "../../live/store";

/** What the list draws: headings and rows in order. */
export type Item =
  | { kind: "head"; key: string; title: string; count: number; urgent: boolean; filter: string | null }
  | { kind: "row"; key: string; group: string };

/** What an incident has under a name to group by: a label, or one of our own facts. */
export function valueUnder(row: Row, name: string): string {
  if (name === "@team") return row.team ?? "";
  if (name === "@severity") return row.severity ?? "";
  if (name === "@receiver") return row.receiver;
  if (name === "@state") return row.muted ? "muted" : row.state;
  return row.labels[name] ?? "";
}

/** Who needs a human first, then everything else, grouped where that is asked for. */
export function items(listing: Listing, groupBy: string | null, row: (group: string) => Row | undefined): Item[] {
  const urgent = listing.order.slice(0, listing.urgent);
  const rest = listing.order.slice(listing.urgent);
  const list: Item[] = [head("urgent", "Needs a human now", urgent.length, true), ...urgent.map(item)];
  if (groupBy === null) {
    if (rest.length > 0) list.push(head("rest", "Everything else", rest.length, false), ...rest.map(item));
    return list;
  }
  const groups = new Map<string, string[]>();
  for (const group of rest) {
    const found = row(group);
    const value = found === undefined ? "" : valueUnder(found, groupBy);
    groups.set(value, [...(groups.get(value) ?? []), group]);
  }
  const sorted = [...groups].sort(([a, one], [b, other]) => other.length - one.length || (a < b ? -1 : 1));
  for (const [value, members] of sorted) {
    const title = value === "" ? `without ${groupBy}` : `${groupBy}=${value}`;
    list.push({ ...head(`group:${value}`, title, members.length, false), filter: `${groupBy}="${value}"` });
    list.push(...members.map(item));
  }
  return list;
}

function head(key: string, title: string, count: number, urgent: boolean): Extract<Item, { kind: "head" }> {
  return { kind: "head", key, title, count, urgent, filter: null };
}

function item(group: string): Item {
  return { kind: "row", key: group, group };
}

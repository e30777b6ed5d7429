import { useSyncExternalStore } from "react";
import type { Delta, Heartbeat, Row } from "../api/types";
import { setServerNow } from "./clock";

/** The shortest time between two renders of the list: more often nobody reads, and a phone has work to do. */
const RENDER_EVERY = 100;
/** Without a heartbeat for so long what is on screen may be over. */
export const STALE_AFTER = 10_000;

const STATE_ORDER: Record<Row["state"], number> = {
  firing: 0,
  waiting: 1,
  acknowledged: 2,
  quiet: 3,
  resolved: 4,
  moved: 5,
};

/** Who needs a human first, running ladders by their next rung, then severity, then age; then everything else. */
export function compare(a: Row, b: Row): number {
  if (a.needsHuman !== b.needsHuman) return a.needsHuman ? -1 : 1;
  const due = (row: Row) => (row.needsHuman ? (row.ladder?.due ?? Number.MAX_SAFE_INTEGER) : 0);
  const state = a.needsHuman ? 0 : Number(a.muted) - Number(b.muted) || STATE_ORDER[a.state] - STATE_ORDER[b.state];
  return (
    due(a) - due(b) ||
    state ||
    a.severityRank - b.severityRank ||
    a.openedAt - b.openedAt ||
    a.group.localeCompare(b.group)
  );
}

/** What the list is drawn from. A new object each time it changed. */
export type Listing = {
  /** Groups in order. */
  readonly order: readonly string[];
  /** How many of them, from the first, need a human. */
  readonly urgent: number;
  /** How many there are on the server; more than in `order` where `cut`. */
  readonly matching: number;
  readonly cut: boolean;
  /** The first snapshot is here. */
  readonly loaded: boolean;
};

export type Connection = {
  readonly live: boolean;
  readonly lastBeat: number;
  readonly trouble: string | null;
  /** Why the server will not have the filter: asking again changes nothing. */
  readonly refused: string | null;
};

type Listener = () => void;

/** The rows that this browser asked for, as the server last told them. */
export class LiveStore {
  cursor = "";
  private rows = new Map<string, Row>();
  private listing: Listing = { order: [], urgent: 0, matching: 0, cut: false, loaded: false };
  private beat: Heartbeat | null = null;
  private state: Connection = { live: false, lastBeat: 0, trouble: null, refused: null };
  private readonly listeners = {
    list: new Set<Listener>(),
    beat: new Set<Listener>(),
    connection: new Set<Listener>(),
  };
  private readonly ofRow = new Map<string, Set<Listener>>();
  private readonly changed = new Set<string>();
  private reordered = false;
  private timer: ReturnType<typeof setTimeout> | null = null;

  /** Everything anew. */
  replace(rows: readonly Row[], cursor: string, matching: number, cut: boolean) {
    for (const group of this.rows.keys()) this.changed.add(group);
    this.rows = new Map(rows.map((row) => [row.group, row]));
    for (const group of this.rows.keys()) this.changed.add(group);
    this.cursor = cursor;
    this.listing = { ...this.listing, matching, cut, loaded: true };
    this.reordered = true;
    this.flush();
  }

  /** What changed since the cursor. Told twice it changes nothing. */
  apply(delta: Delta) {
    for (const row of delta.up) this.put(row);
    for (const group of delta.gone) {
      if (!this.rows.delete(group)) continue;
      this.changed.add(group);
      this.reordered = true;
    }
    this.cursor = delta.cursor;
    this.timer ??= setTimeout(() => this.flush(), RENDER_EVERY);
  }

  private put(row: Row) {
    const before = this.rows.get(row.group);
    this.rows.set(row.group, row);
    this.changed.add(row.group);
    this.reordered ||= before === undefined || compare(before, row) !== 0 || before.needsHuman !== row.needsHuman;
  }

  heartbeat(beat: Heartbeat) {
    setServerNow(beat.now);
    this.beat = beat;
    this.connection({ live: this.state.live, lastBeat: Date.now(), trouble: null, refused: null });
    for (const listener of this.listeners.beat) listener();
  }

  connection(state: Connection) {
    this.state = state;
    for (const listener of this.listeners.connection) listener();
  }

  /** Tells those who draw. */
  flush() {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.reordered) {
      const sorted = [...this.rows.values()].sort(compare);
      const end = sorted.findIndex((row) => !row.needsHuman);
      const { cut, matching } = this.listing;
      this.listing = {
        ...this.listing,
        order: sorted.map((row) => row.group),
        urgent: end < 0 ? sorted.length : end,
        matching: cut ? Math.max(matching, sorted.length) : sorted.length,
      };
      this.reordered = false;
      for (const listener of this.listeners.list) listener();
    }
    for (const group of this.changed) for (const listener of this.ofRow.get(group) ?? []) listener();
    this.changed.clear();
  }

  row = (group: string): Row | undefined => this.rows.get(group);
  all = (): Iterable<Row> => this.rows.values();
  byIncident = (id: string): Row | undefined => {
    for (const row of this.rows.values()) if (row.id === id) return row;
    return undefined;
  };
  list = () => this.listing;
  lastHeartbeat = () => this.beat;
  lastConnection = () => this.state;

  onList = (listener: Listener) => subscribe(this.listeners.list, listener);
  onBeat = (listener: Listener) => subscribe(this.listeners.beat, listener);
  onConnection = (listener: Listener) => subscribe(this.listeners.connection, listener);
  onRow = (group: string, listener: Listener) => {
    const set = this.ofRow.get(group) ?? new Set();
    this.ofRow.set(group, set);
    set.add(listener);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.ofRow.delete(group);
    };
  };
}

function subscribe(set: Set<Listener>, listener: Listener) {
  set.add(listener);
  return () => {
    set.delete(listener);
  };
}

/** The page's one store. */
export const live = new LiveStore();

export function useListing(): Listing {
  return useSyncExternalStore(live.onList, live.list);
}

export function useRow(group: string): Row | undefined {
  return useSyncExternalStore(
    (listener) => live.onRow(group, listener),
    () => live.row(group),
  );
}

export function useHeartbeat(): Heartbeat | null {
  return useSyncExternalStore(live.onBeat, live.lastHeartbeat);
}

export function useConnection(): Connection {
  return useSyncExternalStore(live.onConnection, live.lastConnection);
}

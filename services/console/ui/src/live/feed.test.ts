import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Changes, Columns, Delta, Row } from "../api/types";
import { Feed, type StreamHandlers, type Transport } from "./feed";
import { beat, row } from "./sample";
import { LiveStore } from "./store";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A server as ours is: a view, its newest changes, an epoch of each start; a stream tells from a cursor on. */
class FakeServer {
  rows = new Map<string, Row>();
  private changes: string[] = [];
  private first = 0;
  private epoch = 1;
  private readers: { cursor: number; handlers: StreamHandlers }[] = [];
  streams = true;
  up = true;

  change(group: string, next: Row | null) {
    if (next === null) this.rows.delete(group);
    else this.rows.set(group, next);
    this.changes.push(group);
  }

  /** Another replica, or the same one started anew: it has all rows, and knows no cursor of before. */
  restart() {
    this.epoch += 1;
    this.changes = [];
    this.first = 0;
    this.breakStreams();
  }

  /** Old changes are forgotten. */
  forget() {
    this.first += this.changes.length;
    this.changes = [];
  }

  breakStreams() {
    for (const reader of this.readers.splice(0)) reader.handlers.failed();
  }

  /** Tells every stream what there is to tell. */
  tell() {
    for (const reader of [...this.readers]) {
      const since = this.since(reader.cursor);
      if (since === null) {
        this.readers = this.readers.filter((one) => one !== reader);
        reader.handlers.reset();
      } else {
        reader.cursor = this.first + this.changes.length;
        reader.handlers.delta(since);
        reader.handlers.heartbeat(beat());
      }
    }
  }

  private cursor() {
    return `${this.epoch}:${this.first + this.changes.length}`;
  }

  private since(at: number): Delta | null {
    if (at < this.first) return null;
    const groups = [...new Set(this.changes.slice(at - this.first))];
    const up = groups.flatMap((group) => this.rows.get(group) ?? []);
    return { cursor: this.cursor(), up, gone: groups.filter((group) => !this.rows.has(group)) };
  }

  private read(cursor: string): number {
    const [epoch, sequence] = cursor.split(":").map(Number);
    return epoch === this.epoch ? (sequence ?? -1) : -1;
  }

  async snapshot() {
    if (!this.up) throw new Error("down");
    return {
      cursor: this.cursor(),
      rows: columns([...this.rows.values()]),
      matching: this.rows.size,
      cut: false,
      heartbeat: beat(),
    };
  }

  async changesSince(cursor: string): Promise<Changes> {
    if (!this.up) throw new Error("down");
    const at = this.read(cursor);
    const delta = at < 0 ? null : this.since(at);
    return { delta, reset: delta === null ? "too far behind" : null, heartbeat: beat() };
  }

  stream(cursor: string, _filters: readonly string[], handlers: StreamHandlers) {
    const reader = { cursor: this.read(cursor), handlers };
    if (this.up && this.streams) this.readers.push(reader);
    else queueMicrotask(() => handlers.failed());
    return () => {
      this.readers = this.readers.filter((one) => one !== reader);
    };
  }
}

/** The columns of rows that differ in nothing but these fields. */
function columns(rows: Row[]): Columns {
  const texts = ["Name", "", "all"];
  const fill = <T>(value: T) => rows.map(() => value);
  return {
    texts,
    group: rows.map((one) => one.group),
    id: rows.map((one) => one.id),
    state: fill(1),
    generation: rows.map((one) => one.generation),
    needsHuman: fill(0),
    muted: fill(0),
    mutedBy: rows.map(() => []),
    mutedUntil: fill(null),
    name: fill(0),
    summary: fill(1),
    labels: rows.map(() => []),
    team: fill(-1),
    severity: fill(-1),
    severityRank: fill(0),
    receiver: fill(2),
    policy: fill(-1),
    openedAt: fill(1_000),
    firing: rows.map((one) => one.firing),
    firingMuted: fill(0),
    acknowledgedBy: fill(-1),
    acknowledgedAt: fill(null),
    ladder: fill(null),
  };
}

function transport(server: FakeServer): Transport {
  return {
    snapshot: () => server.snapshot(),
    changes: (cursor) => server.changesSince(cursor),
    stream: (cursor, filters, handlers) => server.stream(cursor, filters, handlers),
  };
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.nat(9), firing: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ drop: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ wait: fc.constantFrom(50, 1_000, 10_000) }) },
  { weight: 3, arbitrary: fc.constant("tell" as const) },
  { weight: 1, arbitrary: fc.constantFrom("restart", "forget", "break", "streams", "down") },
);

test("after any deltas, reconnects, replica changes and resets the client has what the server has", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const server = new FakeServer();
      const store = new LiveStore();
      const feed = new Feed(store, transport(server));
      feed.start([]);
      for (const one of steps) {
        if (one === "tell") server.tell();
        else if (one === "restart") server.restart();
        else if (one === "forget") server.forget();
        else if (one === "break") server.breakStreams();
        else if (one === "streams") server.streams = !server.streams;
        else if (one === "down") server.up = !server.up;
        else if (typeof one === "object" && "put" in one)
          server.change(`g${one.put}`, row(`g${one.put}`, { firing: one.firing }));
        else if (typeof one === "object" && "drop" in one) server.change(`g${one.drop}`, null);
        else if (typeof one === "object") await vi.advanceTimersByTimeAsync(one.wait);
      }
      server.up = true;
      server.streams = true;
      for (let round = 0; round < 5; round += 1) {
        await vi.advanceTimersByTimeAsync(10_000);
        server.tell();
      }
      await vi.advanceTimersByTimeAsync(200);
      const there = Object.fromEntries([...store.all()].map((one) => [one.group, one]));
      expect(there).toEqual(Object.fromEntries(server.rows));
      expect([...store.list().order].sort()).toEqual([...server.rows.keys()].sort());
      feed.end();
    }),
    { numRuns: 200 },
  );
});

test("where streams do not get through it asks, and goes back to them", async () => {
  const server = new FakeServer();
  server.streams = false;
  const store = new LiveStore();
  const feed = new Feed(store, transport(server));
  feed.start([]);
  await vi.advanceTimersByTimeAsync(15_000);
  server.change("a", row("a"));
  await vi.advanceTimersByTimeAsync(4_000);
  expect(store.row("a")).toBeDefined();
  expect(store.lastConnection().live).toBe(false);
  server.streams = true;
  for (let second = 0; second < 75; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    server.tell();
  }
  expect(store.lastConnection().live).toBe(true);
  feed.end();
});

test("a stream that says nothing is broken off and opened again", async () => {
  const server = new FakeServer();
  const store = new LiveStore();
  const opened = vi.spyOn(server, "stream");
  const feed = new Feed(store, transport(server));
  feed.start([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(opened).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(opened).toHaveBeenCalledTimes(2);
  feed.end();
});

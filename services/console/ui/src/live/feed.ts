import { address, get, Refused } from "../api/client";
import type { Changes, Delta, Heartbeat, Snapshot } from "../api/types";
import { decode } from "./decode";
import type { LiveStore } from "./store";

/** How long to wait before a stream or a snapshot is tried again: it grows with each failure. */
const RETRY = [250, 1_000, 2_000, 5_000];
/** After so many streams that failed at once, ask instead: something on the way does not let them through. */
const STREAMS_BEFORE_POLLING = 3;
const POLL_EVERY = 3_000;
/** After so many answers a stream is tried again. */
const POLLS_BEFORE_STREAM = 20;
/** A stream that says nothing for so long is dead, whatever the browser thinks: a heartbeat comes every two seconds. */
const SILENCE = 8_000;

export type StreamHandlers = {
  delta(delta: Delta): void;
  heartbeat(beat: Heartbeat): void;
  reset(): void;
  failed(): void;
};

/** The ways to the server; a test has others. */
export type Transport = {
  snapshot(filters: readonly string[], signal: AbortSignal): Promise<Snapshot>;
  changes(cursor: string, filters: readonly string[], signal: AbortSignal): Promise<Changes>;
  /** Returns what closes it. */
  stream(cursor: string, filters: readonly string[], handlers: StreamHandlers): () => void;
};

export const http: Transport = {
  snapshot: (filters, signal) => get("api/ui/v1/snapshot", { filter: filters }, signal),
  changes: (cursor, filters, signal) => get("api/ui/v1/changes", { cursor, filter: filters }, signal),
  stream(cursor, filters, handlers) {
    const source = new EventSource(address("api/ui/v1/stream", { cursor, filter: filters }));
    const read = <T>(event: Event) => JSON.parse((event as MessageEvent<string>).data) as T;
    source.addEventListener("delta", (event) => handlers.delta(read(event)));
    source.addEventListener("heartbeat", (event) => handlers.heartbeat(read(event)));
    source.addEventListener("reset", () => handlers.reset());
    source.addEventListener("error", () => handlers.failed());
    return () => source.close();
  },
};

/**
 * Keeps a store at what the server has: a snapshot, then deltas over a stream; where streams do not get through, by asking;
 * and a new snapshot wherever the server says so.
 */
export class Feed {
  private filters: readonly string[] = [];
  private stop = new AbortController();
  private closeStream: (() => void) | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private failures = 0;

  constructor(
    private readonly store: LiveStore,
    private readonly transport: Transport = http,
  ) {}

  /** Asks for the rows that meet these filters from now on. */
  start(filters: readonly string[]) {
    this.end();
    this.filters = filters;
    this.stop = new AbortController();
    void this.anew();
  }

  /** Asks for nothing any more. */
  end() {
    this.stop.abort();
    this.close();
  }

  private close() {
    this.closeStream?.();
    this.closeStream = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private later(ms: number, work: () => void) {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(work, ms);
  }

  private retry(error: unknown, work: () => void) {
    const trouble = error instanceof Error ? error.message : String(error);
    this.store.connection({ ...this.store.lastConnection(), live: false, trouble });
    const wait = RETRY[Math.min(this.failures, RETRY.length - 1)] ?? 5_000;
    this.failures += 1;
    this.later(wait, work);
  }

  private async anew(): Promise<void> {
    const { signal } = this.stop;
    this.close();
    try {
      const snapshot = await this.transport.snapshot(this.filters, signal);
      if (signal.aborted) return;
      this.store.replace(decode(snapshot.rows), snapshot.cursor, snapshot.matching, snapshot.cut);
      this.store.heartbeat(snapshot.heartbeat);
      this.listen();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 400) this.refused(error.message);
      else this.retry(error, () => void this.anew());
    }
  }

  /** The filter is none: nothing is listed, and nothing is asked until it is another one. */
  private refused(why: string) {
    this.store.replace([], "", 0, false);
    this.store.connection({ ...this.store.lastConnection(), live: false, refused: why });
  }

  private listen() {
    this.close();
    const alive = () => {
      this.failures = 0;
      this.later(SILENCE, () => failed());
    };
    const failed = () => {
      this.close();
      if (this.failures >= STREAMS_BEFORE_POLLING) void this.poll(0);
      else this.retry("the stream broke off", () => this.listen());
    };
    this.closeStream = this.transport.stream(this.store.cursor, this.filters, {
      delta: (delta) => {
        alive();
        this.store.apply(delta);
      },
      heartbeat: (beat) => {
        alive();
        this.store.connection({ ...this.store.lastConnection(), live: true });
        this.store.heartbeat(beat);
      },
      reset: () => void this.anew(),
      failed,
    });
    this.later(SILENCE, () => failed());
  }

  private async poll(count: number): Promise<void> {
    const { signal } = this.stop;
    try {
      const { delta, reset, heartbeat } = await this.transport.changes(this.store.cursor, this.filters, signal);
      if (signal.aborted) return;
      if (reset !== null) {
        await this.anew();
        return;
      }
      if (delta !== null) this.store.apply(delta);
      this.store.heartbeat(heartbeat);
      if (count >= POLLS_BEFORE_STREAM) {
        this.failures = 0;
        this.listen();
      } else {
        this.later(POLL_EVERY, () => void this.poll(count + 1));
      }
    } catch (error) {
      if (!signal.aborted) this.retry(error, () => void this.poll(count + 1));
    }
  }
}

import { uuid } from "../identity/uuid";
import { post, Refused } from "./client";
import type { Row } from "./types";

/** What became of a command, in route's words. */
export type Answer = { incident: string; name: string; accepted: boolean; reason: string };

type Said = { accepted: boolean; reason: string };

/** How often a command is given again where nobody knows whether it arrived: it has an id, so twice is once. */
const TRIES = 2;

/**
 * Acknowledges an incident, or takes that back. The generation that the person saw goes along: who was slower is told so.
 */
export async function give(action: "acknowledge" | "unacknowledge", row: Row, by: string): Promise<Answer> {
  const body = { id: uuid(), by, generation: row.generation };
  const path = `api/v1/incidents/${encodeURIComponent(row.id)}/${action}`;
  const about = { incident: row.id, name: row.name };
  for (let tried = 1; ; tried += 1) {
    try {
      const { accepted, reason } = await post<Said>(path, body);
      return { ...about, accepted, reason };
    } catch (error) {
      const unknown = !(error instanceof Refused) || error.status === 504 || error.status === 503;
      if (unknown && tried < TRIES) continue;
      return { ...about, accepted: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}

import type { Heartbeat, Row } from "../api/types";

/** A row for tests. */
export function row(group: string, change: Partial<Row> = {}): Row {
  return {
    group,
    id: `incident-${group}`,
    state: "firing",
    generation: 1,
    needsHuman: false,
    muted: false,
    mutedBy: [],
    mutedUntil: null,
    name: "Name",
    summary: "",
    labels: {},
    team: null,
    severity: null,
    severityRank: 0,
    receiver: "all",
    policy: null,
    openedAt: 1_000,
    firing: 1,
    firingMuted: 0,
    acknowledgedBy: null,
    acknowledgedAt: null,
    ladder: null,
    ...change,
  };
}

/** A heartbeat for tests. */
export function beat(change: Partial<Heartbeat> = {}): Heartbeat {
  const totals = { needsHuman: 0, firing: 0, acknowledged: 0, muted: 0, quiet: 0, waiting: 0, teams: [] };
  return {
    now: Date.now(),
    ageMs: 0,
    stages: [],
    totals,
    version: "1",
    configVersion: 1,
    reloadError: null,
    notReady: null,
    ...change,
  };
}

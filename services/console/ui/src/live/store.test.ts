import { expect, test, vi } from "vitest";
import type { Ladder } from "../api/types";
import { decode } from "./decode";
import { row } from "./sample";
import { compare, LiveStore } from "./store";

const climbing = (due: number): Ladder => ({
  phase: "climbing",
  round: 0,
  step: 1,
  lastResort: false,
  due,
  remainingMs: null,
  firedAt: null,
});

test("what needs a human comes first, by its next rung, then severity, then age", () => {
  const rows = [
    row("acknowledged", { state: "acknowledged" }),
    row("muted", { muted: true }),
    row("quiet", { state: "quiet" }),
    row("old", { needsHuman: true, severityRank: 1, openedAt: 1 }),
    row("new", { needsHuman: true, severityRank: 1, openedAt: 2 }),
    row("bad", { needsHuman: true, severityRank: 0, openedAt: 3 }),
    row("soon", { needsHuman: true, severityRank: 2, ladder: climbing(10) }),
    row("later", { needsHuman: true, severityRank: 0, ladder: climbing(20) }),
    row("nobody's business", {}),
  ];
  const order = rows.sort(compare).map(({ group }) => group);
  expect(order).toEqual(["soon", "later", "bad", "old", "new", "nobody's business", "acknowledged", "quiet", "muted"]);
});

test("a changed row is told to who draws it, and the list only where its order changed", () => {
  vi.useFakeTimers();
  const store = new LiveStore();
  store.replace([row("a"), row("b")], "1:1", 2, false);
  const told: string[] = [];
  store.onList(() => told.push("list"));
  store.onRow("a", () => told.push("a"));
  store.onRow("b", () => told.push("b"));
  store.apply({ cursor: "1:2", up: [row("a", { firing: 7 })], gone: [] });
  expect(told, "not before a tenth of a second").toEqual([]);
  vi.advanceTimersByTime(100);
  expect(told).toEqual(["a"]);
  store.apply({ cursor: "1:3", up: [row("b", { needsHuman: true })], gone: ["a", "stranger"] });
  vi.advanceTimersByTime(100);
  expect(told).toEqual(["a", "list", "b", "a"]);
  expect(store.list()).toMatchObject({ order: ["b"], urgent: 1, matching: 1 });
  vi.useRealTimers();
});

test("columns are rows again", () => {
  const columns = {
    texts: ["A", "", "team", "x", "ops", "s1"],
    group: ["g"],
    id: ["i"],
    state: [2],
    generation: [3],
    needsHuman: [1],
    muted: [0],
    mutedBy: [[5]],
    mutedUntil: [null],
    name: [0],
    summary: [1],
    labels: [[2, 3]],
    team: [4],
    severity: [-1],
    severityRank: [1],
    receiver: [4],
    policy: [-1],
    openedAt: [9],
    firing: [1],
    firingMuted: [0],
    acknowledgedBy: [-1],
    acknowledgedAt: [null],
    ladder: [climbing(5)],
  };
  const expected = row("g", {
    id: "i",
    state: "acknowledged",
    generation: 3,
    needsHuman: true,
    mutedBy: ["s1"],
    name: "A",
    labels: { team: "x" },
    team: "ops",
    severityRank: 1,
    receiver: "ops",
    openedAt: 9,
    ladder: climbing(5),
  });
  expect(decode(columns)).toEqual([expected]);
});

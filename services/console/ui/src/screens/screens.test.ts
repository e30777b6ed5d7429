import { describe, expect, test } from "vitest";
import type { Entry, Pipeline, StageShown } from "../api/types";
import { row } from "../live/sample";
import { isNotSent, sentence, subject } from "./history/sentence";
import { byGate, verdict } from "./incident/gates";
import { items } from "./now/items";
import { reading } from "./pipeline/reading";
import { parseLabels } from "./routing/labels";

function entry(kind: string, change: Partial<Entry> = {}): Entry {
  return {
    kind,
    at: 0,
    reason: "",
    group: "g",
    groupKey: "k",
    incident: "i",
    fingerprint: null,
    receiver: "pager",
    labels: { alertname: "Down" },
    fields: {},
    configVersion: 1,
    trace: "",
    partition: 0,
    offset: 0,
    ...change,
  };
}

describe("sentences", () => {
  const fields = { link: "sms", status: "503", duration_ms: "1200", attempt: "2", error: "busy", by: "Ana" };
  test.each([
    [entry("alert.opened"), "Down began to fire"],
    [entry("group.muted", { reason: "silenced by 12" }), "Down was silenced: silenced by 12"],
    [
      entry("notification.unsaid", { reason: "everything is muted" }),
      "pager was not told of Down: everything is muted",
    ],
    [entry("notification.attempted", { reason: "failed", fields }), "sms did not accept Down (attempt 2): 503 busy"],
    [
      entry("notification.attempted", { reason: "accepted", fields: { duration_ms: "12" } }),
      "pager accepted Down in 12ms",
    ],
    [entry("notification.delivered", { fields: { heard: "sms" } }), "sms was told of Down"],
    [
      entry("escalation.step", { reason: "step 2 of round 1", fields: { receivers: "a, b" } }),
      "Escalation of Down, step 2 of round 1: a, b",
    ],
    [entry("incident.acknowledged", { fields }), "Ana acknowledged Down"],
    [entry("something.new", { reason: "because" }), "something.new: because"],
  ])("%o", (said, text) => expect(sentence(said)).toBe(text));

  test("without a name the labels say what it is about", () => {
    expect(subject(entry("x", { labels: { a: "b", c: "d" } }))).toBe("a=b c=d");
    expect(subject(entry("x", { labels: {} }))).toBe("k");
  });

  test("what was not sent is told from what was", () => {
    expect(isNotSent(entry("group.muted"))).toBe(true);
    expect(isNotSent(entry("notification.attempted", { reason: "failed", fields }))).toBe(true);
    expect(isNotSent(entry("notification.attempted", { reason: "accepted" }))).toBe(false);
    expect(isNotSent(entry("notification.delivered"))).toBe(false);
  });
});

test("every entry stands at its gate, and says yes or no", () => {
  const journal = ["notification.delivered", "group.muted", "alert.opened", "command.refused", "new.kind"].map((kind) =>
    entry(kind),
  );
  expect(byGate(journal).map(({ name }) => name)).toEqual(["Taken in", "Silences", "People", "Delivery", "Other"]);
  expect(journal.map(verdict)).toEqual(["yes", "no", "yes", "no", "note"]);
});

test("the list is who needs a human, then the rest by what it is grouped by", () => {
  const rows = [
    row("a", { needsHuman: true, team: "x" }),
    row("b", { team: "x" }),
    row("c", { team: "y" }),
    row("d", { team: "y" }),
  ];
  const listing = { order: ["a", "b", "c", "d"], urgent: 1, matching: 4, cut: false, loaded: true };
  const find = (group: string) => rows.find((one) => one.group === group);
  const keys = (groupBy: string | null) => items(listing, groupBy, find).map(({ key }) => key);
  expect(keys(null)).toEqual(["urgent", "a", "rest", "b", "c", "d"]);
  expect(keys("@team")).toEqual(["urgent", "a", "group:y", "c", "d", "group:x", "b"]);
});

test.each([
  ['a="b", c="d,e"', { a: "b", c: "d,e" }],
  ['{a="say \\"x\\"",}', { a: 'say "x"' }],
  ["a=b\nc = d e \n", { a: "b", c: "d e" }],
  ['{"labels": {"a": "b"}, "annotations": {}}', { a: "b" }],
  ['[{"labels": {"a": "b"}}]', { a: "b" }],
  ['{"a": "b"}', { a: "b" }],
  ["", {}],
])("%s are labels", (text, labels) => expect(parseLabels(text)).toEqual({ labels, error: null }));

test.each(["nonsense", '{"a": 1}', "[1]", "a=b, ="])("%s are none, and it is said", (text) => {
  expect(parseLabels(text).error).not.toBeNull();
});

describe("the pipeline in one sentence", () => {
  const stage = (name: string, lags: (number | null)[], error: string | null = null): StageShown => ({
    stage: name,
    topic: "t",
    error,
    partitions: lags.map((lag, partition) => ({ partition, committed: 1, end: 1, lag, owner: null })),
  });
  const all = {
    id: "1",
    services: ["ingest", "correlate", "route", "notify"],
    startedAt: 0,
    receivingSince: 0,
    seenAt: 0,
    alive: true,
    lanes: [],
  };
  const lane = {
    stage: "route",
    lane: "1-route-0",
    partitions: 8,
    restoring: 0,
    keys: 1,
    timers: 1,
    lateMs: 0,
    lookedAt: 0,
    notReady: null,
  };
  const config = { version: 1, file: "f", publishedAt: 0, publishedBy: "x", reloadError: null };
  const pipeline = (change: Partial<Pipeline>): Pipeline => ({
    now: 0,
    instances: [all],
    stages: [stage("route", [0, 0])],
    viewLag: 0,
    deadLetters: [],
    deadLetterCount: 0,
    config,
    ...change,
  });
  test.each([
    [pipeline({}), "All stages are at the end"],
    [pipeline({ stages: [stage("route", [2_000, 3_000])] }), "route is behind by 5,000"],
    [pipeline({ stages: [stage("route", [9_000, 1])] }), "one partition only"],
    [pipeline({ instances: [{ ...all, lanes: [{ ...lane, lateMs: 9_000 }] }] }), "The timers of route are late"],
    [pipeline({ instances: [{ ...all, lanes: [{ ...lane, notReady: "route: restoring" }] }] }), "route: restoring."],
    [pipeline({ viewLag: 5_000 }), "This console is behind"],
    [pipeline({ instances: [{ ...all, services: ["ingest"] }] }), "correlate and route and notify"],
    [pipeline({ config: { ...config, reloadError: "x" } }), "config was refused"],
  ])("%#", (given, words) => expect(reading(given).words).toContain(words));
});

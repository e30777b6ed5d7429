import { describe, expect, test } from "vitest";
import { safeHref } from "./href";
import { braced, hue, matcherOf, matcherText } from "./labels";
import { ago, countdown, duration, fromInput, toInput } from "./time";

const S = 1_000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test.each([
  [0, "0s"],
  [250, "250ms"],
  [999.6, "1000ms"],
  [1_500, "1s"],
  [59 * S + 999, "59s"],
  [90 * S, "1m 30s"],
  [90 * M, "1h 30m"],
  [H + 5 * S, "1h"],
  [49 * H, "2d 1h"],
  [365 * D, "365d"],
  [-90 * S, "-1m 30s"],
])("a span of %d ms is %s", (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [0, "just now"],
  [4_999, "just now"],
  [-4_999, "just now"],
  [5 * S, "5s"],
  [119 * S, "1m"],
  [23 * H, "23h"],
  [47 * H, "47h"],
  [3 * D, "3d"],
  [-2 * H, "in 2h"],
])("%d ms ago is %s", (ms, text) => expect(ago(1e12 - ms, 1e12)).toBe(text));

test.each([
  [-5, "0:00"],
  [0, "0:00"],
  [1, "0:01"],
  [102 * S, "1:42"],
  [102 * S - 1, "1:42"],
  [2 * H + 3 * M + 4 * S, "2:03:04"],
])("%d ms are left as %s", (ms, text) => expect(countdown(ms)).toBe(text));

test("a time goes into a field and comes back, to the second", () => {
  const at = 1_795_716_939_000;
  expect(fromInput(toInput(at))).toBe(at);
  expect(fromInput("")).toBeNull();
  expect(fromInput("2026-13-40T00:00")).toBeNull();
});

describe("matchers", () => {
  test.each([
    [{ name: "a", value: "b", isEqual: true, isRegex: false }, 'a="b"'],
    [{ name: "a", value: "b", isEqual: false, isRegex: false }, 'a!="b"'],
    [{ name: "a", value: "b|c", isEqual: true, isRegex: true }, 'a=~"b|c"'],
    [{ name: "a", value: "b", isEqual: false, isRegex: true }, 'a!~"b"'],
    [{ name: "a.b", value: 'say "x"\\\n', isEqual: true, isRegex: false }, '"a.b"="say \\"x\\"\\\\\\n"'],
  ])("%o is typed %s", (matcher, text) => expect(matcherText(matcher)).toBe(text));

  test("labels stand in braces as in Alertmanager's links", () => {
    expect(braced({ a: "b", c: "d" })).toBe('{a="b",c="d"}');
    expect(matcherOf("@team", "x", true)).toBe('@team!="x"');
  });

  test("a label has the same colour everywhere, and another one another", () => {
    expect(hue("a", "b")).toBe(hue("a", "b"));
    expect(hue("a", "b")).not.toBe(hue("ab", ""));
  });
});

test.each([
  ["https://runbooks.example/x", "https://runbooks.example/x"],
  ["http://h:9090/graph?g0.expr=up", "http://h:9090/graph?g0.expr=up"],
  ["mailto:a@example.com", "mailto:a@example.com"],
  ["javascript:alert(1)", null],
  [" JavaScript:alert(1)", null],
  ["data:text/html,<script>", null],
  ["vbscript:x", null],
  ["file:///etc/passwd", null],
  ["//evil.example", null],
  ["runbook", null],
  ["", null],
])("%s may be a link: %s", (text, href) => expect(safeHref(text)).toBe(href));

import { expect, test } from "vitest";
import { fromHash } from "./hashLinks";
import { last, list, parseSearch, stringifySearch } from "./search";

test.each([
  ["#/alerts", ""],
  ["#/", ""],
  ["", null],
  ["#main", null],
  ["#/nonsense", null],
  ['#/alerts?filter={a="b"}', "?filter=%7Ba%3D%22b%22%7D"],
  ["#/alerts?silenced=false&receiver=ops", "?filter=%40receiver%3D%22ops%22&filter=%40state%21%3D%22muted%22"],
  ["#/alerts?silenced=true&active=true", "?active=true"],
  ["#/silences", "silences"],
  ['#/silences/new?filter=%7Ba%3D"b"%7D&comment=x', "silences/new?filter=%7Ba%3D%22b%22%7D&comment=x"],
  ["#/silences/6a69aa01", "silences/6a69aa01"],
  ["#/silences/6a69aa01/edit", "silences/new?id=6a69aa01"],
  ["#/status", "pipeline"],
  ["#/incidents/ab12", "incidents/ab12"],
  ["#!/incidents/ab12", "incidents/ab12"],
])("%s leads to %s", (hash, path) => expect(fromHash(hash)).toBe(path));

test("a page's state is read from the URL as it is written there", () => {
  const search = { filter: ['a="b"', '@team=~"x|y"'], sel: "12", group: "team" };
  expect(parseSearch(stringifySearch(search))).toEqual(search);
  expect(stringifySearch({ a: "", b: null, c: undefined, d: [] })).toBe("");
  expect(parseSearch("?n=1&n=2&n=3")).toEqual({ n: ["1", "2", "3"] });
  expect(list(undefined)).toEqual([]);
  expect(last(["a", "b"])).toBe("b");
});

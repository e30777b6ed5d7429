/** Labels, or what is wrong with the text, in words. */
export type Parsed = { labels: Record<string, string>; error: null } | { labels: null; error: string };

/**
 * Reads labels as people have them at hand: a JSON object (an alert's too, then its `labels`), or `name="value"` pairs with
 * commas or line ends between them, in braces or not, the quotes left out where a value has no comma.
 */
export function parseLabels(text: string): Parsed {
  const trimmed = text.trim();
  if (trimmed === "") return { labels: {}, error: null };
  const json = fromJson(trimmed);
  if (json !== null) return json;
  const labels: Record<string, string> = {};
  let rest = trimmed.replace(/^\{/, "").replace(/\}$/, "").trim();
  while (rest !== "") {
    const pair = /^("(?:[^"\\]|\\.)+"|[^\s=,"{}]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^,\n"]*)\s*(?:,|\n|$)\s*/.exec(rest);
    if (pair === null) return { labels: null, error: `This is no label: ${rest.split("\n")[0]}` };
    labels[unquoted(pair[1] ?? "")] = unquoted(pair[2] ?? "");
    rest = rest.slice(pair[0].length);
  }
  return { labels, error: null };
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('"')) return trimmed;
  return trimmed.slice(1, -1).replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
}

function fromJson(text: string): Parsed | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first !== "object" || first === null) return { labels: null, error: "This JSON is no object." };
  const object = "labels" in first && typeof first.labels === "object" && first.labels !== null ? first.labels : first;
  const pairs = Object.entries(object as Record<string, unknown>);
  const wrong = pairs.find(([, one]) => typeof one !== "string");
  if (wrong !== undefined) return { labels: null, error: `The value of ${wrong[0]} is no text.` };
  return { labels: Object.fromEntries(pairs) as Record<string, string>, error: null };
}

/** Speaks to the console. Every path is relative to the document's base, so that a prefix needs no code. */

/** An answer that is not 2xx, in the server's words. */
export class Refused extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(wordsOf(body) ?? `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** Alertmanager's API answers a bare string or `{code, message}`, ours a string or `{reason}`. */
function wordsOf(body: unknown): string | undefined {
  if (typeof body === "string" && body !== "") return body;
  if (typeof body !== "object" || body === null) return undefined;
  const { message, reason, error } = body as Record<string, unknown>;
  return [message, reason, error].find((text): text is string => typeof text === "string" && text !== "");
}

type Params = Record<string, string | number | readonly string[] | null | undefined>;

/** A path below the base, with its query; empty parameters are left out, lists are repeated. */
export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return new URL(text === "" ? path : `${path}?${text}`, document.baseURI).href;
}

async function read<T>(response: Response): Promise<T> {
  const text = await response.text();
  let body: unknown = text.trim();
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: an answer of a proxy, or an empty one.
  }
  if (!response.ok) throw new Refused(response.status, body);
  return body as T;
}

export async function get<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
  return read<T>(
    await fetch(address(path, params), { signal: signal ?? null, headers: { accept: "application/json" } }),
  );
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { "content-type": "application/json", accept: "application/json" };
  return read<T>(
    await fetch(address(path), { method: "POST", headers, body: JSON.stringify(body), signal: signal ?? null }),
  );
}

export async function remove(path: string): Promise<void> {
  await read(await fetch(address(path), { method: "DELETE" }));
}

/**
 * Alertmanager's page keeps its place behind a `#`, and such links stand in everybody's message templates. Ours keeps it in
 * the path.
 *
 * @param hash What stands behind the `#`, with it.
 * @returns The path with its query below the page's base; null where the hash is no such link.
 */
export function fromHash(hash: string): string | null {
  const text = hash.replace(/^#!?/, "");
  if (!text.startsWith("/")) return null;
  const at = text.indexOf("?");
  const path = (at < 0 ? text : text.slice(0, at)).replace(/\/+$/, "");
  const query = new URLSearchParams(at < 0 ? "" : text.slice(at + 1));
  const target = targetOf(path);
  if (target === null) return null;
  if (target === "") alertsQuery(query);
  const rest = query.toString();
  return rest === "" ? target : `${target}?${rest}`;
}

function targetOf(path: string): string | null {
  if (path === "" || path === "/alerts") return "";
  if (path === "/silences" || path === "/silences/new" || path === "/history") return path.slice(1);
  if (path === "/status") return "pipeline";
  const one = /^\/(silences|incidents)\/([^/]+)(?:\/edit)?$/.exec(path);
  if (one === null) return null;
  return path.endsWith("/edit") ? `silences/new?id=${one[2]}` : `${one[1]}/${one[2]}`;
}

/** `receiver`, and that silenced ones are left out, are filters here; the other parameters are kept as they are. */
function alertsQuery(query: URLSearchParams) {
  const receiver = query.get("receiver");
  if (receiver !== null && receiver !== "") {
    query.append("filter", `@receiver="${receiver.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`);
  }
  query.delete("receiver");
  if (query.get("silenced") === "false") query.append("filter", '@state!="muted"');
  query.delete("silenced");
}

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { get, post } from "../../api/client";
import type { Placement, RouteNode, Routing as Tree, WhereTo } from "../../api/types";
import { useUrl } from "../../app/router";
import { last } from "../../app/search";
import { duration } from "../../format/time";
import { ErrorNote } from "../../parts/ErrorNote";
import { Labels } from "../../parts/Labels";
import { parseLabels } from "./labels";
import styles from "./Routing.module.css";

/** Nodes below this many are all open; of a larger tree only the first two levels are. */
const OPEN_ALL = 200;

/** The running config's tree, and where an alert would go: by the code that routes. */
export default function Routing() {
  const [search, setUrl] = useUrl();
  const text = last(search.labels) ?? "";
  const parsed = useMemo(() => parseLabels(text), [text]);
  const { data, error } = useQuery({
    queryKey: ["routing"],
    queryFn: ({ signal }) => get<Tree>("api/ui/v1/routing", {}, signal),
    refetchInterval: 10_000,
  });
  const asked = text.trim() !== "" && parsed.labels !== null;
  const where = useQuery({
    queryKey: ["where", parsed.labels],
    queryFn: ({ signal }) => post<WhereTo>("api/ui/v1/routing/where", { labels: parsed.labels }, signal),
    enabled: asked,
    placeholderData: keepPreviousData,
  });
  const result = asked ? where.data : undefined;
  const lit = new Set(result?.placements.flatMap(({ path }) => path));
  const landed = new Set(result?.placements.map(({ route }) => route));
  return (
    <div className={styles.page}>
      <h1>Routing</h1>
      <section className="panel">
        <label className="field">
          Where would this alert go?
          <textarea
            rows={3}
            value={text}
            spellCheck={false}
            placeholder={'alertname="HighLatency", team="payments", severity="critical"\n(or the JSON of an alert)'}
            onChange={(event) => setUrl({ labels: event.target.value || null })}
          />
        </label>
        <ErrorNote error={parsed.error} />
        {asked && <ErrorNote error={where.error} />}
        {result !== undefined && <Result result={result} />}
      </section>
      <ErrorNote error={error} />
      {data !== undefined && (
        <section className="panel">
          <h2>Config version {data.configVersion}</h2>
          <ul className={styles.tree}>
            <Node node={data.root} lit={lit} landed={landed} depth={0} openAll={size(data.root) <= OPEN_ALL} />
          </ul>
        </section>
      )}
    </div>
  );
}

function size(node: RouteNode): number {
  return node.routes.reduce((sum, child) => sum + size(child), 1);
}

type NodeProps = { node: RouteNode; lit: Set<string>; landed: Set<string>; depth: number; openAll: boolean };

function Node({ node, lit, landed, depth, openAll }: NodeProps) {
  const isLit = lit.has(node.id);
  const line = <NodeLine node={node} isLit={isLit} isLanded={landed.has(node.id)} isRoot={depth === 0} />;
  if (node.routes.length === 0) return <li className={styles.leaf}>{line}</li>;
  return (
    <li>
      <details open={openAll || depth < 2 || isLit}>
        <summary>{line}</summary>
        <ul>
          {node.routes.map((child) => (
            <Node key={child.id} node={child} lit={lit} landed={landed} depth={depth + 1} openAll={openAll} />
          ))}
        </ul>
      </details>
    </li>
  );
}

function NodeLine({
  node,
  isLit,
  isLanded,
  isRoot,
}: {
  node: RouteNode;
  isLit: boolean;
  isLanded: boolean;
  isRoot: boolean;
}) {
  return (
    <span className={`${styles.node} ${isLit ? styles.lit : ""} ${isLanded ? styles.landed : ""}`}>
      <code>{isRoot ? "everything" : node.matchers.join(", ") || "everything"}</code>
      <span>
        → <b>{node.receiver}</b>
        {isLanded && <span className="heard-only"> (the alert lands here)</span>}
      </span>
      {node.incidents > 0 && <span>{node.incidents} open</span>}
      {node.continues && <span className="quiet">continues</span>}
      <span className="quiet">
        by {node.groupBy === null ? "all labels" : node.groupBy.length === 0 ? "nothing" : node.groupBy.join(", ")} ·
        wait {duration(node.groupWaitMs)}, every {duration(node.groupIntervalMs)}, repeat{" "}
        {duration(node.repeatIntervalMs)}
      </span>
    </span>
  );
}

function Result({ result }: { result: WhereTo }) {
  return (
    <div aria-live="polite" data-testid="where">
      {result.mutedBy.length > 0 && (
        <p>
          <b>Silenced</b> by {result.mutedBy.length === 1 ? "one silence" : `${result.mutedBy.length} silences`}: nobody
          would be told while it lasts.
        </p>
      )}
      {result.placements.map((placement) => (
        <Told key={placement.route} placement={placement} />
      ))}
    </div>
  );
}

function Told({ placement }: { placement: Placement }) {
  const { receiver, integrations, fallback, groupLabels, team, plan } = placement;
  return (
    <div className={styles.told}>
      <p className="row">
        <b>{receiver}</b>
        <span>
          {integrations.length === 0 && plan === null
            ? "tells nobody: it has no integration and no policy"
            : `told ${integrations.join(", ")} after ${duration(placement.groupWaitMs)}, again every ${duration(placement.repeatIntervalMs)}`}
        </span>
        {fallback.length > 0 && <span>if that fails: {fallback.join(", then ")}</span>}
        <span className="quiet">team {team ?? "nobody's"}</span>
      </p>
      <p className="row">
        <span className="quiet">group</span> <Labels labels={groupLabels} />
      </p>
      {plan !== null && (
        <table className={styles.plan}>
          <caption>Policy {plan.policy}, while nobody acknowledges</caption>
          <tbody>
            {plan.rungs.map((rung) => (
              <tr key={`${rung.round}/${rung.step}/${rung.lastResort}`}>
                <th scope="row">{duration(placement.groupWaitMs + rung.afterMs)}</th>
                <td>
                  {rung.lastResort
                    ? "last resort"
                    : `step ${rung.step + 1}${rung.round > 0 ? `, round ${rung.round + 1}` : ""}`}
                </td>
                <td>{rung.receivers.map((one) => one.receiver).join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

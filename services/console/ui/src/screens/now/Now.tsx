import { useCallback, useMemo, useRef, useState } from "react";
import { useKeys } from "../../app/keys";
import { useGo, useUrl } from "../../app/router";
import { last, list } from "../../app/search";
import { braced } from "../../format/labels";
import { useStale } from "../../live/stale";
import { live, useConnection, useHeartbeat, useListing } from "../../live/store";
import { MatcherInput } from "../../parts/MatcherInput";
import { Acting, useActing } from "./Acting";
import { Empty } from "./Empty";
import { Facets } from "./Facets";
import { IncidentList } from "./IncidentList";
import { items } from "./items";
import styles from "./Now.module.css";
import { Teams } from "./Teams";

const GROUPINGS = ["@team", "@severity", "@receiver", "@state"];

/** What waits for a human, then everything else. */
export default function Now() {
  const listing = useListing();
  const total = useHeartbeat()?.totals;
  const stale = useStale();
  const { refused } = useConnection();
  const [search, setUrl] = useUrl();
  const go = useGo();
  const filters = list(search.filter);
  /** What a silence can be made of: it knows labels only. */
  const labelFilters = filters.filter((one) => !one.startsWith("@"));
  const groupBy = last(search.group);
  const current = last(search.sel);
  const [checked, setChecked] = useState<ReadonlySet<string>>(new Set());
  const filterField = useRef<HTMLInputElement>(null);
  const acting = useActing();

  const shown = useMemo(() => items(listing, groupBy, live.row), [listing, groupBy]);
  const setFilters = (next: string[]) => setUrl({ filter: next.length === 0 ? null : next });
  const pick = (matcher: string) => {
    if (!filters.includes(matcher)) setFilters([...filters, matcher]);
  };
  const rows = shown.flatMap((one) => (one.kind === "row" ? [one.group] : []));
  const move = (step: number) => {
    const at = current === null ? -1 : rows.indexOf(current);
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    if (next !== undefined) setUrl({ sel: next });
  };
  const toggle = useCallback((group: string) => {
    setChecked((before) => {
      const after = new Set(before);
      if (!after.delete(group)) after.add(group);
      return after;
    });
  }, []);
  const chosen = checked.size > 0 ? [...checked] : current === null ? [] : [current];
  const acknowledge = (groups: readonly string[]) => {
    if (stale === null) void acting.acknowledge(groups).then(() => setChecked(new Set()));
  };
  const silence = (group: string | undefined) => {
    const row = group === undefined ? undefined : live.row(group);
    if (row !== undefined) go("/silences/new", { filter: braced(row.labels) });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => {
      const row = current === null ? undefined : live.row(current);
      if (row !== undefined && row.id !== "") go(`/incidents/${encodeURIComponent(row.id)}`);
    },
    x: () => current !== null && toggle(current),
    a: () => acknowledge(chosen),
    s: () => silence(chosen[0]),
    "/": () => filterField.current?.focus(),
    Escape: () => setChecked(new Set()),
  });

  if (listing.loaded && listing.order.length === 0 && filters.length === 0) return <Empty />;
  return (
    <div className={styles.page}>
      <h1 className="heard-only">Now</h1>
      <div className={styles.filters}>
        <MatcherInput label="Filter" matchers={filters} onChange={setFilters} facts inputRef={filterField} />
        {labelFilters.length > 0 && (
          <button type="button" onClick={() => go("/silences/new", { filter: labelFilters })} disabled={stale !== null}>
            Silence these …
          </button>
        )}
        <label className={styles.grouping}>
          Group by{" "}
          <select value={groupBy ?? ""} onChange={(event) => setUrl({ group: event.target.value || null })}>
            <option value="">nothing</option>
            {[...GROUPINGS, ...labelNames(listing.order)].map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Acting
        acting={acting}
        checked={checked.size}
        onAcknowledge={() => acknowledge([...checked])}
        onClear={() => setChecked(new Set())}
        stale={stale !== null}
      />
      <div className={styles.columns}>
        {refused === null ? (
          <IncidentList
            items={shown}
            loaded={listing.loaded}
            filtered={filters.length > 0}
            more={listing.cut ? listing.matching - listing.order.length : 0}
            current={current}
            checked={checked}
            stale={stale !== null}
            onToggle={toggle}
            onAcknowledge={(group) => acknowledge([group])}
            onPick={pick}
          />
        ) : (
          <p className="quiet">Nothing is listed: the filter is refused.</p>
        )}
        <aside className={styles.side} aria-label="Teams and filters">
          <Teams teams={total?.teams ?? []} onPick={pick} />
          <Facets filters={filters} onPick={pick} />
        </aside>
      </div>
    </div>
  );
}

/** The names of the labels that groups have, to group by: of the first few, which is enough to choose from. */
function labelNames(order: readonly string[]): string[] {
  const names = new Set<string>();
  for (const group of order.slice(0, 200))
    for (const name of Object.keys(live.row(group)?.labels ?? {})) names.add(name);
  return [...names].sort();
}

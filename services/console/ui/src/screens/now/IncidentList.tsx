import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { IncidentRow } from "./IncidentRow";
import type { Item } from "./items";
import styles from "./Now.module.css";

type Props = {
  items: readonly Item[];
  loaded: boolean;
  filtered: boolean;
  /** Incidents that meet the filter and are not listed. */
  more: number;
  current: string | null;
  checked: ReadonlySet<string>;
  stale: boolean;
  onToggle(group: string): void;
  onAcknowledge(group: string): void;
  onPick(matcher: string): void;
};

/** Twenty thousand rows, of which those on screen are there. */
export function IncidentList(props: Props) {
  const { items, current, loaded, filtered, more } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(box.current?.offsetTop ?? 0), []);
  const virtual = useWindowVirtualizer({
    count: items.length,
    estimateSize: (at) => (items[at]?.kind === "head" ? 44 : 74),
    getItemKey: (at) => items[at]?.key ?? at,
    overscan: 8,
    scrollMargin: top,
  });
  const scrollTo = useRef(virtual.scrollToIndex);
  scrollTo.current = virtual.scrollToIndex;
  const listed = useRef(items);
  listed.current = items;
  useEffect(() => {
    const at = listed.current.findIndex((one) => one.key === current);
    if (at >= 0) scrollTo.current(at, { align: "auto" });
  }, [current]);
  const urgent = items[0]?.kind === "head" ? items[0].count : 0;
  return (
    <section aria-label="Incidents" className={styles.list}>
      <p className="heard-only" aria-live="polite">
        {loaded ? `${urgent} need a human` : "Loading"}
      </p>
      {!loaded && <p className="quiet">Loading …</p>}
      <div ref={box} style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map((one) => {
          const item = items[one.index];
          if (item === undefined) return null;
          return (
            <div
              key={one.key}
              ref={virtual.measureElement}
              data-index={one.index}
              className={styles.slot}
              style={{ transform: `translateY(${one.start - virtual.options.scrollMargin}px)` }}
            >
              {item.kind === "head" ? (
                <Heading item={item} onPick={props.onPick} filtered={filtered} />
              ) : (
                <Slot {...props} group={item.group} />
              )}
            </div>
          );
        })}
      </div>
      {more > 0 && (
        <p className="quiet">{more.toLocaleString()} less urgent ones are not listed: filter to see them.</p>
      )}
    </section>
  );
}

function Slot(props: Props & { group: string }) {
  const { group, current, checked, stale, onToggle, onAcknowledge, onPick } = props;
  return (
    <IncidentRow
      group={group}
      isCurrent={group === current}
      isChecked={checked.has(group)}
      stale={stale}
      onToggle={onToggle}
      onAcknowledge={onAcknowledge}
      onPick={onPick}
    />
  );
}

type HeadingProps = { item: Extract<Item, { kind: "head" }>; filtered: boolean; onPick(matcher: string): void };

function Heading({ item, filtered, onPick }: HeadingProps) {
  if (item.urgent && item.count === 0) {
    return (
      <h2 className={styles.calm}>
        <span aria-hidden="true">✓</span> {filtered ? "Nothing here needs a human now" : "Nothing needs a human now"}
      </h2>
    );
  }
  const { filter } = item;
  return (
    <h2 className={item.urgent ? styles.urgentHead : styles.restHead}>
      {filter === null ? (
        item.title
      ) : (
        <button type="button" onClick={() => onPick(filter)}>
          {item.title}
        </button>
      )}{" "}
      <span className={styles.headCount}>{item.count.toLocaleString()}</span>
    </h2>
  );
}

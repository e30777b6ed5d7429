import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import type { Facets as Counted } from "../../api/types";
import { matcherOf } from "../../format/labels";
import styles from "./Now.module.css";

/** How often the counts are asked for while they are looked at. */
const EVERY = 5_000;

/** What there is to filter by, with counts, from the server. */
export function Facets({ filters, onPick }: { filters: readonly string[]; onPick(matcher: string): void }) {
  const { data } = useQuery({
    queryKey: ["facets", filters],
    queryFn: ({ signal }) => get<Counted>("api/ui/v1/facets", { filter: filters }, signal),
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });
  if (data === undefined) return null;
  return (
    <section className={`panel ${styles.facets}`} aria-label="Filter by">
      {data.facets.map(({ name, values, more }) => (
        <details key={name} open={name.startsWith("@")}>
          <summary>
            {name} <span className="quiet">{values.length + more}</span>
          </summary>
          <ul>
            {values.map(({ value, count }) => (
              <li key={value}>
                <button
                  type="button"
                  title="Filter (with Alt: exclude)"
                  onClick={(event) => onPick(matcherOf(name, value, event.altKey))}
                >
                  {value === "" ? "none" : value}
                </button>
                <span className="count">{count.toLocaleString()}</span>
              </li>
            ))}
            {more > 0 && <li className="quiet">{more.toLocaleString()} more</li>}
          </ul>
        </details>
      ))}
    </section>
  );
}

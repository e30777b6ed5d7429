import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { get, remove } from "../../api/client";
import { Go } from "../../app/Go";
import { matcherText } from "../../format/labels";
import { exact } from "../../format/time";
import { useStale } from "../../live/stale";
import { Dialog } from "../../parts/Dialog";
import { ErrorNote } from "../../parts/ErrorNote";
import { Preview } from "./Preview";
import styles from "./Silences.module.css";
import { at, type Silence as Shown } from "./silence";

/** One silence: what it mutes, who made it and why, and its end. */
export default function Silence() {
  const { id = "" } = useParams({ strict: false }) as { id?: string };
  const client = useQueryClient();
  const stale = useStale();
  const [asking, setAsking] = useState(false);
  const path = `api/v2/silence/${encodeURIComponent(id)}`;
  const { data, error } = useQuery({
    queryKey: ["silence", id],
    queryFn: ({ signal }) => get<Shown>(path, {}, signal),
    refetchInterval: 5_000,
  });
  const expire = useMutation({
    mutationFn: () => remove(path),
    onSettled: () => {
      setAsking(false);
      void client.invalidateQueries({ queryKey: ["silence", id] });
      void client.invalidateQueries({ queryKey: ["silences"] });
    },
  });
  if (error !== null) return <ErrorNote error={`There is no silence ${id} (any more): ${error.message}`} />;
  if (data === undefined) return <p className="quiet">Loading …</p>;
  const over = data.status.state === "expired";
  return (
    <article className={styles.page}>
      <h1>Silence, {data.status.state}</h1>
      <p className={styles.matchers}>{data.matchers.map(matcherText).join(", ")}</p>
      <p>{data.comment}</p>
      <p className="quiet">
        By {data.createdBy}, from {exact(at(data.startsAt))} to {exact(at(data.endsAt))}
      </p>
      <div className="row">
        {!over && (
          <button
            type="button"
            className="danger"
            disabled={stale !== null || expire.isPending}
            onClick={() => setAsking(true)}
          >
            Expire …
          </button>
        )}
        <Go to="/silences/new" search={{ id }} className={styles.new}>
          {over ? "Make it again" : "Edit"}
        </Go>
      </div>
      <ErrorNote error={expire.error} />
      {!over && (
        <section className="panel">
          <h2>Now</h2>
          <Preview matchers={data.matchers} />
        </section>
      )}
      <Dialog open={asking} title="Expire this silence?" onClose={() => setAsking(false)}>
        <p>What it mutes notifies again from the next flush on, and escalations that it held go on.</p>
        <div className="actions">
          <button type="button" onClick={() => setAsking(false)}>
            Keep it
          </button>
          <button type="button" className="danger" onClick={() => expire.mutate()} disabled={expire.isPending}>
            Expire it
          </button>
        </div>
      </Dialog>
    </article>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { get, post } from "../../api/client";
import type { ParsedMatchers, ShownMatcher } from "../../api/types";
import { useGo, useUrl } from "../../app/router";
import { last, list } from "../../app/search";
import { matcherText } from "../../format/labels";
import { fromInput, toInput } from "../../format/time";
import { whoActs } from "../../identity/identity";
import { serverNow } from "../../live/clock";
import { useStale } from "../../live/stale";
import { ErrorNote } from "../../parts/ErrorNote";
import { MatcherInput } from "../../parts/MatcherInput";
import { Preview } from "./Preview";
import styles from "./Silences.module.css";
import { at, type Silence } from "./silence";

const HOUR = 3_600_000;
const SPANS: [string, number][] = [
  ["30m", HOUR / 2],
  ["1h", HOUR],
  ["2h", 2 * HOUR],
  ["4h", 4 * HOUR],
  ["8h", 8 * HOUR],
  ["1d", 24 * HOUR],
];
const DEFAULT_SPAN = 2 * HOUR;

/** Makes a silence, or another one of an old one, with what goes quiet before it does. */
export default function SilenceForm() {
  const [search] = useUrl();
  const id = last(search.id);
  const { data: known, error } = useQuery({
    queryKey: ["silence", id],
    queryFn: ({ signal }) => get<Silence>(`api/v2/silence/${encodeURIComponent(id ?? "")}`, {}, signal),
    enabled: id !== null,
  });
  const text = list(search.filter)
    .map((one) => one.replace(/^\{|\}$/g, ""))
    .join(",");
  const { data: parsed } = useMatchers(text);
  if (error !== null) return <ErrorNote error={error} />;
  if ((id !== null && known === undefined) || (text !== "" && parsed === undefined))
    return <p className="quiet">Loading …</p>;
  const matchers = known?.matchers ?? parsed?.matchers ?? [];
  return (
    <>
      {parsed?.error != null && (
        <ErrorNote
          error={`The link's matchers are wrong at character ${parsed.error.at + 1}: ${parsed.error.message}`}
        />
      )}
      <Form known={known} given={matchers.map(matcherText)} comment={known?.comment ?? last(search.comment) ?? ""} />
    </>
  );
}

/** A text as matchers, by the server's parser. */
function useMatchers(text: string) {
  return useQuery({
    queryKey: ["matchers", text],
    queryFn: ({ signal }) => get<ParsedMatchers>("api/ui/v1/matchers", { text }, signal),
    enabled: text !== "",
    staleTime: Number.POSITIVE_INFINITY,
  });
}

type FormProps = { known: Silence | undefined; given: string[]; comment: string };

function Form({ known, given, comment: first }: FormProps) {
  const go = useGo();
  const client = useQueryClient();
  const stale = useStale();
  const over = known?.status.state === "expired";
  const [matchers, setMatchers] = useState(given);
  const [comment, setComment] = useState(first);
  const [from, setFrom] = useState<number | null>(known === undefined || over ? null : at(known.startsAt));
  const [until, setUntil] = useState(() =>
    known === undefined || over ? serverNow() + DEFAULT_SPAN : at(known.endsAt),
  );
  const { data: parsed } = useMatchers(matchers.join(","));
  const shown: ShownMatcher[] = matchers.length === 0 ? [] : (parsed?.matchers ?? []);
  const save = useMutation({
    mutationFn: async () => {
      const createdBy = await whoActs();
      if (createdBy === null) return null;
      const silence = {
        ...(known === undefined || over ? {} : { id: known.id }),
        matchers: shown,
        startsAt: new Date(from ?? serverNow()).toISOString(),
        endsAt: new Date(until).toISOString(),
        createdBy,
        comment,
      };
      return post<{ silenceID: string }>("api/v2/silences", silence);
    },
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: ["silences"] });
      if (made !== null) go(`/silences/${made.silenceID}`);
    },
  });
  useEffect(() => () => save.reset(), [save.reset]);
  const ready = shown.length > 0 && comment.trim() !== "" && stale === null && !save.isPending;
  return (
    <form
      className={styles.page}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) save.mutate();
      }}
    >
      <h1>{known === undefined ? "New silence" : over ? "Make the silence again" : "Edit the silence"}</h1>
      <div className={styles.form}>
        <div>
          <div className="field">
            <span>Alerts that match all of</span>
            <MatcherInput label="Matchers" matchers={matchers} onChange={setMatchers} />
          </div>
          <Span from={from} until={until} onFrom={setFrom} onUntil={setUntil} />
          <label className="field">
            Why
            <textarea value={comment} onChange={(event) => setComment(event.target.value)} rows={3} required />
          </label>
          <ErrorNote error={save.error} />
          <button type="submit" className="primary" disabled={!ready}>
            {save.isPending ? "Saving …" : "Silence"}
          </button>
          {stale !== null && <span className="quiet"> not while the page is stale</span>}
        </div>
        <section className="panel" aria-label="What goes quiet">
          <h2>What goes quiet</h2>
          <Preview matchers={shown} />
        </section>
      </div>
    </form>
  );
}

type SpanProps = { from: number | null; until: number; onFrom(at: number): void; onUntil(at: number): void };

function Span({ from, until, onFrom, onUntil }: SpanProps) {
  const start = () => from ?? serverNow();
  return (
    <fieldset className={styles.span}>
      <legend>For how long</legend>
      <div className="row">
        {SPANS.map(([name, ms]) => (
          <button key={name} type="button" onClick={() => onUntil(start() + ms)}>
            {name}
          </button>
        ))}
      </div>
      <div className="row">
        <label>
          from{" "}
          <input
            type="datetime-local"
            step="1"
            value={from === null ? "" : toInput(from)}
            onChange={(event) => {
              const chosen = fromInput(event.target.value);
              if (chosen !== null) onFrom(chosen);
            }}
          />
          {from === null && <span className="quiet"> now</span>}
        </label>
        <label>
          to{" "}
          <input
            type="datetime-local"
            step="1"
            value={toInput(until)}
            required
            onChange={(event) => {
              const chosen = fromInput(event.target.value);
              if (chosen !== null) onUntil(chosen);
            }}
          />
        </label>
      </div>
    </fieldset>
  );
}

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { get } from "../../api/client";
import type { Pipeline as Answer, DeadLetterShown, InstanceShown, LaneShown, StageShown } from "../../api/types";
import { duration } from "../../format/time";
import { useServerNow } from "../../live/clock";
import { Ago } from "../../parts/Ago";
import { ErrorNote } from "../../parts/ErrorNote";
import type { Sample } from "./LagChart";
import styles from "./Pipeline.module.css";
import { LATE, lagOf, reading } from "./reading";

const LagChart = lazy(() => import("./LagChart"));
const EVERY = 2_000;
/** Ten minutes of samples. */
const SAMPLES = 300;

/** Whether the pipeline itself can be trusted, and where it stands if not. */
export default function Pipeline() {
  const { data, error } = useQuery({
    queryKey: ["pipeline"],
    queryFn: ({ signal }) => get<Answer>("api/ui/v1/pipeline", {}, signal),
    refetchInterval: EVERY,
  });
  const samples = useSamples(data);
  if (data === undefined) return error === null ? <p className="quiet">Loading …</p> : <ErrorNote error={error} />;
  const said = reading(data);
  return (
    <div className={styles.page}>
      <h1>Pipeline</h1>
      <ErrorNote error={error} />
      <p className={said.good ? styles.good : "error"} role="status">
        {said.words}
      </p>
      <div className={styles.stages}>
        {data.stages.map((stage) => (
          <Stage key={stage.stage} stage={stage} />
        ))}
      </div>
      <section className="panel">
        <h2>Waiting before each stage</h2>
        <Suspense fallback={null}>
          <LagChart stages={data.stages.map(({ stage }) => stage)} samples={samples} />
        </Suspense>
      </section>
      <Instances instances={data.instances} />
      <Lanes instances={data.instances} />
      <section className="panel">
        <h2>Config</h2>
        <p>
          Version {data.config.version ?? "none"} of {data.config.file}
          {data.config.publishedAt !== null && (
            <>
              , published <Ago at={data.config.publishedAt} past /> by {data.config.publishedBy}
            </>
          )}
        </p>
        {data.config.reloadError !== null && (
          <p className="error prose">The last reload was refused: {data.config.reloadError}</p>
        )}
      </section>
      <DeadLetters letters={data.deadLetters} count={data.deadLetterCount} />
    </div>
  );
}

function useSamples(data: Answer | undefined): readonly Sample[] {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    if (data === undefined) return;
    const sample = { at: data.now, lags: data.stages.map(lagOf) };
    setSamples((before) => [...before.slice(1 - SAMPLES), sample]);
  }, [data]);
  return samples;
}

function Stage({ stage }: { stage: StageShown }) {
  const lag = lagOf(stage);
  const worst = Math.max(1, ...stage.partitions.map((one) => one.lag ?? 0));
  return (
    <section className="panel">
      <h2>{stage.stage}</h2>
      <p>
        {lag === null ? "not known" : lag === 0 ? "at the end" : `${lag.toLocaleString()} waiting`}{" "}
        <span className="quiet">of {stage.topic}</span>
      </p>
      <ErrorNote error={stage.error} />
      <details>
        <summary>{stage.partitions.length} partitions</summary>
        <table className={styles.partitions}>
          <thead>
            <tr>
              <th scope="col">#</th>
              <th scope="col">Waiting</th>
              <th scope="col">At</th>
              <th scope="col">Lane</th>
            </tr>
          </thead>
          <tbody>
            {stage.partitions.map(({ partition, committed, end, lag: waiting, owner }) => (
              <tr key={partition}>
                <th scope="row">{partition}</th>
                <td>
                  <meter min={0} max={worst} value={waiting ?? 0} aria-label={`waiting in partition ${partition}`} />{" "}
                  {waiting ?? "?"}
                </td>
                <td>
                  {committed ?? "–"} of {end}
                </td>
                <td>{owner ?? "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

function Instances({ instances }: { instances: readonly InstanceShown[] }) {
  return (
    <section className="panel">
      <h2>Processes</h2>
      <table className={styles.partitions}>
        <thead>
          <tr>
            <th scope="col">Id</th>
            <th scope="col">Runs</th>
            <th scope="col">Up since</th>
            <th scope="col">Seen</th>
            <th scope="col">Receiving since</th>
          </tr>
        </thead>
        <tbody>
          {instances.map((one) => (
            <tr key={one.id} className={one.alive ? undefined : styles.gone}>
              <th scope="row">{one.id}</th>
              <td>{one.services.join(", ")}</td>
              <td>
                <Ago at={one.startedAt} />
              </td>
              <td>
                {one.alive ? "" : "gone, "}
                <Ago at={one.seenAt} past />
              </td>
              <td>{one.receivingSince === null ? "not receiving" : <Ago at={one.receivingSince} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A lane that has not made a pass for so long is stuck: it makes one at least each time its process beats. */
const STUCK = 30_000;

function Lanes({ instances }: { instances: readonly InstanceShown[] }) {
  const now = useServerNow(5_000);
  const lanes = instances.filter((one) => one.alive).flatMap((one) => one.lanes);
  if (lanes.length === 0) return null;
  const words = (lane: LaneShown) => {
    if (lane.notReady !== null) return lane.notReady;
    if (now - lane.lookedAt > STUCK) return "stuck";
    return lane.lateMs > LATE ? "timers late" : "runs";
  };
  return (
    <section className="panel">
      <h2>Lanes</h2>
      <table className={styles.partitions}>
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <th scope="col">Stands</th>
            <th scope="col">Partitions</th>
            <th scope="col">State records</th>
            <th scope="col">Timers</th>
            <th scope="col">Late by</th>
          </tr>
        </thead>
        <tbody>
          {lanes.map((lane) => (
            <tr key={lane.lane}>
              <th scope="row">{lane.lane}</th>
              <td>{words(lane)}</td>
              <td>
                {lane.partitions}
                {lane.restoring > 0 && `, ${lane.restoring} restoring`}
              </td>
              <td>{lane.keys.toLocaleString()}</td>
              <td>{lane.timers.toLocaleString()}</td>
              <td>{lane.lateMs === 0 ? "–" : duration(lane.lateMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function DeadLetters({ letters, count }: { letters: readonly DeadLetterShown[]; count: number }) {
  return (
    <section className="panel" aria-label="Dead letters">
      <h2>Dead letters: {count}</h2>
      {count === 0 && <p className="quiet">Everything that came in could be applied.</p>}
      {letters.map((letter) => (
        <details key={`${letter.topic}/${letter.partition}/${letter.offset}/${letter.at}`}>
          <summary>
            <Ago at={letter.at} past /> {letter.stage}: <b>{letter.reason}</b> {letter.error}
          </summary>
          <p className="quiet">
            {letter.topic}/{letter.partition}@{letter.offset}, key {letter.key === "" ? "none" : letter.key},{" "}
            {letter.valueBytes} bytes
          </p>
          <pre>{letter.value}</pre>
        </details>
      ))}
    </section>
  );
}

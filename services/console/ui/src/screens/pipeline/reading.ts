import type { Pipeline, StageShown } from "../../api/types";

/** More records waiting than this is more than a moment's work. */
const MUCH = 1_000;

/** Timers that are later than this are not a moment's work either: everybody waits by them. */
export const LATE = 5_000;

/** Records that wait before a stage; null where that is not known. */
export function lagOf(stage: StageShown): number | null {
  if (stage.error !== null || stage.partitions.every(({ lag }) => lag === null)) return null;
  return stage.partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0);
}

/** One reading of it all: what is wrong first, in a sentence. */
export function reading(pipeline: Pipeline): { good: boolean; words: string } {
  const { instances, stages, config, viewLag } = pipeline;
  const services = new Set(instances.filter((one) => one.alive).flatMap((one) => one.services));
  const missing =
    services.size === 0 ? [] : ["ingest", "correlate", "route", "notify"].filter((one) => !services.has(one));
  const late = stages.filter((stage) => (lagOf(stage) ?? 0) > MUCH).sort((a, b) => (lagOf(b) ?? 0) - (lagOf(a) ?? 0));
  const hot = late.find(({ partitions }) => partitions.length > 1 && isHot(partitions.map(({ lag }) => lag ?? 0)));
  if (missing.length > 0) return bad(`Nobody says that it runs ${missing.join(" and ")}.`);
  const [first] = late;
  const lanes = instances.filter((one) => one.alive).flatMap((one) => one.lanes);
  const notReady = lanes.find((lane) => lane.notReady !== null);
  const slow = lanes.find((lane) => lane.lateMs > LATE);
  if (notReady?.notReady != null) return bad(`${notReady.notReady}.`);
  if (hot !== undefined)
    return bad(`${hot.stage} is behind in one partition only: a hot group, or a lane that is stuck.`);
  if (first !== undefined)
    return bad(
      `${first.stage} is behind by ${lagOf(first)?.toLocaleString()} records: add consumers, or look at what follows it.`,
    );
  if (slow !== undefined) return bad(`The timers of ${slow.stage} are late: what waits by them comes late.`);
  if (viewLag > MUCH)
    return bad(`This console is behind by ${viewLag.toLocaleString()} records: what it shows is old.`);
  if (config.reloadError !== null) return bad("The last config was refused; the one before goes on.");
  return { good: true, words: "All stages are at the end of their topics." };
}

function bad(words: string) {
  return { good: false, words };
}

/** One partition has nearly all of the lag. */
function isHot(lags: readonly number[]): boolean {
  const all = lags.reduce((sum, lag) => sum + lag, 0);
  return Math.max(...lags) > 0.9 * all;
}

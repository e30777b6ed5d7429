// What the console answers under `api/ui/v1`. Made of the Rust types by `UPDATE=1 cargo test -p console types`; do not edit.
// Times are milliseconds since 1970 by the log's clock; spans are milliseconds.

/**
 * Where a row stands.
 */
export type State = "waiting" | "firing" | "acknowledged" | "quiet" | "resolved" | "moved";

/**
 * What a ladder does.
 */
export type LadderPhase = "climbing" | "held" | "last resort" | "exhausted";

/**
 * Where an incident's ladder stands.
 */
export type Ladder = { phase: LadderPhase, 
/**
 * From 0.
 */
round: number, 
/**
 * From 0: the rung that fires next.
 */
step: number, 
/**
 * What fires next is the last resort.
 */
lastResort: boolean, 
/**
 * When it fires; null while held or over.
 */
due: number | null, 
/**
 * What is left of the wait while it is held.
 */
remainingMs: number | null, 
/**
 * When the rung before fired.
 */
firedAt: number | null, };

/**
 * One group of alerts and its incident: a row of every list. Its key is `group`.
 */
export type Row = { 
/**
 * Hash of the group: the row's key, for ever.
 */
group: string, 
/**
 * The incident; empty while the group still waits for its first flush (`state` is "waiting").
 */
id: string, state: State, 
/**
 * What a command must name, so that two people cannot undo each other unseen.
 */
generation: number, 
/**
 * Firing, not muted, not acknowledged, and its receiver has an integration or a policy.
 */
needsHuman: boolean, muted: boolean, 
/**
 * Ids of silences.
 */
mutedBy: Array<string>, mutedUntil: number | null, 
/**
 * What to call it: the alert name, where all alerts have one.
 */
name: string, 
/**
 * An alert's summary (or description); may be empty.
 */
summary: string, 
/**
 * The group's labels.
 */
labels: { [key in string]: string }, team: string | null, severity: string | null, 
/**
 * 0 is the worst.
 */
severityRank: number, receiver: string, policy: string | null, openedAt: number, 
/**
 * Alerts that fire.
 */
firing: number, 
/**
 * How many of those are muted.
 */
firingMuted: number, acknowledgedBy: string | null, acknowledgedAt: number | null, ladder: Ladder | null, };

/**
 * Many rows: row i is made of the i-th entry of every array. Texts are places in `texts`; -1 is null.
 */
export type Columns = { texts: Array<string>, group: Array<string>, id: Array<string>, 
/**
 * Places in: waiting, firing, acknowledged, quiet, resolved, moved.
 */
state: Array<number>, generation: Array<number>, needsHuman: Array<number>, muted: Array<number>, mutedBy: Array<Array<number>>, mutedUntil: Array<number | null>, name: Array<number>, summary: Array<number>, 
/**
 * Name, value, name, value, …
 */
labels: Array<Array<number>>, team: Array<number>, severity: Array<number>, severityRank: Array<number>, receiver: Array<number>, policy: Array<number>, openedAt: Array<number>, firing: Array<number>, firingMuted: Array<number>, acknowledgedBy: Array<number>, acknowledgedAt: Array<number | null>, ladder: Array<Ladder | null>, };

/**
 * Open incidents of a team.
 */
export type TeamCount = { 
/**
 * Its name; empty for what nobody owns.
 */
team: string, title: string, open: number, unacknowledged: number, };

/**
 * Counts over everything, whatever the filter.
 */
export type Totals = { needsHuman: number, firing: number, acknowledged: number, muted: number, quiet: number, waiting: number, teams: Array<TeamCount>, };

/**
 * How far a stage is behind.
 */
export type StageLag = { stage: string, 
/**
 * Records that are written and not yet processed; null where that is not known.
 */
lag: number | null, };

/**
 * How it stands with the data.
 */
export type Heartbeat = { 
/**
 * The server's time.
 */
now: number, 
/**
 * How old what is shown may be: since when the view has not been at the end of the log. 0 where it is.
 */
ageMs: number, stages: Array<StageLag>, totals: Totals, 
/**
 * The release of the server; another one than at the start means: reload the page.
 */
version: string, configVersion: number | null, 
/**
 * Why the last reload was refused; the config before goes on.
 */
reloadError: string | null, 
/**
 * Why the view does not show everything; null where it does.
 */
notReady: string | null, };

/**
 * The rows that a browser asked for.
 */
export type Snapshot = { cursor: string, rows: Columns, 
/**
 * How many rows meet the filter; more than are in `rows` where `cut`.
 */
matching: number, cut: boolean, heartbeat: Heartbeat, };

/**
 * What changed.
 */
export type Delta = { cursor: string, 
/**
 * New and changed rows.
 */
up: Array<Row>, 
/**
 * Groups that do not meet the filter any more, or are gone.
 */
gone: Array<string>, };

/**
 * What `changes` answers: one of `delta` and `reset`.
 */
export type Changes = { delta: Delta | null, 
/**
 * Why the client has to take a new snapshot.
 */
reset: string | null, heartbeat: Heartbeat, };

export type FacetValue = { value: string, count: number, };

/**
 * Counts of incidents by a label, or by `@state`, `@team`, `@severity`, `@receiver`.
 */
export type Facet = { name: string, 
/**
 * The most frequent ones.
 */
values: Array<FacetValue>, 
/**
 * Values that are not listed.
 */
more: number, };

/**
 * What there is to filter by among the rows that meet a filter.
 */
export type Facets = { total: number, facets: Array<Facet>, };

/**
 * One condition on one label.
 */
export type ShownMatcher = { name: string, value: string, isRegex: boolean, isEqual: boolean, };

/**
 * What is wrong with a text.
 */
export type MatcherError = { message: string, 
/**
 * Where the matcher that is wrong begins: the character, from 0.
 */
at: number, };

/**
 * A text as matchers.
 */
export type ParsedMatchers = { 
/**
 * Those before the first that is wrong.
 */
matchers: Array<ShownMatcher>, error: MatcherError | null, };

export type AlertState = "firing" | "resolved";

/**
 * An alert of an incident. What its sender did not say is null, never guessed.
 */
export type AlertShown = { fingerprint: string, state: AlertState, startsAt: number, endsAt: number, labels: { [key in string]: string }, annotations: { [key in string]: string }, generatorUrl: string | null, 
/**
 * The rule's expression: the alert's own, else the one in `generatorUrl`.
 */
expr: string | null, value: number | null, forMs: number | null, source: string | null, 
/**
 * Ids of silences.
 */
mutedBy: Array<string>, };

/**
 * Somebody whom a rung tells.
 */
export type PlanReceiver = { receiver: string, integrations: Array<string>, 
/**
 * Who is told where this one fails, in order.
 */
fallback: Array<string>, };

/**
 * A rung of the ladder.
 */
export type PlanRung = { 
/**
 * From 0.
 */
round: number, 
/**
 * From 0.
 */
step: number, lastResort: boolean, 
/**
 * From the ladder's start, while nobody acknowledges.
 */
afterMs: number, receivers: Array<PlanReceiver>, };

/**
 * A policy's ladder, rung by rung.
 */
export type Plan = { policy: string, rungs: Array<PlanRung>, };

export type LegState = "waiting" | "in flight" | "accepted" | "failed";

/**
 * One link of a fallback chain, as it is being tried.
 */
export type DeliveryLeg = { receiver: string, integration: string, state: LegState, at: number, attempts: number, };

/**
 * A notification that is under way.
 */
export type Delivery = { receiver: string, integration: string, kind: string, reason: string, round: number | null, step: number | null, giveUpAt: number, void: string | null, legs: Array<DeliveryLeg>, };

/**
 * A decision as it was written down by the stage that took it.
 */
export type Entry = { kind: string, at: number, reason: string, 
/**
 * The group's id.
 */
group: string, groupKey: string, incident: string | null, fingerprint: string | null, receiver: string | null, labels: { [key in string]: string }, fields: { [key in string]: string }, configVersion: number, 
/**
 * Joins all that one arrival caused.
 */
trace: string, partition: number, offset: number, };

/**
 * Everything about one incident.
 */
export type IncidentDetail = { 
/**
 * Null where the incident is over and only the journal remembers it.
 */
row: Row | null, 
/**
 * The group's id.
 */
group: string, groupKey: string, route: string, alerts: Array<AlertShown>, alertsCut: boolean, 
/**
 * What is under way.
 */
deliveries: Array<Delivery>, 
/**
 * The policy as it was when the incident opened.
 */
plan: Plan | null, 
/**
 * Newest first.
 */
journal: Array<Entry>, 
/**
 * There may be older entries.
 */
journalCut: boolean, };

/**
 * Entries that were found.
 */
export type History = { 
/**
 * Newest first.
 */
entries: Array<Entry>, 
/**
 * What to ask with for older ones; null where there are none.
 */
next: string | null, 
/**
 * Everything since then has been looked at.
 */
searchedTo: number, };

export type TeamHit = { 
/**
 * Empty for what nobody owns.
 */
team: string, incidents: number, };

export type PreviewAlert = { group: string, incident: string, labels: { [key in string]: string }, };

/**
 * What would go quiet.
 */
export type SilencePreview = { alerts: number, 
/**
 * Incidents with at least one such alert.
 */
incidents: number, 
/**
 * All alerts that fire now.
 */
of: number, 
/**
 * Ladders that would climb no further while it lasts: nothing else fires there.
 */
ladders: number, teams: Array<TeamHit>, 
/**
 * At most 50.
 */
sample: Array<PreviewAlert>, };

/**
 * A node of the tree.
 */
export type RouteNode = { id: string, receiver: string, matchers: Array<string>, continues: boolean, 
/**
 * Null: by all labels.
 */
groupBy: Array<string> | null, groupWaitMs: number, groupIntervalMs: number, repeatIntervalMs: number, 
/**
 * Open incidents of this very route.
 */
incidents: number, routes: Array<RouteNode>, };

/**
 * The running config's tree.
 */
export type Routing = { configVersion: number, root: RouteNode, };

/**
 * One group that an alert would be in, and who would be told of it.
 */
export type Placement = { route: string, 
/**
 * Routes from the root to this one.
 */
path: Array<string>, receiver: string, integrations: Array<string>, 
/**
 * Who is told where this receiver fails, in order.
 */
fallback: Array<string>, groupLabels: { [key in string]: string }, groupKey: string, team: string | null, 
/**
 * When the first notification would be sent, from now.
 */
groupWaitMs: number, repeatIntervalMs: number, plan: Plan | null, };

/**
 * Where an alert would go.
 */
export type WhereTo = { placements: Array<Placement>, 
/**
 * Silences that would mute it.
 */
mutedBy: Array<string>, };

/**
 * A lane: a thread that runs a stage's partitions.
 */
export type LaneShown = { stage: string, lane: string, partitions: number, 
/**
 * Partitions that are being read back after they moved here.
 */
restoring: number, keys: number, timers: number, 
/**
 * By how much the earliest timer is late.
 */
lateMs: number, 
/**
 * When it last made a pass: a lane that does not is stuck.
 */
lookedAt: number, notReady: string | null, };

/**
 * A process.
 */
export type InstanceShown = { id: string, services: Array<string>, startedAt: number, 
/**
 * For ingest: since when it has been receiving without a gap.
 */
receivingSince: number | null, seenAt: number, alive: boolean, 
/**
 * The lanes of its correlate, route and notify.
 */
lanes: Array<LaneShown>, };

/**
 * A partition of a stage's topic.
 */
export type PartitionShown = { partition: number, 
/**
 * Null: nothing committed yet, or a transaction is open.
 */
committed: number | null, end: number, lag: number | null, 
/**
 * The lane that committed last.
 */
owner: string | null, };

/**
 * A stage and the topic it reads.
 */
export type StageShown = { stage: string, topic: string, partitions: Array<PartitionShown>, 
/**
 * Why nothing is known of it.
 */
error: string | null, };

/**
 * What a stage could not apply.
 */
export type DeadLetterShown = { at: number, stage: string, reason: string, error: string, topic: string, partition: number, offset: number, key: string, 
/**
 * The beginning, as text.
 */
value: string, valueBytes: number, };

/**
 * The config in force.
 */
export type ConfigShown = { version: number | null, file: string, publishedAt: number | null, publishedBy: string | null, 
/**
 * Why the last reload was refused.
 */
reloadError: string | null, };

/**
 * How it stands with the pipeline.
 */
export type Pipeline = { now: number, instances: Array<InstanceShown>, stages: Array<StageShown>, 
/**
 * How far the view is behind, in records.
 */
viewLag: number, 
/**
 * Newest first, at most 50.
 */
deadLetters: Array<DeadLetterShown>, 
/**
 * All that are retained.
 */
deadLetterCount: number, config: ConfigShown, };

/**
 * What does not change while the page is open.
 */
export type Boot = { 
/**
 * The name a trusted proxy gives; null: ask for one.
 */
user: string | null, version: string, 
/**
 * The address under which people reach it.
 */
externalUrl: string, 
/**
 * It listens beyond loopback, and nobody has to say who he is.
 */
exposed: boolean, 
/**
 * The lines for prometheus.yml.
 */
prometheus: string, };

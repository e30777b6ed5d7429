//! What a lane shows of itself: for health checks, metrics and the list of partitions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use metrics::{Counter, Gauge, Histogram};
use schemas::LaneStanding;

use super::Progress;
use super::phase::{Phase, Task};

/// One lane, as seen from outside.
pub struct LaneStatus {
    stage: &'static str,
    lane: String,
    inner: Mutex<Inner>,
    meters: Meters,
}

/// The lane's metrics. Their handles are made once: a pass is too short to look names up.
struct Meters {
    last_pass: Gauge,
    partitions: Gauge,
    restoring: Gauge,
    keys: Gauge,
    timers: Gauge,
    records: Counter,
    fired: Counter,
    commits: Counter,
    commit_seconds: Histogram,
}

impl Meters {
    fn new(stage: &'static str, lane: &str) -> Self {
        let gauge = |name: &'static str| metrics::gauge!(name, "stage" => stage, "lane" => lane.to_owned());
        Self {
            last_pass: gauge("streams_lane_last_pass_timestamp_seconds"),
            partitions: gauge("streams_lane_partitions"),
            restoring: gauge("streams_lane_partitions_restoring"),
            keys: gauge("streams_lane_state_keys"),
            timers: gauge("streams_lane_timers_armed"),
            records: metrics::counter!("streams_records_applied_total", "stage" => stage),
            fired: metrics::counter!("streams_timers_fired_total", "stage" => stage),
            commits: metrics::counter!("streams_commits_total", "stage" => stage),
            commit_seconds: metrics::histogram!("streams_commit_duration_seconds", "stage" => stage),
        }
    }
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "no count of ours comes near 2^53")]
fn whole(count: usize) -> f64 {
    count as f64
}

/// A time as a gauge takes it: seconds since the epoch.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since the epoch stay below 2^53 for ages"
)]
fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1_000.0
}

impl std::fmt::Debug for LaneStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneStatus")
            .field("lane", &self.lane)
            .field("inner", &*self.lock())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Clone)]
struct Inner {
    partitions: usize,
    restoring: usize,
    held: Option<String>,
    refused: Option<String>,
    ended: Option<String>,
    keys: usize,
    timers: usize,
    /// By how much the earliest timer that could fire is late.
    late: PromDuration,
    looked_at: i64,
    last_commit: i64,
}

impl LaneStatus {
    pub(super) fn new(stage: &'static str, lane: &str) -> Self {
        Self {
            stage,
            lane: lane.to_owned(),
            inner: Mutex::default(),
            meters: Meters::new(stage, lane),
        }
    }

    /// The stage it runs.
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// Its transactional id.
    pub fn lane(&self) -> &str {
        &self.lane
    }

    /// Why it is not ready; none when every partition it owns runs.
    pub fn not_ready(&self) -> Option<String> {
        let inner = self.lock();
        if let Some(reason) = &inner.ended {
            return Some(format!("{}: the lane has ended: {reason}", self.stage));
        }
        if let Some(reason) = &inner.held {
            return Some(format!("{}: held: {reason}", self.stage));
        }
        if let Some(reason) = &inner.refused {
            return Some(format!("{}: {reason}", self.stage));
        }
        (inner.restoring > 0).then(|| {
            format!(
                "{}: restoring {} of {} partitions",
                self.stage, inner.restoring, inner.partitions
            )
        })
    }

    /// How many partitions it owns.
    pub fn partitions(&self) -> usize {
        self.lock().partitions
    }

    /// How many state records it holds.
    pub fn keys(&self) -> usize {
        self.lock().keys
    }

    /// When it last made a pass: a lane that does not is stuck.
    pub fn looked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.lock().looked_at)
    }

    /// When it last committed.
    pub fn last_commit(&self) -> Timestamp {
        Timestamp::from_millis(self.lock().last_commit)
    }

    /// All of it, as the process says it with its heartbeat.
    pub fn standing(&self) -> LaneStanding {
        let not_ready = self.not_ready();
        let inner = self.lock();
        LaneStanding {
            lane: self.lane.clone(),
            stage: self.stage.to_owned(),
            partitions: i32::try_from(inner.partitions).unwrap_or(i32::MAX),
            restoring: i32::try_from(inner.restoring).unwrap_or(i32::MAX),
            keys: i64::try_from(inner.keys).unwrap_or(i64::MAX),
            timers: i64::try_from(inner.timers).unwrap_or(i64::MAX),
            late_ms: i64::try_from(inner.late.millis()).unwrap_or(i64::MAX),
            looked_at: Timestamp::from_millis(inner.looked_at),
            not_ready,
        }
    }

    pub(super) fn look<C>(&self, tasks: &BTreeMap<u32, Task<C>>, now: Timestamp) {
        let restoring = tasks.values().filter(|task| task.is_restoring()).count();
        let held = tasks.values().find_map(|task| match &task.phase {
            Phase::Held { reason } => Some(format!("partition {}: {reason}", task.partition)),
            Phase::Assigned | Phase::Restoring(_) | Phase::Active | Phase::Waiting { .. } => None,
        });
        let keys = tasks.values().map(|task| task.store.len()).sum();
        let timers = tasks.values().map(|task| task.store.timers_armed()).sum();
        let runs = tasks.values().filter(|task| matches!(task.phase, Phase::Active));
        let due = runs.filter_map(|task| task.store.next_due()).min();
        let late = due.map_or(PromDuration::ZERO, |due| now.saturating_since(due));
        self.meters.last_pass.set(seconds(now));
        self.meters.partitions.set(whole(tasks.len()));
        self.meters.restoring.set(whole(restoring));
        self.meters.keys.set(whole(keys));
        self.meters.timers.set(whole(timers));
        let mut inner = self.lock();
        (inner.partitions, inner.restoring, inner.held) = (tasks.len(), restoring, held);
        (inner.keys, inner.timers, inner.late) = (keys, timers, late);
        inner.looked_at = now.millis();
    }

    /// A transaction is committed that did this, and `took` from its beginning.
    pub(super) fn committed(&self, now: Timestamp, did: Progress, took: Duration) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.meters.records.increment(count(did.records));
        self.meters.fired.increment(count(did.timers));
        self.meters.commits.increment(1);
        self.meters.commit_seconds.record(took.as_secs_f64());
        let mut inner = self.lock();
        inner.last_commit = now.millis();
        inner.refused = None;
    }

    pub(super) fn ended(&self, reason: &str) {
        self.lock().ended = Some(reason.to_owned());
    }

    pub(super) fn refused(&self, reason: &str) {
        self.lock().refused = Some(reason.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

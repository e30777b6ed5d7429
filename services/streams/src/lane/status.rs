//! What a lane shows of itself: for health checks, metrics and the list of partitions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alert::Timestamp;

use super::phase::{Phase, Task};

/// One lane, as seen from outside.
#[derive(Debug)]
pub struct LaneStatus {
    stage: &'static str,
    lane: String,
    inner: Mutex<Inner>,
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
    looked_at: i64,
    last_commit: i64,
}

impl LaneStatus {
    pub(super) fn new(stage: &'static str, lane: &str) -> Self {
        Self { stage, lane: lane.to_owned(), inner: Mutex::default() }
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
        (inner.restoring > 0).then(|| format!("{}: restoring {} of {} partitions", self.stage, inner.restoring, inner.partitions))
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

    pub(super) fn look<C>(&self, tasks: &BTreeMap<u32, Task<C>>, now: Timestamp) {
        let restoring = tasks.values().filter(|task| matches!(task.phase, Phase::Restoring(_))).count();
        let held = tasks.values().find_map(|task| match &task.phase {
            Phase::Held { reason } => Some(format!("partition {}: {reason}", task.partition)),
            Phase::Restoring(_) | Phase::Active | Phase::Waiting { .. } => None,
        });
        let keys = tasks.values().map(|task| task.store.len()).sum();
        let timers = tasks.values().map(|task| task.store.timers_armed()).sum();
        let mut inner = self.lock();
        (inner.partitions, inner.restoring, inner.held) = (tasks.len(), restoring, held);
        (inner.keys, inner.timers, inner.looked_at) = (keys, timers, now.millis());
    }

    pub(super) fn committed(&self, now: Timestamp) {
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

//! What the log's callers, its writer and its sweeper share.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alert::Timestamp;

use super::Options;
use super::state::State;
use super::store::Store;
use crate::log::{AppendDone, LogError, NewRecord, NewTopic};

/// What may wait for the writer, in bytes; beyond it appends are [`LogError::Busy`].
const QUEUE_BYTES: usize = 64 << 20;
/// What goes into one write of the engine; enough for a sync to cost little beside it.
const BATCH_BYTES: usize = 8 << 20;
/// What a record costs beside its bytes, so that a flood of empty ones is bounded too.
const RECORD_COST: usize = 100;

/// The log's clock.
#[derive(Debug)]
pub(super) struct Clock {
    base: i64,
    started: Instant,
}

/// Milliseconds since the epoch by the machine's clock.
pub(super) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Goes on from the machine's clock, or from the last write if that lies later.
    pub(super) fn new(last: i64) -> Self {
        Self {
            base: wall().max(last),
            started: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.base
            .saturating_add(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// Who commits.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) lane: String,
    pub(super) seat: u64,
    pub(super) epoch: u64,
}

/// Work for the writer.
pub(super) enum Job {
    Append {
        records: Vec<NewRecord>,
        done: AppendDone,
    },
    Commit {
        ticket: Ticket,
        records: Vec<NewRecord>,
        offsets: Vec<(u32, i64)>,
        reply: SyncSender<Result<(), LogError>>,
    },
    Create {
        topics: Vec<NewTopic>,
        reply: SyncSender<Result<(), LogError>>,
    },
    /// Tombstones of a compacted topic that are old: the engine's key and the offset each must still have.
    Forget {
        topic: String,
        keys: Vec<(Vec<u8>, i64)>,
    },
}

#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<(usize, Job)>,
    bytes: usize,
    pub(super) stop: bool,
}

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) options: Options,
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Held over check, write and publication: whoever holds it sees no commit half done. Taken before `state`.
    writing: Mutex<()>,
    queue: Mutex<Queue>,
    queued: Condvar,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn weight(&self) -> usize {
        let records = match self {
            Self::Append { records, .. } | Self::Commit { records, .. } => records,
            Self::Create { .. } | Self::Forget { .. } => return RECORD_COST,
        };
        records
            .iter()
            .map(|r| RECORD_COST + r.key.len() + r.value.as_ref().map_or(0, Vec::len))
            .sum()
    }
}

impl Shared {
    pub(super) fn new(store: Store, options: Options, clock: Clock, state: State) -> Self {
        Self {
            store,
            options,
            clock,
            state: Mutex::new(state),
            writing: Mutex::default(),
            queue: Mutex::default(),
            queued: Condvar::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, ()> {
        lock(&self.writing)
    }

    /// Hands a job to the writer; gives it back when there is too much, or no writer any more.
    pub(super) fn submit(&self, job: Job) -> Result<(), Box<(Job, LogError)>> {
        let weight = job.weight();
        let mut queue = lock(&self.queue);
        if queue.stop {
            return Err(Box::new((job, LogError::Fatal("the log was closed".to_owned()))));
        }
        // A lane waits for its commit, so there are never more of those than lanes.
        if matches!(job, Job::Append { .. }) && queue.bytes + weight > QUEUE_BYTES && queue.bytes > 0 {
            return Err(Box::new((
                job,
                LogError::Busy("too many appends wait for the disk".to_owned()),
            )));
        }
        queue.bytes += weight;
        queue.jobs.push_back((weight, job));
        drop(queue);
        self.queued.notify_one();
        Ok(())
    }

    /// Waits for work; none when the log is closed and all work is done, nothing when `wait` is over.
    pub(super) fn take(&self, wait: Duration) -> Option<Vec<Job>> {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.stop;
        let (mut queue, _) = self
            .queued
            .wait_timeout_while(queue, wait, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.stop && queue.jobs.is_empty() {
            return None;
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let Some((weight, job)) = queue.jobs.pop_front() else {
                break;
            };
            queue.bytes -= weight;
            bytes += weight;
            jobs.push(job);
        }
        Some(jobs)
    }

    /// The writer finishes what is queued and ends.
    pub(super) fn stop(&self) {
        lock(&self.queue).stop = true;
        self.queued.notify_all();
    }

    /// Nothing is written any more; everybody learns it.
    pub(super) fn die(&self, why: String) {
        tracing::error!(why, "the log takes nothing any more");
        let mut state = self.state();
        state.dead.get_or_insert(why);
        state.wake_all();
    }
}

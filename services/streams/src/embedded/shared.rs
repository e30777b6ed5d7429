//! What the log's callers, its writer and its sweeper share.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alert::Timestamp;

use super::Options;
use super::op::Op;
use super::retention;
use super::state::State;
use super::store::Store;
use super::syncing::Syncing;
use crate::log::{AppendDone, LogError, NewRecord, NewTopic};

/// What may wait for the writer, in bytes; beyond it appends are [`LogError::Busy`].
const QUEUE_BYTES: usize = 64 << 20;
/// What goes into one batch; enough for a sync to cost little beside it.
const BATCH_BYTES: usize = 8 << 20;
/// What is kept of buffers that were written.
const SPARE_BYTES: usize = 4 << 20;
/// What a record costs beside its bytes, so that a flood of empty ones is bounded too.
const RECORD_COST: usize = 100;

/// Buffers of former batches, to be filled again by whoever writes: one of each partition and the journal's, and some larger
/// ones after a burst.
#[derive(Debug, Default)]
pub(super) struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    /// An empty buffer, mostly with room.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer, unless there are enough.
    pub(super) fn keep(&mut self, mut buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if bytes <= SPARE_BYTES {
            buffer.clear();
            self.buffers.push(buffer);
            self.bytes = bytes;
        }
    }
}

/// The log's clock.
#[derive(Debug)]
pub(super) struct Clock {
    /// Since the epoch, when it was started. Whole milliseconds here would lag behind the machine's clock by up to two of
    /// them, and a resolve that says *now* would come before its time.
    base: Duration,
    started: Instant,
}

/// Milliseconds since the epoch by the machine's clock.
pub(super) fn wall() -> i64 {
    millis(since_epoch())
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

fn millis(since: Duration) -> i64 {
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Goes on from the machine's clock, or from the last write if that lies later.
    pub(super) fn new(last: i64) -> Self {
        let started = Instant::now();
        let last = Duration::from_millis(u64::try_from(last).unwrap_or(0));
        Self {
            base: since_epoch().max(last),
            started,
        }
    }

    pub(super) fn now(&self) -> i64 {
        millis(self.base.saturating_add(self.started.elapsed()))
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
        /// With the number of its batch.
        reply: SyncSender<Result<u64, LogError>>,
    },
    Create {
        topics: Vec<NewTopic>,
        reply: SyncSender<Result<(), LogError>>,
    },
    /// Something that the sweeper has prepared.
    Op {
        op: Op<'static>,
        reply: SyncSender<Result<(), LogError>>,
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
    writing: Mutex<Spare>,
    queue: Mutex<Queue>,
    queued: Condvar,
    pub(super) syncing: Syncing,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn weight(&self) -> usize {
        let records = match self {
            Self::Append { records, .. } | Self::Commit { records, .. } => records,
            Self::Create { .. } | Self::Op { .. } => return RECORD_COST,
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
            syncing: Syncing::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now())
    }

    /// At what size a segment is closed.
    pub(super) fn segment_bytes(&self) -> u64 {
        retention::segment_bytes(self.options.retention_bytes)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, Spare> {
        lock(&self.writing)
    }

    /// The right to write at once: where nobody writes and nothing waits.
    pub(super) fn try_writing(&self) -> Option<MutexGuard<'_, Spare>> {
        let guard = self.writing.try_lock().ok()?;
        let queue = lock(&self.queue);
        (queue.jobs.is_empty() && !queue.stop).then_some(guard)
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

    /// The disk has failed; says it in words for an operator, who learns it too.
    pub(super) fn failed(&self, why: &str) -> String {
        let why = format!(
            "writing to {} failed: {why}. What it had not acknowledged is there or not there, whole, at the next \
             start: free space or repair the disk, then start again",
            self.store.path().display()
        );
        self.die(why.clone());
        why
    }

    /// Nothing is written any more; everybody learns it.
    pub(super) fn die(&self, why: String) {
        tracing::error!(why, "the log takes nothing any more");
        let mut state = self.state();
        state.dead.get_or_insert(why);
        state.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_kept_up_to_a_limit_and_come_back_empty() {
        let mut spare = Spare::default();
        let half = || vec![7; SPARE_BYTES / 2];
        (0..3).for_each(|_| spare.keep(half()));
        let taken = [(); 3].map(|()| spare.take());
        assert!(taken.iter().all(Vec::is_empty));
        assert_eq!(taken.map(|buffer| buffer.capacity() > 0), [true, true, false]);
        spare.keep(half());
        assert!(spare.take().capacity() > 0, "what was taken makes room");
    }

    #[test]
    fn the_clock_does_not_lag_behind_the_machines() {
        for _ in 0..200 {
            let clock = Clock::new(i64::MIN);
            for _ in 0..50 {
                let machine = wall();
                assert!(clock.now() >= machine);
            }
        }
    }

    #[test]
    fn the_clock_goes_on_from_a_last_write_that_lies_ahead() {
        let ahead = wall() + 60_000;
        assert!(Clock::new(ahead).now() >= ahead);
    }
}

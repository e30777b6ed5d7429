//! What keeps the disk from filling up: segments closed by age and size and dropped whole, appends refused before the
//! disk is full.

use super::op::{Op, SegmentNote, TopicNote};
use super::shared::{Shared, wall};
use super::state::{Partition, Segment, State};
use super::store::Batch;
use crate::log::LogError;

/// A partition's records lie in about this many segments, so that at most an eighth of them outlives its time.
const SEGMENTS_PER_RETENTION: i64 = 8;
/// Segments are of use when there are some in a budget that all partitions share, and each is a file.
const SEGMENTS_PER_BUDGET: u64 = 256;
const MIN_SEGMENT_BYTES: u64 = 64 << 10;
const MAX_SEGMENT_BYTES: u64 = 32 << 20;
/// A machine's clock this far off is told to the operator.
const CLOCK_TOLERANCE_MS: u64 = 2_000;
/// Transactions go on until this part of the reserve is left, so that what was taken in can still be worked off.
const TRANSACTION_PART: u64 = 4;

/// Whether the disk has room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    free: u64,
    reserve: u64,
}

impl Room {
    fn check(self, least: u64) -> Result<(), LogError> {
        if self.free >= least {
            return Ok(());
        }
        let (free, least) = (self.free >> 20, least >> 20);
        Err(LogError::Refused(format!(
            "the disk has {free} MiB left, {least} MiB must stay free: free some space"
        )))
    }

    pub(super) fn append(self) -> Result<(), LogError> {
        self.check(self.reserve)
    }

    pub(super) fn commit(self) -> Result<(), LogError> {
        self.check(self.reserve / TRANSACTION_PART)
    }
}

/// Asks the disk; one system call.
pub(super) fn room(shared: &Shared) -> Room {
    let reserve = shared.options.disk_reserve;
    let free = match rustix::fs::statvfs(shared.store.path()) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            tracing::debug!(%error, "the disk does not say how much room it has");
            u64::MAX
        }
    };
    Room { free, reserve }
}

/// At what size a segment is closed.
pub(super) fn segment_bytes(budget: u64) -> u64 {
    (budget / SEGMENTS_PER_BUDGET).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
}

/// Whether what comes goes into another segment.
pub(super) fn is_full(topic: &TopicNote, last: &SegmentNote, now: i64, limit: u64) -> bool {
    last.clean || last.bytes >= limit || is_old(topic, last, now)
}

/// Whether a segment that holds something is to be closed for its age.
fn is_old(topic: &TopicNote, last: &SegmentNote, now: i64) -> bool {
    let age = now.saturating_sub(last.created);
    !topic.compacted && last.bytes > 0 && age >= (topic.retention_ms / SEGMENTS_PER_RETENTION).max(1)
}

/// Writes one thing, and lets everybody know it once it is on disk: files go by it.
///
/// # Errors
/// The log takes nothing any more.
pub(super) fn commit(shared: &Shared, op: &Op<'_>) -> Result<(), String> {
    let now = shared.clock.now();
    let mut batch = Batch::within(Vec::new());
    batch.op(op);
    shared
        .store
        .write(now, &mut batch, |out| shared.state().snapshot(out))?;
    shared.store.sync()?;
    let gone = shared.state().apply(op, now).unwrap_or_default();
    for segment in gone {
        segment.file.remove();
    }
    Ok(())
}

/// Everything that is due now and then.
///
/// # Errors
/// The log takes nothing any more.
pub(super) fn maintain(shared: &Shared) -> Result<(), String> {
    if shared.state().alive().is_err() {
        return Ok(());
    }
    shared.store.sync_mark();
    if wall().abs_diff(shared.clock.now()) > CLOCK_TOLERANCE_MS {
        metrics::counter!("streams_log_clock_off_total").increment(1);
        tracing::warn!(
            log = shared.clock.now(),
            machine = wall(),
            "the machine's clock differs from the log's"
        );
    }
    let due = by_age(&mut shared.state(), shared.clock.now());
    due.iter().try_for_each(|op| commit(shared, op))?;
    loop {
        let next = over_budget(&shared.state(), shared.options.retention_bytes);
        match next {
            Budget::Kept => {
                set_full(shared, None);
                return Ok(());
            }
            Budget::Held(why) => {
                set_full(shared, Some(why));
                return Ok(());
            }
            Budget::Drop(op) => commit(shared, &op)?,
        }
    }
}

fn set_full(shared: &Shared, why: Option<String>) {
    let mut state = shared.state();
    if state.full != why {
        if let Some(why) = &why {
            tracing::warn!(why, "the log is full and takes no appends");
        } else {
            tracing::info!("the log takes appends again");
        }
        state.full = why;
    }
}

/// The segments that are closed or dropped for their age.
fn by_age(state: &mut State, now: i64) -> Vec<Op<'static>> {
    let (mut due, mut begin) = (Vec::new(), Vec::new());
    for (name, topic) in state.topics.iter().filter(|(_, topic)| !topic.note.compacted) {
        for (number, partition) in (0..).zip(&topic.partitions) {
            if partition
                .segments
                .last()
                .is_some_and(|last| is_old(&topic.note, &last.note, now))
            {
                begin.push((topic.note.id, number));
            }
            for (segment, end) in closed(partition) {
                let old = segment.note.newest.saturating_add(topic.note.retention_ms) < now;
                if !old || behind(state, name, number, segment, end).is_some() {
                    break;
                }
                due.push(Op::Dropped {
                    topic: topic.note.id,
                    partition: number,
                    number: segment.note.number,
                });
            }
        }
    }
    for (topic, partition) in begin {
        due.push(Op::Begun {
            topic,
            partition,
            number: state.number_segment(),
        });
    }
    due
}

/// The segments that nothing is added to any more, oldest first, and where each ends.
fn closed(partition: &Partition) -> impl Iterator<Item = (&Segment, i64)> {
    let ends = partition.segments.iter().skip(1).map(|next| next.note.first);
    partition.segments.iter().zip(ends)
}

/// The group that has not yet committed what lies before `end`, if any.
fn behind(state: &State, name: &str, partition: u32, segment: &Segment, end: i64) -> Option<String> {
    let groups = state.groups.iter().filter(|((_, topic), _)| topic == name);
    for ((group, _), known) in groups {
        let committed = known.committed.get(&partition).map_or(0, |c| c.offset);
        if segment.note.first != end && committed < end {
            return Some(format!(
                "{group} has not worked off {name}: partition {partition} is at {committed}"
            ));
        }
    }
    None
}

enum Budget {
    Kept,
    Held(String),
    Drop(Op<'static>),
}

/// What to drop for there is more than the operator allows: the oldest segment of all that nobody needs.
fn over_budget(state: &State, budget: u64) -> Budget {
    let mut total: u64 = 0;
    let mut candidates = Vec::new();
    for (name, topic) in state.topics.iter().filter(|(_, topic)| !topic.note.compacted) {
        for (number, partition) in (0..).zip(&topic.partitions) {
            total += partition.segments.iter().map(|s| s.note.bytes).sum::<u64>();
            candidates.extend(
                closed(partition)
                    .next()
                    .map(|oldest| (name, topic.note.id, number, oldest)),
            );
        }
    }
    if total <= budget {
        return Budget::Kept;
    }
    candidates.sort_by_key(|(.., (segment, _))| segment.note.created);
    let mut held = None;
    for (name, topic, partition, (segment, end)) in candidates {
        match behind(state, name, partition, segment, end) {
            None => {
                return Budget::Drop(Op::Dropped {
                    topic,
                    partition,
                    number: segment.note.number,
                });
            }
            Some(why) => held = held.or(Some(why)),
        }
    }
    held.map_or(Budget::Kept, |why| {
        let (total, budget) = (total >> 20, budget >> 20);
        Budget::Held(format!(
            "it holds {total} MiB of {budget} MiB (--storage.retention.size), and {why}"
        ))
    })
}

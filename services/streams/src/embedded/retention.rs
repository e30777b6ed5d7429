//! What keeps the disk from filling up: segments closed by age and size and dropped whole, tombstones of compacted
//! topics forgotten, appends refused before the disk is full.

use super::codec::{self, SegmentNote};
use super::shared::{Shared, wall};
use super::state::{Kept, Segment, State, Topic, start};
use crate::log::LogError;

/// A topic's records lie in about this many segments, so that at most an eighth of them outlives its time.
const SEGMENTS_PER_RETENTION: i64 = 8;
/// Segments are of use when there are some in a budget, and each costs files and memory.
const SEGMENTS_PER_BUDGET: u64 = 32;
const MIN_SEGMENT_BYTES: u64 = 1 << 20;
const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// A reader that is slower than this to read a tombstone meets the key gone, as on Kafka (`delete.retention.ms`).
pub(super) const TOMBSTONE_MS: i64 = 24 * 3_600_000;
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

/// Closes a topic's segment that is full or old, or makes its first. Written before anything goes into it.
pub(super) fn roll_if_due(shared: &Shared, name: &str) -> Result<(), String> {
    let budget = shared.options.retention_bytes / SEGMENTS_PER_BUDGET;
    let limit = budget.clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
    let now = shared.clock.now();
    let (topic, number, starts, closed) = {
        let state = shared.state();
        let Some(topic) = state.topics.get(name) else {
            return Ok(());
        };
        let Kept::Segments(segments) = &topic.kept else {
            return Ok(());
        };
        let last = segments.last_key_value();
        if let Some((_, segment)) = last {
            let age = now.saturating_sub(segment.note.created);
            let old = age >= (topic.note.retention_ms / SEGMENTS_PER_RETENTION).max(1);
            let empty = is_empty(topic, segment);
            if empty || !(old || segment.note.bytes >= limit) {
                return Ok(());
            }
        }
        let starts: Vec<i64> = topic.partitions.iter().map(|p| p.high).collect();
        let number = last.map_or(0, |(number, _)| number + 1);
        (
            topic.note.id,
            number,
            starts,
            last.map(|(number, segment)| (*number, segment.note.clone())),
        )
    };
    let keyspace = shared.store.segment(topic, number).map_err(|e| e.to_string())?;
    let note = SegmentNote {
        created: now,
        newest: now,
        bytes: 0,
        starts,
    };
    shared.store.write(now, |batch| {
        if let Some((number, note)) = &closed {
            batch.note(codec::segment_key(topic, *number), note.encode());
        }
        batch.note(codec::segment_key(topic, number), note.encode());
    })?;
    let mut state = shared.state();
    if let Some(topic) = state.topics.get_mut(name) {
        if let Kept::Segments(segments) = &mut topic.kept {
            segments.insert(number, Segment { keyspace, note });
        }
        topic.set_lows();
    }
    Ok(())
}

fn is_empty(topic: &Topic, segment: &Segment) -> bool {
    topic
        .partitions
        .iter()
        .zip(&segment.note.starts)
        .all(|(partition, start)| partition.high == *start)
}

/// Everything that is due now and then.
///
/// # Errors
/// The engine takes nothing any more.
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
    let names: Vec<String> = shared.state().topics.keys().cloned().collect();
    for name in &names {
        if has_segments(&shared.state(), name) {
            roll_if_due(shared, name)?;
        }
        loop {
            // A statement of its own: the lock must be gone when the segment is dropped.
            let next = too_old(&shared.state(), name, shared.clock.now());
            let Some(number) = next else { break };
            drop_segment(shared, name, number)?;
        }
    }
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
            Budget::Drop(name, number) => drop_segment(shared, &name, number)?,
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

fn has_segments(state: &State, name: &str) -> bool {
    matches!(state.topics.get(name).map(|t| &t.kept), Some(Kept::Segments(s)) if !s.is_empty())
}

/// The oldest segment and where it ends, if it is closed.
fn oldest(topic: &Topic) -> Option<(u64, &Segment, &[i64])> {
    let Kept::Segments(segments) = &topic.kept else {
        return None;
    };
    let mut segments = segments.iter();
    let (number, segment) = segments.next()?;
    let (_, after) = segments.next()?;
    Some((*number, segment, &after.note.starts))
}

/// The group that has not yet committed what lies before `ends`, if any.
fn behind(state: &State, name: &str, segment: &Segment, ends: &[i64]) -> Option<String> {
    for ((group, topic), known) in &state.groups {
        if topic != name {
            continue;
        }
        for (partition, end) in (0_u32..).zip(ends) {
            let committed = known.committed.get(&partition).map_or(0, |c| c.offset);
            if start(segment, partition) != Some(*end) && committed < *end {
                return Some(format!(
                    "{group} has not worked off {name}: partition {partition} is at {committed}"
                ));
            }
        }
    }
    None
}

fn too_old(state: &State, name: &str, now: i64) -> Option<u64> {
    let topic = state.topics.get(name)?;
    let (number, segment, ends) = oldest(topic)?;
    let old = segment.note.newest.saturating_add(topic.note.retention_ms) < now;
    (old && behind(state, name, segment, ends).is_none()).then_some(number)
}

enum Budget {
    Kept,
    Held(String),
    Drop(String, u64),
}

/// What to drop for there is more than the operator allows: the oldest segment of all that nobody needs.
fn over_budget(state: &State, budget: u64) -> Budget {
    let mut total: u64 = 0;
    let mut candidates = Vec::new();
    for (name, topic) in &state.topics {
        if let Kept::Segments(segments) = &topic.kept {
            total += segments.values().map(|s| s.note.bytes).sum::<u64>();
        }
        if let Some((number, segment, ends)) = oldest(topic) {
            candidates.push((segment.note.created, name, number, segment, ends));
        }
    }
    if total <= budget {
        return Budget::Kept;
    }
    candidates.sort_by_key(|(created, ..)| *created);
    let mut held = None;
    for (_, name, number, segment, ends) in candidates {
        match behind(state, name, segment, ends) {
            None => return Budget::Drop(name.clone(), number),
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

/// Takes the segment out of the notes, then away: a stop in between leaves something that no note names.
fn drop_segment(shared: &Shared, name: &str, number: u64) -> Result<(), String> {
    let Some(topic) = shared.state().topics.get(name).map(|t| t.note.id) else {
        return Ok(());
    };
    shared.store.write(shared.clock.now(), |batch| {
        batch.forget_note(codec::segment_key(topic, number));
    })?;
    let dropped = {
        let mut state = shared.state();
        let Some(topic) = state.topics.get_mut(name) else {
            return Ok(());
        };
        let dropped = match &mut topic.kept {
            Kept::Segments(segments) => segments.remove(&number),
            Kept::Newest(_) => None,
        };
        topic.set_lows();
        dropped
    };
    if let Some(segment) = dropped {
        shared.store.drop_keyspace(segment.keyspace);
    }
    Ok(())
}

/// Looks for tombstones that are old. Reads each compacted topic once; the writer removes them ([`forget`]).
pub(super) fn old_tombstones(shared: &Shared, name: &str) -> Vec<(Vec<u8>, i64)> {
    /// At a time, so that one write stays small; the rest is found the next time.
    const AT_MOST: usize = 10_000;
    let keyspace = match shared.state().topics.get(name).map(|t| &t.kept) {
        Some(Kept::Newest(keyspace)) => keyspace.clone(),
        Some(Kept::Segments(_)) | None => return Vec::new(),
    };
    let before = shared.clock.now().saturating_sub(shared.options.tombstone_ms());
    let mut found = Vec::new();
    for entry in keyspace.iter() {
        let Ok((key, value)) = entry.into_inner() else { break };
        if let Some((offset, Some(dead))) = codec::record_head(&value)
            && dead < before
        {
            found.push((key.to_vec(), offset));
        }
        if found.len() >= AT_MOST {
            break;
        }
    }
    found
}

/// Removes tombstones that are still the newest of their key.
pub(super) fn forget(shared: &Shared, name: &str, keys: Vec<(Vec<u8>, i64)>) -> Result<(), String> {
    let keyspace = match shared.state().topics.get(name).map(|t| &t.kept) {
        Some(Kept::Newest(keyspace)) => keyspace.clone(),
        Some(Kept::Segments(_)) | None => return Ok(()),
    };
    let mut still = Vec::new();
    for (key, offset) in keys {
        let value = keyspace.get(&key).map_err(|e| e.to_string())?;
        if value
            .as_deref()
            .and_then(codec::record_head)
            .is_some_and(|(found, dead)| found == offset && dead.is_some())
        {
            still.push(key);
        }
    }
    if still.is_empty() {
        return Ok(());
    }
    shared.store.write(shared.clock.now(), |batch| {
        for key in still {
            batch.remove(&keyspace, key);
        }
    })
}

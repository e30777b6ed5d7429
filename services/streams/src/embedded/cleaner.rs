//! Cleaning compacted topics: of the segments that nothing is added to any more, the newest record of each key is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::codec::{Runs, Stored};
use super::op::{Op, SegmentNote};
use super::segment::ReadError;
use super::shared::{Job, Shared};
use super::state::{Partition, Segment};
use crate::log::LogError;

/// A reader that is slower than this to read a tombstone meets the key gone, as on Kafka (`delete.retention.ms`).
pub(super) const TOMBSTONES: Duration = Duration::from_hours(24);
/// A partition is left as it is until so much was added to it, and as much as it held before: each record is so written
/// again about once.
const MIN_DIRTY_BYTES: u64 = 4 << 20;
/// What is written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// A compacted topic's partition that is to be cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    topic: u32,
    partition: u32,
}

/// Cleans the partitions that have grown.
pub(super) fn clean_grown(shared: &Shared) {
    clean(shared, |partition, now| {
        has_grown(partition, now, shared.options.tombstone_ms())
    });
}

/// Cleans every compacted partition that `due` says is to be.
pub(super) fn clean(shared: &Shared, due: impl Fn(&Partition, i64) -> bool) {
    let mut found = Vec::new();
    {
        let (state, now) = (shared.state(), shared.clock.now());
        if state.alive().is_err() {
            return;
        }
        for topic in state.topics.values().filter(|topic| topic.note.compacted) {
            for (number, partition) in (0..).zip(&topic.partitions) {
                if due(partition, now) {
                    let topic = topic.note.id;
                    found.push(Due {
                        topic,
                        partition: number,
                    });
                }
            }
        }
    }
    for due in found {
        if let Err(error) = partition(shared, due) {
            tracing::warn!(%error, ?due, "a partition could not be cleaned");
        }
    }
}

fn has_grown(partition: &Partition, now: i64, tombstone_ms: i64) -> bool {
    let bytes = |clean: bool| -> u64 {
        let of = partition.segments.iter().filter(|segment| segment.note.clean == clean);
        of.map(|segment| segment.note.bytes).sum()
    };
    // Once in a while for its tombstones alone.
    let oldest = partition.segments.first().filter(|segment| segment.note.bytes > 0);
    let old = oldest.is_some_and(|segment| segment.note.created.saturating_add(tombstone_ms) < now);
    old || bytes(false) >= bytes(true).max(MIN_DIRTY_BYTES)
}

fn partition(shared: &Shared, due: Due) -> Result<(), String> {
    let Due { topic, partition } = due;
    let segments = || -> Vec<Segment> {
        let state = shared.state();
        let found = state
            .segments()
            .filter(|(id, number, _)| (*id, *number) == (topic, partition));
        found.map(|(_, _, segment)| segment.clone()).collect()
    };
    // What is written meanwhile goes into a segment that is left alone.
    if segments()
        .last()
        .is_some_and(|last| last.note.bytes > 0 || last.note.clean)
    {
        let number = shared.state().number_segment();
        submit(
            shared,
            Op::Begun {
                topic,
                partition,
                number,
            },
        )?;
    }
    let mut closed = segments();
    closed.pop();
    let (Some(first), Some(last)) = (closed.first(), closed.last()) else {
        return Ok(());
    };
    let number = shared.state().number_segment();
    let path = shared.state().segment_path(topic, partition, number);
    let before = shared.clock.now().saturating_sub(shared.options.tombstone_ms());
    let written = File::create_new(&path).and_then(|mut file| {
        let bytes = write(&mut file, &closed, before)?;
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    });
    let cleaned = written.map_err(|error| error.to_string()).and_then(|bytes| {
        let by = SegmentNote {
            number,
            first: first.note.first,
            created: shared.clock.now(),
            newest: last.note.newest,
            bytes,
            clean: true,
        };
        let last = last.note.number;
        submit(
            shared,
            Op::Cleaned {
                topic,
                partition,
                last,
                by,
            },
        )
    });
    if cleaned.is_err() {
        drop(std::fs::remove_file(&path));
    }
    cleaned
}

fn submit(shared: &Shared, op: Op<'static>) -> Result<(), String> {
    let (reply, answer) = sync_channel(1);
    let refused = |error: LogError| error.to_string();
    shared.submit(Job::Op { op, reply }).map_err(|job| refused(job.1))?;
    let ended = |_| Err(LogError::Fatal("the log's writer has ended".to_owned()));
    answer.recv().unwrap_or_else(ended).map_err(refused)
}

/// Writes the newest record of each key, but no tombstone from before `before`; gives the bytes.
fn write(file: &mut File, segments: &[Segment], before: i64) -> io::Result<u64> {
    let mut newest: HashMap<Vec<u8>, i64> = HashMap::new();
    each(segments, |stored| {
        if let Some(offset) = newest.get_mut(stored.key) {
            *offset = stored.offset;
        } else {
            newest.insert(stored.key.to_vec(), stored.offset);
        }
        Ok(())
    })?;
    let (mut runs, mut bytes) = (Runs::default(), 0);
    let mut flush = |runs: &mut Runs| {
        let done = std::mem::take(runs).finish();
        bytes += u64::try_from(done.len()).unwrap_or(u64::MAX);
        file.write_all(&done)
    };
    each(segments, |stored| {
        let dead = stored.value.is_none() && stored.appended < before;
        if !dead && newest.get(stored.key) == Some(&stored.offset) {
            runs.push_stored(stored);
        }
        if runs.len() >= WRITE_BYTES {
            flush(&mut runs)?;
        }
        Ok(())
    })?;
    flush(&mut runs)?;
    Ok(bytes)
}

/// Every record of the segments, in the order of their offsets.
fn each(segments: &[Segment], mut give: impl FnMut(&Stored<'_>) -> io::Result<()>) -> io::Result<()> {
    for segment in segments {
        let wrong = |error: ReadError| io::Error::other(format!("{}: {error:?}", segment.file.path().display()));
        let mut scan = segment
            .file
            .scan(segment.note.first, segment.note.bytes)
            .map_err(wrong)?;
        while let Some(run) = scan.next().map_err(wrong)? {
            for stored in run.records() {
                let stored = stored.ok_or_else(|| wrong(ReadError::Damaged("a record is not readable".to_owned())))?;
                give(&stored)?;
            }
        }
    }
    Ok(())
}

//! What the embedded log knows in memory: topics and their bounds, the newest records, groups and lanes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar};

use fjall::Keyspace;
use processor::Record;

use super::codec::{self, SegmentNote, TopicNote};
use super::folder::OpenError;
use super::store::{Store, compacted_name, segment_name};
use crate::log::{Committed, LogError};
use crate::membership::Group;

/// The newest records of each partition are kept in memory up to this size, so that whoever keeps up never asks the
/// engine: some 100 partitions make 25 MiB.
const TAIL_BYTES: usize = 256 << 10;
/// What a record weighs in memory beside its bytes.
const RECORD_OVERHEAD: usize = 200;

/// Everything, under one lock that is never held over a read or write of the disk.
#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) groups: BTreeMap<(String, String), GroupState>,
    pub(super) lanes: BTreeMap<String, Lane>,
    pub(super) next_waiter: u64,
    /// Why nothing is written any more until the next start.
    pub(super) dead: Option<String>,
    /// Why no append is taken now.
    pub(super) full: Option<String>,
}

/// A topic.
pub(super) struct Topic {
    pub(super) note: TopicNote,
    pub(super) partitions: Vec<Partition>,
    pub(super) kept: Kept,
    /// Who waits for its records, or for its groups to change.
    pub(super) waiters: BTreeMap<u64, Arc<Condvar>>,
}

/// Where its records are.
pub(super) enum Kept {
    /// The newest of each key, in one keyspace.
    Newest(Keyspace),
    /// All, in segments that are dropped whole.
    Segments(BTreeMap<u64, Segment>),
}

/// A segment of a topic, over all its partitions.
#[derive(Clone)]
pub(super) struct Segment {
    pub(super) keyspace: Keyspace,
    pub(super) note: SegmentNote,
}

/// A partition.
#[derive(Default)]
pub(super) struct Partition {
    pub(super) low: i64,
    pub(super) high: i64,
    tail: VecDeque<Arc<Record>>,
    tail_bytes: usize,
}

/// A group on a topic.
pub(super) struct GroupState {
    pub(super) group: Group,
    pub(super) committed: BTreeMap<u32, Committed>,
}

/// The producer that may use a lane's name.
pub(super) struct Lane {
    pub(super) epoch: u64,
    pub(super) group: (String, String),
    pub(super) seat: u64,
}

impl Partition {
    /// The offset of the oldest record in memory.
    pub(super) fn tail_start(&self) -> i64 {
        self.tail.front().map_or(self.high, |r| r.offset)
    }

    pub(super) fn push(&mut self, record: Arc<Record>) {
        self.high = record.offset + 1;
        self.tail_bytes += weight(&record);
        self.tail.push_back(record);
        while self.tail_bytes > TAIL_BYTES && self.tail.len() > 1 {
            if let Some(old) = self.tail.pop_front() {
                self.tail_bytes -= weight(&old);
            }
        }
    }

    /// At most `max` records in memory from `offset` on, which must not lie before [`Self::tail_start`].
    pub(super) fn tail_from(&self, offset: i64, max: usize) -> Vec<Arc<Record>> {
        let skip = usize::try_from(offset - self.tail_start()).unwrap_or(0);
        self.tail.iter().skip(skip).take(max).cloned().collect()
    }
}

fn weight(record: &Record) -> usize {
    let headers: usize = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + RECORD_OVERHEAD)
        .sum();
    RECORD_OVERHEAD + record.key.len() + record.bytes().len() + headers
}

impl Topic {
    pub(super) fn partition(&self, partition: u32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    pub(super) fn partition_mut(&mut self, partition: u32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    pub(super) fn wake(&self) {
        for waiter in self.waiters.values() {
            waiter.notify_all();
        }
    }

    /// The lows follow from the oldest segment.
    pub(super) fn set_lows(&mut self) {
        let Kept::Segments(segments) = &self.kept else { return };
        let Some(oldest) = segments.values().next() else { return };
        for (partition, start) in self.partitions.iter_mut().zip(&oldest.note.starts) {
            partition.low = *start;
        }
    }
}

impl State {
    pub(super) fn alive(&self) -> Result<(), LogError> {
        self.dead
            .as_ref()
            .map_or(Ok(()), |why| Err(LogError::Fatal(why.clone())))
    }

    pub(super) fn topic(&self, name: &str) -> Result<&Topic, LogError> {
        self.topics
            .get(name)
            .ok_or_else(|| LogError::Refused(format!("there is no topic {name}")))
    }

    pub(super) fn partition(&self, topic: &str, partition: u32) -> Result<&Partition, LogError> {
        let found = self.topic(topic)?.partition(partition);
        found.ok_or_else(|| LogError::Refused(format!("topic {topic} has no partition {partition}")))
    }

    /// The group on a topic, made when it is first named.
    pub(super) fn group(&mut self, group: &str, topic: &str) -> Result<&mut GroupState, LogError> {
        let partitions = self.topic(topic)?.note.partitions;
        let key = (group.to_owned(), topic.to_owned());
        let fresh = || GroupState {
            group: Group::new(partitions),
            committed: BTreeMap::new(),
        };
        Ok(self.groups.entry(key).or_insert_with(fresh))
    }

    /// Registers a waiter on topics.
    pub(super) fn enter<'a>(&mut self, topics: impl Iterator<Item = &'a str>, waiter: &Arc<Condvar>) -> u64 {
        self.next_waiter += 1;
        for name in topics {
            if let Some(topic) = self.topics.get_mut(name) {
                topic.waiters.insert(self.next_waiter, Arc::clone(waiter));
            }
        }
        self.next_waiter
    }

    pub(super) fn leave(&mut self, waiter: u64) {
        for topic in self.topics.values_mut() {
            topic.waiters.remove(&waiter);
        }
    }

    pub(super) fn wake_all(&self) {
        self.topics.values().for_each(Topic::wake);
    }

    /// Reads all notes, and compares them to what is there.
    pub(super) fn load(store: &Store) -> Result<Self, OpenError> {
        let unreadable = |what: &str| store.damaged(format!("its note of {what} is not readable"));
        let mut state = Self::default();
        let mut names: BTreeMap<u32, String> = BTreeMap::new();
        let mut known = Vec::new();
        for (key, value) in store.notes(codec::TOPICS)? {
            let name = key.get(1..).and_then(|n| String::from_utf8(n.to_vec()).ok());
            let (Some(name), Some(note)) = (name, TopicNote::decode(&value)) else {
                return Err(unreadable("a topic"));
            };
            let kept = if note.compacted {
                known.push(compacted_name(note.id));
                Kept::Newest(store.existing(&compacted_name(note.id))?)
            } else {
                Kept::Segments(BTreeMap::new())
            };
            names.insert(note.id, name.clone());
            let partitions = (0..note.partitions).map(|_| Partition::default()).collect();
            state.topics.insert(
                name,
                Topic {
                    note,
                    partitions,
                    kept,
                    waiters: BTreeMap::new(),
                },
            );
        }
        for (key, value) in store.notes(codec::SEGMENTS)? {
            let (Some((topic, number)), Some(note)) = (codec::parse_segment_key(&key), SegmentNote::decode(&value))
            else {
                return Err(unreadable("a segment"));
            };
            let name = segment_name(topic, number);
            let keyspace = store.existing(&name)?;
            known.push(name);
            let segment = Segment { keyspace, note };
            if let Some(topic) = names.get(&topic).and_then(|n| state.topics.get_mut(n))
                && let Kept::Segments(segments) = &mut topic.kept
            {
                segments.insert(number, segment);
            }
        }
        state.load_bounds(store, &names)?;
        // What a stop in the middle of making or dropping a segment leaves: no note names it.
        for name in store.names().iter().filter(|n| !known.contains(n)) {
            store.drop_keyspace(store.existing(name)?);
        }
        Ok(state)
    }

    fn load_bounds(&mut self, store: &Store, names: &BTreeMap<u32, String>) -> Result<(), OpenError> {
        let unreadable = |what: &str| store.damaged(format!("its note of {what} is not readable"));
        for (key, value) in store.notes(codec::HIGHS)? {
            let high = codec::Bytes(&value).i64();
            let (Some((topic, partition)), Some(high)) = (codec::parse_high_key(&key), high) else {
                return Err(unreadable("a partition"));
            };
            let topic = names.get(&topic).and_then(|n| self.topics.get_mut(n));
            if let Some(partition) = topic.and_then(|t| t.partition_mut(partition)) {
                partition.high = high;
            }
        }
        for (key, value) in store.notes(codec::OFFSETS)? {
            let committed = codec::decode_committed(&value);
            let (Some((group, topic, partition)), Some((offset, lane))) = (codec::parse_offsets_key(&key), committed)
            else {
                return Err(unreadable("a group's offsets"));
            };
            if let Ok(group) = self.group(&group, &topic) {
                group.committed.insert(partition, Committed { offset, lane });
            }
        }
        for (name, topic) in &mut self.topics {
            topic.set_lows();
            check_ends(store, name, topic)?;
        }
        Ok(())
    }
}

/// The last record of every partition must be there.
fn check_ends(store: &Store, name: &str, topic: &Topic) -> Result<(), OpenError> {
    let Kept::Segments(segments) = &topic.kept else {
        return Ok(());
    };
    for (number, partition) in (0_u32..).zip(&topic.partitions) {
        if partition.high <= partition.low {
            continue;
        }
        let last = partition.high - 1;
        let segment = segments
            .values()
            .rev()
            .find(|s| start(s, number).is_some_and(|start| start <= last));
        let key = codec::offset_key(number, last);
        let found = match segment {
            Some(segment) => segment.keyspace.contains_key(key).map_err(|e| store.damaged(e))?,
            None => false,
        };
        if !found {
            return Err(store.damaged(format!("record {last} of partition {number} of {name} is missing")));
        }
    }
    Ok(())
}

pub(super) fn start(segment: &Segment, partition: u32) -> Option<i64> {
    segment.note.starts.get(usize::try_from(partition).ok()?).copied()
}

//! What the embedded log knows in memory: topics and their bounds, the newest records, groups and lanes.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar};

use processor::Record;

use super::codec::Head;
use super::op::{Op, SegmentNote, TopicNote};
use super::segment::{self, SegmentFile};
use crate::log::{Committed, LogError};
use crate::membership::Group;

/// The newest records of each partition are kept in memory up to this size, so that whoever keeps up never reads a file:
/// some 100 partitions make 25 MiB.
const TAIL_BYTES: usize = 256 << 10;
/// A topic of few partitions keeps as much in all: the journal is one, and gets more records than any other.
const TOPIC_TAIL_BYTES: usize = 2 << 20;
/// What a record weighs in memory beside its bytes.
const RECORD_OVERHEAD: usize = 200;

/// Everything, under one lock that is never held over a read or write of the disk.
#[derive(Default)]
pub(super) struct State {
    /// Where the segments lie.
    records: PathBuf,
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) groups: BTreeMap<(String, String), GroupState>,
    pub(super) lanes: BTreeMap<String, Lane>,
    /// The number of the next segment.
    next_segment: u64,
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
    /// Who waits for its records, or for its groups to change.
    pub(super) waiters: BTreeMap<u64, Arc<Condvar>>,
}

/// A segment of a partition.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) note: SegmentNote,
    pub(super) file: Arc<SegmentFile>,
}

/// A partition.
#[derive(Default)]
pub(super) struct Partition {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Oldest first; the last one is written to.
    pub(super) segments: Vec<Segment>,
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
    /// Runs were added to its last segment.
    pub(super) fn grow(&mut self, mut runs: &[u8]) -> Option<()> {
        let note = &mut self.segments.last_mut()?.note;
        note.bytes += u64::try_from(runs.len()).ok()?;
        while !runs.is_empty() {
            let head = Head::parse(runs)?;
            runs = runs.get(head.bytes()..)?;
            self.high = head.first + i64::from(head.count);
            note.newest = note.newest.max(head.appended);
        }
        Some(())
    }

    /// The low follows from the oldest segment where records are dropped by age.
    fn set_low(&mut self, compacted: bool) {
        if let Some(oldest) = self.segments.first().filter(|_| !compacted) {
            self.low = oldest.note.first;
        }
    }

    /// The offset of the oldest record in memory.
    pub(super) fn tail_start(&self) -> i64 {
        self.tail.front().map_or(self.high, |r| r.offset)
    }

    /// Keeps a record in memory, and as many before it as go into `room` bytes.
    pub(super) fn push(&mut self, record: Arc<Record>, room: usize) {
        self.tail_bytes += weight(&record);
        self.tail.push_back(record);
        while self.tail_bytes > room && self.tail.len() > 1 {
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

    /// The partition of this topic, which has that name.
    pub(super) fn has(&self, name: &str, partition: u32) -> Result<&Partition, LogError> {
        let found = self.partition(partition);
        found.ok_or_else(|| LogError::Refused(format!("topic {name} has no partition {partition}")))
    }

    pub(super) fn partition_mut(&mut self, partition: u32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)
    }

    /// How many bytes of each partition are kept in memory.
    pub(super) fn tail_room(&self) -> usize {
        TAIL_BYTES.max(TOPIC_TAIL_BYTES / self.partitions.len().max(1))
    }

    pub(super) fn wake(&self) {
        for waiter in self.waiters.values() {
            waiter.notify_all();
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
        self.topic(topic)?.has(topic, partition)
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

    /// Registers a waiter on topics; gives its number.
    pub(super) fn enter<'a>(&mut self, topics: impl Iterator<Item = &'a str>, waiter: &Arc<Condvar>) -> u64 {
        self.next_waiter += 1;
        self.enter_too(self.next_waiter, topics, waiter);
        self.next_waiter
    }

    /// Registers a waiter that has a number on more topics.
    pub(super) fn enter_too<'a>(&mut self, number: u64, topics: impl Iterator<Item = &'a str>, waiter: &Arc<Condvar>) {
        for name in topics {
            if let Some(topic) = self.topics.get_mut(name) {
                topic.waiters.insert(number, Arc::clone(waiter));
            }
        }
    }

    pub(super) fn leave(&mut self, waiter: u64) {
        for topic in self.topics.values_mut() {
            topic.waiters.remove(&waiter);
        }
    }

    pub(super) fn wake_all(&self) {
        self.topics.values().for_each(Topic::wake);
    }

    /// Knows nothing yet; its segments lie in that folder.
    pub(super) fn new(records: &Path) -> Self {
        Self {
            records: records.to_owned(),
            ..Self::default()
        }
    }

    /// A number for a segment that no other has.
    pub(super) fn number_segment(&mut self) -> u64 {
        self.next_segment += 1;
        self.next_segment
    }

    /// A segment's file.
    pub(super) fn segment_path(&self, topic: u32, partition: u32, number: u64) -> PathBuf {
        segment::path(&self.records, topic, partition, number)
    }

    fn segment(&mut self, topic: u32, partition: u32, note: SegmentNote) -> Segment {
        self.next_segment = self.next_segment.max(note.number);
        let file = SegmentFile::new(self.segment_path(topic, partition, note.number));
        Segment {
            note,
            file: Arc::new(file),
        }
    }

    fn by_id(&mut self, topic: u32, partition: u32) -> Option<(bool, &mut Partition)> {
        let topic = self.topics.values_mut().find(|known| known.note.id == topic)?;
        Some((topic.note.compacted, topic.partition_mut(partition)?))
    }

    fn know(&mut self, topic: u32, partition: u32, high: i64, segments: &[SegmentNote]) -> Option<()> {
        let segments = segments.iter().map(|note| self.segment(topic, partition, note.clone()));
        let segments: Vec<Segment> = segments.collect();
        let (compacted, partition) = self.by_id(topic, partition)?;
        partition.high = high;
        partition.segments = segments;
        partition.set_low(compacted);
        Some(())
    }

    fn begin(&mut self, topic: u32, partition: u32, number: u64, clock: i64) -> Option<()> {
        let note = SegmentNote {
            number,
            first: self.by_id(topic, partition)?.1.high,
            created: clock,
            newest: clock,
            bytes: 0,
            clean: false,
        };
        let segment = self.segment(topic, partition, note);
        let (compacted, partition) = self.by_id(topic, partition)?;
        partition.segments.push(segment);
        partition.set_low(compacted);
        Some(())
    }

    /// Knows what a batch did that was written at `clock`. Gives the segments that it did away with; none if it does not
    /// fit what is known.
    pub(super) fn apply(&mut self, op: &Op<'_>, clock: i64) -> Option<Vec<Segment>> {
        match op {
            Op::Topic { name, note } => {
                let topic = self.topics.entry(name.clone()).or_insert_with(|| Topic {
                    note: note.clone(),
                    partitions: (0..note.partitions).map(|_| Partition::default()).collect(),
                    waiters: BTreeMap::new(),
                });
                topic.note = note.clone();
            }
            Op::Partition {
                topic,
                partition,
                high,
                segments,
            } => {
                self.know(*topic, *partition, *high, segments)?;
            }
            Op::Begun {
                topic,
                partition,
                number,
            } => {
                self.begin(*topic, *partition, *number, clock)?;
            }
            Op::Runs { topic, partition, runs } => {
                let (_, partition) = self.by_id(*topic, *partition)?;
                partition.grow(runs)?;
            }
            Op::Committed {
                group,
                topic,
                partition,
                offset,
                lane,
            } => {
                let committed = Committed {
                    offset: *offset,
                    lane: lane.clone(),
                };
                self.group(group, topic).ok()?.committed.insert(*partition, committed);
            }
            Op::Dropped {
                topic,
                partition,
                number,
            } => {
                let (compacted, partition) = self.by_id(*topic, *partition)?;
                let place = partition.segments.iter().position(|s| s.note.number == *number)?;
                let gone = partition.segments.remove(place);
                partition.set_low(compacted);
                return Some(vec![gone]);
            }
            Op::Cleaned {
                topic,
                partition,
                last,
                by,
            } => {
                let by = self.segment(*topic, *partition, by.clone());
                let (_, partition) = self.by_id(*topic, *partition)?;
                let place = partition.segments.iter().position(|s| s.note.number == *last)?;
                let gone = partition.segments.splice(..=place, [by]);
                return Some(gone.collect());
            }
        }
        Some(Vec::new())
    }

    /// All that is known, as what a batch did.
    pub(super) fn snapshot(&self, out: &mut Vec<u8>) {
        for (name, topic) in &self.topics {
            let note = topic.note.clone();
            Op::Topic {
                name: name.clone(),
                note,
            }
            .put(out);
            for (number, partition) in (0..).zip(&topic.partitions) {
                let segments = partition.segments.iter().map(|segment| segment.note.clone());
                Op::Partition {
                    topic: topic.note.id,
                    partition: number,
                    high: partition.high,
                    segments: segments.collect(),
                }
                .put(out);
            }
        }
        for ((group, topic), known) in &self.groups {
            for (partition, committed) in &known.committed {
                Op::Committed {
                    group: group.clone(),
                    topic: topic.clone(),
                    partition: *partition,
                    offset: committed.offset,
                    lane: committed.lane.clone(),
                }
                .put(out);
            }
        }
    }

    /// Every segment, with its topic's id and its partition.
    pub(super) fn segments(&self) -> impl Iterator<Item = (u32, u32, &Segment)> {
        self.topics.values().flat_map(|topic| {
            let id = topic.note.id;
            let partitions = (0..).zip(&topic.partitions);
            partitions.flat_map(move |(number, partition)| partition.segments.iter().map(move |s| (id, number, s)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Bytes;
    use super::*;

    fn begun(partition: u32, number: u64) -> Op<'static> {
        Op::Begun {
            topic: 1,
            partition,
            number,
        }
    }

    fn state() -> State {
        let mut state = State::new(Path::new("records"));
        for (id, name, compacted) in [(0, "table", true), (1, "inbox", false)] {
            let note = TopicNote {
                id,
                partitions: 2,
                compacted,
                retention_ms: 1,
            };
            let name = name.to_owned();
            state.apply(&Op::Topic { name, note }, 0).unwrap();
        }
        state
    }

    #[test]
    fn a_snapshot_tells_all_that_is_known() {
        let mut state = state();
        state.apply(&begun(0, 3), 5).unwrap();
        state.apply(&begun(1, 4), 6).unwrap();
        let committed = Op::Committed {
            group: "g".to_owned(),
            topic: "inbox".to_owned(),
            partition: 1,
            offset: 8,
            lane: "lane".to_owned(),
        };
        state.apply(&committed, 7).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        state.snapshot(&mut first);
        let mut again = State::new(Path::new("records"));
        let mut rest = Bytes(&first);
        while !rest.0.is_empty() {
            again.apply(&Op::parse(&mut rest).unwrap(), 0).unwrap();
        }
        again.snapshot(&mut second);
        assert_eq!(first, second);
        assert_eq!(again.segments().count(), 2);
        assert_eq!(again.number_segment(), 5, "no number is given twice");
    }

    #[test]
    fn what_does_not_fit_what_is_known_is_told() {
        let mut state = state();
        assert!(state.apply(&begun(2, 1), 0).is_none(), "no such partition");
        let dropped = Op::Dropped {
            topic: 1,
            partition: 0,
            number: 9,
        };
        assert!(state.apply(&dropped, 0).is_none(), "no such segment");
        let runs = Op::Runs {
            topic: 1,
            partition: 0,
            runs: b"?",
        };
        assert!(state.apply(&runs, 0).is_none(), "nothing to add to");
    }
}

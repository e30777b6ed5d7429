//! The transactional log as the stages see it: one trait, three logs behind it.
//!
//! Semantics are Kafka's: topics of partitions, offsets, consumer groups that share partitions out, transactions over
//! several topics and the group's offsets, read-committed readers, compaction. What a log may *not* do: show an aborted
//! record, lose an acknowledged one, let a member commit for a partition it no longer owns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use processor::{Meta, Record};
use schemas::topics::{Cleanup, Partitions, TOPICS, TopicSpec};

/// Why a log refuses. What the lane does is decided by the variant alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The transaction is to be aborted; its records and offsets have had and will have no effect.
    #[error("transaction must be aborted: {0}")]
    Abort(String),
    /// The producer is to be replaced ([`Member::renew`]); whether the transaction is committed is known only then.
    #[error("outcome of the transaction is unknown: {0}")]
    Unknown(String),
    /// Not now; nothing happened, the same call may succeed later.
    #[error("not now: {0}")]
    Busy(String),
    /// The log took in nothing of this: too large, unknown topic, disk full. Trying again gives the same answer until a
    /// person acts.
    #[error("refused: {0}")]
    Refused(String),
    /// The process that asks is dead (simulated log only).
    #[error("crashed")]
    Crashed,
    /// The log is of no use any more until the process is started anew.
    #[error("fatal: {0}")]
    Fatal(String),
}

/// A record to be appended. The partition is always set by us, never by a client library's partitioner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The bare topic; ours have names that cost nothing.
    pub topic: Cow<'static, str>,
    /// The partition.
    pub partition: u32,
    /// The key.
    pub key: Vec<u8>,
    /// None for a tombstone.
    pub value: Option<Vec<u8>>,
    /// What it says of itself; none only for what users' pipelines write.
    pub meta: Option<Meta>,
    /// Other headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its bare name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// Whether only the newest value of each key is kept; else records are dropped by age.
    pub compacted: bool,
    /// How long records are kept, where they are dropped by age.
    pub retention: Duration,
}

impl NewTopic {
    /// Every topic of ours, with `per_group` partitions where a topic is partitioned by group.
    pub fn ours(per_group: u32) -> Vec<Self> {
        let of = |spec: &TopicSpec| Self {
            name: spec.name.to_owned(),
            partitions: match spec.partitions {
                Partitions::PerGroup => per_group,
                Partitions::Fixed(count) => count,
            },
            compacted: spec.cleanup == Cleanup::Compact,
            retention: match spec.cleanup {
                Cleanup::Delete { hours } => Duration::from_secs(u64::from(hours) * 3_600),
                Cleanup::Compact => Duration::MAX,
            },
        };
        TOPICS.iter().map(of).collect()
    }
}

/// The bounds of a partition, open transactions included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that may still be there.
    pub low: i64,
    /// The offset the next record will get.
    pub high: i64,
}

/// What a group has committed for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// The lane (transactional id) that committed it.
    pub lane: String,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the first record that is there.
    Beginning,
    /// At an offset.
    Offset(i64),
    /// After the last record that is there now.
    End,
}

/// A lane's place in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The consumer group: the stage's name.
    pub group: String,
    /// The one topic whose partitions the group shares.
    pub topic: String,
    /// The lane: its transactional id. Unique among all that live, except for a process that replaces itself.
    pub lane: String,
}

/// What a member learns by polling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// These partitions are now this member's; nothing of them is read before [`Member::start`].
    Assigned(Vec<u32>),
    /// These are to be given up; they stay the member's until [`Member::release`], unless they are already lost.
    Revoked {
        /// Which.
        partitions: Vec<u32>,
        /// Somebody else may own them already: commit nothing.
        lost: bool,
    },
    /// Records, in order within each partition; shared with the log, which may hold them for others.
    Records(Vec<Arc<Record>>),
}

/// What became of an append: the offsets in the order of the records, or why none is acknowledged.
pub type Appended = Result<Vec<i64>, LogError>;

/// A record that was read, with its topic; both may be shared with the log.
pub type Read = (Arc<str>, Arc<Record>);

/// A callback for an append; called once, from any thread, and never blocks.
pub type AppendDone = Box<dyn FnOnce(Appended) + Send>;

/// How long after the last transaction began the next one waits for more to share it, by how soon what there is is to be
/// applied. After a pause nothing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patience {
    /// For records that are [`Hurry::Soon`](processor::Hurry::Soon).
    pub soon: PromDuration,
    /// For records that are [`Hurry::Later`](processor::Hurry::Later), and for completions.
    pub later: PromDuration,
}

/// A log.
pub trait Log: Send + Sync + Debug {
    /// The log's clock: this process's monotonic clock plus the offset its append times show. Never backwards.
    fn now(&self) -> Timestamp;

    /// Makes the topics that are not there. An existing one with another partition count is [`LogError::Refused`].
    fn create_topics(&self, topics: &[NewTopic]) -> Result<(), LogError>;

    /// How many partitions a topic has; none where there is no such topic.
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError>;

    /// The bounds of a partition.
    fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError>;

    /// What a group has committed. [`LogError::Busy`] while a transaction that commits there is open.
    fn committed(&self, group: &str, topic: &str, partition: u32) -> Result<Option<Committed>, LogError>;

    /// The lane that committed last, also while a transaction of its is open: whom a takeover has to fence.
    fn owner(&self, group: &str, topic: &str, partition: u32) -> Result<Option<String>, LogError>;

    /// Joins a group with a new consumer and a new transactional producer. A producer that still has the same
    /// transactional id is fenced and its open transaction aborted.
    fn join(&self, join: &Join) -> Result<Box<dyn Member>, LogError>;

    /// A reader of committed records, outside any group.
    fn reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError>;

    /// The same for a view that people look at, of much that changes all the time: what comes may be held back a moment,
    /// so that many records cost one answer.
    fn view_reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError> {
        self.reader(from)
    }

    /// How long what may share a transaction waits for it.
    fn patience(&self) -> Patience {
        Patience::default()
    }

    /// Appends outside any transaction: durable and in order when `done` is called with offsets; records of one call
    /// may be acknowledged only together. Bounded: [`LogError::Busy`] when too much is in flight.
    fn append(&self, records: Vec<NewRecord>, done: AppendDone);

    /// Aborts what a lane that died has left open, and fences it.
    fn fence(&self, lane: &str) -> Result<(), LogError>;
}

/// Ends a member's poll that waits, or its next one that would. May be called from any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A lane's consumer and transactional producer. Used by one thread.
pub trait Member: Send {
    /// Waits at most `wait` for events; returns at most `max` records. Without room for records it may not tell of a
    /// rebalance either: what a group decides can stand behind what was read ahead.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Event>, LogError>;

    /// Has every [`Member::poll`] end early, without events, when one of these topics has grown, and gives what ends one by
    /// hand. None where the log can do neither: what does not come by the inbox is looked for every few milliseconds then.
    fn wake_on(&mut self, _topics: &[&'static str]) -> Option<Waker> {
        None
    }

    /// Reads an assigned partition from an offset on: after a restore, or to go back after an abort.
    fn start(&mut self, partition: u32, offset: i64) -> Result<(), LogError>;

    /// Stops reading a partition that stays assigned, until the next [`Member::start`].
    fn pause(&mut self, partition: u32) -> Result<(), LogError>;

    /// Gives up revoked partitions.
    fn release(&mut self, partitions: &[u32]) -> Result<(), LogError>;

    /// The next offset this member would be given, past control and aborted records it has seen.
    fn position(&self, partition: u32) -> Option<i64>;

    /// The high watermarks, open transactions included, asked for now in one request.
    fn ends(&mut self, partitions: &[u32]) -> Result<BTreeMap<u32, i64>, LogError>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Sends records in the open transaction, in their order.
    fn send(&mut self, records: Vec<NewRecord>) -> Result<(), LogError>;

    /// Commits the open transaction with the group's offsets; `offsets` is never empty, as they are what fences a
    /// member that lost its partitions. Decided on return, and seen by whoever reads; what leaves the system because of
    /// it waits for [`Member::durable`].
    fn commit(&mut self, offsets: &[(u32, i64)]) -> Result<(), LogError>;

    /// Waits until nothing can undo what was committed.
    fn durable(&mut self) -> Result<(), LogError>;

    /// Aborts the open transaction.
    fn abort(&mut self) -> Result<(), LogError>;

    /// Replaces the producer after [`LogError::Unknown`]: the last transaction's fate is decided on return.
    fn renew(&mut self) -> Result<(), LogError>;

    /// Leaves the group, so that others take over at once. Nothing is committed by it.
    fn close(self: Box<Self>);
}

/// A reader of committed records.
pub trait Reader: Send {
    /// Waits at most `wait`; returns at most `max` records, each with its topic.
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Read>, LogError>;

    /// The next offset, past control and aborted records: stands at the high watermark when all is read and no
    /// transaction is open.
    fn position(&self, topic: &str, partition: u32) -> Option<i64>;
}

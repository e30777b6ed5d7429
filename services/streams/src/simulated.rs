//! The simulated log: Kafka's semantics in memory, one seed, and every fault we know of on demand.
//!
//! It models what the other two logs can do to a stage: control records that take offsets, a stable offset behind the
//! end, open transactions that outlive their lane, commits whose outcome is learnt later, generations that moved on,
//! readers that lag, records that arrive partition by partition in any order, compaction that removes any record but a
//! key's last. Nothing happens but by a call, and time moves only by [`SimLog::advance`]: one seed gives one history.

mod broker;
mod member;
mod reader;
mod rng;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alert::{PromDuration, Timestamp};

use crate::log::{
    AppendDone, Committed, From, Join, Log, LogError, Member, NewRecord, NewTopic, Patience, Reader, Watermarks,
};
use broker::Broker;
use member::SimMember;
use reader::SimReader;

pub use rng::Rng;

/// How likely each fault is, in parts of a thousand of the calls it can hit.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A commit that is refused: the transaction is to be aborted.
    pub abort: u64,
    /// A commit without an answer; whether it took place is decided then or at the producer's renewal.
    pub unknown: u64,
    /// A poll that returns only a part of what is there, partitions in another order.
    pub partial: u64,
    /// A reader (tables, changelogs) that does not move on this time.
    pub lag: u64,
    /// An append that took place though its answer is an error.
    pub lost_ack: u64,
    /// A question, a reader or a fence that finds no leader: not now.
    pub busy: u64,
}

/// The simulated log. Clones share it.
#[derive(Debug, Clone)]
pub struct SimLog {
    shared: Shared,
}

/// The broker behind its lock.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Broker>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Broker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimLog {
    /// An empty log at a time; the seed chooses every fault.
    pub fn new(seed: u64, now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            shared: Shared(Arc::new(Mutex::new(Broker::new(seed, now)))),
        })
    }

    /// Lets time pass. Transactions that are open for longer than the transaction timeout are aborted.
    pub fn advance(&self, by: PromDuration) {
        self.shared.lock().advance(by);
    }

    /// Sets how often faults happen from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.lock().faults = faults;
    }

    /// Lets what may wait for others wait so long from now on, as on a log whose transactions cost much.
    pub fn set_patience(&self, patience: Patience) {
        self.shared.lock().patience = patience;
    }

    /// The lane dies at its `points`-th crash point from now: there is one before and one after the effect of every call
    /// it makes.
    pub fn crash_in(&self, lane: &str, points: u64) {
        self.shared.lock().crashes.insert(lane.to_owned(), points);
    }

    /// Whether lanes are refused new producers from now on.
    pub fn refuse_producers(&self, refuse: bool) {
        self.shared.lock().no_producers = refuse;
    }

    /// Nothing that is committed from now on is ever on disk.
    pub fn fail_disk(&self) {
        self.shared.lock().disk_failed = true;
    }

    /// Takes back a crash that has not happened.
    pub fn spare(&self, lane: &str) {
        self.shared.lock().crashes.remove(lane);
    }

    /// Crash points passed so far, by all lanes.
    pub fn points(&self) -> u64 {
        self.shared.lock().points
    }

    /// The session of a lane ends: the group gives its partitions to others, whether it is dead or only slow.
    pub fn expire(&self, lane: &str) {
        self.shared.lock().expire(lane);
    }

    /// Keeps the newest value of each key of a compacted topic, as far as no transaction is open.
    pub fn compact(&self, topic: &str) {
        self.shared.lock().compact(topic);
    }

    /// Drops the records before an offset.
    pub fn trim(&self, topic: &str, partition: u32, before: i64) {
        self.shared.lock().trim(topic, partition, before);
    }

    /// The readers of these topics stand still until [`SimLog::let_go`].
    pub fn hold(&self, topics: &[&str]) {
        self.shared.lock().held = topics.iter().map(|topic| (*topic).to_owned()).collect::<BTreeSet<_>>();
    }

    /// The readers go on.
    pub fn let_go(&self) {
        self.shared.lock().held.clear();
    }

    /// Nobody leads this partition of any topic until it is set anew.
    pub fn set_leaderless(&self, partition: Option<u32>) {
        self.shared.lock().leaderless = partition;
    }

    /// Every committed record of a topic, in partition order: for a check from outside.
    pub fn committed_records(&self, topic: &str) -> Vec<processor::Record> {
        self.shared.lock().committed_records(topic)
    }
}

impl SimLog {
    /// The committed records of a topic since the positions of the last call, which move on: for a check from outside.
    pub fn committed_since(&self, topic: &str, positions: &mut BTreeMap<u32, i64>) -> Vec<processor::Record> {
        let broker = self.shared.lock();
        let mut found = Vec::new();
        for partition in 0..broker.partitions(topic).unwrap_or(0) {
            let position = positions.entry(partition).or_insert(0);
            if let Ok((records, next)) = broker.fetch(topic, partition, *position, usize::MAX) {
                *position = next;
                found.extend(records);
            }
        }
        found
    }
}

impl Log for SimLog {
    fn now(&self) -> Timestamp {
        self.shared.lock().now
    }

    fn create_topics(&self, topics: &[NewTopic]) -> Result<(), LogError> {
        self.shared.lock().create_topics(topics)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        Ok(self.shared.lock().partitions(topic))
    }

    fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError> {
        let mut broker = self.shared.lock();
        broker.found(Some(partition))?;
        broker.watermarks(topic, partition)
    }

    fn committed(&self, group: &str, _: &str, partition: u32) -> Result<Option<Committed>, LogError> {
        let mut broker = self.shared.lock();
        broker.found(None)?;
        broker.committed(group, partition)
    }

    fn owner(&self, group: &str, _: &str, partition: u32) -> Result<Option<String>, LogError> {
        let mut broker = self.shared.lock();
        broker.found(None)?;
        Ok(broker.owner(group, partition))
    }

    fn join(&self, join: &Join) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(SimMember::join(self.shared.clone(), join)?))
    }

    fn reader(&self, from: &[(String, u32, From)]) -> Result<Box<dyn Reader>, LogError> {
        for (_, partition, _) in from {
            self.shared.lock().found(Some(*partition))?;
        }
        Ok(Box::new(SimReader::new(self.shared.clone(), from)?))
    }

    fn patience(&self) -> Patience {
        self.shared.lock().patience
    }

    fn append(&self, records: Vec<NewRecord>, done: AppendDone) {
        let appended = self.shared.lock().append(records);
        done(appended);
    }

    fn fence(&self, lane: &str) -> Result<(), LogError> {
        let mut broker = self.shared.lock();
        broker.found(None)?;
        broker.init_producer(lane);
        Ok(())
    }
}

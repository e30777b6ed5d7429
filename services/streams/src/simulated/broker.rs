//! The broker's state: partitions, transactions, groups. All of it under one lock, all of it deterministic.

use std::collections::{BTreeMap, BTreeSet};

use alert::{PromDuration, Timestamp};
use processor::Record;

use super::{Faults, Rng};
use crate::log::{Committed, LogError, NewRecord, NewTopic, Patience, Watermarks};
use crate::membership::Group;

/// An open transaction is aborted by the coordinator after this long.
const TRANSACTION_TIMEOUT: PromDuration = PromDuration::from_millis(10_000);

#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) now: Timestamp,
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) crashes: BTreeMap<String, u64>,
    pub(crate) points: u64,
    pub(crate) held: BTreeSet<String>,
    pub(crate) patience: Patience,
    pub(crate) no_producers: bool,
    pub(crate) disk_failed: bool,
    pub(crate) leaderless: Option<u32>,
    topics: BTreeMap<String, Topic>,
    groups: BTreeMap<String, GroupState>,
    producers: BTreeMap<String, Producer>,
    transactions: BTreeMap<u64, Transaction>,
    last_transaction: u64,
}

#[derive(Debug)]
struct Topic {
    compacted: bool,
    partitions: Vec<Partition>,
}

#[derive(Debug, Default)]
pub(crate) struct Partition {
    entries: BTreeMap<i64, Entry>,
    low: i64,
    high: i64,
    /// First offset of each open transaction.
    open: BTreeMap<u64, i64>,
}

#[derive(Debug)]
struct Entry {
    appended: Timestamp,
    /// None for a control record.
    record: Option<NewRecord>,
    transaction: Option<u64>,
    aborted: bool,
}

#[derive(Debug)]
pub(crate) struct GroupState {
    pub(crate) group: Group,
    offsets: BTreeMap<u32, Committed>,
    lanes: BTreeMap<u64, String>,
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    open: Option<u64>,
}

#[derive(Debug)]
struct Transaction {
    began: Timestamp,
    touched: BTreeSet<(String, u32)>,
    /// Offsets that will count once it commits; set means the end of the transaction is on its way.
    pending: Option<(String, BTreeMap<u32, Committed>)>,
}

impl Broker {
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        Self {
            now,
            rng: Rng::new(seed),
            faults: Faults::default(),
            crashes: BTreeMap::new(),
            points: 0,
            held: BTreeSet::new(),
            patience: Patience::default(),
            no_producers: false,
            disk_failed: false,
            leaderless: None,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            producers: BTreeMap::new(),
            transactions: BTreeMap::new(),
            last_transaction: 0,
        }
    }

    /// A place where a lane may die.
    pub(crate) fn point(&mut self, lane: &str) -> Result<(), LogError> {
        self.points += 1;
        let Some(left) = self.crashes.get_mut(lane) else {
            return Ok(());
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Ok(());
        }
        self.crashes.remove(lane);
        Err(LogError::Crashed)
    }

    pub(crate) fn advance(&mut self, by: PromDuration) {
        self.now = self.now + by;
        let now = self.now;
        let overdue: Vec<u64> = self
            .transactions
            .iter()
            .filter(|(_, open)| now.saturating_since(open.began) > TRANSACTION_TIMEOUT)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            self.end(id, false);
            for producer in self.producers.values_mut().filter(|producer| producer.open == Some(id)) {
                producer.open = None;
                producer.epoch += 1;
            }
        }
    }

    pub(crate) fn create_topics(&mut self, topics: &[NewTopic]) -> Result<(), LogError> {
        for new in topics {
            let count = new.partitions as usize;
            if let Some(topic) = self.topics.get(&new.name) {
                if topic.partitions.len() != count {
                    let has = topic.partitions.len();
                    return Err(LogError::Refused(format!(
                        "topic {} has {has} partitions, not {count}",
                        new.name
                    )));
                }
                continue;
            }
            let partitions = (0..count).map(|_| Partition::default()).collect();
            self.topics.insert(
                new.name.clone(),
                Topic {
                    compacted: new.compacted,
                    partitions,
                },
            );
        }
        Ok(())
    }

    pub(crate) fn partitions(&self, topic: &str) -> Option<u32> {
        self.topics
            .get(topic)
            .and_then(|topic| u32::try_from(topic.partitions.len()).ok())
    }

    pub(crate) fn partition(&self, topic: &str, partition: u32) -> Result<&Partition, LogError> {
        let found = self
            .topics
            .get(topic)
            .and_then(|topic| topic.partitions.get(partition as usize));
        found.ok_or_else(|| LogError::Refused(format!("no partition {topic}/{partition}")))
    }

    fn partition_mut(&mut self, topic: &str, partition: u32) -> Result<&mut Partition, LogError> {
        let found = self
            .topics
            .get_mut(topic)
            .and_then(|topic| topic.partitions.get_mut(partition as usize));
        found.ok_or_else(|| LogError::Refused(format!("no partition {topic}/{partition}")))
    }

    /// Whether the leader, or the coordinator, is found: the first thing a question comes to.
    pub(crate) fn found(&mut self, partition: Option<u32>) -> Result<(), LogError> {
        let busy = self.faults.busy;
        if self.rng.chance(busy) || self.leaderless.is_some() && partition == self.leaderless {
            return Err(LogError::Busy("simulated".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError> {
        let partition = self.partition(topic, partition)?;
        Ok(Watermarks {
            low: partition.low,
            high: partition.high,
        })
    }

    pub(crate) fn committed(&self, group: &str, partition: u32) -> Result<Option<Committed>, LogError> {
        let pending = self.transactions.values().filter_map(|open| open.pending.as_ref());
        let mut mine = pending.filter(|(name, _)| name == group).map(|(_, offsets)| offsets);
        if mine.any(|offsets| offsets.contains_key(&partition)) {
            return Err(LogError::Busy("unstable offset commit".to_owned()));
        }
        Ok(self
            .groups
            .get(group)
            .and_then(|state| state.offsets.get(&partition))
            .cloned())
    }

    pub(crate) fn owner(&self, group: &str, partition: u32) -> Option<String> {
        let committed = self.groups.get(group).and_then(|state| state.offsets.get(&partition));
        committed.map(|committed| committed.lane.clone())
    }

    pub(crate) fn join_group(&mut self, group: &str, topic: &str, lane: &str) -> Result<u64, LogError> {
        let count = self
            .partitions(topic)
            .ok_or_else(|| LogError::Refused(format!("no topic {topic}")))?;
        let state = self.groups.entry(group.to_owned()).or_insert_with(|| GroupState {
            group: Group::new(count),
            offsets: BTreeMap::new(),
            lanes: BTreeMap::new(),
        });
        let member = state.group.join();
        state.lanes.insert(member, lane.to_owned());
        Ok(member)
    }

    pub(crate) fn group_mut(&mut self, group: &str) -> Option<&mut GroupState> {
        self.groups.get_mut(group)
    }

    pub(crate) fn expire(&mut self, lane: &str) {
        for state in self.groups.values_mut() {
            let gone: Vec<u64> = state
                .lanes
                .iter()
                .filter(|(_, name)| *name == lane)
                .map(|(id, _)| *id)
                .collect();
            for member in gone {
                state.lanes.remove(&member);
                state.group.remove(member);
            }
        }
    }

    /// A new epoch for a transactional id; what it left open ends now. A commit that was on its way may win the race.
    pub(crate) fn init_producer(&mut self, lane: &str) -> u64 {
        let producer = self.producers.entry(lane.to_owned()).or_default();
        producer.epoch += 1;
        let (epoch, open) = (producer.epoch, producer.open.take());
        if let Some(id) = open {
            let on_its_way = self.transactions.get(&id).is_some_and(|open| open.pending.is_some());
            let commits = on_its_way && self.rng.chance(500);
            self.end(id, commits);
        }
        epoch
    }

    pub(crate) fn begin(&mut self, lane: &str, epoch: u64) -> Result<u64, LogError> {
        self.check_epoch(lane, epoch)?;
        self.last_transaction += 1;
        let (id, began) = (self.last_transaction, self.now);
        self.transactions.insert(
            id,
            Transaction {
                began,
                touched: BTreeSet::new(),
                pending: None,
            },
        );
        if let Some(producer) = self.producers.get_mut(lane) {
            producer.open = Some(id);
        }
        Ok(id)
    }

    pub(crate) fn check_epoch(&self, lane: &str, epoch: u64) -> Result<(), LogError> {
        match self.producers.get(lane) {
            Some(producer) if producer.epoch == epoch => Ok(()),
            Some(_) | None => Err(LogError::Unknown("producer fenced".to_owned())),
        }
    }

    pub(crate) fn send(&mut self, transaction: Option<u64>, record: NewRecord) -> Result<i64, LogError> {
        let now = self.now;
        let (topic, number) = (record.topic.clone().into_owned(), record.partition);
        let partition = self.partition_mut(&topic, number)?;
        let offset = partition.high;
        partition.high += 1;
        if let Some(id) = transaction {
            partition.open.entry(id).or_insert(offset);
        }
        partition.entries.insert(
            offset,
            Entry {
                appended: now,
                record: Some(record),
                transaction,
                aborted: false,
            },
        );
        if let Some(open) = transaction.and_then(|id| self.transactions.get_mut(&id)) {
            open.touched.insert((topic, number));
        }
        Ok(offset)
    }

    /// The offsets of a transaction, refused like Kafka does it: by the member's generation. No offsets, no check.
    pub(crate) fn send_offsets(
        &mut self,
        transaction: u64,
        group: &str,
        member: u64,
        offsets: BTreeMap<u32, Committed>,
    ) -> Result<(), LogError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let state = self
            .groups
            .get(group)
            .ok_or_else(|| LogError::Abort("unknown group".to_owned()))?;
        state
            .group
            .may_commit(member, offsets.keys().copied())
            .map_err(LogError::Abort)?;
        if let Some(open) = self.transactions.get_mut(&transaction) {
            open.pending = Some((group.to_owned(), offsets));
        }
        Ok(())
    }

    /// Ends a transaction: its offsets count, its records become visible or void, a marker takes an offset everywhere.
    pub(crate) fn end(&mut self, id: u64, commit: bool) {
        let Some(ended) = self.transactions.remove(&id) else {
            return;
        };
        let now = self.now;
        if let Some((group, offsets)) = ended.pending.filter(|_| commit)
            && let Some(state) = self.groups.get_mut(&group)
        {
            state.offsets.extend(offsets);
        }
        for (topic, number) in ended.touched {
            let Ok(partition) = self.partition_mut(&topic, number) else {
                continue;
            };
            let first = partition.open.remove(&id).unwrap_or(partition.high);
            for (_, entry) in partition
                .entries
                .range_mut(first..)
                .filter(|(_, entry)| entry.transaction == Some(id))
            {
                entry.aborted = !commit;
            }
            let marker = Entry {
                appended: now,
                record: None,
                transaction: None,
                aborted: false,
            };
            partition.entries.insert(partition.high, marker);
            partition.high += 1;
        }
    }

    pub(crate) fn close_transaction(&mut self, lane: &str) {
        if let Some(producer) = self.producers.get_mut(lane) {
            producer.open = None;
        }
    }

    pub(crate) fn append(&mut self, records: Vec<NewRecord>) -> Result<Vec<i64>, LogError> {
        let offsets: Result<Vec<i64>, LogError> = records.into_iter().map(|record| self.send(None, record)).collect();
        let lost = self.faults.lost_ack;
        if self.rng.chance(lost) {
            return Err(LogError::Unknown("the answer was lost".to_owned()));
        }
        offsets
    }

    /// Committed records from an offset on, and the position after them: at most up to the stable offset.
    pub(crate) fn fetch(
        &self,
        topic: &str,
        number: u32,
        from: i64,
        max: usize,
    ) -> Result<(Vec<Record>, i64), LogError> {
        let partition = self.partition(topic, number)?;
        let stable = partition.stable();
        let (mut records, mut position) = (Vec::new(), from.max(partition.low));
        for (offset, entry) in partition.entries.range(position..stable.max(position)) {
            if records.len() >= max {
                return Ok((records, position));
            }
            position = offset + 1;
            let Some(new) = entry.record.as_ref().filter(|_| !entry.aborted) else {
                continue;
            };
            records.push(Record {
                partition: number,
                offset: *offset,
                appended: entry.appended,
                key: new.key.clone(),
                value: new.value.clone(),
                meta: new.meta,
                headers: new.headers.clone(),
            });
        }
        Ok((records, stable.max(position)))
    }

    pub(crate) fn committed_records(&self, topic: &str) -> Vec<Record> {
        let count = self.partitions(topic).unwrap_or(0);
        let fetched = (0..count).filter_map(|partition| self.fetch(topic, partition, 0, usize::MAX).ok());
        fetched.flat_map(|(records, _)| records).collect()
    }

    pub(crate) fn compact(&mut self, topic: &str) {
        let Some(topic) = self.topics.get_mut(topic).filter(|topic| topic.compacted) else {
            return;
        };
        for partition in &mut topic.partitions {
            let stable = partition.stable();
            let mut newest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
            for (offset, entry) in partition.entries.range(..stable) {
                if let Some(record) = entry.record.as_ref().filter(|_| !entry.aborted) {
                    newest.insert(record.key.clone(), *offset);
                }
            }
            partition.entries.retain(|offset, entry| {
                *offset >= stable
                    || entry
                        .record
                        .as_ref()
                        .is_some_and(|r| !entry.aborted && newest.get(&r.key) == Some(offset))
            });
        }
    }

    pub(crate) fn trim(&mut self, topic: &str, partition: u32, before: i64) {
        if let Ok(partition) = self.partition_mut(topic, partition) {
            partition.low = partition.low.max(before.min(partition.high));
            partition.entries = partition.entries.split_off(&partition.low);
        }
    }
}

impl Partition {
    /// The first offset an open transaction may still change; the end where none is open.
    fn stable(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.high)
    }
}

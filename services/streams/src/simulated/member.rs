//! A lane's place on the simulated log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::log::{Committed, Event, Join, LogError, Member, NewRecord};

/// A consumer and a transactional producer. Dead after a crash: every call says so.
#[derive(Debug)]
pub(super) struct SimMember {
    shared: Shared,
    join: Join,
    member: u64,
    epoch: u64,
    transaction: Option<u64>,
    /// Where each assigned partition stands; none while it is paused.
    positions: BTreeMap<u32, Option<i64>>,
    dead: bool,
}

impl SimMember {
    pub(super) fn join(shared: Shared, join: &Join) -> Result<Self, LogError> {
        let (member, epoch) = {
            let mut broker = shared.lock();
            let epoch = broker.init_producer(&join.lane);
            (broker.join_group(&join.group, &join.topic, &join.lane)?, epoch)
        };
        let positions = BTreeMap::new();
        Ok(Self {
            shared,
            join: join.clone(),
            member,
            epoch,
            transaction: None,
            positions,
            dead: false,
        })
    }

    /// A crash point.
    fn point(&mut self) -> Result<(), LogError> {
        if self.dead {
            return Err(LogError::Crashed);
        }
        let alive = self.shared.lock().point(&self.join.lane);
        self.dead = alive.is_err();
        alive
    }

    fn membership(&mut self) -> Vec<Event> {
        let (group, lane, topic) = (self.join.group.clone(), self.join.lane.clone(), self.join.topic.clone());
        let mut broker = self.shared.lock();
        let known = broker
            .group_mut(&group)
            .is_some_and(|state| state.group.is_member(self.member));
        if known {
            return broker
                .group_mut(&group)
                .map(|state| state.group.poll(self.member))
                .unwrap_or_default();
        }
        // The group declared it dead; it learns that here and joins anew.
        if let Ok(member) = broker.join_group(&group, &topic, &lane) {
            self.member = member;
        }
        let partitions: Vec<u32> = self.positions.keys().copied().collect();
        if partitions.is_empty() {
            Vec::new()
        } else {
            vec![Event::Revoked { partitions, lost: true }]
        }
    }

    fn fetch(&mut self, max: usize) -> Result<Vec<processor::Record>, LogError> {
        let mut broker = self.shared.lock();
        let (partial, mut room) = (broker.faults.partial, max);
        let mut order: Vec<u32> = self.positions.keys().copied().collect();
        if !order.is_empty() {
            let first = usize::try_from(broker.rng.below(order.len() as u64)).unwrap_or(0);
            order.rotate_left(first);
        }
        let mut records = Vec::new();
        for partition in order {
            let Some(Some(position)) = self.positions.get_mut(&partition) else {
                continue;
            };
            let mut take = room;
            if broker.rng.chance(partial) {
                take = usize::try_from(broker.rng.below(4)).unwrap_or(0).min(room);
            }
            if take == 0 {
                continue;
            }
            let (found, next) = broker.fetch(&self.join.topic, partition, *position, take)?;
            *position = next;
            room -= found.len();
            records.extend(found);
        }
        Ok(records)
    }
}

impl Member for SimMember {
    fn poll(&mut self, max: usize, _: Duration) -> Result<Vec<Event>, LogError> {
        self.point()?;
        if max == 0 {
            // As on Kafka: what the group has decided comes behind what was read ahead, in one queue.
            return Ok(Vec::new());
        }
        let mut events = self.membership();
        if events.is_empty() {
            let records = self.fetch(max)?;
            if !records.is_empty() {
                events.push(Event::Records(records.into_iter().map(Arc::new).collect()));
            }
        }
        for event in &events {
            if let Event::Assigned(partitions) = event {
                self.positions
                    .extend(partitions.iter().map(|partition| (*partition, None)));
            }
        }
        self.point()?;
        Ok(events)
    }

    fn start(&mut self, partition: u32, offset: i64) -> Result<(), LogError> {
        self.point()?;
        self.shared.lock().found(Some(partition))?;
        if let Some(position) = self.positions.get_mut(&partition) {
            *position = Some(offset);
        }
        Ok(())
    }

    fn pause(&mut self, partition: u32) -> Result<(), LogError> {
        if let Some(position) = self.positions.get_mut(&partition) {
            *position = None;
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[u32]) -> Result<(), LogError> {
        self.point()?;
        for partition in partitions {
            self.positions.remove(partition);
        }
        let mut broker = self.shared.lock();
        if let Some(state) = broker.group_mut(&self.join.group) {
            state.group.release(self.member, partitions);
        }
        Ok(())
    }

    fn position(&self, partition: u32) -> Option<i64> {
        self.positions.get(&partition).copied().flatten()
    }

    fn ends(&mut self, partitions: &[u32]) -> Result<BTreeMap<u32, i64>, LogError> {
        self.point()?;
        let mut broker = self.shared.lock();
        let mut ends = BTreeMap::new();
        for partition in partitions {
            broker.found(Some(*partition))?;
            ends.insert(*partition, broker.watermarks(&self.join.topic, *partition)?.high);
        }
        Ok(ends)
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.point()?;
        let id = self.shared.lock().begin(&self.join.lane, self.epoch)?;
        self.transaction = Some(id);
        Ok(())
    }

    fn send(&mut self, records: Vec<NewRecord>) -> Result<(), LogError> {
        for record in records {
            self.point()?;
            let mut broker = self.shared.lock();
            broker.check_epoch(&self.join.lane, self.epoch)?;
            broker.send(self.transaction, record)?;
        }
        Ok(())
    }

    fn commit(&mut self, offsets: &[(u32, i64)]) -> Result<(), LogError> {
        self.point()?;
        let Some(id) = self.transaction else {
            return Err(LogError::Fatal("no transaction is open".to_owned()));
        };
        let lane = &self.join.lane;
        let offsets = offsets
            .iter()
            .map(|(p, offset)| {
                (
                    *p,
                    Committed {
                        offset: *offset,
                        lane: lane.clone(),
                    },
                )
            })
            .collect();
        {
            let mut broker = self.shared.lock();
            broker.check_epoch(lane, self.epoch)?;
            let (abort, unknown) = (broker.faults.abort, broker.faults.unknown);
            if broker.rng.chance(abort) {
                return Err(LogError::Abort("simulated".to_owned()));
            }
            broker.send_offsets(id, &self.join.group, self.member, offsets)?;
            if broker.rng.chance(unknown) {
                // It took place and the answer is lost; or it is still on its way, and is decided when the producer is
                // replaced.
                if broker.rng.below(3) == 0 {
                    broker.end(id, true);
                    broker.close_transaction(lane);
                }
                self.transaction = None;
                return Err(LogError::Unknown("simulated".to_owned()));
            }
        }
        self.point()?;
        let mut broker = self.shared.lock();
        broker.end(id, true);
        broker.close_transaction(&self.join.lane);
        self.transaction = None;
        drop(broker);
        self.point()
    }

    fn durable(&mut self) -> Result<(), LogError> {
        self.point()?;
        if self.shared.lock().disk_failed {
            return Err(LogError::Fatal("simulated: the disk has failed".to_owned()));
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.point()?;
        if let Some(id) = self.transaction.take() {
            let mut broker = self.shared.lock();
            broker.check_epoch(&self.join.lane, self.epoch)?;
            broker.end(id, false);
            broker.close_transaction(&self.join.lane);
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<(), LogError> {
        self.point()?;
        let mut broker = self.shared.lock();
        if broker.no_producers {
            return Err(LogError::Busy("no producer is to be had".to_owned()));
        }
        self.epoch = broker.init_producer(&self.join.lane);
        drop(broker);
        self.transaction = None;
        Ok(())
    }

    fn close(self: Box<Self>) {
        let mut broker = self.shared.lock();
        if let Some(state) = broker.group_mut(&self.join.group) {
            state.group.remove(self.member);
        }
    }
}

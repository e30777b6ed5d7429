//! A lane's consumer and producer on the embedded log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, PoisonError};
use std::time::{Duration, Instant};

use processor::Record;

use super::cursor::{Cursor, Step};
use super::shared::{Job, Shared, Ticket};
use super::state::Lane;
use super::{syncing, writer};
use crate::log::{Event, Join, LogError, Member, NewRecord, Waker};

pub(super) struct EmbeddedMember {
    shared: Arc<Shared>,
    ticket: Ticket,
    waiter: u64,
    woken: Arc<Condvar>,
    /// Somebody has called its [`Waker`] since its last poll.
    called: Arc<AtomicBool>,
    /// Which partitions are this member's, as it was told.
    owned: BTreeSet<u32>,
    /// Of these, which are asked back: nothing more is read of them.
    leaving: BTreeSet<u32>,
    cursors: BTreeMap<u32, Cursor>,
    transaction: Option<Vec<NewRecord>>,
    /// The batch of its last commit.
    written: u64,
    /// Where the next poll begins, so that no partition starves the others.
    turn: u32,
}

impl EmbeddedMember {
    pub(super) fn join(shared: &Arc<Shared>, join: &Join) -> Result<Self, LogError> {
        // No commit of the lane's former producer is half done while its name is taken over.
        let _writing = shared.writing();
        let mut state = shared.state();
        state.alive()?;
        state.topic(&join.topic)?;
        let epoch = state.lanes.get(&join.lane).map_or(1, |lane| lane.epoch + 1);
        if let Some(former) = state.lanes.get(&join.lane) {
            let (group, seat) = (former.group.clone(), former.seat);
            if let Some(group) = state.groups.get_mut(&group) {
                group.group.remove(seat);
            }
            if let Some(topic) = state.topics.get(&group.1) {
                topic.wake();
            }
        }
        let seat = state.group(&join.group, &join.topic)?.group.join();
        let key = (join.group.clone(), join.topic.clone());
        state.lanes.insert(
            join.lane.clone(),
            Lane {
                epoch,
                group: key,
                seat,
            },
        );
        let woken = Arc::new(Condvar::new());
        let waiter = state.enter([join.topic.as_str()].into_iter(), &woken);
        state.topic(&join.topic)?.wake();
        let ticket = Ticket {
            group: join.group.clone(),
            topic: join.topic.clone(),
            lane: join.lane.clone(),
            seat,
            epoch,
        };
        Ok(Self {
            shared: Arc::clone(shared),
            ticket,
            waiter,
            woken,
            called: Arc::default(),
            owned: BTreeSet::new(),
            leaving: BTreeSet::new(),
            cursors: BTreeMap::new(),
            transaction: None,
            written: 0,
            turn: 0,
        })
    }

    fn taken_over(&self) -> LogError {
        LogError::Fatal(format!("lane {} was taken over by another member", self.ticket.lane))
    }

    /// What the group has to say. The lock is held by the caller.
    fn membership(&mut self, state: &mut super::state::State) -> Result<Vec<Event>, LogError> {
        let seat = self.ticket.seat;
        let group = &mut state.group(&self.ticket.group, &self.ticket.topic)?.group;
        if !group.is_member(seat) {
            if self.owned.is_empty() {
                return Err(self.taken_over());
            }
            let partitions = std::mem::take(&mut self.owned).into_iter().collect();
            self.cursors.clear();
            self.leaving.clear();
            return Ok(vec![Event::Revoked { partitions, lost: true }]);
        }
        let events = group.poll(seat);
        for event in &events {
            match event {
                Event::Assigned(partitions) => self.owned.extend(partitions),
                Event::Revoked { partitions, .. } => self.leaving.extend(partitions),
                Event::Records(_) => {}
            }
        }
        Ok(events)
    }

    /// The partitions that are read, beginning with whose turn it is.
    fn order(&self) -> Vec<u32> {
        let read = |p: &&u32| !self.leaving.contains(*p);
        let later = self.cursors.range(self.turn..).map(|(p, _)| p);
        later
            .chain(self.cursors.range(..self.turn).map(|(p, _)| p))
            .filter(read)
            .copied()
            .collect()
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Event>, LogError> {
        let deadline = Instant::now() + wait;
        let shared = Arc::clone(&self.shared);
        let mut over = false;
        loop {
            let (mut records, mut read): (Vec<Arc<Record>>, _) = (Vec::new(), None);
            {
                let mut state = shared.state();
                state.alive()?;
                let events = self.membership(&mut state)?;
                if !events.is_empty() {
                    return Ok(events);
                }
                let order = self.order();
                let topic = state.topic(&self.ticket.topic)?;
                for number in order {
                    let left = max.saturating_sub(records.len());
                    let Some(cursor) = self.cursors.get_mut(&number).filter(|_| left > 0) else {
                        break;
                    };
                    match cursor.step(topic, number, left) {
                        Step::Nothing => continue,
                        Step::Tail(found) => records.extend(found),
                        Step::Ahead => cursor.drain(left, |record| records.push(record)),
                        Step::Read(found) => {
                            read = Some((number, found));
                        }
                    }
                    self.turn = number + 1;
                    if read.is_some() {
                        break;
                    }
                }
                if records.is_empty() && read.is_none() {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let called = self.called.swap(false, Ordering::AcqRel);
                    if over || called || left.is_zero() {
                        return Ok(Vec::new());
                    }
                    drop(
                        self.woken
                            .wait_timeout(state, left)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                    // Whoever woke it had a reason, be it only that a table has grown.
                    over = true;
                    continue;
                }
            }
            if let Some((number, read)) = read
                && let Some(cursor) = self.cursors.get_mut(&number)
            {
                cursor.fill(&read)?;
                let left = max.saturating_sub(records.len());
                cursor.drain(left, |record| records.push(record));
            }
            if !records.is_empty() {
                return Ok(vec![Event::Records(records)]);
            }
        }
    }

    fn wake_on(&mut self, topics: &[&'static str]) -> Option<Waker> {
        let topics = topics.iter().copied();
        self.shared.state().enter_too(self.waiter, topics, &self.woken);
        // Who calls may outlive the log, and must not keep its folder open.
        let shared = Arc::downgrade(&self.shared);
        let (woken, called) = (Arc::clone(&self.woken), Arc::clone(&self.called));
        Some(Arc::new(move || {
            if called.swap(true, Ordering::AcqRel) {
                return;
            }
            if let Some(shared) = shared.upgrade() {
                // Whoever is about to wait has either seen the call or waits by now.
                drop(shared.state());
                woken.notify_all();
            }
        }))
    }

    fn start(&mut self, partition: u32, offset: i64) -> Result<(), LogError> {
        if !self.owned.contains(&partition) {
            return Err(LogError::Abort(format!("partition {partition} is not this member's")));
        }
        self.cursors.insert(partition, Cursor::at(offset));
        Ok(())
    }

    fn pause(&mut self, partition: u32) -> Result<(), LogError> {
        self.cursors.remove(&partition);
        Ok(())
    }

    fn release(&mut self, partitions: &[u32]) -> Result<(), LogError> {
        for partition in partitions {
            self.owned.remove(partition);
            self.leaving.remove(partition);
            self.cursors.remove(partition);
        }
        let mut state = self.shared.state();
        state
            .group(&self.ticket.group, &self.ticket.topic)?
            .group
            .release(self.ticket.seat, partitions);
        state.topic(&self.ticket.topic)?.wake();
        Ok(())
    }

    fn position(&self, partition: u32) -> Option<i64> {
        self.cursors.get(&partition).map(|cursor| cursor.position)
    }

    fn ends(&mut self, partitions: &[u32]) -> Result<BTreeMap<u32, i64>, LogError> {
        let state = self.shared.state();
        state.alive()?;
        partitions
            .iter()
            .map(|p| Ok((*p, state.partition(&self.ticket.topic, *p)?.high)))
            .collect()
    }

    fn begin(&mut self) -> Result<(), LogError> {
        if self.transaction.is_some() {
            return Err(LogError::Abort("a transaction is open already".to_owned()));
        }
        self.transaction = Some(Vec::new());
        Ok(())
    }

    fn send(&mut self, records: Vec<NewRecord>) -> Result<(), LogError> {
        let Some(transaction) = &mut self.transaction else {
            return Err(LogError::Abort("no transaction is open".to_owned()));
        };
        if transaction.is_empty() {
            *transaction = records;
        } else {
            transaction.extend(records);
        }
        Ok(())
    }

    fn commit(&mut self, offsets: &[(u32, i64)]) -> Result<(), LogError> {
        let Some(records) = self.transaction.take() else {
            return Err(LogError::Abort("no transaction is open".to_owned()));
        };
        if offsets.is_empty() {
            return Err(LogError::Abort(
                "a commit without offsets would fence nobody".to_owned(),
            ));
        }
        let (reply, answer) = sync_channel(1);
        let job = Job::Commit {
            ticket: self.ticket.clone(),
            records,
            offsets: offsets.to_vec(),
            reply,
        };
        writer::hand_in(&self.shared, job).map_err(|refused| refused.1)?;
        let written = answer
            .recv()
            .unwrap_or_else(|_| Err(LogError::Fatal("the log's writer has ended".to_owned())));
        self.written = written?;
        Ok(())
    }

    fn durable(&mut self) -> Result<(), LogError> {
        syncing::wait_for(&self.shared, self.written)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.transaction = None;
        Ok(())
    }

    fn renew(&mut self) -> Result<(), LogError> {
        self.transaction = None;
        let _writing = self.shared.writing();
        let mut state = self.shared.state();
        state.alive()?;
        let (seat, lane) = (self.ticket.seat, self.ticket.lane.clone());
        let known = state.lanes.get_mut(&lane).filter(|known| known.seat == seat);
        let Some(known) = known else {
            return Err(self.taken_over());
        };
        known.epoch += 1;
        self.ticket.epoch = known.epoch;
        Ok(())
    }

    fn close(self: Box<Self>) {}
}

/// A member that is gone, however it went, leaves its group at once.
impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.leave(self.waiter);
        if let Some(group) = state
            .groups
            .get_mut(&(self.ticket.group.clone(), self.ticket.topic.clone()))
        {
            group.group.remove(self.ticket.seat);
        }
        if let Some(topic) = state.topics.get(&self.ticket.topic) {
            topic.wake();
        }
    }
}

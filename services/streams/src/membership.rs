//! Consumer groups for the logs that live in one process: who owns which partition, and under which generation.
//!
//! The rule is Kafka's cooperative one: a partition goes to its new owner only after the old one released it, or was
//! declared dead. A member learns of changes only when it asks, so a member that does not ask is a zombie: it goes on
//! with a generation that is no longer the group's, and its commits are refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::Event;

/// One group on one topic.
#[derive(Debug, Default)]
pub(crate) struct Group {
    partitions: u32,
    generation: u64,
    members: BTreeMap<u64, Seat>,
    next_member: u64,
}

#[derive(Debug, Default)]
struct Seat {
    /// What it owns, as it knows and as we know.
    owned: BTreeSet<u32>,
    /// What it is asked to give up.
    leaving: BTreeSet<u32>,
    /// The generation it has seen.
    seen: u64,
}

impl Group {
    pub(crate) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            ..Self::default()
        }
    }

    pub(crate) fn join(&mut self) -> u64 {
        self.next_member += 1;
        let member = self.next_member;
        self.members.insert(member, Seat::default());
        self.generation += 1;
        member
    }

    /// The member leaves or is declared dead: what it owned is free at once.
    pub(crate) fn remove(&mut self, member: u64) {
        if self.members.remove(&member).is_some() {
            self.generation += 1;
        }
    }

    /// What changed for a member since it last asked.
    pub(crate) fn poll(&mut self, member: u64) -> Vec<Event> {
        let wanted = self.wanted(member);
        let taken: BTreeSet<u32> = self
            .members
            .iter()
            .filter(|(id, _)| **id != member)
            .flat_map(|(_, seat)| seat.owned.iter().copied())
            .collect();
        let generation = self.generation;
        let Some(seat) = self.members.get_mut(&member) else {
            return Vec::new();
        };
        seat.seen = generation;
        let mut events = Vec::new();
        let give_up: BTreeSet<u32> = seat.owned.difference(&wanted).copied().collect();
        let newly: Vec<u32> = give_up.difference(&seat.leaving).copied().collect();
        if !newly.is_empty() {
            seat.leaving.extend(&newly);
            events.push(Event::Revoked {
                partitions: newly,
                lost: false,
            });
        }
        let assigned: Vec<u32> = wanted
            .iter()
            .copied()
            .filter(|p| !taken.contains(p) && !seat.owned.contains(p))
            .collect();
        if !assigned.is_empty() {
            seat.owned.extend(&assigned);
            events.push(Event::Assigned(assigned));
        }
        events
    }

    /// The member gave partitions up.
    pub(crate) fn release(&mut self, member: u64, partitions: &[u32]) {
        if let Some(seat) = self.members.get_mut(&member) {
            for partition in partitions {
                seat.owned.remove(partition);
                seat.leaving.remove(partition);
            }
            self.generation += 1;
            seat.seen = self.generation;
        }
    }

    /// Whether the member may commit for these partitions: it is alive, has seen the current generation, and owns them.
    pub(crate) fn may_commit(&self, member: u64, partitions: impl Iterator<Item = u32>) -> Result<(), String> {
        let Some(seat) = self.members.get(&member) else {
            return Err("unknown member".to_owned());
        };
        if seat.seen != self.generation {
            return Err(format!(
                "illegal generation {}, the group is at {}",
                seat.seen, self.generation
            ));
        }
        for partition in partitions {
            if !seat.owned.contains(&partition) {
                return Err(format!("partition {partition} belongs to another member"));
            }
        }
        Ok(())
    }

    /// Whether the member is still in the group.
    pub(crate) fn is_member(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// The share of a member: partitions stay where they are as far as shares are even (sticky).
    fn wanted(&self, member: u64) -> BTreeSet<u32> {
        let count = self.members.len();
        if count == 0 {
            return BTreeSet::new();
        }
        let total = usize::try_from(self.partitions).unwrap_or(usize::MAX);
        let (floor, extra) = (total / count, total % count);
        let mut shares: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
        let mut given: BTreeSet<u32> = BTreeSet::new();
        // Members that own most keep the larger shares, so that the fewest partitions move.
        let mut order: Vec<(&u64, &Seat)> = self.members.iter().collect();
        order.sort_by_key(|(id, seat)| (std::cmp::Reverse(seat.owned.len()), **id));
        let mut size = BTreeMap::new();
        for (place, (id, seat)) in order.iter().enumerate() {
            let share = floor + usize::from(place < extra);
            size.insert(**id, share);
            let kept: BTreeSet<u32> = seat.owned.iter().copied().take(share).collect();
            given.extend(&kept);
            shares.insert(**id, kept);
        }
        let mut free = (0..self.partitions).filter(|p| !given.contains(p));
        for (id, share) in &mut shares {
            let missing = size.get(id).copied().unwrap_or(0).saturating_sub(share.len());
            share.extend(free.by_ref().take(missing));
        }
        shares.remove(&member).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(group: &Group, member: u64) -> usize {
        group.members[&member].owned.len()
    }

    #[test]
    fn one_member_owns_all_and_a_second_takes_half_once_released() {
        let mut group = Group::new(4);
        let first = group.join();
        assert_eq!(group.poll(first), vec![Event::Assigned(vec![0, 1, 2, 3])]);
        let second = group.join();
        assert_eq!(group.poll(second), vec![], "nothing is free yet");
        assert!(
            group.may_commit(first, [0].into_iter()).is_err(),
            "it has not seen the new generation"
        );
        let events = group.poll(first);
        assert_eq!(
            events,
            vec![Event::Revoked {
                partitions: vec![2, 3],
                lost: false
            }]
        );
        assert!(
            group.may_commit(first, [3].into_iter()).is_ok(),
            "still its own until released"
        );
        group.release(first, &[2, 3]);
        assert_eq!(group.poll(second), vec![Event::Assigned(vec![2, 3])]);
        assert_eq!((owned(&group, first), owned(&group, second)), (2, 2));
        assert!(group.may_commit(first, [3].into_iter()).is_err());
    }

    #[test]
    fn a_dead_member_is_fenced_and_its_partitions_move() {
        let mut group = Group::new(3);
        let (zombie, heir) = (group.join(), group.join());
        group.poll(zombie);
        group.poll(heir);
        group.remove(zombie);
        group.poll(heir);
        assert_eq!(owned(&group, heir), 3);
        assert_eq!(
            group.may_commit(zombie, [0].into_iter()),
            Err("unknown member".to_owned())
        );
    }
}

//! A6: an account of every input. What was put in ends as a record with that cause, a drop that is counted, or a dead
//! letter; and every request in exactly one outcome.

use std::collections::{BTreeMap, BTreeSet};

use alert::Timestamp;
use processor::Record;
use schemas::{AlertPhase, AlertUpdate, Avro, Command, DeadLetter, JournalEntry, NotificationRequest, topics};
use streams::Log;

use super::checks::Slot;
use super::facts::{ATTEMPT, Facts};
use super::world::{PARTITIONS, World};

/// Where a record lies: topic, partition, offset.
type Place = (String, u32, i64);

/// What became of the inputs so far.
#[derive(Default)]
pub(crate) struct Account {
    /// What was put in that nobody can read.
    garbage: BTreeSet<Place>,
    /// Answers to commands, by id.
    answers: BTreeMap<String, u64>,
    /// Which records of `alerts` opened or resolved an alert.
    opened: BTreeMap<(u32, i64), u64>,
    resolved: BTreeMap<(u32, i64), u64>,
    /// Requests without an outcome: how many of the number, as a failed one is asked for again under it, and when the last
    /// is given up.
    open: BTreeMap<(Slot, i64), (u64, Timestamp)>,
    /// Outcomes of no request.
    surplus: Vec<(Slot, i64)>,
}

impl Account {
    /// Something that cannot be read was put in here.
    pub(crate) fn garbage(&mut self, topic: &str, partition: u32, offset: i64) {
        self.garbage.insert((topic.to_owned(), partition, offset));
    }

    pub(crate) fn asked(&mut self, slot: &Slot, request: &NotificationRequest) {
        let (open, give_up_at) = self.open.entry((slot.clone(), request.sequence)).or_default();
        (*open, *give_up_at) = (*open + 1, request.give_up_at);
    }

    pub(crate) fn ended(&mut self, slot: &Slot, sequence: i64) {
        let at = (slot.clone(), sequence);
        match self.open.get_mut(&at) {
            Some((open, _)) if *open > 0 => *open -= 1,
            _ => self.surplus.push(at),
        }
    }

    pub(crate) fn journal(&mut self, record: &Record, entry: &JournalEntry) {
        let Some(meta) = record.meta else { return };
        let place = (meta.partition, meta.offset);
        match entry.kind.as_str() {
            "command.accepted" | "command.refused" => {
                *self.answers.entry(entry.fields.value("id").to_owned()).or_default() += 1;
            }
            "alert.opened" if meta.due.is_none() => *self.opened.entry(place).or_default() += 1,
            "alert.resolved" if meta.due.is_none() => *self.resolved.entry(place).or_default() += 1,
            _ => {}
        }
    }

    /// A6: every input ends as a record, a drop with a reason, or a dead letter; nothing acknowledged is ever lost.
    pub(crate) fn a6(&self, facts: &Facts<'_>) -> Result<(), String> {
        let world = facts.world;
        everything_is_read(world)?;
        self.every_letter_is_garbage_and_all_garbage_a_letter(world)?;
        self.every_command_is_answered(world)?;
        self.every_request_has_its_outcome(world)?;
        if world.version == 1 {
            self.every_change_is_journaled_with_its_cause(world)?;
        }
        what_fires_is_known_to_fire(facts)
    }

    fn every_letter_is_garbage_and_all_garbage_a_letter(&self, world: &World) -> Result<(), String> {
        let mut letters = BTreeSet::new();
        for record in world.log.committed_records(topics::DEAD_LETTERS) {
            let letter: DeadLetter = schemas::decode(record.bytes()).unwrap();
            let place = (
                letter.topic,
                u32::try_from(letter.partition).unwrap_or(u32::MAX),
                letter.offset,
            );
            if !self.garbage.contains(&place) || !letters.insert(place.clone()) {
                let (stage, error, reason) = (letter.stage, letter.error, letter.reason);
                return Err(format!("A6: a dead letter of {stage} at {place:?}: {error} ({reason})"));
            }
        }
        match self.garbage.difference(&letters).next() {
            Some(place) => Err(format!(
                "A6: what lay at {place:?} cannot be read, and is no dead letter"
            )),
            None => Ok(()),
        }
    }

    /// Each copy of a command has its answer in the journal: a client that was not answered gives it again.
    fn every_command_is_answered(&self, world: &World) -> Result<(), String> {
        let mut given: BTreeMap<String, u64> = BTreeMap::new();
        for record in world.log.committed_records(topics::INCIDENTS) {
            if schemas::schema_of(record.bytes()) == Some(Command::NAME) {
                let command: Command = schemas::decode(record.bytes()).unwrap();
                *given.entry(command.id).or_default() += 1;
            }
        }
        if given == self.answers {
            return Ok(());
        }
        Err(format!("A6: commands {given:?} have the answers {:?}", self.answers))
    }

    fn every_request_has_its_outcome(&self, world: &World) -> Result<(), String> {
        if let Some(surplus) = self.surplus.first() {
            return Err(format!("A6: {surplus:?} has an outcome too many"));
        }
        let late = |(open, give_up_at): &(u64, Timestamp)| *open > 0 && *give_up_at + ATTEMPT < world.now();
        let late = self.open.iter().find(|(_, request)| late(request));
        match late {
            Some((request, (_, give_up_at))) => Err(format!(
                "A6: {request:?}, to be given up at {give_up_at}, has no outcome"
            )),
            None => Ok(()),
        }
    }

    /// Each update that begins or ends an alert is the cause of the record that says so, and no other update is: a re-send
    /// changes nothing, and is only counted. (Where configs change, alerts also come and go by being moved.)
    fn every_change_is_journaled_with_its_cause(&self, world: &World) -> Result<(), String> {
        let (mut opened, mut resolved) = (BTreeMap::new(), BTreeMap::new());
        let mut firing = BTreeSet::new();
        for record in world.log.committed_records(topics::ALERTS) {
            if schemas::schema_of(record.bytes()) != Some(AlertUpdate::NAME) {
                continue;
            }
            let update: AlertUpdate = schemas::decode(record.bytes()).unwrap();
            let (place, alert) = (
                (record.partition, record.offset),
                (record.key.clone(), update.fingerprint),
            );
            if update.resolved && firing.remove(&alert) {
                resolved.insert(place, 1);
            } else if !update.resolved && firing.insert(alert) {
                opened.insert(place, 1);
            }
        }
        for (what, put_in, said) in [
            ("opens", &opened, &self.opened),
            ("resolves", &resolved, &self.resolved),
        ] {
            let place = put_in
                .keys()
                .chain(said.keys())
                .find(|place| put_in.get(place) != said.get(place));
            if let Some(place) = place {
                let said = said.get(place).copied().unwrap_or(0);
                let due = put_in.get(place).copied().unwrap_or(0);
                return Err(format!(
                    "A6: the update at {place:?} {what} {due} alerts, the journal says {said}"
                ));
            }
        }
        Ok(())
    }
}

/// Every stage has read its inbox to the end, and every table.
fn everything_is_read(world: &World) -> Result<(), String> {
    for (group, inbox) in [
        ("correlate", topics::ALERTS),
        ("route", topics::INCIDENTS),
        ("notify", topics::NOTIFICATIONS),
    ] {
        for partition in 0..PARTITIONS {
            let end = world.log.watermarks(inbox, partition).unwrap().high;
            let read = world.log.committed(group, inbox, partition).unwrap();
            let read = read.map_or(0, |committed| committed.offset);
            if read < end {
                return Err(format!(
                    "A6: {group} has read {inbox}/{partition} up to {read} of {end}"
                ));
            }
        }
    }
    for (name, lane) in &world.lanes {
        for (table, read) in lane.tables() {
            let newest = world
                .log
                .committed_records(table)
                .last()
                .map_or(0, |record| record.offset + 1);
            if read < newest {
                return Err(format!("A6: {name} has read {table} up to {read} of {newest}"));
            }
        }
    }
    Ok(())
}

/// What fires is known to fire in each group it belongs to, and nothing else is anywhere.
fn what_fires_is_known_to_fire(facts: &Facts<'_>) -> Result<(), String> {
    let mut fires = BTreeSet::new();
    for (alert, slots) in facts
        .truth
        .iter()
        .zip(&facts.world.slots)
        .filter(|(alert, _)| alert.firing)
    {
        let groups = slots.iter().map(|slot| alert::GroupId(slot.0.clone()).hash());
        fires.extend(groups.map(|group| (group, alert.labels.fingerprint().0)));
    }
    let known: BTreeSet<_> = facts
        .world
        .known_alerts()
        .into_iter()
        .filter(|(_, _, known)| known.phase == AlertPhase::Firing)
        .map(|(group, fingerprint, _)| (group, fingerprint))
        .collect();
    if let Some(lost) = fires.difference(&known).next() {
        return Err(format!("A6: {lost:?} fires, and correlate does not know it"));
    }
    match known.difference(&fires).next() {
        Some(left) => Err(format!("A6: {left:?} fires no more, and correlate holds it as firing")),
        None => Ok(()),
    }
}

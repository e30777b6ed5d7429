//! Decides what is said about a group, to whom, when, and why: holds each flush against the silences and the notification
//! log, climbs the incident's escalation ladder, obeys acknowledgements, and hands notify its requests.
//!
//! It deliberately does not send or retry anything (that is notify), does not decide which alerts are in a group or when
//! it is looked at (that is correlate, which it only asks), and reads no clock: time is an argument. Where an alert goes,
//! what a silence matches and which rung follows which, crate `policy` says.
//!
//! The data path: a record comes in ([`Route`]), a handler changes the group's records (`flush`, `outcome`, `incident`,
//! `command`), and `Group::finish` draws the conclusions in one order: judge what waits, climb the ladder, settle the
//! flush, store.

mod batch;
mod command;
mod flush;
mod group;
mod incident;
mod journal;
mod ladder;
mod mutes;
pub mod notification_log;
mod outcome;
mod request;
mod slot;
mod state;
mod view;

use std::convert::Infallible;

use processor::{Attention, Context, Hurry, Poison, Processor, Record, StateKey, TableChange, Timer};
use schemas::{
    Avro, Command, Flush, GroupFiring, GroupMoved, GroupQuiet, Outcome, RouteSlot, route_keys, slot_name, topics,
};

pub use mutes::Muted;

use crate::group::Group;
use crate::state::{decoded, load, load_incident};
use crate::view::{Cx, View};

/// The route stage: one value serves every partition of a lane, and holds nothing but the tables.
#[derive(Debug, Default)]
pub struct Route {
    view: View,
}

impl Route {
    /// A stage that has seen no table yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies `change` to the group of that id, and draws the conclusions; nothing where the group is not known.
    fn in_group(
        &self,
        id: &str,
        cx: &mut Cx<'_>,
        change: impl FnOnce(&mut Group<'_, '_>) -> Result<(), Poison>,
    ) -> Result<(), Poison> {
        let Some(mut group) = Group::open(&self.view, cx, id)? else {
            return Ok(());
        };
        change(&mut group)?;
        group.finish()
    }

    fn slot_timer(&self, timer: &Timer, cx: &mut Cx<'_>) -> Result<(), Poison> {
        let Some(mut slot) = load::<RouteSlot>(cx, &timer.key)? else {
            return Ok(());
        };
        let name = slot_name(&slot.receiver, &slot.integration, slot.index);
        let hash = timer.key.group().unwrap_or(alert::GroupHash([0; 16]));
        let Some(incident) = load_incident(cx, hash)? else {
            // Nothing but the log entry was left of the group.
            slot.entry = None;
            cx.delete(&timer.key);
            return Ok(());
        };
        self.in_group(&incident.group, cx, |group| {
            match timer.kind {
                route_keys::TIMER_EXPIRE => outcome::expire(group, &name, timer.due),
                _ => outcome::recheck(group, &name),
            }
            Ok(())
        })
    }
}

impl Processor for Route {
    type Effect = Muted;
    type Completion = Infallible;

    const NAME: &'static str = "route";
    const INBOX: &'static str = topics::INCIDENTS;
    const CHANGELOG: Option<&'static str> = Some(topics::ROUTE_CHANGELOG);
    const TABLES: &'static [&'static str] = &[topics::CONFIG, topics::SILENCES];

    fn config_version(&self) -> u64 {
        self.view.version
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        self.view.take(change)
    }

    /// Nobody waits for what an outcome changes, as somebody does for a flush or a command.
    fn hurry(record: &Record) -> Hurry {
        match schemas::schema_of(record.bytes()) {
            Some(Outcome::NAME) => Hurry::Later,
            _ => Hurry::Now,
        }
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Muted>) -> Result<(), Poison> {
        let id = str::from_utf8(&record.key)
            .map_err(|_| Poison::Malformed("the key is no group id: not UTF-8".to_owned()))?;
        let bytes = record.bytes();
        match schemas::schema_of(bytes) {
            Some(Flush::NAME) => flush::take(&self.view, cx, id, decoded(bytes)?),
            Some(Outcome::NAME) => {
                let outcome = decoded(bytes)?;
                self.in_group(id, cx, |group| outcome::take(group, outcome))
            }
            Some(Command::NAME) => command::take(&self.view, cx, id, &decoded(bytes)?),
            Some(GroupQuiet::NAME) => {
                let quiet: GroupQuiet = decoded(bytes)?;
                self.in_group(id, cx, |group| {
                    incident::quiet(group, &quiet.incident_id, quiet.at);
                    Ok(())
                })
            }
            Some(GroupFiring::NAME) => {
                let firing: GroupFiring = decoded(bytes)?;
                self.in_group(id, cx, |group| {
                    incident::firing(group, &firing.incident_id);
                    Ok(())
                })
            }
            Some(GroupMoved::NAME) => {
                let moved: GroupMoved = decoded(bytes)?;
                self.in_group(id, cx, |group| {
                    incident::moved(group, &moved.incident_id, moved.config_version)
                })
            }
            // Another record of ours, one of a newer release, or none at all: decoding says which.
            Some(_) | None => decoded::<Flush>(bytes).map(|_| ()),
        }
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Muted>) -> Result<(), Poison> {
        if timer.key.kind() == Some(route_keys::SLOT) {
            return self.slot_timer(timer, cx);
        }
        let Some(hash) = timer.key.group() else { return Ok(()) };
        let Some(incident) = load_incident(cx, hash)? else {
            return Ok(());
        };
        match timer.kind {
            route_keys::TIMER_FORGET => match Group::open(&self.view, cx, &incident.group)? {
                Some(group) => group.forget(),
                None => Ok(()),
            },
            _ => self.in_group(&incident.group, cx, |_| Ok(())),
        }
    }

    fn completion(&mut self, completion: &Infallible, _: &mut Context<'_, Muted>) -> Result<(), Poison> {
        match *completion {}
    }

    fn sweep(&mut self, from: Option<&StateKey>, cx: &mut Context<'_, Muted>) -> Result<Option<StateKey>, Poison> {
        mutes::sweep(&self.view, from, cx)
    }
}

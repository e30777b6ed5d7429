//! The correlate stage: what becomes of an alert in its group, and when the group speaks.
//!
//! It decides how an arriving update merges with what is known, when an alert that nobody sends again expires, when a
//! group's window ends, what a flush carries, when an incident opens, goes quiet, fires again, ends or moves, and which
//! groups an alert leaves and gains when the config changes.
//!
//! It deliberately does not decide whether a flush is news to anybody, what is muted, or who hears of it (`route`), nor
//! where a new alert goes (`policy`, asked by `ingest`).
//!
//! State is one record for each group and one for each (group, alert); see `schemas::CorrelateGroup`. A re-send that
//! changes nothing is told by the first fields of its record and of what is known: one look-up, nothing decoded or written; how an expiry is still never early is told in `expiry`.

mod alerts;
mod arrivals;
mod expiry;
mod flush;
mod group;
mod journal;
mod merge;
mod receiving;
mod rekey;
mod versions;
mod wire;

use alert::GroupId;
use processor::{Attention, Context, Hurry, Poison, Processor, Record, StateKey, TableChange, Timer};
use schemas::{AlertUpdate, CORRELATE_ALERT, topics};

pub use expiry::{ASK_AGAIN, Expiry, GRACE, Hold, MAX_SLACK, expiry, slack};
pub use merge::{Step, arrive};
pub use receiving::{Listening, Stretch, listening};

use receiving::Listeners;
use versions::Versions;
use wire::Inbox;

/// An effect or a completion: this stage has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

/// The stage: its view of the tables, nothing else.
#[derive(Debug, Default)]
pub struct Correlate {
    versions: Versions,
    listeners: Listeners,
}

impl Correlate {
    /// The stage before it has seen any table.
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of a record, read whole. [`Processor::record`] comes to the same, and does without where it can; the
    /// tests hold one against the other.
    ///
    /// # Errors
    /// As [`Processor::record`].
    pub fn read_whole(&mut self, record: &Record, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        match wire::inbox(record.bytes())? {
            Inbox::Update(update) => self.update(record, &update, cx),
            Inbox::Settled(answer) => flush::settled(&self.versions, group_id(record)?.hash(), &answer, cx),
            Inbox::Look(ask) => flush::asked(&self.versions, group_id(record)?.hash(), &ask, cx),
        }
    }

    fn update(&self, record: &Record, update: &AlertUpdate, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        let id = group_id(record)?;
        if rekey::update(&self.versions, &id, update, cx)? {
            arrivals::arrive(&self.versions, id, update, record.appended, cx)?;
        }
        Ok(())
    }
}

impl Processor for Correlate {
    type Effect = Never;
    type Completion = Never;

    const NAME: &'static str = "correlate";
    const INBOX: &'static str = topics::ALERTS;
    const CHANGELOG: Option<&'static str> = Some(topics::CORRELATE_CHANGELOG);
    const TABLES: &'static [&'static str] = &[topics::CONFIG, topics::INSTANCES];

    fn config_version(&self) -> u64 {
        self.versions.current()
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        match change.table {
            topics::CONFIG if self.versions.change(change)? => Ok(Attention::Sweep),
            topics::INSTANCES => self.listeners.change(change).map(|()| Attention::None),
            _ => Ok(Attention::None),
        }
    }

    /// It is the first stage: what it gathers goes through the others in one transaction each.
    fn hurry(_: &Record) -> Hurry {
        Hurry::Soon
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        if arrivals::is_needless(&self.versions, record, cx) {
            return Ok(());
        }
        self.read_whole(record, cx)
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        if timer.key.kind() == Some(CORRELATE_ALERT) {
            alerts::timer(&self.versions, &self.listeners, timer, cx)
        } else {
            flush::timer(&self.versions, timer, cx)
        }
    }

    fn completion(&mut self, completion: &Never, _: &mut Context<'_, Never>) -> Result<(), Poison> {
        match *completion {}
    }

    fn sweep(&mut self, from: Option<&StateKey>, cx: &mut Context<'_, Never>) -> Result<Option<StateKey>, Poison> {
        rekey::sweep(&self.versions, from, cx)
    }
}

/// The group a record is about: its key.
fn group_id(record: &Record) -> Result<GroupId, Poison> {
    let key = std::str::from_utf8(&record.key).map_err(|error| Poison::Malformed(format!("group id: {error}")))?;
    Ok(GroupId(key.to_owned()))
}

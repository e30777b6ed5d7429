//! The one trait a stage implements, and the state it keeps.
//!
//! This crate decides what a stage may do: read and write the state of one partition, arm timers inside that state,
//! send records, and ask for effects that happen after the commit. It decides nothing about alerts, and it does not run
//! anything: `streams` runs a [`Processor`] on a log, [`Driver`] runs one in a test.
//!
//! Everything here is synchronous and total: time is an argument, there is no I/O, no clock and no randomness, and the
//! same inputs at the same times give the same outputs.

mod block;
mod context;
mod driver;
mod key;
mod meta;
mod record;
mod store;

pub use context::{Applied, Context, Origin, Output, Tables, apply};
pub use driver::{Driver, Said};
pub use key::StateKey;
pub use meta::{Meta, MetaError};
pub use record::{Record, TableChange};
pub use store::{MAX_TIMERS, Store, Stored, StoredError, Timer, Timers};

/// Why an input cannot be applied: it becomes a dead letter with this reason, and its neighbours go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// The bytes cannot be understood, or say what can never be true.
    #[error("{0}")]
    Malformed(String),
    /// The record was written with a schema this release does not know: the partition pauses, nothing is lost.
    #[error("written by a newer release: {0}")]
    UnknownSchema(String),
}

/// What a table change asks of the state that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing kept in state depends on it.
    None,
    /// [`Processor::sweep`] is to pass over every partition.
    Sweep,
}

/// How soon a record is to be applied, where waiting for others to share its transaction saves much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hurry {
    /// At once: somebody waits, and a stage before has gathered already.
    Now,
    /// Somebody waits; but many such come one after the other.
    Soon,
    /// Nobody waits.
    Later,
}

/// A deterministic stage. One value of it serves all partitions of a lane; what belongs to a partition is in its
/// [`Store`], so `self` holds nothing but the view of the tables.
pub trait Processor: Send {
    /// What the shell is to do once the transaction is committed (a send, for notify).
    type Effect: Send + std::fmt::Debug;
    /// What the shell reports back of an effect.
    type Completion: Send + Clone + std::fmt::Debug;

    /// The stage's name: consumer group, transactional id and metric label.
    const NAME: &'static str;
    /// The partitioned topic it reads.
    const INBOX: &'static str;
    /// Its compacted state, if it keeps any.
    const CHANGELOG: Option<&'static str>;
    /// The global tables it wants to see whole before it applies anything.
    const TABLES: &'static [&'static str];

    /// The version of the config this stage has taken up; 0 before the first. A record stamped with a newer one waits.
    fn config_version(&self) -> u64;

    /// Takes up one change of a table. Called between transactions only, so that a transaction sees one version.
    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison>;

    /// Applies one record of the inbox.
    fn record(&mut self, record: &Record, cx: &mut Context<'_, Self::Effect>) -> Result<(), Poison>;

    /// How soon a record is to be applied. What a stage before has gathered waits no second time.
    fn hurry(record: &Record) -> Hurry {
        let _ = record;
        Hurry::Now
    }

    /// Fires one timer. What it leaves armed at the same place is disarmed afterwards.
    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Self::Effect>) -> Result<(), Poison>;

    /// Takes up the result of an effect that this partition asked for.
    fn completion(&mut self, completion: &Self::Completion, cx: &mut Context<'_, Self::Effect>) -> Result<(), Poison>;

    /// A last look at an effect when its transaction is committed, with the state as committed: what came after it in the
    /// same transaction may have made it unwanted. Then it is not released, and its completion is taken up instead.
    ///
    /// # Errors
    /// The completion of an effect that is not wanted any more.
    fn release(&self, effect: Self::Effect, state: &Store) -> Result<Self::Effect, Self::Completion> {
        let _ = state;
        Ok(effect)
    }

    /// Called once when a partition has become active, before its first record: what a new owner must know of what the
    /// last one left behind.
    fn restored(&mut self, cx: &mut Context<'_, Self::Effect>) -> Result<(), Poison> {
        let _ = cx;
        Ok(())
    }

    /// One slice of a pass over the partition's state, after a table change that asked for it and after each restore.
    /// Starts at `from` (the beginning where none), returns where to go on, or none at the end. A pass may be repeated
    /// from the start at any time, so it does nothing to what is up to date.
    fn sweep(
        &mut self,
        from: Option<&StateKey>,
        cx: &mut Context<'_, Self::Effect>,
    ) -> Result<Option<StateKey>, Poison> {
        let _ = (from, cx);
        Ok(None)
    }
}

//! Stages that are broken on purpose, to show that the invariants notice.

use std::collections::BTreeSet;

use alert::PromDuration;
use processor::{Attention, Context, Hurry, Poison, Processor, Record, StateKey, Store, TableChange, Timer};
use schemas::{AlertUpdate, Avro, CORRELATE_GROUP, Command, Look, Outcome, route_keys, topics};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breakage {
    /// A group's tick comes ten seconds late.
    LateTicks,
    /// Route asks for looks in vain.
    IgnoredLooks,
    /// Route never hears how a request ended.
    LostOutcomes,
    /// Each rung of a ladder comes two minutes late.
    SlowRungs,
    /// Nobody answers a person's command.
    LostCommands,
    /// What an alert's end says is read and forgotten; its sender says it again a minute later.
    LostResolves,
    /// What cannot be read is passed over.
    SwallowedGarbage,
}

const LATE_TICK: PromDuration = PromDuration::from_secs(10);
const SLOW_RUNG: PromDuration = PromDuration::from_secs(120);

/// A stage with one thing broken, or none.
pub(crate) struct Broken<P> {
    stage: P,
    breakage: Option<Breakage>,
    /// Timers that were put off once.
    put_off: BTreeSet<Vec<u8>>,
}

impl<P: Processor> Broken<P> {
    pub(crate) fn new(stage: P, breakage: Option<Breakage>) -> Self {
        Self {
            stage,
            breakage,
            put_off: BTreeSet::new(),
        }
    }

    fn passes_over(&self, record: &Record) -> bool {
        let schema = schemas::schema_of(record.bytes());
        match self.breakage {
            Some(Breakage::IgnoredLooks) => schema == Some(Look::NAME),
            Some(Breakage::LostOutcomes) => schema == Some(Outcome::NAME),
            Some(Breakage::LostCommands) => schema == Some(Command::NAME),
            Some(Breakage::SwallowedGarbage) => schema.is_none(),
            Some(Breakage::LostResolves) => {
                let update = schemas::decode::<AlertUpdate>(record.bytes());
                update.is_ok_and(|update| update.resolved && update.ends_at == update.received_at)
            }
            _ => false,
        }
    }

    fn puts_off(&self, timer: &Timer) -> Option<PromDuration> {
        match self.breakage? {
            Breakage::LateTicks if P::INBOX == topics::ALERTS && timer.key.kind() == Some(CORRELATE_GROUP) => {
                Some(LATE_TICK)
            }
            Breakage::SlowRungs
                if P::INBOX == topics::INCIDENTS
                    && timer.key.kind() == Some(route_keys::INCIDENT)
                    && timer.kind == route_keys::TIMER_RUNG =>
            {
                Some(SLOW_RUNG)
            }
            Breakage::LateTicks
            | Breakage::IgnoredLooks
            | Breakage::LostOutcomes
            | Breakage::SlowRungs
            | Breakage::LostCommands
            | Breakage::LostResolves
            | Breakage::SwallowedGarbage => None,
        }
    }
}

impl<P: Processor> Processor for Broken<P> {
    type Effect = P::Effect;
    type Completion = P::Completion;

    const NAME: &'static str = P::NAME;
    const INBOX: &'static str = P::INBOX;
    const CHANGELOG: Option<&'static str> = P::CHANGELOG;
    const TABLES: &'static [&'static str] = P::TABLES;

    fn config_version(&self) -> u64 {
        self.stage.config_version()
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        self.stage.table(change)
    }

    fn hurry(record: &Record) -> Hurry {
        P::hurry(record)
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, P::Effect>) -> Result<(), Poison> {
        if self.passes_over(record) {
            return Ok(());
        }
        self.stage.record(record, cx)
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, P::Effect>) -> Result<(), Poison> {
        let once = [timer.key.as_bytes(), &timer.due.millis().to_be_bytes()].concat();
        if let Some(by) = self.puts_off(timer).filter(|_| !self.put_off.contains(&once)) {
            let due = cx.now() + by;
            self.put_off
                .insert([timer.key.as_bytes(), &due.millis().to_be_bytes()].concat());
            let stored = cx.get(&timer.key).unwrap();
            let (timers, bytes) = (stored.timers.and(timer.kind, due), stored.bytes.to_vec());
            cx.put(timer.key.clone(), &timers, &bytes);
            return Ok(());
        }
        self.stage.timer(timer, cx)
    }

    fn completion(&mut self, completion: &P::Completion, cx: &mut Context<'_, P::Effect>) -> Result<(), Poison> {
        self.stage.completion(completion, cx)
    }

    fn release(&self, effect: P::Effect, state: &Store) -> Result<P::Effect, P::Completion> {
        self.stage.release(effect, state)
    }

    fn restored(&mut self, cx: &mut Context<'_, P::Effect>) -> Result<(), Poison> {
        self.stage.restored(cx)
    }

    fn sweep(&mut self, from: Option<&StateKey>, cx: &mut Context<'_, P::Effect>) -> Result<Option<StateKey>, Poison> {
        self.stage.sweep(from, cx)
    }
}

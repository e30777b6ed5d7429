//! The stage on the users' own topics: a record in, its alerts out to their groups.

use std::collections::BTreeMap;

use processor::{Attention, Context, Poison, Processor, Record, TableChange, Timer};
use schemas::topics;

use crate::batch::Batch;
use crate::config_view::ConfigView;
use crate::events::{Format, events};
use crate::refused::{Reason, Refused, journal_entries};
use crate::wire::pack;

/// What is counted once the transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Items received, by format.
    pub formats: BTreeMap<Format, u64>,
    /// Alerts that said they fire.
    pub firing: u64,
    /// Alerts that said they are over.
    pub resolved: u64,
    /// Refused, by rule.
    pub refused: BTreeMap<Reason, u64>,
}

impl Tally {
    /// Counts what a request or record came to.
    pub fn of(batch: &Batch<'_>) -> Self {
        let mut tally = Self {
            formats: batch.formats.clone(),
            firing: batch.firing,
            resolved: batch.resolved,
            ..Self::default()
        };
        for refused in &batch.refused {
            *tally.refused.entry(refused.reason).or_default() += 1;
        }
        tally
    }
}

/// Ingest on a topic of the users'. It keeps no state; the time of receipt is the record's append time, so that a
/// partition that lags cannot undo a newer resolve.
#[derive(Debug, Default)]
pub struct Ingest {
    config: ConfigView,
}

impl Ingest {
    /// Before any config.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Processor for Ingest {
    type Effect = Tally;
    type Completion = ();

    const NAME: &'static str = "ingest";
    const INBOX: &'static str = topics::ALERT_EVENTS;
    const CHANGELOG: Option<&'static str> = None;
    const TABLES: &'static [&'static str] = &[topics::CONFIG];

    fn config_version(&self) -> u64 {
        self.config.version()
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        self.config.take_up(change)?;
        Ok(Attention::None)
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Tally>) -> Result<(), Poison> {
        let current = self
            .config
            .current()
            .ok_or_else(|| Poison::Malformed("no config has been published".to_owned()))?;
        let mut batch = Batch::new(&current, record.appended);
        events(&record.headers, record.bytes(), &mut batch).map_err(Poison::Malformed)?;
        if batch.records.is_empty() && !batch.refused.is_empty() {
            return Err(Poison::Malformed(reasons(&batch.refused)));
        }
        for (group, bytes) in std::mem::take(&mut batch.records) {
            cx.send(topics::ALERTS, group.0, bytes);
        }
        let place = [
            ("partition", record.partition.to_string()),
            ("offset", record.offset.to_string()),
        ];
        for (key, entry) in journal_entries(&batch.refused, cx.now(), &place) {
            cx.send(topics::JOURNAL, key, pack(&entry)?);
        }
        cx.effect(Tally::of(&batch));
        Ok(())
    }

    fn timer(&mut self, _: &Timer, _: &mut Context<'_, Tally>) -> Result<(), Poison> {
        Ok(())
    }

    fn completion(&mut self, (): &(), _: &mut Context<'_, Tally>) -> Result<(), Poison> {
        Ok(())
    }
}

/// Why nothing of a record was taken: the first few reasons.
fn reasons(refused: &[Refused]) -> String {
    /// A dead letter names this many of its items.
    const NAMED: usize = 10;
    let mut lines: Vec<String> = refused
        .iter()
        .take(NAMED)
        .map(|one| format!("{}: {}", one.index, one.message))
        .collect();
    if refused.len() > NAMED {
        lines.push(format!("and {} more", refused.len() - NAMED));
    }
    lines.join("\n")
}

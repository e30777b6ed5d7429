//! What a run showed, for a terminal.

use std::fmt::{self, Write};

use crate::outcome::{Outcome, TargetOutcome};
use crate::table::{PhaseTable, phase_tables};

/// More findings than this are counted, not shown.
const SHOWN: usize = 20;
/// The width of a target's column.
const COLUMN: usize = 20;

/// The summary of a run.
///
/// # Errors
/// None: writing to a string does not fail.
pub fn summary(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let pairs: Vec<_> = outcome
        .settings
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    writeln!(
        text,
        "{}: {}; on {}",
        outcome.scenario,
        pairs.join(", "),
        outcome.machine
    )?;
    if !outcome.release {
        writeln!(text, "(this is a debug build: its numbers say little)")?;
    }
    for table in phase_tables(outcome) {
        text.push('\n');
        text.push_str(&table_text(&table)?);
    }
    writeln!(text)?;
    for target in &outcome.targets {
        let counts = target.verdict;
        writeln!(
            text,
            "{}: {} changes said, {} acknowledged, {} of them heard, {} excused, {} not due yet; {} repeats, explained by \
             {} records; {} violations",
            target.name,
            counts.words,
            counts.acknowledged,
            counts.notified,
            counts.excused,
            counts.undecided,
            counts.repeats_explained,
            counts.possible_duplicates,
            counts.violations
        )?;
        findings(&mut text, target)?;
    }
    Ok(text)
}

/// A table, in columns.
///
/// # Errors
/// None: writing to a string does not fail.
pub fn table_text(table: &PhaseTable) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let several = table.targets.len() > 1;
    write!(text, "{:<36}", table.name)?;
    for target in &table.targets {
        write!(text, "{target:>COLUMN$}")?;
    }
    writeln!(text, "{}", if several { "     ratio" } else { "" })?;
    for row in &table.rows {
        write!(text, "  {:<34}", row.name)?;
        for value in &row.values {
            write!(text, "{value:>COLUMN$}")?;
        }
        if let Some(ratio) = row.ratio.as_ref().filter(|_| several) {
            write!(text, "{ratio:>10}")?;
        }
        writeln!(text)?;
    }
    Ok(text)
}

fn findings(text: &mut String, target: &TargetOutcome) -> fmt::Result {
    if !target.errors.is_empty() {
        writeln!(text, "\n{}: requests that were not acknowledged at first:", target.name)?;
    }
    for (error, times) in target.errors.iter().take(SHOWN) {
        writeln!(text, "  {times} × {error}")?;
    }
    if target.strange_messages > 0 {
        writeln!(
            text,
            "\n{}: {} messages told of no alert of this run",
            target.name, target.strange_messages
        )?;
    }
    if !target.findings.is_empty() {
        writeln!(text, "\n{}: what must not be:", target.name)?;
    }
    for finding in target.findings.iter().take(SHOWN) {
        writeln!(text, "  {finding}")?;
    }
    if let Some(more @ 1..) = target.findings.len().checked_sub(SHOWN) {
        writeln!(text, "  and {more} more")?;
    }
    Ok(())
}

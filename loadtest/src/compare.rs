//! `compare`: two runs beside each other.

use std::fmt::{self, Write};
use std::path::Path;

use crate::cli::CompareArgs;
use crate::error::Error;
use crate::outcome::{Outcome, TargetOutcome, VERSION};
use crate::summary::table_text;
use crate::table::tables;

/// Prints the figures of each target that both runs have, and their ratios.
///
/// # Errors
/// A file cannot be read, is of another release, or the runs have no target in common.
pub fn run(args: &CompareArgs) -> Result<bool, Error> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    print!("{}", compare(&before, &after)?);
    Ok(true)
}

/// A run that was written to a file.
///
/// # Errors
/// It cannot be read, or is of another release.
pub fn read(file: &Path) -> Result<Outcome, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::of(file.display(), error))?;
    let outcome: Outcome = serde_json::from_str(&text).map_err(|error| Error::of(file.display(), error))?;
    if outcome.version == VERSION {
        Ok(outcome)
    } else {
        let text = format!("is of form {}, this release reads {VERSION}", outcome.version);
        Err(Error::of(file.display(), text))
    }
}

/// The comparison's text.
///
/// # Errors
/// No target is in both.
pub fn compare(before: &Outcome, after: &Outcome) -> Result<String, Error> {
    let common = |target: &&TargetOutcome| after.targets.iter().any(|other| other.name == target.name);
    if !before.targets.iter().any(|target| common(&target)) {
        return Err(Error::new("the runs have no target in common"));
    }
    let mut text = String::new();
    differences(&mut text, before, after).map_err(|error| Error::of("the comparison", error))?;
    for target in &before.targets {
        let Some(other) = after.targets.iter().find(|other| other.name == target.name) else {
            continue;
        };
        text.extend(["\n", &target.name, "\n"]);
        let columns = [
            (format!("{:.19}", before.began), target),
            (format!("{:.19}", after.began), other),
        ];
        for table in tables(&columns) {
            text.push_str(&table_text(&table).map_err(|error| Error::of("the table", error))?);
        }
    }
    Ok(text)
}

/// What makes two runs hard to compare.
fn differences(text: &mut String, before: &Outcome, after: &Outcome) -> fmt::Result {
    if before.scenario != after.scenario {
        writeln!(text, "DIFFERENT SCENARIOS: {} and {}", before.scenario, after.scenario)?;
    }
    for (name, value) in &before.settings {
        let other = after.settings.get(name).map_or("none", String::as_str);
        if other != value {
            writeln!(text, "DIFFERENT SETTINGS: {name} {value} and {other}")?;
        }
    }
    if before.machine != after.machine {
        writeln!(text, "DIFFERENT MACHINES: {} and {}", before.machine, after.machine)?;
    }
    Ok(())
}

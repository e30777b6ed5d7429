//! Whether anything is to be said of a group to one integration, and why: Alertmanager's `needsUpdate`, row by row.

use std::collections::BTreeSet;

use alert::{Fingerprint, NotifyReason, PromDuration, Timestamp};

/// The longest a log entry lives: Alertmanager's `--data.retention` default.
pub const RETENTION: PromDuration = PromDuration::from_hours(120);

/// What an integration was told last.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// As firing.
    pub firing: &'a BTreeSet<Fingerprint>,
    /// As resolved.
    pub resolved: &'a BTreeSet<Fingerprint>,
    /// When; `repeat_interval` counts from here.
    pub timestamp: Timestamp,
}

/// Everything the decision depends on. Muted alerts are in none of the sets.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What fires.
    pub firing: &'a BTreeSet<Fingerprint>,
    /// What is resolved.
    pub resolved: &'a BTreeSet<Fingerprint>,
    /// The log entry; none when nothing was said or the entry expired.
    pub told: Option<Told<'a>>,
    /// Whether the integration is told of resolved alerts.
    pub send_resolved: bool,
    /// The time the decision is taken at.
    pub tick: Timestamp,
    /// The route's.
    pub repeat_interval: PromDuration,
}

/// Why nothing is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsaid {
    /// Nothing fires, and the integration was told of nothing that fired.
    NothingFires,
    /// It was told already, and no repeat is due.
    NotChanged,
}

impl Unsaid {
    /// In words, for the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingFires => "nothing fires, and nothing that fired was told",
            Self::NotChanged => "told already, and no repeat is due",
        }
    }
}

/// Alertmanager's decision (`notify.go`, `DedupStage.needsUpdate`).
///
/// # Errors
/// Why nothing is to be said.
pub fn needs_update(facts: &Facts<'_>) -> Result<NotifyReason, Unsaid> {
    let Some(told) = facts.told else {
        return if facts.firing.is_empty() {
            Err(Unsaid::NothingFires)
        } else {
            Ok(NotifyReason::FirstNotification)
        };
    };
    if !facts.firing.is_subset(told.firing) {
        let first = told.firing.is_empty();
        return Ok(if first {
            NotifyReason::FirstNotification
        } else {
            NotifyReason::NewAlertsInGroup
        });
    }
    if facts.firing.is_empty() {
        // Whatever `send_resolved` says: the entry must be emptied, so that the next alert is a first one.
        return if told.firing.is_empty() {
            Err(Unsaid::NothingFires)
        } else {
            Ok(NotifyReason::AllAlertsResolved)
        };
    }
    if facts.send_resolved && !facts.resolved.is_subset(told.resolved) {
        return Ok(NotifyReason::NewResolvedAlerts);
    }
    if told.timestamp < facts.tick - facts.repeat_interval {
        return Ok(NotifyReason::RepeatIntervalElapsed);
    }
    Err(Unsaid::NotChanged)
}

/// How long a log entry lives: twice the repeat interval, Alertmanager's retention at most.
pub fn lifetime(repeat_interval: PromDuration) -> PromDuration {
    repeat_interval.saturating_mul(2).min(RETENTION)
}

#[cfg(test)]
#[path = "notification_log_tests.rs"]
mod tests;

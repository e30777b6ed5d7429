//! What an arriving update does to an alert as it is known: facts in, the next record and the step it takes out.

use alert::{Merged, Side, Times, Timestamp, merge_overlapping, merge_times};
use schemas::{AlertBody, AlertPhase, AlertUpdate, CorrelateAlert, KnownHead, UpdateHead};

use crate::expiry::slack;

/// What became of the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing that has to be written.
    Nothing,
    /// Only times moved, far enough to be written.
    Refreshed,
    /// It fires, and was not in the group.
    Opened,
    /// It fires, and was resolved.
    FiredAgain,
    /// Something that people see changed.
    Changed,
    /// It fired, and is over.
    Resolved,
    /// It is over and was not in the group: it is remembered, no more.
    Remembered,
}

/// The step that an update takes, and the record to store for it (for [`Step::Nothing`] there is none).
///
/// `appended` is when the log took the update in; `now` is the time of whatever begins by it.
pub fn arrive(
    known: Option<&CorrelateAlert>,
    update: &AlertUpdate,
    appended: Timestamp,
    now: Timestamp,
) -> (Step, Option<CorrelateAlert>) {
    let Some(known) = known else {
        let (step, phase) = if update.resolved {
            (Step::Remembered, AlertPhase::Settled)
        } else {
            (Step::Opened, AlertPhase::Firing)
        };
        return (
            step,
            Some(fresh(update, update_times(&update.into()), phase, appended, now)),
        );
    };
    let Decided { step, phase, merged } = decide(&known.into(), &update.into());
    if step == Step::Nothing {
        return (Step::Nothing, None);
    }
    (step, Some(next(known, update, merged, phase, appended, now)))
}

/// What an update does to a known alert.
#[derive(Debug, Clone, Copy)]
struct Decided {
    step: Step,
    phase: AlertPhase,
    merged: Merged,
}

/// Whether an update changes nothing of a known alert that has to be written: for these [`arrive`] says
/// [`Step::Nothing`].
pub(crate) fn is_needless(known: &KnownHead, update: &UpdateHead) -> bool {
    decide(known, update).step == Step::Nothing
}

/// The step, told from what stands in front of the two records.
fn decide(known: &KnownHead, update: &UpdateHead) -> Decided {
    let merged = join(known_times(known), update_times(update));
    let fires = !merged.times.resolved;
    let (step, phase) = match (known.phase, fires) {
        (AlertPhase::Settled, true) => (Step::Opened, AlertPhase::Firing),
        (AlertPhase::Resolved, true) => (Step::FiredAgain, AlertPhase::Firing),
        (AlertPhase::Firing, false) => (Step::Resolved, AlertPhase::Resolved),
        (AlertPhase::Settled, false) => (Step::Remembered, AlertPhase::Settled),
        (same, _) => (seen_step(known, update, &merged), same),
    };
    let needless = match step {
        Step::Remembered => known.starts_at == merged.times.starts_at && known.ends_at == merged.times.ends_at,
        Step::Refreshed => within_bound(known, &merged.times),
        Step::Nothing | Step::Opened | Step::FiredAgain | Step::Changed | Step::Resolved => false,
    };
    let step = if needless { Step::Nothing } else { step };
    Decided { step, phase, merged }
}

/// For an alert whose state stays: whether people see a difference.
fn seen_step(known: &KnownHead, update: &UpdateHead, merged: &Merged) -> Step {
    let content = merged.newer == Side::New && update.content_hash != known.content_hash;
    if content || merged.times.starts_at != known.starts_at {
        Step::Changed
    } else {
        Step::Refreshed
    }
}

/// Whether new times need not be written: nothing moved, or `endsAt` no further than `expires_at` allows for.
fn within_bound(known: &KnownHead, times: &Times) -> bool {
    let ends = known.ends_at..=known.expires_at.max(known.ends_at);
    match known.phase {
        AlertPhase::Firing => ends.contains(&times.ends_at) && known.timeout == times.timeout,
        AlertPhase::Resolved | AlertPhase::Settled => known.ends_at == times.ends_at,
    }
}

fn next(
    known: &CorrelateAlert,
    update: &AlertUpdate,
    merged: Merged,
    phase: AlertPhase,
    appended: Timestamp,
    now: Timestamp,
) -> CorrelateAlert {
    let mut next = fresh(update, merged.times, phase, appended, now);
    next.heard_at = next.heard_at.max(known.heard_at);
    if merged.newer == Side::Old {
        next.content_hash = known.content_hash;
        next.body = known.body.clone();
    }
    if known.phase == phase {
        next.since = known.since;
        next.next_flush = known.next_flush;
    }
    if known.phase == AlertPhase::Firing && phase == AlertPhase::Firing {
        next.expires_at = next.ends_at + slack(next.ends_at, next.received_at);
        // An end the sender gave holds until a later one (the merge rule), so the unwritten ones hold too.
        if !known.timeout && known.starts_at == next.starts_at {
            next.expires_at = next.expires_at.max(known.expires_at);
        }
    }
    next
}

fn fresh(update: &AlertUpdate, times: Times, phase: AlertPhase, appended: Timestamp, now: Timestamp) -> CorrelateAlert {
    // What another group knew of the alert may lack refreshes that were never written.
    let unwritten = update.moved_from.is_some() && phase == AlertPhase::Firing;
    let expires_at = if unwritten {
        times.ends_at + slack(times.ends_at, times.updated_at)
    } else {
        times.ends_at
    };
    CorrelateAlert {
        phase,
        content_hash: update.content_hash,
        starts_at: times.starts_at,
        ends_at: times.ends_at,
        expires_at,
        received_at: times.updated_at,
        // Each of the two may be the later one: a clock ahead, a backlog, a move. The earlier one was surely true.
        heard_at: update.received_at.min(appended),
        timeout: times.timeout,
        since: now,
        next_flush: 0,
        body: if phase == AlertPhase::Settled {
            AlertBody::default()
        } else {
            update.body.clone()
        },
    }
}

/// Alertmanager's rule where updates come in order. One that was received earlier than what is known merges with what it
/// overlaps or touches, and changes nothing otherwise: Alertmanager, whose updates cannot be re-keyed or lag on a
/// partition, would let it replace.
fn join(old: Times, new: Times) -> Merged {
    if new.updated_at >= old.updated_at {
        merge_times(old, new)
    } else if new.starts_at <= old.ends_at && new.ends_at >= old.starts_at {
        merge_overlapping(old, new)
    } else {
        Merged {
            times: old,
            newer: Side::Old,
        }
    }
}

fn known_times(known: &KnownHead) -> Times {
    Times {
        starts_at: known.starts_at,
        ends_at: known.ends_at,
        updated_at: known.received_at,
        timeout: known.timeout,
        resolved: known.phase != AlertPhase::Firing,
    }
}

fn update_times(update: &UpdateHead) -> Times {
    Times {
        starts_at: update.starts_at,
        ends_at: update.ends_at,
        updated_at: update.received_at,
        timeout: update.timeout,
        resolved: update.resolved,
    }
}

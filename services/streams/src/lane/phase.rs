//! One partition of a lane: its state, what is in hand, and how far it is.

use std::collections::VecDeque;
use std::sync::Arc;

use alert::{PromDuration, Timestamp};
use processor::{Record, StateKey, Store};

use super::restore::Restore;

/// How far a partition is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Its restore is to begin.
    Assigned,
    /// Its changelog is being read, then the tables up to where they stood.
    Restoring(Restore),
    /// Records and timers run.
    Active,
    /// Its next record was written under a config version that is not here yet.
    Waiting {
        /// The version it needs.
        for_version: u64,
        /// Where it goes on.
        offset: i64,
    },
    /// Its next record was written by a newer release: only a newer release can go on.
    Held {
        /// What is wrong.
        reason: String,
    },
}

/// How far a pass over a partition's state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// Nothing is to be passed over.
    Done,
    /// It is to begin.
    Start,
    /// It goes on from here.
    From(StateKey),
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Task<C> {
    pub(crate) partition: u32,
    pub(crate) phase: Phase,
    pub(crate) store: Store,
    pub(crate) in_hand: VecDeque<Arc<Record>>,
    pub(crate) completions: VecDeque<C>,
    /// The offset after the last record applied.
    pub(crate) next: i64,
    /// What the group has committed.
    pub(crate) committed: Option<i64>,
    /// Whether the stage still has to be told that the partition is its own.
    pub(crate) greet: bool,
    /// The pass over the state.
    pub(crate) sweep: Sweep,
    /// The end of the inbox, and when it was asked for.
    pub(crate) end_seen: Option<(Timestamp, i64)>,
    /// What hides behind an open transaction while a timer is due.
    pub(crate) hidden: Option<Hidden>,
    /// The pass that runs.
    pub(crate) pass: Pass,
}

/// What tells a timer that this pass armed for now from one that was armed before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pass {
    began: Timestamp,
    /// The first timer that was armed when it began.
    armed_before: Option<Timestamp>,
    /// When the record it applied last was appended.
    pub(crate) applied: Option<Timestamp>,
}

/// Something unread that reading does not reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hidden {
    since: Timestamp,
    /// The last pass that found it so.
    looked_at: Timestamp,
    /// Where reading stands: reading on begins the wait anew, so that a backlog of any length is read before the timer.
    at: i64,
}

/// What an open transaction hides is waited for this long: the transaction timeout (10 s) and the coordinator's scan.
pub(crate) const HIDDEN_AT_MOST: PromDuration = PromDuration::from_millis(20_000);

/// Passes further apart than this: the lane was away (frozen, starved) and did not wait. What it has not read may only
/// be on its way.
const AWAY: PromDuration = PromDuration::from_millis(5_000);

/// A record older than this is one of a backlog: what it arms for now comes after all of that.
const BACKLOG: PromDuration = PromDuration::from_millis(1_000);

impl<C> Task<C> {
    pub(crate) fn new(partition: u32, phase: Phase) -> Self {
        Self {
            partition,
            phase,
            store: Store::default(),
            in_hand: VecDeque::new(),
            completions: VecDeque::new(),
            next: 0,
            committed: None,
            greet: false,
            sweep: Sweep::Done,
            end_seen: None,
            hidden: None,
            pass: Pass::default(),
        }
    }

    /// A pass begins.
    pub(crate) fn begin_pass(&mut self, now: Timestamp) {
        self.pass = Pass {
            began: now,
            armed_before: self.store.next_due(),
            applied: None,
        };
    }

    /// Whether a timer is the other half of a record of this pass: armed for now by it, after everything in hand. The inbox's
    /// end is not asked for, and what an open transaction hides is not waited for: on a log where some transaction is always
    /// open, a flush without `group_wait` would take a transaction more.
    pub(crate) fn goes_with_its_record(&self, due: Timestamp, now: Timestamp) -> bool {
        let Pass {
            began,
            armed_before,
            applied,
        } = self.pass;
        due >= began
            && armed_before.is_none_or(|before| due < before)
            && applied.is_some_and(|appended| now.saturating_since(appended) <= BACKLOG)
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    pub(crate) fn is_restoring(&self) -> bool {
        matches!(self.phase, Phase::Assigned | Phase::Restoring(_))
    }

    /// Whether a step has something to do without waiting.
    pub(crate) fn has_work(&self) -> bool {
        match self.phase {
            Phase::Assigned | Phase::Restoring(_) => true,
            Phase::Active => {
                !self.in_hand.is_empty() || !self.completions.is_empty() || self.greet || self.sweep != Sweep::Done
            }
            Phase::Waiting { .. } | Phase::Held { .. } => false,
        }
    }

    pub(crate) fn sweep_from_start(&mut self) {
        self.sweep = Sweep::Start;
    }

    /// Whether a timer is due that only the inbox's end can let fire, and no answer from after its time is known.
    pub(crate) fn needs_end(&self, now: Timestamp) -> bool {
        let due = self.store.next_due();
        self.is_active()
            && self.in_hand.is_empty()
            && due.is_some_and(|due| due <= now && self.end_seen.is_none_or(|(asked, _)| asked < due))
    }

    /// Whether everything that was in the inbox when `due` came is applied. Gives up after [`HIDDEN_AT_MOST`].
    pub(crate) fn is_at_end(&mut self, due: Timestamp, now: Timestamp, position: i64) -> AtEnd {
        let Some((asked, end)) = self.end_seen else {
            return AtEnd::Unknown;
        };
        if asked < due {
            return AtEnd::Unknown;
        }
        if position >= end {
            self.hidden = None;
            return AtEnd::Yes;
        }
        let waits = |hidden: &Hidden| hidden.at == position && now.saturating_since(hidden.looked_at) <= AWAY;
        let since = self.hidden.filter(waits).map_or(now, |hidden| hidden.since);
        self.hidden = Some(Hidden {
            since,
            looked_at: now,
            at: position,
        });
        if now.saturating_since(since) >= HIDDEN_AT_MOST {
            AtEnd::GaveUp
        } else {
            AtEnd::Unknown
        }
    }
}

/// Whether the inbox was at its end when a timer came due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Yes,
    Unknown,
    /// It is not known, but waiting longer would be worse: counted.
    GaveUp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_waits_for_a_backlog_of_any_length_but_not_for_ever_for_what_stays_hidden() {
        let at = Timestamp::from_secs;
        let mut task: Task<()> = Task::new(0, Phase::Active);
        task.end_seen = Some((at(10), 1_000));
        let mut asks = |from: i64, to: i64, position, expected| {
            for second in from..=to {
                let found = task.is_at_end(at(10), at(second), position);
                assert_eq!(found, expected, "at {second}, {position}");
            }
        };
        asks(10, 28, 100, AtEnd::Unknown);
        asks(29, 47, 400, AtEnd::Unknown);
        asks(48, 67, 900, AtEnd::Unknown);
        asks(68, 68, 900, AtEnd::GaveUp);
        asks(69, 69, 950, AtEnd::Unknown);
        asks(70, 70, 1_000, AtEnd::Yes);
    }

    #[test]
    fn only_what_a_fresh_record_of_the_pass_arms_for_now_goes_with_it() {
        let at = Timestamp::from_secs;
        let rows = [
            ("armed for now", None, Some(10), 10, true),
            ("another is due later", Some(12), Some(10), 10, true),
            ("it may have been armed before", Some(10), Some(10), 10, false),
            ("one that was armed before goes first", Some(9), Some(10), 10, false),
            (
                "armed for before now: an end of what may have gone on",
                None,
                Some(10),
                9,
                false,
            ),
            ("of a backlog", None, Some(8), 10, false),
            ("no record: a completion or a sweep", None, None, 10, false),
        ];
        for (name, armed_before, applied, due, expected) in rows {
            let mut task: Task<()> = Task::new(0, Phase::Active);
            task.pass = Pass {
                began: at(10),
                armed_before: armed_before.map(at),
                applied: applied.map(at),
            };
            assert_eq!(task.goes_with_its_record(at(due), at(10)), expected, "{name}");
        }
    }

    #[test]
    fn a_lane_that_was_away_has_not_waited() {
        let at = Timestamp::from_secs;
        let mut task: Task<()> = Task::new(0, Phase::Active);
        task.end_seen = Some((at(10), 1_000));
        let mut seconds = vec![10, 11, 12];
        // Frozen for a minute; what it has not read is on its way.
        seconds.extend(72..92);
        for second in seconds {
            assert_eq!(task.is_at_end(at(10), at(second), 100), AtEnd::Unknown, "at {second}");
        }
        assert_eq!(task.is_at_end(at(10), at(92), 100), AtEnd::GaveUp);
    }
}

//! One partition of a lane: its state, what is in hand, and how far it is.

use std::collections::VecDeque;

use alert::{PromDuration, Timestamp};
use processor::{Record, StateKey, Store};

use super::restore::Restore;

/// How far a partition is.
#[derive(Debug)]
pub(crate) enum Phase {
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
    pub(crate) in_hand: VecDeque<Record>,
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
    /// Since when something unread hides behind an open transaction while a timer is due, and where: reading on begins
    /// the wait anew, so that a backlog of any length is read before the timer.
    pub(crate) hidden_since: Option<(Timestamp, i64)>,
}

/// What an open transaction hides is waited for this long: the transaction timeout (10 s) and the coordinator's scan.
pub(crate) const HIDDEN_AT_MOST: PromDuration = PromDuration::from_millis(20_000);

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
            hidden_since: None,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    /// Whether a step has something to do without waiting.
    pub(crate) fn has_work(&self) -> bool {
        match self.phase {
            Phase::Restoring(_) => true,
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
        let due = self.store.next_timer().map(|timer| timer.due);
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
            self.hidden_since = None;
            return AtEnd::Yes;
        }
        let stuck = self.hidden_since.filter(|(_, at)| *at == position);
        let (since, _) = *self.hidden_since.insert(stuck.unwrap_or((now, position)));
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
        for (second, position, expected) in [
            (10, 100, AtEnd::Unknown),
            (29, 400, AtEnd::Unknown),
            (48, 900, AtEnd::Unknown),
            (67, 900, AtEnd::Unknown),
            (68, 900, AtEnd::GaveUp),
            (69, 950, AtEnd::Unknown),
            (70, 1_000, AtEnd::Yes),
        ] {
            assert_eq!(
                task.is_at_end(at(10), at(second), position),
                expected,
                "at {second}, {position}"
            );
        }
    }
}

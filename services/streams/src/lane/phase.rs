//! One partition of a lane: its state, what is in hand, and how far it is.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use alert::{PromDuration, Timestamp};
use processor::{Hurry, Record, StateKey, Store, Timer};

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
    /// Timers that are the other half of a record: armed by it for its own time, and to fire after all that was read with it.
    /// The inbox's end is not asked for, and what an open transaction hides is not waited for: on a log where some transaction
    /// is always open, a flush without `group_wait` would take a transaction more. Some may have been disarmed since.
    pub(crate) halves: BTreeSet<Timer>,
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
            halves: BTreeSet::new(),
        }
    }

    /// A record that was appended then armed these for its own time. Of a backlog they come after all of that, as other timers do.
    pub(crate) fn armed_with(&mut self, appended: Timestamp, now: Timestamp, due_now: Vec<Timer>) {
        if now.saturating_since(appended) <= BACKLOG {
            self.halves.extend(due_now);
        }
    }

    /// A timer fires. Other halves that were due before it are armed no more.
    pub(crate) fn fired(&mut self, timer: &Timer) {
        self.store.disarm(timer);
        self.halves.remove(timer);
        while self.halves.first().is_some_and(|half| half.due < timer.due) {
            self.halves.pop_first();
        }
    }

    /// The first of the other halves that is armed still.
    pub(crate) fn next_half(&mut self) -> Option<Timer> {
        while let Some(half) = self.halves.first() {
            let armed = self
                .store
                .get(&half.key)
                .and_then(|stored| stored.timers.get(half.kind));
            if armed == Some(half.due) {
                return Some(half.clone());
            }
            self.halves.pop_first();
        }
        None
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

    /// How soon what it has to do is to be done; none where there is nothing.
    pub(crate) fn hurry(&self, now: Timestamp, of: impl Fn(&Record) -> Hurry) -> Option<Hurry> {
        if !self.is_active() {
            return self.has_work().then_some(Hurry::Now);
        }
        let at_once = self.greet
            || self.sweep != Sweep::Done
            || !self.completions.is_empty()
            || self.store.next_due().is_some_and(|due| due <= now);
        if at_once {
            return Some(Hurry::Now);
        }
        self.in_hand.iter().map(|record| of(record)).min()
    }

    pub(crate) fn sweep_from_start(&mut self) {
        self.sweep = Sweep::Start;
    }

    /// Whether a timer is due that only the inbox's end can let fire, and no answer from after its time is known.
    pub(crate) fn needs_end(&self, now: Timestamp) -> bool {
        let due = self.store.next_due().filter(|due| *due <= now);
        let half = self.halves.first().map(|half| half.due);
        self.is_active()
            && self.in_hand.is_empty()
            && due.is_some_and(|due| half != Some(due) && self.end_seen.is_none_or(|(asked, _)| asked < due))
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
    use processor::Timers;

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
    fn only_what_a_fresh_record_arms_goes_with_it_and_only_while_it_is_armed() {
        let at = Timestamp::from_secs;
        let key = |name: u8| StateKey::from_bytes(&[name]);
        let timer = |name, due| Timer {
            due: at(due),
            key: key(name),
            kind: 1,
        };
        let rows = [
            ("of a backlog", 8, 10, vec![timer(1, 10)], None),
            ("disarmed", 10, 10, vec![timer(2, 10)], None),
            ("moved", 10, 10, vec![timer(1, 9)], None),
            (
                "behind one that was disarmed",
                9,
                10,
                vec![timer(2, 9), timer(1, 10)],
                Some(timer(1, 10)),
            ),
        ];
        for (name, appended, now, due_now, expected) in rows {
            let mut task: Task<()> = Task::new(0, Phase::Active);
            task.store.put(key(1), &Timers::one(1, at(10)), b"");
            task.armed_with(at(appended), at(now), due_now);
            assert_eq!(task.next_half(), expected, "{name}");
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

//! A policy's ladder: which rung follows which, and when.

use alert::{PromDuration, Timestamp};
use config::{Policy, Target};

/// One thing that a ladder does. Rounds and steps count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// A step of the policy, in some round.
    Step {
        /// 0 the first time; up to the policy's `repeat.times`.
        round: u32,
        /// Its place in the policy.
        step: u32,
    },
    /// What comes when every step of every round went unanswered; nothing follows it.
    LastResort,
}

/// A policy as a schedule. It holds no state: the caller keeps the rung that fired last and when.
#[derive(Debug, Clone, Copy)]
pub struct Ladder<'p> {
    policy: &'p Policy,
}

impl<'p> Ladder<'p> {
    /// The ladder of a policy.
    pub fn of(policy: &'p Policy) -> Self {
        Self { policy }
    }

    /// The rung that fires when the ladder starts.
    pub fn first(&self) -> Rung {
        if self.policy.steps.is_empty() {
            Rung::LastResort
        } else {
            Rung::Step { round: 0, step: 0 }
        }
    }

    /// Whom a rung tells; nobody if the policy has no such rung (any more).
    pub fn targets(&self, rung: Rung) -> &'p [Target] {
        match rung {
            Rung::Step { round, step } => self.step_at(round, step).map_or(&[], |step| step.notify.as_slice()),
            Rung::LastResort => &self.policy.last_resort,
        }
    }

    /// The step number `step` of round `round`, if the policy has it.
    pub fn step_at(&self, round: u32, step: u32) -> Option<&'p config::Step> {
        let exists = round <= self.policy.repeat_times;
        self.policy.steps.get(usize::try_from(step).ok()?).filter(|_| exists)
    }

    /// The rung after `rung` and the gap between the two, start to start. `None` after the last resort. A rung that the
    /// policy does not have (any more) is followed by the last resort at once.
    pub fn after(&self, rung: Rung) -> Option<(Rung, PromDuration)> {
        let Rung::Step { round, step } = rung else {
            return None;
        };
        let Some(current) = self.step_at(round, step) else {
            return Some((Rung::LastResort, PromDuration::ZERO));
        };
        let (next_step, next_round) = (step.saturating_add(1), round.saturating_add(1));
        let next = if self.step_at(round, next_step).is_some() {
            Rung::Step { round, step: next_step }
        } else if self.step_at(next_round, 0).is_some() {
            Rung::Step {
                round: next_round,
                step: 0,
            }
        } else {
            Rung::LastResort
        };
        Some((next, current.escalate_after))
    }

    /// The rung after `rung` and when it is due, given when `rung` really fired: a rung that came late moves all that
    /// follow, so that nobody gets less time to answer than the policy says.
    pub fn due_after(&self, rung: Rung, fired_at: Timestamp) -> Option<(Rung, Timestamp)> {
        let (next, gap) = self.after(rung)?;
        Some((next, fired_at + gap))
    }

    /// Every rung with its time from the ladder's start, as it goes when nothing is late and nobody answers.
    pub fn schedule(&self) -> Vec<(PromDuration, Rung)> {
        let mut at = PromDuration::ZERO;
        let mut rung = self.first();
        let mut schedule = vec![(at, rung)];
        while let Some((next, gap)) = self.after(rung) {
            at = at.saturating_add(gap);
            rung = next;
            schedule.push((at, rung));
        }
        schedule
    }

    /// From the ladder's start to its last resort.
    pub fn total(&self) -> PromDuration {
        self.schedule().last().map_or(PromDuration::ZERO, |(at, _)| *at)
    }
}

//! One group as a state machine: its incident, its tick grid, whether it fires.

use alert::{GroupHash, GroupId, Timestamp};
use config::Timing;
use processor::{Context, Poison, StateKey, Timers};
use schemas::{AlertUpdate, CORRELATE_GROUP, CorrelateGroup, GroupFiring, GroupPhase, GroupQuiet, topics};

use crate::{Never, wire};

/// The group's timer for the next flush because something changed.
pub(crate) const TICK: u8 = 1;
/// The group's timer for a look though nothing changed.
pub(crate) const AGAIN: u8 = 2;
/// The timer that ends a memory: of a moved group, or of a settled alert.
pub(crate) const FORGET: u8 = 3;
/// An alert's timer for its expiry.
pub(crate) const EXPIRE: u8 = 4;

/// One group, taken out of the state to be changed.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What everything sent for it is keyed by.
    pub(crate) id: GroupId,
    /// What its state is keyed by.
    pub(crate) hash: GroupHash,
    /// What is stored.
    pub(crate) record: CorrelateGroup,
    /// What is armed.
    pub(crate) timers: Timers,
}

impl Group {
    /// The group as it is stored.
    pub(crate) fn load(cx: &Context<'_, Never>, hash: GroupHash) -> Result<Option<Self>, Poison> {
        let Some(stored) = cx.get(&StateKey::new(hash, CORRELATE_GROUP)) else {
            return Ok(None);
        };
        let record = wire::unpack::<CorrelateGroup>(stored.bytes)?.whole();
        Ok(Some(Self {
            id: GroupId(record.group_id.clone()),
            hash,
            record,
            timers: stored.timers,
        }))
    }

    /// A group that an update brings into being: a new incident, nothing armed yet.
    pub(crate) fn open(cx: &mut Context<'_, Never>, id: GroupId, update: &AlertUpdate, stamp: i64) -> Self {
        let record = CorrelateGroup {
            phase: GroupPhase::Firing,
            group_id: id.0.clone(),
            route: update.route.clone(),
            group_labels: update.group_labels.clone(),
            incident_id: incident_id(cx.next_id()),
            opened_at: cx.now(),
            config_version: stamp,
            flushes: 0,
            origin: None,
            alerts: 0,
            firing: 0,
            changed: false,
            moving: false,
            group_derived: false,
        };
        Self {
            hash: id.hash(),
            id,
            record,
            timers: Timers::none(),
        }
    }

    /// A moved group comes back: the same incident, on a new grid.
    pub(crate) fn reopen(&mut self, stamp: i64) {
        self.record.phase = GroupPhase::Firing;
        self.record.config_version = stamp;
        self.record.origin = None;
        self.timers = Timers::none();
    }

    /// Stores it.
    pub(crate) fn save(self, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        cx.put(
            StateKey::new(self.hash, CORRELATE_GROUP),
            &self.timers,
            &wire::pack(&self.record.shortened())?,
        );
        Ok(())
    }

    /// Removes it.
    pub(crate) fn remove(&self, cx: &mut Context<'_, Never>) {
        cx.delete(&StateKey::new(self.hash, CORRELATE_GROUP));
    }

    /// The number of the first flush that carries what changes now.
    pub(crate) fn next_flush(&self) -> i64 {
        self.record.flushes.saturating_add(1)
    }

    /// One of its alerts begins to fire; route hears at once if the group was quiet.
    pub(crate) fn began_firing(&mut self, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        self.record.firing = self.record.firing.saturating_add(1);
        if self.record.phase == GroupPhase::Quiet {
            self.record.phase = GroupPhase::Firing;
            let firing = GroupFiring {
                incident_id: self.record.incident_id.clone(),
                at: cx.now(),
            };
            cx.send(topics::INCIDENTS, self.id.as_str(), wire::pack(&firing)?);
        }
        Ok(())
    }

    /// One of its alerts fires no more; route hears at once if it was the last one.
    pub(crate) fn stopped_firing(&mut self, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        self.record.firing = self.record.firing.saturating_sub(1).max(0);
        self.quiet_if_nothing_fires(cx)
    }

    /// Tells route if nothing fires any more and it has not been told.
    pub(crate) fn quiet_if_nothing_fires(&mut self, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        if self.record.firing == 0 && self.record.phase == GroupPhase::Firing {
            self.record.phase = GroupPhase::Quiet;
            let quiet = GroupQuiet {
                incident_id: self.record.incident_id.clone(),
                at: cx.now(),
            };
            cx.send(topics::INCIDENTS, self.id.as_str(), wire::pack(&quiet)?);
        }
        Ok(())
    }

    /// Something changed that a flush has to carry: the next grid point is armed, or the end of `group_wait` before the
    /// first flush.
    pub(crate) fn changed(&mut self, timing: Timing, now: Timestamp) {
        self.record.changed = true;
        if self.timers.get(TICK).is_none() {
            let tick = match self.record.origin {
                Some(origin) => next_on_grid(origin, timing, now),
                None => now + timing.group_wait,
            };
            self.timers = self.timers.and(TICK, tick);
        }
    }
}

/// The first point of the grid `origin` + k × `group_interval` after `now`.
fn next_on_grid(origin: Timestamp, timing: Timing, now: Timestamp) -> Timestamp {
    let interval = timing.group_interval;
    let passed = now
        .saturating_since(origin)
        .millis()
        .checked_div(interval.millis())
        .unwrap_or_default();
    origin + interval.saturating_mul(passed.saturating_add(1))
}

/// Half of a deterministic id: 64 bits tell apart more incidents than anybody will have, and people read them aloud.
fn incident_id(id: u128) -> String {
    format!("{:016x}", id >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alert::PromDuration;

    #[test]
    fn ticks_lie_on_the_grid_of_the_first_flush() {
        let timing = Timing {
            group_wait: PromDuration::from_secs(30),
            group_interval: PromDuration::from_secs(300),
            repeat_interval: PromDuration::from_hours(4),
        };
        let rows = [
            (30, 30, 330),
            (30, 31, 330),
            (30, 329, 330),
            (30, 330, 630),
            (30, 7_000, 7_230),
            (30, 0, 330),
        ];
        for (origin, now, expected) in rows {
            let found = next_on_grid(Timestamp::from_secs(origin), timing, Timestamp::from_secs(now));
            assert_eq!(found, Timestamp::from_secs(expected), "{origin} {now}");
        }
    }
}

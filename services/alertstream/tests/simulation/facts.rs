//! What is true, whatever the system believes of it: which alerts fire, what is silenced, and how long all was well.

use alert::{LabelSet, PromDuration, Timestamp};

use super::world::World;

/// Everything the invariants are held against.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) world: &'a World,
    pub(crate) truth: &'a [Truth],
    pub(crate) silences: &'a [Silenced],
    /// The clock of the bounds in time: [`Health::reading`].
    pub(crate) healthy: PromDuration,
}

impl Facts<'_> {
    /// Whether a silence mutes these labels now.
    pub(crate) fn muted(&self, labels: &LabelSet) -> bool {
        let now = self.world.now();
        self.silences.iter().any(|silence| silence.mutes(labels, now))
    }
}

/// What is true of one alert.
pub(crate) struct Truth {
    pub(crate) labels: LabelSet,
    pub(crate) firing: bool,
    /// Since when it fires or not.
    pub(crate) since: Timestamp,
}

/// A silence as the world made it.
#[derive(Debug, Clone)]
pub(crate) struct Silenced {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    /// Every lane has read it for certain.
    pub(crate) surely_read: bool,
}

impl Silenced {
    pub(crate) fn mutes(&self, labels: &LabelSet, now: Timestamp) -> bool {
        labels.value("alertname") == self.name && self.starts_at <= now && now < self.ends_at
    }

    pub(crate) fn surely_mutes(&self, labels: &LabelSet, now: Timestamp) -> bool {
        self.surely_read && self.mutes(labels, now)
    }
}

/// The longest until the group notices that a member is dead.
pub(crate) const SESSION: PromDuration = PromDuration::from_secs(8);
/// What a dead lane left open hides what lies behind it until it is fenced, or its transaction times out.
const FENCE: PromDuration = PromDuration::from_secs(10);
/// Reading changelog and tables takes no time here but the passes it takes.
const RESTORE: PromDuration = PromDuration::from_secs(2);
/// An attempt's deadline, and the tolerance between two owners' clocks: until then what was in flight is not sent again.
pub(crate) const ATTEMPT: PromDuration = PromDuration::from_secs(32);

/// A clock that stands still while no bound counts: while the history does not let the lanes run, and from the death of
/// a lane (or a partition without an owner) until all must be as if it had not been: session timeout + fence + restore +
/// an attempt's deadline.
pub(crate) struct Health {
    reading: PromDuration,
    read_at: Timestamp,
    recovered_at: Timestamp,
}

impl Health {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            reading: PromDuration::ZERO,
            read_at: now,
            recovered_at: now,
        }
    }

    /// Time has passed; all of it counts if the lanes were `running` and nobody had to recover.
    pub(crate) fn pass(&mut self, now: Timestamp, running: bool) {
        if running {
            let from = self.read_at.max(self.recovered_at);
            self.reading = self.reading.saturating_add(now.saturating_since(from));
        }
        self.read_at = now;
    }

    /// A lane died, or a partition is without an owner.
    pub(crate) fn disturb(&mut self, now: Timestamp) {
        let recovery = SESSION
            .saturating_add(FENCE)
            .saturating_add(RESTORE)
            .saturating_add(ATTEMPT);
        self.recovered_at = now + recovery;
    }

    /// How long all was well so far.
    pub(crate) fn reading(&self) -> PromDuration {
        self.reading
    }
}

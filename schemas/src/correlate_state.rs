//! Correlate's state records, as they stand in `correlate-changelog`.
//!
//! Under the group's hash: one [`CorrelateGroup`] (kind [`CORRELATE_GROUP`]) and one [`CorrelateAlert`] for each alert
//! (kind [`CORRELATE_ALERT`], then the fingerprint's eight bytes, big endian). Timers stand in the state header.

use alert::{GroupId, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alerts::AlertBody;

/// The kind byte of a group's state key. Lower than the alerts', so that a scan meets the group first.
pub const CORRELATE_GROUP: u8 = 1;
/// The kind byte of an alert's state key.
pub const CORRELATE_ALERT: u8 = 2;

/// What an alert is in its group: a state, never a comparison with a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlertPhase {
    /// It fires; flushes carry it.
    Firing,
    /// It is over; flushes carry it until one is settled.
    Resolved,
    /// It has left the group (or never was in it) and is only remembered, so that what comes late merges with it.
    Settled,
}

/// One alert of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelateAlert {
    /// Its state.
    pub phase: AlertPhase,
    /// Hash of everything in `body`, as ingest computed it.
    pub content_hash: i64,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended, or will end unless it is sent again, as last written.
    pub ends_at: Timestamp,
    /// When it expires: `ends_at`, or as much later as refreshes that were not written may have moved it.
    pub expires_at: Timestamp,
    /// When it was received, as last written. Alertmanager's `updatedAt`.
    pub received_at: Timestamp,
    /// When it was surely heard of, by the log's clock or earlier: what is compared with how long somebody has listened.
    pub heard_at: Timestamp,
    /// Whether `ends_at` comes from `resolve_timeout`.
    pub timeout: bool,
    /// Since when it is in this phase, by the log's clock.
    pub since: Timestamp,
    /// The first flush that carries this version of it.
    pub next_flush: i64,
    /// What it says; empty once settled.
    pub body: AlertBody,
}

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GroupPhase {
    /// Its incident is open and something fires.
    Firing,
    /// Its incident is open, nothing fires, and route was told so.
    Quiet,
    /// A new config took its last alert; remembered for a while, so that what returns is the same incident.
    Moved,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrelateGroup {
    /// Its state.
    pub phase: GroupPhase,
    /// The group id: the key of what is sent for it.
    pub group_id: String,
    /// The route's id.
    pub route: String,
    /// The labels its alerts share by `group_by`.
    pub group_labels: LabelSet,
    /// The incident.
    pub incident_id: String,
    /// When the incident opened.
    pub opened_at: Timestamp,
    /// The config version the group was last compared with.
    pub config_version: i64,
    /// How many flushes were written.
    pub flushes: i64,
    /// When the first was written: the grid that ticks lie on.
    pub origin: Option<Timestamp>,
    /// How many alerts are in the group, settled ones not counted.
    pub alerts: i64,
    /// How many of them fire.
    pub firing: i64,
    /// Whether anything changed since the last flush.
    pub changed: bool,
    /// Whether the config change that is being worked through took an alert out of it.
    pub moving: bool,
    /// Whether route and labels give `group_id`; as stored it is empty then.
    #[serde(default)]
    pub group_derived: bool,
}

impl CorrelateGroup {
    /// The group as it is stored: without its id where route and labels give it, as they do for every group that the
    /// routing tree makes.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if self.group_derived {
            debug_assert_eq!(self.group_id, self.derived_id(), "route and labels stay what they were");
        } else {
            self.group_derived = self.group_id == self.derived_id();
        }
        if self.group_derived {
            self.group_id.clear();
        }
        self
    }

    /// The group as it was before [`CorrelateGroup::shortened`].
    #[must_use]
    pub fn whole(mut self) -> Self {
        if self.group_derived {
            self.group_id = self.derived_id();
        }
        self
    }

    fn derived_id(&self) -> String {
        GroupId::of_route(&self.route, &self.group_labels).0
    }
}

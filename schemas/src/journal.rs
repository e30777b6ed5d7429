//! The topic `journal`: what changed, and why.

use alert::{LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

/// One decision with its reason. The key is the group id (for a refused alert, the hash of its labels).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JournalEntry {
    /// What happened, as `noun.verb` (`alert.opened`, `group.flushed`, `notification.delivered`).
    pub kind: String,
    /// When.
    pub at: Timestamp,
    /// Alertmanager's group key; empty where there is no group.
    pub group_key: String,
    /// The incident, where there is one.
    pub incident_id: Option<String>,
    /// The alert, as `%016x`, where it is about one.
    pub fingerprint: Option<String>,
    /// The receiver, where it is about one.
    pub receiver: Option<String>,
    /// Why, in words a person reads.
    pub reason: String,
    /// The alert's or the group's labels.
    pub labels: LabelSet,
    /// What else belongs to this kind of entry (attempt, status, duration, command id, …).
    pub fields: LabelSet,
}

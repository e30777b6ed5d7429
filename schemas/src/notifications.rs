//! The topic `notifications`: what notify reacts to.

use alert::{LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::incidents::FlushAlert;

/// Why a request was made; decides what its generation and a mute mean for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RequestKind {
    /// The first word about what fires.
    First,
    /// An alert joined.
    Joined,
    /// Some or all alerts resolved.
    Resolve,
    /// `repeat_interval` is over.
    Repeat,
    /// What still fires, said once after an acknowledgement, with who acknowledged.
    Reminder,
    /// A step of the ladder.
    Step,
    /// The ladder's last resort.
    LastResort,
}

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The receiver to try.
    pub receiver: String,
    /// How long it is tried before the next link starts, in milliseconds.
    pub try_for_ms: i64,
}

/// What tells one integration of one receiver from all others: `receiver/integration/index`, as in Alertmanager's
/// notification log.
pub fn slot_name(receiver: &str, integration: &str, index: i32) -> String {
    [receiver, "/", integration, "/", &index.to_string()].concat()
}

/// One message to one integration of one receiver. The key is the group id. Large ones go in parts, in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationRequest {
    /// The receiver.
    pub receiver: String,
    /// The integration's kind (`webhook`).
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// Counts what was asked of this integration for this group.
    pub sequence: i64,
    /// This part, from 0.
    pub part: i32,
    /// How many parts there are.
    pub parts: i32,
    /// Hash of group id, receiver, integration, sequence: the same for every attempt.
    pub idempotency_key: String,
    /// Why it was made.
    pub kind: RequestKind,
    /// Alertmanager's `notification_reason`, or ours.
    pub reason: String,
    /// The incident.
    pub incident_id: String,
    /// The incident's generation, where the request is void once that is raised.
    pub generation: Option<i64>,
    /// For the ladder: the policy.
    pub policy: Option<String>,
    /// For the ladder: the step, from 0.
    pub step: Option<i32>,
    /// For the ladder: the round, from 0.
    pub round: Option<i32>,
    /// The flush it was decided at.
    pub flush: i64,
    /// That flush's tick.
    pub tick: Timestamp,
    /// When it has failed at the latest.
    pub give_up_at: Timestamp,
    /// Whom to try, in order: the receiver itself, then its fallbacks.
    pub chain: Vec<Link>,
    /// For a resolve: exactly these links, every one of them; empty otherwise.
    pub only: Vec<String>,
    /// The route's id.
    pub route: String,
    /// Alertmanager's group key.
    pub group_key: String,
    /// The group's labels.
    pub group_labels: LabelSet,
    /// Who acknowledged, for a reminder.
    pub acknowledged_by: Option<String>,
    /// When, for a reminder.
    pub acknowledged_at: Option<Timestamp>,
    /// The config version it was decided under.
    pub config_version: i64,
    /// The alerts, sorted as notifications show them.
    pub alerts: Vec<FlushAlert>,
}

/// An incident's generation rose: what waits under an older one is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRaised {
    /// The incident.
    pub incident_id: String,
    /// The generation that counts from now on.
    pub generation: i64,
    /// Void everything of the group, a first word and a resolve too: the group was moved.
    pub everything: bool,
    /// In words.
    pub reason: String,
}

//! The topic `incidents`: what route reacts to.

use std::collections::BTreeMap;

use alert::{Fingerprint, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alerts::{AlertBody, bits};

/// One alert of a flush.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlushAlert {
    /// Prometheus's fingerprint of the labels.
    #[serde(with = "bits")]
    pub fingerprint: Fingerprint,
    /// Its state; never a comparison with a clock.
    pub resolved: bool,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended, or would end unless sent again.
    pub ends_at: Timestamp,
    /// When it was last received.
    pub updated_at: Timestamp,
    /// What it says.
    pub body: AlertBody,
}

/// A group as of a tick. Large ones go in parts, all in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flush {
    /// Counts the group's flushes, from 1.
    pub flush: i64,
    /// This part, from 0.
    pub part: i32,
    /// How many parts there are.
    pub parts: i32,
    /// The tick this flush stands for.
    pub tick: Timestamp,
    /// The route's id.
    pub route: String,
    /// Alertmanager's group key.
    pub group_key: String,
    /// The group's labels.
    pub group_labels: LabelSet,
    /// The incident the group is in.
    pub incident_id: String,
    /// When the incident opened.
    pub opened_at: Timestamp,
    /// The config version correlate had.
    pub config_version: i64,
    /// The alerts, sorted as notifications show them.
    pub alerts: Vec<FlushAlert>,
}

/// A group's last firing alert resolved: said at once, off the grid; the message waits for its tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupQuiet {
    /// The incident.
    pub incident_id: String,
    /// When.
    pub at: Timestamp,
}

/// A quiet group has a firing alert again: said at once, off the grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFiring {
    /// The incident.
    pub incident_id: String,
    /// When.
    pub at: Timestamp,
}

/// A new config took every alert out of the group: its incident ends as moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMoved {
    /// The incident that ends.
    pub incident_id: String,
    /// When.
    pub at: Timestamp,
    /// The config version that moved it.
    pub config_version: i64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OutcomeKind {
    /// A link of its chain accepted it.
    Delivered,
    /// Every link failed, or its time was over.
    Failed,
    /// It was no longer wanted; no failure.
    Void,
}

/// Notify's answer to a request: exactly one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The request's receiver.
    pub receiver: String,
    /// The request's integration.
    pub integration: String,
    /// Its place among the receiver's integrations of that kind.
    pub index: i32,
    /// The request's sequence number.
    pub sequence: i64,
    /// How it ended.
    pub kind: OutcomeKind,
    /// The links that accepted it, as receiver names.
    pub heard: Vec<String>,
    /// In words.
    pub reason: String,
    /// For a void one: the table versions that voided it.
    pub tables: BTreeMap<String, i64>,
    /// How many attempts it took.
    pub attempts: i32,
    /// When it ended.
    pub at: Timestamp,
}

/// What a person asks of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CommandAction {
    /// I have it: the ladder and the repeats are silent.
    Acknowledge,
    /// I do not have it any more: the ladder goes on where it stood.
    Unacknowledge,
}

/// A person's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Chosen by who gives it: a repeated id gets the first answer.
    pub id: String,
    /// The incident.
    pub incident_id: String,
    /// What is asked.
    pub action: CommandAction,
    /// Who asks.
    pub by: String,
    /// The generation it was given for.
    pub generation: i64,
    /// When it was given.
    pub at: Timestamp,
    /// In the person's words; may be empty.
    pub comment: String,
}

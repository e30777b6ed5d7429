//! The topic `alert-events`: the canonical event that users' pipelines publish, in its Avro form. Its JSON form has the
//! same fields with RFC 3339 times.

use alert::{LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It fires, or still fires.
    Alert,
    /// It is over.
    Resolve,
}

/// One event of a user's pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// The sender's id of it, for tracing.
    pub id: Option<String>,
    /// Who sends.
    pub source: Option<String>,
    /// What it says.
    pub kind: EventKind,
    /// The alert's identity.
    pub labels: LabelSet,
    /// Text for people.
    pub annotations: LabelSet,
    /// When it began, ms since the epoch.
    pub starts_at: Option<Timestamp>,
    /// When it ends unless sent again, ms since the epoch.
    pub ends_at: Option<Timestamp>,
    /// Where the rule can be looked at.
    pub generator_url: Option<String>,
    /// The rule's expression.
    pub expr: Option<String>,
    /// The value that made it fire.
    pub value: Option<f64>,
    /// The rule's `for`, in milliseconds.
    pub for_ms: Option<i64>,
}

//! One alert as it travels.

use serde::{Deserialize, Serialize};

use crate::duration::PromDuration;
use crate::label_set::{Fingerprint, LabelError, LabelSet};
use crate::merge::Times;
use crate::timestamp::Timestamp;

/// An alert: its labels are its identity, everything else is what is known about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alert {
    /// The identity.
    pub labels: LabelSet,
    /// Texts for people; empty values are kept.
    #[serde(default)]
    pub annotations: LabelSet,
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it ended, or until when it counts as firing if nobody says so again.
    pub ends_at: Timestamp,
    /// When this version was received (from Kafka: appended).
    pub updated_at: Timestamp,
    /// Whether `ends_at` is not the sender's, but was derived from `resolve_timeout`.
    #[serde(default)]
    pub timeout: bool,
    /// A link to what raised the alert; may be empty.
    #[serde(default)]
    pub generator_url: String,
    /// The expression of the rule that raised it.
    #[serde(default)]
    pub expr: Option<String>,
    /// The value that the expression had.
    #[serde(default)]
    pub value: Option<f64>,
    /// The rule's `for`.
    #[serde(default)]
    pub hold: Option<PromDuration>,
    /// Who sent it.
    #[serde(default)]
    pub source: Option<String>,
}

/// Why an alert is refused, in Alertmanager's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// `starts_at` is Go's zero time.
    #[error("start time missing")]
    NoStart,
    /// `ends_at` is set and lies before `starts_at`.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// No label has a value.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label is refused.
    #[error("invalid label set: {0}")]
    Label(LabelError),
    /// An annotation is refused.
    #[error("invalid annotations: {0}")]
    Annotation(LabelError),
}

impl Alert {
    /// The identity as a hash.
    pub fn fingerprint(&self) -> Fingerprint {
        self.labels.fingerprint()
    }

    /// The label `alertname`, or the empty text.
    pub fn name(&self) -> &str {
        self.labels.value("alertname")
    }

    /// Whether the alert says of itself that it has ended by `now`: `ends_at` is set and not after `now`.
    ///
    /// This is the test for an update at the time it was received. Whether a *stored* alert fires is a state that the
    /// correlate stage keeps, never this comparison.
    pub fn resolved_at(&self, now: Timestamp) -> bool {
        !self.ends_at.is_zero_time() && self.ends_at <= now
    }

    /// The part of the alert that the merge rule is about; resolved as of its own `updated_at`.
    pub fn times(&self) -> Times {
        Times {
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            updated_at: self.updated_at,
            timeout: self.timeout,
            resolved: self.resolved_at(self.updated_at),
        }
    }

    /// Checks what Alertmanager checks of a posted alert, in its order. Times must be filled in before, and labels with
    /// empty values dropped.
    pub fn validate(&self) -> Result<(), AlertError> {
        if self.starts_at.is_zero_time() {
            return Err(AlertError::NoStart);
        }
        if !self.ends_at.is_zero_time() && self.ends_at < self.starts_at {
            return Err(AlertError::EndsBeforeStart);
        }
        if self.labels.is_empty() {
            return Err(AlertError::NoLabels);
        }
        self.labels.validate().map_err(AlertError::Label)?;
        self.annotations.validate().map_err(AlertError::Annotation)
    }
}

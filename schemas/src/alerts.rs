//! The topic `alerts`: what correlate reacts to.

use alert::{Fingerprint, LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

/// Fingerprints as Avro `long`: the same 64 bits, read as signed.
pub mod bits {
    use alert::Fingerprint;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the bits.
    pub fn serialize<S: Serializer>(fingerprint: &Fingerprint, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(fingerprint.0.cast_signed())
    }

    /// Reads the bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Fingerprint, D::Error> {
        i64::deserialize(from).map(|bits| Fingerprint(bits.cast_unsigned()))
    }
}

/// What an alert says, beside its times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AlertBody {
    /// Its identity.
    pub labels: LabelSet,
    /// Text for people.
    pub annotations: LabelSet,
    /// Where the rule can be looked at; may be empty.
    pub generator_url: String,
    /// The rule's expression, where the sender told.
    pub expr: Option<String>,
    /// The value that made it fire, where the sender told.
    pub value: Option<f64>,
    /// The rule's `for`, in milliseconds.
    pub for_ms: Option<i64>,
    /// Who sent it, where that is known.
    pub source: Option<String>,
}

/// One alert for one group: what ingest makes of an alert, once for each place the routing tree puts it. The key is the
/// group id. What a known alert's re-send needs comes first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertUpdate {
    /// Prometheus's fingerprint of the labels.
    #[serde(with = "bits")]
    pub fingerprint: Fingerprint,
    /// Hash of everything in `body`: equal when nothing but the times moved.
    pub content_hash: i64,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ends unless it is sent again.
    pub ends_at: Timestamp,
    /// When we took it in: the request's time, or the append time of the user's record. Alertmanager's `updatedAt`.
    pub received_at: Timestamp,
    /// Whether `ends_at` comes from `resolve_timeout`, not from the sender.
    pub timeout: bool,
    /// A state, decided where it was received: `ends_at` was not after `received_at`.
    pub resolved: bool,
    /// The config version that chose the group.
    pub config_version: i64,
    /// How often it has been re-keyed.
    pub hops: i32,
    /// Which of the alert's `copies` this is, from 0: copy 0 goes to the first group of the walk.
    pub copy: i32,
    /// In how many groups the alert is.
    pub copies: i32,
    /// The route's id.
    pub route: String,
    /// The group's labels.
    pub group_labels: LabelSet,
    /// The group it comes from, when a new config moved it here.
    pub moved_from: Option<String>,
    /// What it says.
    pub body: AlertBody,
}

/// Route's answer to a flush that carried resolved alerts: all integrations of that flush and of those before it are
/// through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushSettled {
    /// The flush that is settled, with all before it.
    pub flush: i64,
    /// Something failed or was void: resolved alerts stay in the group until a later flush settles without it.
    pub keep: bool,
    /// When to look again though nothing changed: of a release whose route kept no such time itself. None today.
    pub again_at: Option<Timestamp>,
}

/// Route asks for a flush though nothing changed, at a time that is now or as far ahead as its clock is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
}

//! The global tables: small compacted topics that every instance reads whole.

use std::collections::BTreeMap;

use alert::{Silence, SilenceMatcher, Timestamp};
use serde::{Deserialize, Serialize};

/// One version of the config. Its number is its offset plus one; the key is the hash of its text, its history is kept.
/// Secrets and addresses are references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVersion {
    /// `alertmanager.yml`.
    pub alertmanager: String,
    /// The file's name, for messages.
    pub alertmanager_file: String,
    /// `escalation.yml`.
    pub escalation: Option<String>,
    /// The file's name, for messages.
    pub escalation_file: Option<String>,
    /// The instance that published it.
    pub published_by: String,
    /// When.
    pub at: Timestamp,
}

/// One silence; the key is its id. A tombstone is one that was kept long enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRecord {
    /// A UUID.
    pub id: String,
    /// All of them must match.
    pub matchers: Vec<SilenceMatcher>,
    /// When it begins to mute.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// For tools.
    pub annotations: BTreeMap<String, String>,
}

impl From<SilenceRecord> for Silence {
    fn from(record: SilenceRecord) -> Self {
        Self {
            id: record.id,
            matchers: record.matchers,
            starts_at: record.starts_at,
            ends_at: record.ends_at,
            updated_at: record.updated_at,
            created_by: record.created_by,
            comment: record.comment,
            annotations: record.annotations,
        }
    }
}

impl From<Silence> for SilenceRecord {
    fn from(silence: Silence) -> Self {
        Self {
            id: silence.id,
            matchers: silence.matchers,
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            updated_at: silence.updated_at,
            created_by: silence.created_by,
            comment: silence.comment,
            annotations: silence.annotations,
        }
    }
}

/// A process that is alive; the key is its id. Written every few seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The process.
    pub id: String,
    /// What it runs.
    pub services: Vec<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// For ingest: since when it has been receiving without a gap; none while it refuses or lags.
    pub receiving_since: Option<Timestamp>,
    /// When this was written, by the writer's clock.
    pub at: Timestamp,
    /// How the lanes of its stages stand.
    #[serde(default)]
    pub lanes: Vec<LaneStanding>,
}

/// How a lane stands, as its process says with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneStanding {
    /// Its transactional id.
    pub lane: String,
    /// The stage it runs.
    pub stage: String,
    /// How many partitions it owns.
    pub partitions: i32,
    /// How many of them are being read back.
    pub restoring: i32,
    /// How many state records it holds.
    pub keys: i64,
    /// How many timers are armed.
    pub timers: i64,
    /// By how much the earliest timer that could fire is late, in milliseconds.
    pub late_ms: i64,
    /// When it last made a pass.
    pub looked_at: Timestamp,
    /// Why it is not ready; none when every partition it owns runs.
    pub not_ready: Option<String>,
}

//! The topic `dead-letters`: what no stage could apply, whole, with the reason.

use std::collections::BTreeMap;

use alert::Timestamp;
use serde::{Deserialize, Serialize};

/// An input that was refused. The key is the original one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The stage that refused it.
    pub stage: String,
    /// A short word for the cause (`malformed`, `panic`, `timer`, `too_large`, `unknown_format`).
    pub reason: String,
    /// What exactly is wrong.
    pub error: String,
    /// Where it was read.
    pub topic: String,
    /// Where it was read.
    pub partition: i32,
    /// Where it was read; for a timer the position it fired at.
    pub offset: i64,
    /// When the log took it in.
    pub appended: Timestamp,
    /// The value's bytes; for a timer the state's.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
    /// The headers, lossily as text.
    pub headers: BTreeMap<String, String>,
}

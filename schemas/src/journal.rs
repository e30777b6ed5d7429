//! The topic `journal`: what changed, and why.

use std::borrow::Cow;

use alert::{LabelSet, Timestamp};
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, EncodeError, decode_as, encode_as};

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

/// An entry whose texts are somebody else's: what a stage writes, and what is read where they need not be kept. Its fields are
/// those of [`JournalEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the entry")]
pub struct JournalLine<'a> {
    pub kind: &'a str,
    pub at: Timestamp,
    pub group_key: &'a str,
    #[serde(borrow)]
    pub incident_id: Option<&'a str>,
    #[serde(borrow)]
    pub fingerprint: Option<&'a str>,
    #[serde(borrow)]
    pub receiver: Option<&'a str>,
    pub reason: &'a str,
    pub labels: Cow<'a, LabelSet>,
    pub fields: LabelSet,
}

impl<'a> JournalLine<'a> {
    /// As [`encode`](crate::encode) of the entry.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        encode_as::<JournalEntry>(self)
    }

    /// As [`decode`](crate::decode) of the entry.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        decode_as::<JournalEntry, Self>(bytes)
    }
}

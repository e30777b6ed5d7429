//! A journal entry as the dashboard shows it.

use alert::LabelSet;
use schemas::JournalEntry;
use serde::Serialize;

use crate::view::Kept;

/// A decision as it was written down by the stage that took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    kind: String,
    pub(super) at: i64,
    reason: String,
    /// The group's id.
    group: String,
    group_key: String,
    pub(super) incident: Option<String>,
    fingerprint: Option<String>,
    receiver: Option<String>,
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    labels: LabelSet,
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    fields: LabelSet,
    config_version: u64,
    /// Joins all that one arrival caused.
    trace: String,
    pub(super) partition: u32,
    pub(super) offset: i64,
}

impl Entry {
    /// An entry; none if it cannot be read.
    pub(super) fn of(kept: &Kept) -> Option<Self> {
        Some(Self::made(kept, kept.entry()?))
    }

    /// An entry that has been read.
    pub(super) fn made(kept: &Kept, entry: JournalEntry) -> Self {
        Self {
            kind: entry.kind,
            at: entry.at.millis(),
            reason: entry.reason,
            group: kept.group().into_owned(),
            group_key: entry.group_key,
            incident: entry.incident_id,
            fingerprint: entry.fingerprint,
            receiver: entry.receiver,
            labels: entry.labels,
            fields: entry.fields,
            config_version: kept.config_version,
            trace: format!("{:032x}", kept.trace),
            partition: kept.partition,
            offset: kept.offset,
        }
    }
}

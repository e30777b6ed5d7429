//! Journal entries: what changed and why. What changes nothing has none.

use std::collections::BTreeMap;
use std::fmt::Display;

use processor::Poison;
use schemas::{JournalEntry, RouteIncident, topics};

use crate::state::encoded;
use crate::view::{Cx, group_key};

/// An entry being written.
pub(crate) struct Entry(JournalEntry);

impl Entry {
    /// An entry about a group.
    pub(crate) fn group(kind: &str, group: &str, reason: impl Into<String>) -> Self {
        Self(JournalEntry {
            kind: kind.to_owned(),
            group_key: group_key(group).0,
            reason: reason.into(),
            ..JournalEntry::default()
        })
    }

    /// An entry about an incident.
    pub(crate) fn of(kind: &str, incident: &RouteIncident, reason: impl Into<String>) -> Self {
        let mut entry = Self::group(kind, &incident.group, reason);
        entry.0.incident_id = Some(incident.incident_id.clone());
        entry.0.labels.clone_from(&incident.group_labels);
        entry
    }

    pub(crate) fn receiver(mut self, receiver: &str) -> Self {
        self.0.receiver = Some(receiver.to_owned());
        self
    }

    pub(crate) fn field(mut self, name: &str, value: impl Display) -> Self {
        self.0.fields.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn fields(mut self, fields: BTreeMap<String, String>) -> Self {
        self.0.fields.extend(fields);
        self
    }

    /// Writes it in this transaction.
    pub(crate) fn write(mut self, group: &str, cx: &mut Cx<'_>) -> Result<(), Poison> {
        self.0.at = cx.now();
        let bytes = encoded(&self.0)?;
        cx.send(topics::JOURNAL, group.as_bytes(), bytes);
        Ok(())
    }
}

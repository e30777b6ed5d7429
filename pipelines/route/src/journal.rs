//! Journal entries: what changed and why. What changes nothing has none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use processor::Poison;
use schemas::{JournalEntry, RouteIncident, topics};

use crate::state::encoded;
use crate::view::{Cx, group_key};

/// An entry being written.
pub(crate) struct Entry {
    entry: JournalEntry,
    /// What else belongs to it, in any order; of several values the last counts.
    fields: Vec<(Cow<'static, str>, String)>,
}

impl Entry {
    /// An entry about a group.
    pub(crate) fn group(kind: &str, group: &str, reason: impl Into<String>) -> Self {
        Self {
            entry: JournalEntry {
                kind: kind.to_owned(),
                group_key: group_key(group).0,
                reason: reason.into(),
                ..JournalEntry::default()
            },
            fields: Vec::new(),
        }
    }

    /// An entry about an incident.
    pub(crate) fn of(kind: &str, incident: &RouteIncident, reason: impl Into<String>) -> Self {
        let mut entry = Self::group(kind, &incident.group, reason);
        entry.entry.incident_id = Some(incident.incident_id.clone());
        entry.entry.labels.clone_from(&incident.group_labels);
        entry
    }

    pub(crate) fn receiver(mut self, receiver: &str) -> Self {
        self.entry.receiver = Some(receiver.to_owned());
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Display) -> Self {
        self.fields.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn fields(mut self, fields: BTreeMap<String, String>) -> Self {
        self.fields
            .extend(fields.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// Writes it in this transaction.
    pub(crate) fn write(mut self, group: &str, cx: &mut Cx<'_>) -> Result<(), Poison> {
        self.entry.at = cx.now();
        // In their order they are packed as they are.
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.entry.fields = self.fields.into_iter().collect();
        let bytes = encoded(&self.entry)?;
        cx.send(topics::JOURNAL, group.as_bytes(), bytes);
        Ok(())
    }
}

//! Journal entries: what changed and why. What changes nothing has none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use processor::Poison;
use schemas::{JournalLine, RouteIncident, topics};

use crate::view::{Cx, group_key};

/// An entry being written.
pub(crate) struct Entry {
    kind: Cow<'static, str>,
    reason: String,
    receiver: Option<String>,
    /// What else belongs to it, in any order; of several values the last counts.
    fields: Vec<(Cow<'static, str>, String)>,
}

impl Entry {
    pub(crate) fn new(kind: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            reason: reason.into(),
            receiver: None,
            fields: Vec::new(),
        }
    }

    pub(crate) fn receiver(mut self, receiver: &str) -> Self {
        self.receiver = Some(receiver.to_owned());
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

    /// Writes it in this transaction, about a group.
    pub(crate) fn about(self, group: &str, cx: &mut Cx<'_>) -> Result<(), Poison> {
        self.write(group, None, cx)
    }

    /// Writes it in this transaction, about an incident.
    pub(crate) fn of(self, incident: &RouteIncident, cx: &mut Cx<'_>) -> Result<(), Poison> {
        self.write(&incident.group, Some(incident), cx)
    }

    fn write(mut self, group: &str, incident: Option<&RouteIncident>, cx: &mut Cx<'_>) -> Result<(), Poison> {
        // In their order they are packed as they are.
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let entry = JournalLine {
            kind: &self.kind,
            at: cx.now(),
            group_key: &group_key(group).0,
            incident_id: incident.map(|incident| incident.incident_id.as_str()),
            fingerprint: None,
            receiver: self.receiver.as_deref(),
            reason: &self.reason,
            labels: incident
                .map(|incident| Cow::Borrowed(&incident.group_labels))
                .unwrap_or_default(),
            fields: self.fields.into_iter().collect(),
        };
        let entry = entry.encode().map_err(|error| Poison::Malformed(error.to_string()))?;
        cx.send(topics::JOURNAL, group.as_bytes(), entry);
        Ok(())
    }
}

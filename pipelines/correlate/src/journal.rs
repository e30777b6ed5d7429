//! What goes on record: one entry for each change, with its reason.

use alert::{Fingerprint, GroupId};
use processor::{Context, Poison};
use schemas::{CorrelateAlert, JournalEntry, topics};

use crate::Never;
use crate::group::Group;
use crate::wire;

/// What happened to an alert.
pub(crate) fn alert(
    cx: &mut Context<'_, Never>,
    kind: &str,
    group: &Group,
    fingerprint: Fingerprint,
    alert: &CorrelateAlert,
    reason: impl Into<String>,
) -> Result<(), Poison> {
    let fields = [
        ("ends_at", alert.ends_at.to_string()),
        ("starts_at", alert.starts_at.to_string()),
    ];
    let entry = JournalEntry {
        kind: kind.to_owned(),
        fingerprint: Some(fingerprint.to_string()),
        reason: reason.into(),
        labels: alert.body.labels.clone(),
        fields: fields.into(),
        ..about(cx, group)
    };
    write(cx, &group.id, &entry)
}

/// What happened to an incident or its group.
pub(crate) fn group(
    cx: &mut Context<'_, Never>,
    kind: &str,
    group: &Group,
    receiver: Option<String>,
    reason: impl Into<String>,
    fields: &[(&str, String)],
) -> Result<(), Poison> {
    let entry = JournalEntry {
        kind: kind.to_owned(),
        receiver,
        reason: reason.into(),
        labels: group.record.group_labels.clone(),
        fields: fields.iter().map(|(name, value)| (name, value)).collect(),
        ..about(cx, group)
    };
    write(cx, &group.id, &entry)
}

fn about(cx: &Context<'_, Never>, group: &Group) -> JournalEntry {
    JournalEntry {
        at: cx.now(),
        group_key: group.id.group_key().0,
        incident_id: Some(group.record.incident_id.clone()),
        ..JournalEntry::default()
    }
}

fn write(cx: &mut Context<'_, Never>, id: &GroupId, entry: &JournalEntry) -> Result<(), Poison> {
    cx.send(topics::JOURNAL, id.as_str(), wire::pack(entry)?);
    Ok(())
}

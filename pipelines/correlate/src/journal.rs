//! What goes on record: one entry for each change, with its reason.

use std::borrow::Cow;

use alert::Fingerprint;
use processor::{Context, Poison};
use schemas::{CorrelateAlert, JournalLine, topics};

use crate::Never;
use crate::group::Group;

/// What happened to an alert.
pub(crate) fn alert(
    cx: &mut Context<'_, Never>,
    kind: &str,
    group: &Group,
    fingerprint: Fingerprint,
    alert: &CorrelateAlert,
    reason: impl AsRef<str>,
) -> Result<(), Poison> {
    let fields = [
        ("ends_at", alert.ends_at.to_string()),
        ("starts_at", alert.starts_at.to_string()),
    ];
    let entry = JournalLine {
        kind,
        fingerprint: Some(&fingerprint.to_string()),
        reason: reason.as_ref(),
        labels: Cow::Borrowed(&alert.body.labels),
        fields: fields.iter().map(|(name, value)| (name, value)).collect(),
        ..JournalLine::default()
    };
    write(cx, group, entry)
}

/// What happened to an incident or its group.
pub(crate) fn group(
    cx: &mut Context<'_, Never>,
    kind: &str,
    group: &Group,
    receiver: Option<&str>,
    reason: impl AsRef<str>,
    fields: &[(&str, String)],
) -> Result<(), Poison> {
    let entry = JournalLine {
        kind,
        receiver,
        reason: reason.as_ref(),
        labels: Cow::Borrowed(&group.record.group_labels),
        fields: fields.iter().map(|(name, value)| (name, value)).collect(),
        ..JournalLine::default()
    };
    write(cx, group, entry)
}

fn write(cx: &mut Context<'_, Never>, group: &Group, entry: JournalLine<'_>) -> Result<(), Poison> {
    let key = group.id.group_key().0;
    let entry = JournalLine {
        at: cx.now(),
        group_key: &key,
        incident_id: Some(&group.record.incident_id),
        ..entry
    };
    let entry = entry.encode().map_err(|error| Poison::Malformed(error.to_string()))?;
    cx.send(topics::JOURNAL, group.id.as_str(), entry);
    Ok(())
}

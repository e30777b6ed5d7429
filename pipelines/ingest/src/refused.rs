//! What is refused, and how that is recorded.

use alert::{Fingerprint, LabelSet, Timestamp};
use schemas::JournalEntry;

use crate::limits::{MAX_LABELS_JOURNALED, MAX_REFUSED_JOURNALED, MAX_TEXT_JOURNALED};

/// The rule that refused an alert: a label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// One of Alertmanager's own rules.
    Invalid,
    /// It is none of the accepted shapes.
    UnknownFormat,
    /// More labels, or annotations, than allowed.
    TooManyLabels,
    /// A name or a label's value is longer than allowed.
    TooLong,
    /// All of it together is larger than allowed.
    TooLarge,
}

impl Reason {
    /// The reason in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::UnknownFormat => "unknown_format",
            Self::TooManyLabels => "too_many_labels",
            Self::TooLong => "too_long",
            Self::TooLarge => "too_large",
        }
    }
}

/// One alert that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the request or record, from 0.
    pub index: usize,
    /// Its labels.
    pub labels: Received,
    /// By which rule.
    pub reason: Reason,
    /// What exactly is wrong; for Alertmanager's own rules in its words.
    pub message: String,
}

/// What the journal shows of a refused alert's labels; nothing for one that is not journaled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// The hash of the labels as received, as far as they were held.
    key: Fingerprint,
    /// The first of them, shortened.
    shown: LabelSet,
    /// How many there were.
    count: usize,
}

impl Received {
    /// The labels of an alert that has `count` of them, where so many were refused before it.
    pub(crate) fn of(labels: &LabelSet, count: usize, before: usize) -> Self {
        if before >= MAX_REFUSED_JOURNALED {
            return Self::default();
        }
        let shown = labels.iter().take(MAX_LABELS_JOURNALED);
        Self {
            key: labels.fingerprint(),
            shown: shown.map(|(name, value)| (shortened(name), shortened(value))).collect(),
            count,
        }
    }
}

/// The journal entries for what one request or record had refused, each with its key: the hash of the labels as received.
/// At most `MAX_REFUSED_JOURNALED`; the last one then says how many more there were. `fields` is what all of them say of
/// where they came from.
pub fn journal_entries(refused: &[Refused], at: Timestamp, fields: &[(&str, String)]) -> Vec<(String, JournalEntry)> {
    let more = refused.len().saturating_sub(MAX_REFUSED_JOURNALED);
    let mut entries: Vec<_> = refused
        .iter()
        .take(MAX_REFUSED_JOURNALED)
        .map(|refused| entry(refused, at, fields))
        .collect();
    if let Some((_, last)) = entries.last_mut().filter(|_| more > 0) {
        last.fields.insert("more", more.to_string());
    }
    entries
}

fn entry(refused: &Refused, at: Timestamp, fields: &[(&str, String)]) -> (String, JournalEntry) {
    let Received { key, shown, count } = &refused.labels;
    let key = key.to_string();
    let cut = shown.len() < *count;
    let own = [
        ("index", refused.index.to_string()),
        ("rule", refused.reason.as_str().to_owned()),
    ];
    let fields = fields
        .iter()
        .map(|(name, value)| (*name, shortened(value)))
        .chain(own)
        .chain(cut.then(|| ("labels", count.to_string())))
        .collect();
    let entry = JournalEntry {
        kind: "alert.refused".to_owned(),
        at,
        fingerprint: Some(key.clone()),
        reason: shortened(&refused.message),
        labels: shown.clone(),
        fields,
        ..JournalEntry::default()
    };
    (key, entry)
}

/// The beginning of a text that a sender chose, whole characters; what is cut is shown by `…`.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= MAX_TEXT_JOURNALED {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT_JOURNALED)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

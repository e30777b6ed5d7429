//! Alertmanager's counters of notifications, counted from the journal records that a lane commits: what is counted is
//! what everybody can read there, and an aborted transaction counts nothing.
//!
//! As in Alertmanager one notification is all attempts at one integration: it ends when the integration takes it, or when
//! it is given up. One that becomes void is none.

use std::collections::BTreeMap;

use runtime::names;
use schemas::{JournalEntry, JournalHead, JournalLine, topics};
use streams::NewRecord;

use crate::sender::NO_ANSWER;

/// The notifications under way that are remembered: far more than receivers are sent at once. Beyond it the oldest keys
/// are forgotten, and those notifications, should they fail, are not counted.
const MAX_UNDER_WAY: usize = 100_000;

/// What a lane has written.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    failing: Failing,
    open: Open,
}

/// What the open transaction adds.
#[derive(Debug, Default)]
struct Open {
    /// What was accepted while nothing failed, by kind of integration: most of what there is.
    accepted: BTreeMap<String, u64>,
    /// Everything else.
    entries: Vec<JournalEntry>,
}

/// The last reason for a failure, by idempotency key and then by link, kind and place.
type Failing = BTreeMap<String, BTreeMap<(String, String, String), &'static str>>;

impl Counters {
    /// Takes note of what a transaction is about to write.
    pub(crate) fn writing(&mut self, records: &[NewRecord]) {
        self.open = Open::default();
        // What ended well after nothing but success adds nothing, and is not read.
        let mut failing = !self.failing.is_empty();
        for record in records.iter().filter(|record| record.topic == topics::JOURNAL) {
            let Some(bytes) = record.value.as_deref() else { continue };
            let kind = JournalHead::read(bytes).map(|head| head.kind);
            if !failing && matches!(kind.as_deref(), Some("notification.delivered" | "notification.void")) {
                continue;
            }
            // Our own bytes always decode; were they not to, the journal's readers would say so.
            let Ok(line) = JournalLine::decode(bytes) else { continue };
            if !failing && line.kind == "notification.attempted" && line.reason == "accepted" {
                let integration = line.fields.value("link_integration");
                match self.open.accepted.get_mut(integration) {
                    Some(count) => *count += 1,
                    None => drop(self.open.accepted.insert(integration.to_owned(), 1)),
                }
            } else {
                failing = true;
                self.open.entries.extend(schemas::decode(bytes));
            }
        }
    }

    /// It is committed.
    pub(crate) fn committed(&mut self) {
        let Open { accepted, entries } = std::mem::take(&mut self.open);
        for (integration, count) in accepted {
            metrics::counter!(names::NOTIFICATIONS, "integration" => integration).increment(count);
        }
        for entry in entries {
            for count in take_up(&mut self.failing, &entry) {
                count.add();
            }
        }
        while self.failing.len() > MAX_UNDER_WAY {
            self.failing.pop_first();
        }
    }
}

/// One thing to count.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Count {
    Accepted(String),
    Failed(String, &'static str),
}

impl Count {
    fn add(self) {
        let notified = |integration: &str| {
            metrics::counter!(names::NOTIFICATIONS, "integration" => integration.to_owned()).increment(1);
        };
        match self {
            Self::Accepted(integration) => notified(&integration),
            Self::Failed(integration, reason) => {
                notified(&integration);
                metrics::counter!(names::NOTIFICATIONS_FAILED, "integration" => integration, "reason" => reason)
                    .increment(1);
            }
        }
    }
}

/// What one journal record adds.
fn take_up(failing: &mut Failing, entry: &JournalEntry) -> Vec<Count> {
    let field = |name: &str| entry.fields.value(name).to_owned();
    let key = field("idempotency_key");
    let leg = || (field("link"), field("link_integration"), field("link_index"));
    match (entry.kind.as_str(), entry.reason.as_str()) {
        ("notification.attempted", "accepted") => {
            if let Some(legs) = failing.get_mut(&key) {
                legs.remove(&leg());
            }
            vec![Count::Accepted(field("link_integration"))]
        }
        ("notification.attempted", "failed" | "not started") => {
            let reason = reason(entry.fields.get("status"), entry.fields.value("error"));
            failing.entry(key).or_default().insert(leg(), reason);
            Vec::new()
        }
        ("link.exhausted", _) => {
            let (link, Some(legs)) = (field("link"), failing.get_mut(&key)) else {
                return Vec::new();
            };
            let ended = legs.extract_if(.., |(of, _, _), _| *of == link);
            ended
                .map(|((_, integration, _), reason)| Count::Failed(integration, reason))
                .collect()
        }
        ("notification.failed", _) => {
            let legs = failing.remove(&key).unwrap_or_default();
            legs.into_iter()
                .map(|((_, integration, _), reason)| Count::Failed(integration, reason))
                .collect()
        }
        ("notification.delivered" | "notification.void", _) => {
            failing.remove(&key);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Alertmanager's word for why an attempt failed (`notify.GetFailureReasonFromStatusCode`).
fn reason(status: Option<&str>, error: &str) -> &'static str {
    match status.and_then(|status| status.parse().ok()) {
        Some(401 | 403) => "authError",
        Some(429) => "rateLimited",
        Some(400..500) => "clientError",
        Some(500..600) => "serverError",
        None if error.starts_with(NO_ANSWER) => "contextDeadlineExceeded",
        None | Some(0..400 | 600..=u16::MAX) => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, reason: &str, fields: &[(&str, &str)]) -> JournalEntry {
        let fields = fields.iter().chain(&[("idempotency_key", "k1")]);
        JournalEntry {
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            fields: fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..JournalEntry::default()
        }
    }

    fn attempted(link: &str, reason: &str, more: &[(&str, &str)]) -> JournalEntry {
        let leg = [("link", link), ("link_integration", "webhook"), ("link_index", "0")];
        entry("notification.attempted", reason, &[&leg, more].concat())
    }

    fn counted(entries: &[JournalEntry]) -> Vec<Count> {
        let mut failing = Failing::new();
        let counts = entries.iter().flat_map(|entry| take_up(&mut failing, entry));
        counts.collect()
    }

    #[test]
    fn a_notification_counts_once_when_it_ends() {
        let accepted = || Count::Accepted("webhook".to_owned());
        let failed = |reason| Count::Failed("webhook".to_owned(), reason);
        let (refused, down) = (&[("status", "404")], &[("status", "503")]);
        let rows: [(&str, Vec<JournalEntry>, Vec<Count>); 7] = [
            (
                "taken at once",
                vec![
                    attempted("a", "accepted", &[]),
                    entry("notification.delivered", "", &[]),
                ],
                vec![accepted()],
            ),
            (
                "taken at the second try",
                vec![attempted("a", "failed", down), attempted("a", "accepted", &[])],
                vec![accepted()],
            ),
            (
                "under way",
                vec![attempted("a", "failed", down), attempted("a", "failed", down)],
                vec![],
            ),
            (
                "given up",
                vec![
                    attempted("a", "failed", down),
                    attempted("a", "failed", refused),
                    entry("notification.failed", "", &[]),
                ],
                vec![failed("clientError")],
            ),
            (
                "its fallback took it",
                vec![
                    attempted("a", "failed", down),
                    entry("link.exhausted", "no more time", &[("link", "a")]),
                    attempted("b", "accepted", &[]),
                    entry("notification.delivered", "", &[]),
                ],
                vec![failed("serverError"), accepted()],
            ),
            (
                "void",
                vec![attempted("a", "failed", down), entry("notification.void", "", &[])],
                vec![],
            ),
            (
                "nothing of a notification's end",
                vec![
                    entry("notification.possible_duplicate", "", &[]),
                    entry("alert.opened", "", &[]),
                ],
                vec![],
            ),
        ];
        for (what, entries, expected) in rows {
            assert_eq!(counted(&entries), expected, "{what}");
        }
    }

    #[test]
    fn reasons_are_alertmanagers() {
        for (status, error, expected) in [
            (Some("400"), "", "clientError"),
            (Some("401"), "", "authError"),
            (Some("403"), "", "authError"),
            (Some("429"), "", "rateLimited"),
            (Some("500"), "", "serverError"),
            (Some("302"), "", "other"),
            (None, "no answer within 30000 ms", "contextDeadlineExceeded"),
            (None, "connection refused", "other"),
        ] {
            assert_eq!(reason(status, error), expected, "{status:?} {error}");
        }
    }

    #[test]
    fn only_what_is_committed_counts() {
        let record = |entry: &JournalEntry, topic: &'static str| NewRecord {
            topic: topic.into(),
            partition: 0,
            key: Vec::new(),
            value: Some(schemas::encode(entry).unwrap()),
            meta: None,
            headers: Vec::new(),
        };
        let mut counters = Counters::default();
        counters.writing(&[record(&attempted("a", "failed", &[]), topics::JOURNAL)]);
        // Aborted, and written again with something else.
        counters.writing(&[
            record(&attempted("b", "failed", &[]), topics::JOURNAL),
            record(&attempted("c", "failed", &[]), "other"),
        ]);
        counters.committed();
        counters.committed();
        let legs: Vec<&str> = counters
            .failing
            .values()
            .flat_map(|legs| legs.keys())
            .map(|(link, _, _)| link.as_str())
            .collect();
        assert_eq!(legs, ["b"]);
    }
}

//! Repeats: whole messages, as a receiver that looks at keys sees them.

use std::collections::{BTreeMap, HashMap};

use super::{Evidence, Kind, Status, Verdict, Violation, at};
use crate::ledger::{Heard, Word};

/// What a key was used for.
struct Use {
    words: Vec<(u32, Status)>,
    times: usize,
}

/// Judges every message beside those before it.
pub(super) fn messages(evidence: &Evidence<'_>, words: &BTreeMap<u32, Vec<Word>>, verdict: &mut Verdict) {
    let repeat_after = evidence
        .config
        .route
        .walk()
        .map(|route| route.timing.repeat_interval.millis() * 1_000)
        .min();
    let repeat_after = repeat_after.unwrap_or(u64::MAX);
    let mut told: HashMap<(u32, u16), (Status, u64)> = HashMap::new();
    let mut keys: HashMap<u64, Use> = HashMap::new();
    for message in evidence.heard.chunk_by(|a, b| a.message == b.message) {
        let Some(first) = message.first() else { continue };
        let mut said: Vec<_> = message.iter().map(|heard| (heard.alert, heard.status)).collect();
        said.sort_unstable();
        let wrong = |kind, text: String| Violation {
            kind,
            alert: first.alert,
            status: first.status,
            text,
        };
        if evidence.has_keys && first.key == 0 {
            let text = format!("a message at {} has no Idempotency-Key", at(first.at));
            verdict.violations.push(wrong(Kind::NoKey, text));
        }
        if let Some(known) = keys.get_mut(&first.key).filter(|_| first.key != 0) {
            if known.words == said {
                known.times += 1;
            } else {
                let text = format!("its key came at {} with another content", at(first.at));
                verdict.violations.push(wrong(Kind::KeyShared, text));
            }
            continue;
        }
        if first.key != 0 {
            keys.insert(first.key, Use { words: said, times: 1 });
        }
        let is_new = message.iter().any(|heard| {
            told.get(&(heard.alert, heard.receiver)).is_none_or(|(status, since)| {
                *status != heard.status
                    || heard.at.saturating_sub(*since) >= repeat_after
                    || fired_anew(words, heard, *since)
            })
        });
        if !is_new {
            let text = format!("a message at {} says nothing new", at(first.at));
            verdict.violations.push(wrong(Kind::SaidTwice, text));
        }
        told.extend(
            message
                .iter()
                .map(|heard| ((heard.alert, heard.receiver), (heard.status, heard.at))),
        );
    }
    repeats(evidence, keys, verdict);
}

/// Holds what came more than once under one key against the system's own records.
fn repeats(evidence: &Evidence<'_>, keys: HashMap<u64, Use>, verdict: &mut Verdict) {
    let mut used: Vec<_> = keys.into_iter().filter(|(_, used)| used.times > 1).collect();
    used.sort_by(|a, b| a.1.words.cmp(&b.1.words));
    for (key, used) in used {
        let records = evidence.records.get(&key).copied().unwrap_or(0);
        let repeats = used.times - 1;
        if repeats <= records {
            verdict.repeats_explained += repeats as u64;
        } else if let Some((alert, status)) = used.words.first() {
            verdict.violations.push(Violation {
                kind: Kind::Unexplained,
                alert: *alert,
                status: *status,
                text: format!(
                    "heard {} times under one key, with {records} possible_duplicate records",
                    used.times
                ),
            });
        }
    }
}

/// Whether the alert was said to be this once more since then: it had changed in between.
fn fired_anew(words: &BTreeMap<u32, Vec<Word>>, heard: &Heard, since: u64) -> bool {
    let words = words.get(&heard.alert).map_or(&[][..], Vec::as_slice);
    words
        .iter()
        .any(|word| word.status == heard.status && word.due > since && word.due <= heard.at)
}

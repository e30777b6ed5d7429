//! The verdict: what was posted and acknowledged, what was heard, what the journal admits, and whether they agree.
//!
//! Times are milliseconds since the run began.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What an alert is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It fires.
    Firing,
    /// It is over.
    Resolved,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        })
    }
}

/// What is said of which alert: the unit that is to be heard once.
pub type Word = (u64, Status);

/// A word that was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// When it was due to be posted first: an open loop counts from there, however late the request went out.
    pub at: u64,
    /// When the system answered 2xx first; none while it has not.
    pub acknowledged: Option<u64>,
    /// How long it may take from there while nothing is done to the system.
    pub bound: u64,
}

/// A word that was heard, in a message that the receiver accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What.
    pub word: Word,
    /// When.
    pub at: u64,
    /// The message's `Idempotency-Key`.
    pub key: Option<String>,
    /// The message's group key, by which the journal is asked.
    pub group: String,
}

/// While something was done to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// From when.
    pub from: u64,
    /// Until all was up again.
    pub until: u64,
}

/// All that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// What was posted.
    pub posted: BTreeMap<Word, Posted>,
    /// What was heard, in order.
    pub heard: Vec<Heard>,
    /// How many `notification.possible_duplicate` records each key has.
    pub possible_duplicates: BTreeMap<String, usize>,
    /// In order.
    pub outages: Vec<Outage>,
}

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Acknowledged, and never heard.
    Lost {
        /// What.
        word: Word,
        /// When it was acknowledged.
        acknowledged: u64,
    },
    /// Heard after its time.
    Late {
        /// What.
        word: Word,
        /// When it was acknowledged.
        acknowledged: u64,
        /// When it had to be heard.
        deadline: u64,
        /// When it was.
        at: u64,
    },
    /// The same word under two keys: two requests, where one was due.
    SaidTwice {
        /// What.
        word: Word,
        /// The keys, in order.
        keys: Vec<String>,
    },
    /// Sent again under its key, with fewer records than repeats.
    Unexplained {
        /// What.
        word: Word,
        /// Its key.
        key: String,
        /// How often it was heard.
        times: usize,
        /// How many records there are; one less than `times` would do.
        records: usize,
    },
    /// A message without a key.
    NoKey {
        /// What.
        word: Word,
    },
    /// Two words under one key: a receiver that looks at keys drops the second.
    KeyShared {
        /// The key.
        key: String,
        /// The words.
        words: Vec<Word>,
    },
    /// Nobody posted that.
    NeverPosted {
        /// What.
        word: Word,
    },
}

/// What is to be said of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Words posted.
    pub posted: usize,
    /// Of those, acknowledged.
    pub acknowledged: usize,
    /// Of those, heard.
    pub notified: usize,
    /// Repeats that the journal explains.
    pub repeats_explained: usize,
    /// From when a word was due to be posted to when it was first heard, in milliseconds, by its status.
    pub latencies: BTreeMap<Status, Vec<u64>>,
    /// None, or it failed.
    pub violations: Vec<Violation>,
}

/// When a word that was acknowledged then must have been heard: `bound` later, and anew after each outage that began
/// before that and ended after the acknowledgement.
pub fn deadline(acknowledged: u64, bound: u64, outages: &[Outage]) -> u64 {
    let mut deadline = acknowledged + bound;
    for outage in outages {
        if outage.from <= deadline && outage.until >= acknowledged {
            deadline = deadline.max(outage.until + bound);
        }
    }
    deadline
}

/// Judges.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut by_word: BTreeMap<Word, Vec<&Heard>> = BTreeMap::new();
    let mut by_key: BTreeMap<&str, BTreeSet<Word>> = BTreeMap::new();
    for heard in &evidence.heard {
        by_word.entry(heard.word).or_default().push(heard);
        if let Some(key) = &heard.key {
            by_key.entry(key).or_default().insert(heard.word);
        }
    }
    let mut verdict = Verdict {
        posted: evidence.posted.len(),
        ..Verdict::default()
    };
    for (word, posted) in &evidence.posted {
        let first = by_word.get(word).and_then(|all| all.first()).map(|heard| heard.at);
        arrival(evidence, *word, *posted, first, &mut verdict);
    }
    for (word, all) in &by_word {
        if !evidence.posted.contains_key(word) {
            verdict.violations.push(Violation::NeverPosted { word: *word });
        }
        repeats(evidence, *word, all, &mut verdict);
    }
    for (key, words) in by_key {
        if words.len() > 1 {
            let words = words.into_iter().collect();
            verdict.violations.push(Violation::KeyShared {
                key: key.to_owned(),
                words,
            });
        }
    }
    verdict
}

fn arrival(evidence: &Evidence, word: Word, posted: Posted, first: Option<u64>, verdict: &mut Verdict) {
    verdict
        .latencies
        .entry(word.1)
        .or_default()
        .extend(first.map(|at| at.saturating_sub(posted.at)));
    let Some(acknowledged) = posted.acknowledged else {
        return;
    };
    verdict.acknowledged += 1;
    let Some(at) = first else {
        verdict.violations.push(Violation::Lost { word, acknowledged });
        return;
    };
    verdict.notified += 1;
    let deadline = deadline(acknowledged, posted.bound, &evidence.outages);
    if at > deadline {
        verdict.violations.push(Violation::Late {
            word,
            acknowledged,
            deadline,
            at,
        });
    }
}

fn repeats(evidence: &Evidence, word: Word, all: &[&Heard], verdict: &mut Verdict) {
    if all.iter().any(|heard| heard.key.is_none()) {
        verdict.violations.push(Violation::NoKey { word });
        return;
    }
    let mut keys: Vec<String> = all.iter().filter_map(|heard| heard.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let [key] = keys.as_slice() else {
        verdict.violations.push(Violation::SaidTwice { word, keys });
        return;
    };
    let records = evidence.possible_duplicates.get(key).copied().unwrap_or_default();
    let repeats = all.len().saturating_sub(1);
    if repeats > records {
        let key = key.clone();
        verdict.violations.push(Violation::Unexplained {
            word,
            key,
            times: all.len(),
            records,
        });
    } else {
        verdict.repeats_explained += repeats;
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |word: &Word| format!("alert {} ({})", word.0, word.1);
        match self {
            Self::Lost { word, acknowledged } => {
                write!(
                    f,
                    "LOST: {} was acknowledged at {acknowledged} ms and never heard of",
                    name(word)
                )
            }
            Self::Late {
                word,
                acknowledged,
                deadline,
                at,
            } => write!(
                f,
                "LATE: {} was acknowledged at {acknowledged} ms, had to be heard by {deadline} ms and was at {at} ms",
                name(word)
            ),
            Self::SaidTwice { word, keys } => {
                write!(f, "SAID TWICE: {} under the keys {}", name(word), keys.join(", "))
            }
            Self::Unexplained {
                word,
                key,
                times,
                records,
            } => write!(
                f,
                "UNEXPLAINED REPEAT: {} was heard {times} times under {key}, with {records} possible_duplicate records",
                name(word)
            ),
            Self::NoKey { word } => write!(f, "NO KEY: a message with {} has no Idempotency-Key", name(word)),
            Self::KeyShared { key, words } => {
                let words: Vec<_> = words.iter().map(name).collect();
                write!(f, "KEY SHARED: {key} was used for {}", words.join(" and "))
            }
            Self::NeverPosted { word } => write!(f, "NEVER POSTED: {} was heard", name(word)),
        }
    }
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;

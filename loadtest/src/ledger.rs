//! What a run said and heard, taken down as it happens: the generator and the receiver write, everybody reads.
//!
//! Times are microseconds since the run began.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alert::{Fingerprint, Timestamp};
use serde::Deserialize;

use crate::client::PostError;
use crate::oracle::Status;
use crate::population::Population;
use crate::sink::wall_clock;

/// A word that is not due: [`Entry::due`] holds one more than the time otherwise.
const NOT_DUE: u64 = 0;
/// An alert that does not fire; the start of its firing otherwise.
const NOT_FIRING: i64 = i64::MIN;

/// Errors are counted by their texts, of which there are a few; more are not told apart.
const KINDS_OF_ERRORS: usize = 100;

/// A request that had its answer, or never will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When it was due.
    pub due: u64,
    /// When its first try went out.
    pub sent: u64,
    /// When it was acknowledged; none if it was not.
    pub acknowledged: Option<u64>,
    /// How many alerts it carried.
    pub alerts: u32,
    /// Tries that were not acknowledged.
    pub failed: u32,
}

/// Something new that was said of an alert: that it fires, or that it does so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Which alert.
    pub alert: u32,
    /// What.
    pub status: Status,
    /// When it was due to be said.
    pub due: u64,
    /// When that was acknowledged; none if it was not.
    pub acknowledged: Option<u64>,
}

/// A word in a message that the receiver accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When the message's last byte was there.
    pub at: u64,
    /// Which alert.
    pub alert: u32,
    /// What.
    pub status: Status,
    /// When the word was due to be said that this is the first hearing of; none for a repeat.
    pub due: Option<u64>,
    /// Which receiver, as [`Ledger::receiver`] numbers them.
    pub receiver: u16,
    /// A hash of the message's idempotency key; 0 where it has none.
    pub key: u64,
    /// Which message, by its number.
    pub message: u32,
}

/// Of one alert.
#[derive(Debug)]
struct Entry {
    /// Since when it fires, in milliseconds since the epoch.
    firing_since: AtomicI64,
    /// The start of its latest firing.
    started: AtomicI64,
    /// The words not heard yet: firing, resolved.
    due: [AtomicU64; 2],
    /// When the newest word was due, whether it was heard or not; as `due` has it.
    newest: AtomicU64,
    /// What was heard last.
    believes_firing: AtomicBool,
}

/// The ledger of a run.
#[derive(Debug)]
pub struct Ledger {
    began: Instant,
    wall: Timestamp,
    numbers: HashMap<Fingerprint, u32>,
    entries: Vec<Entry>,
    /// Words that are said and not heard.
    owed: AtomicU64,
    /// Messages that came, and those in which nothing of this run is said.
    messages: AtomicU64,
    strange: AtomicU64,
    sent: Mutex<Vec<Sent>>,
    words: Mutex<Vec<Word>>,
    heard: Mutex<Vec<Heard>>,
    receivers: Mutex<Vec<String>>,
    errors: Mutex<BTreeMap<String, u64>>,
    refused: AtomicU64,
}

/// What is read of a webhook's body (payload version 4); the rest is skipped.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    alerts: Vec<Told<'a>>,
}

#[derive(Deserialize)]
struct Told<'a> {
    status: Status,
    fingerprint: &'a str,
}

impl Ledger {
    /// An empty one, of a run that begins now.
    pub fn new(population: &Population) -> Self {
        let entry = || Entry {
            firing_since: AtomicI64::new(NOT_FIRING),
            started: AtomicI64::new(0),
            due: [AtomicU64::new(NOT_DUE), AtomicU64::new(NOT_DUE)],
            newest: AtomicU64::new(NOT_DUE),
            believes_firing: AtomicBool::new(false),
        };
        Self {
            began: Instant::now(),
            wall: wall_clock(),
            numbers: population.by_fingerprint(),
            entries: std::iter::repeat_with(entry).take(population.len() as usize).collect(),
            owed: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            strange: AtomicU64::new(0),
            sent: Mutex::default(),
            words: Mutex::default(),
            heard: Mutex::default(),
            receivers: Mutex::default(),
            errors: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// A moment in microseconds since it began.
    pub fn micros(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.began))
    }

    /// The wall clock's time of a moment.
    pub fn wall(&self, at: u64) -> Timestamp {
        self.wall + alert::PromDuration::from_millis(at / 1_000)
    }

    /// An alert is about to be sent at `at` that was due at `due`: its `startsAt`, and whether this says something new.
    pub fn say(&self, alert: u32, status: Status, due: u64, at: u64) -> (Timestamp, bool) {
        let Some(entry) = self.entries.get(alert as usize) else {
            return (self.wall(at), false);
        };
        let before = match status {
            Status::Firing => {
                let starts = self.wall(at).millis();
                let before =
                    entry
                        .firing_since
                        .compare_exchange(NOT_FIRING, starts, Ordering::Relaxed, Ordering::Relaxed);
                if before.is_ok() {
                    entry.started.store(starts, Ordering::Relaxed);
                }
                before.is_ok()
            }
            Status::Resolved => entry.firing_since.swap(NOT_FIRING, Ordering::Relaxed) != NOT_FIRING,
        };
        if before {
            entry.newest.store(due + 1, Ordering::Relaxed);
            // What is over need not be said to fire any more, nor the other way round.
            self.settle(entry, other(status));
            // Nor need anybody hear what they believe already: nothing fires until it is heard to.
            if believed(entry) != status {
                self.owe(entry, status);
            }
        }
        (Timestamp::from_millis(entry.started.load(Ordering::Relaxed)), before)
    }

    /// A request had its answer, with the words it said.
    pub fn answered(&self, sent: Sent, words: &[Word]) {
        lock(&self.words).extend_from_slice(words);
        lock(&self.sent).push(sent);
    }

    /// A request was not acknowledged.
    pub fn failed(&self, error: &PostError) {
        if matches!(error, PostError::Refused(..)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        let mut errors = lock(&self.errors);
        if errors.len() < KINDS_OF_ERRORS {
            *errors.entry(error.to_string()).or_default() += 1;
        }
    }

    /// How many requests were refused for good.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Why requests were not acknowledged, and how often.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        lock(&self.errors).clone()
    }

    /// A message came that was accepted.
    pub fn hear(&self, at: Instant, receiver: u16, key: Option<&[u8]>, body: &[u8]) {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let at = self.micros(at);
        let key = key.map_or(0, hash);
        let message: Message<'_> = serde_json::from_slice(body).unwrap_or(Message { alerts: Vec::new() });
        let mut heard = lock(&self.heard);
        let before = heard.len();
        for told in message.alerts {
            let fingerprint = u64::from_str_radix(told.fingerprint, 16).map(Fingerprint::new);
            let Some(alert) = fingerprint
                .ok()
                .and_then(|fingerprint| self.numbers.get(&fingerprint))
                .copied()
            else {
                continue;
            };
            let due = self
                .entries
                .get(alert as usize)
                .map_or(NOT_DUE, |entry| self.believe(entry, told.status));
            heard.push(Heard {
                at,
                alert,
                status: told.status,
                due: due.checked_sub(1),
                receiver,
                key,
                message: number,
            });
        }
        if heard.len() == before {
            self.strange.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The receiver believes it now; when it was due to, unless that was not owed.
    fn believe(&self, entry: &Entry, status: Status) -> u64 {
        entry.believes_firing.store(status == Status::Firing, Ordering::Relaxed);
        let due = self.settle(entry, status);
        let fires = entry.firing_since.load(Ordering::Relaxed) != NOT_FIRING;
        let now = if fires { Status::Firing } else { Status::Resolved };
        // A message that was under way when the alert changed: now the receiver is owed the change.
        if now != status {
            self.owe(entry, now);
        }
        due
    }

    /// The newest change is owed as this, if it is not yet.
    fn owe(&self, entry: &Entry, status: Status) {
        let newest = entry.newest.load(Ordering::Relaxed);
        let was = word_of(entry, status).compare_exchange(NOT_DUE, newest, Ordering::Relaxed, Ordering::Relaxed);
        if was.is_ok() && newest != NOT_DUE {
            self.owed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The word is owed no more; when it was due.
    fn settle(&self, entry: &Entry, status: Status) -> u64 {
        let due = word_of(entry, status).swap(NOT_DUE, Ordering::Relaxed);
        if due != NOT_DUE {
            self.owed.fetch_sub(1, Ordering::Relaxed);
        }
        due
    }

    /// The number of a receiver by the path of its URL.
    pub fn receiver(&self, path: &str) -> u16 {
        let mut receivers = lock(&self.receivers);
        let place = receivers.iter().position(|known| known == path).unwrap_or_else(|| {
            receivers.push(path.to_owned());
            receivers.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// The receivers' paths, by their numbers.
    pub fn receivers(&self) -> Vec<String> {
        lock(&self.receivers).clone()
    }

    /// Words said and not heard yet. An alert that changes again before it was heard counts once.
    pub fn owed(&self) -> u64 {
        self.owed.load(Ordering::Relaxed)
    }

    /// Messages that came.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Of those, the ones that say nothing of this run's alerts.
    pub fn strange(&self) -> u64 {
        self.strange.load(Ordering::Relaxed)
    }

    /// Requests answered so far, from a place on.
    pub fn sent(&self, from: usize) -> Vec<Sent> {
        lock(&self.sent).get(from..).unwrap_or_default().to_vec()
    }

    /// Words whose requests were answered so far, from a place on.
    pub fn words(&self, from: usize) -> Vec<Word> {
        lock(&self.words).get(from..).unwrap_or_default().to_vec()
    }

    /// What was heard so far, from a place on.
    pub fn heard(&self, from: usize) -> Vec<Heard> {
        lock(&self.heard).get(from..).unwrap_or_default().to_vec()
    }
}

fn other(status: Status) -> Status {
    match status {
        Status::Firing => Status::Resolved,
        Status::Resolved => Status::Firing,
    }
}

/// What the receiver believes: nothing fires until it is heard to.
fn believed(entry: &Entry) -> Status {
    if entry.believes_firing.load(Ordering::Relaxed) {
        Status::Firing
    } else {
        Status::Resolved
    }
}

fn word_of(entry: &Entry, status: Status) -> &AtomicU64 {
    let [firing, resolved] = &entry.due;
    match status {
        Status::Firing => firing,
        Status::Resolved => resolved,
    }
}

/// A hash of an idempotency key, never 0; the same within one process only.
pub fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().max(1)
}

/// Whole microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::oracle::Status::{Firing, Resolved};
    use crate::population::{Made, Population};
    use serde_json::json;
    use std::time::{Duration, Instant};

    fn ledger() -> (Population, Ledger) {
        let population = Population::Made(Made {
            run: "r".to_owned(),
            seed: 1,
            alerts: 3,
            per_group: 1,
            giant: 0,
        });
        let ledger = Ledger::new(&population);
        (population, ledger)
    }

    fn message(population: &Population, told: &[(u32, &str)]) -> Vec<u8> {
        let alert = |(number, status): &(u32, &str)| {
            let labels = population.labels(*number);
            json!({"status": status, "labels": labels, "fingerprint": labels.fingerprint().to_string()})
        };
        let alerts: Vec<_> = told.iter().map(alert).collect();
        json!({"status": "firing", "alerts": alerts, "groupKey": "{}:{a=\"b\"}"})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_word_is_owed_until_it_is_heard_and_timed_from_when_it_was_due() {
        let (population, ledger) = ledger();
        let at = |millis| ledger.began() + Duration::from_millis(millis);
        let (starts, new) = ledger.say(1, Firing, 5_000, 7_000);
        assert!(new);
        assert_eq!(
            ledger.say(1, Firing, 9_000, 9_000),
            (starts, false),
            "sent again, it still began then"
        );
        assert_eq!(ledger.owed(), 1);
        ledger.hear(at(8), 0, Some(b"k"), &message(&population, &[(1, "firing")]));
        ledger.hear(
            at(9),
            0,
            Some(b"k"),
            &message(&population, &[(1, "firing"), (2, "firing")]),
        );
        assert_eq!(ledger.owed(), 0);
        let heard: Vec<_> = ledger
            .heard(0)
            .iter()
            .map(|heard| (heard.alert, heard.at, heard.due))
            .collect();
        assert_eq!(heard, [(1, 8_000, Some(5_000)), (1, 9_000, None), (2, 9_000, None)]);
        assert_eq!(ledger.say(1, Resolved, 10_000, 10_000), (starts, true));
        assert_eq!((ledger.say(1, Resolved, 11_000, 11_000).1, ledger.owed()), (false, 1));
    }

    #[test]
    fn what_changes_back_before_it_was_heard_is_owed_no_more() {
        let (population, ledger) = ledger();
        let hear = |status| ledger.hear(ledger.began(), 0, None, &message(&population, &[(1, status)]));
        ledger.say(1, Firing, 1, 1);
        ledger.say(1, Resolved, 2, 2);
        assert_eq!(ledger.owed(), 0, "nobody heard that it fired");
        hear("firing");
        assert_eq!(ledger.owed(), 1, "but that was under way, so its end is owed");
        hear("resolved");
        let due: Vec<_> = ledger.heard(0).iter().map(|heard| heard.due).collect();
        assert_eq!((ledger.owed(), due), (0, vec![None, Some(2)]));
        ledger.say(1, Firing, 3, 3);
        hear("firing");
        ledger.say(1, Resolved, 4, 4);
        ledger.say(1, Firing, 5, 5);
        assert_eq!(ledger.owed(), 0, "it is believed to fire, and does");
    }

    #[test]
    fn garbage_is_counted() {
        let (population, ledger) = ledger();
        let foreign = json!({"alerts": [{"status": "firing", "fingerprint": "00000000000000ff"}]}).to_string();
        for body in [b"garbage".as_slice(), b"{\"alerts\": 3}", foreign.as_bytes(), b""] {
            ledger.hear(Instant::now(), 0, None, body);
        }
        ledger.hear(Instant::now(), 0, None, &message(&population, &[(0, "firing")]));
        assert_eq!((ledger.messages(), ledger.strange()), (5, 4));
    }
}

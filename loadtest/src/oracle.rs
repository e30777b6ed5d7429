//! The verdict: what was said and acknowledged, what was heard, what the journal admits, and whether they agree.
//!
//! Which receiver must hear of an alert is asked of the routing walk that the system itself uses (`policy`), on the config
//! under test: so the oracle cannot find a mistake in that walk (its own tests hold it against Alertmanager's), and
//! finds every one in what comes after it. Nothing else is taken from the system. Times are microseconds since the run
//! began.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use alert::{GroupId, GroupKey, LabelSet, Matchers};
use config::Config;
use serde::{Deserialize, Serialize};

use crate::ledger::{Heard, Word};
use crate::oracle::messages::messages;
use crate::population::Population;

mod messages;

/// What an alert is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// While something was done to the system, or to its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// From when.
    pub from: u64,
    /// Until all was up again.
    pub until: u64,
}

/// A silence that was acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Muted {
    /// Which alerts it mutes.
    pub matchers: Matchers,
    /// From when every new attempt must know it.
    pub from: u64,
    /// Until when.
    pub until: u64,
}

/// All that is known.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The config under test. A receiver's webhook goes to a path that is its name.
    pub config: &'a Config,
    /// The alerts.
    pub population: &'a Population,
    /// What was said, in any order.
    pub words: Vec<Word>,
    /// What was heard, in order.
    pub heard: Vec<Heard>,
    /// The receivers that [`Heard`] numbers.
    pub receivers: Vec<String>,
    /// The silences.
    pub silences: Vec<Muted>,
    /// In order.
    pub outages: Vec<Outage>,
    /// How many records of a possible duplicate each key has, by the key's hash.
    pub records: HashMap<u64, usize>,
    /// Whether messages carry idempotency keys: then a repeat is held against the records.
    pub has_keys: bool,
    /// How long a word may take beyond what the config says.
    pub slack: u64,
    /// When nobody listened any more.
    pub end: u64,
}

/// A kind of what must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Acknowledged, and never heard.
    Lost,
    /// Heard after its time.
    Late,
    /// Heard, and nobody said it, or not to this receiver.
    NeverSaid,
    /// Heard after what followed it.
    OutOfOrder,
    /// Heard that it is over, by a receiver that never heard it fire.
    ResolvedFirst,
    /// Heard while a silence muted it.
    Muted,
    /// A message with nothing new before `repeat_interval`, under a key of its own.
    SaidTwice,
    /// Sent again under its key, with fewer records than repeats.
    Unexplained,
    /// A message without a key.
    NoKey,
    /// Two messages that differ under one key: a receiver that looks at keys drops the second.
    KeyShared,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its kind.
    pub kind: Kind,
    /// The alert, or the first of a message.
    pub alert: u32,
    /// What of it.
    pub status: Status,
    /// The rest, for a person.
    pub text: String,
}

/// What is to be said of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Words said, for each receiver that must hear them.
    pub words: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Of those, heard.
    pub notified: u64,
    /// Not heard, because the alert changed again or back, or nobody had heard it fire.
    pub excused: u64,
    /// Not heard, and not due before the end.
    pub undecided: u64,
    /// Repeats that the journal explains.
    pub repeats_explained: u64,
    /// None, or the run has failed.
    pub violations: Vec<Violation>,
}

/// When a word that was acknowledged then must have been heard: `bound` later, and anew after each outage that began
/// before that and ended after the acknowledgement.
pub fn deadline(acknowledged: u64, bound: u64, outages: &[Outage]) -> u64 {
    let mut deadline = acknowledged + bound;
    for outage in outages {
        if outage.from <= deadline && outage.until >= acknowledged {
            deadline = deadline.max(outage.until.saturating_add(bound));
        }
    }
    deadline
}

/// Where one alert goes.
#[derive(Debug)]
struct Way {
    receiver: u16,
    send_resolved: bool,
    group: GroupId,
    group_wait: u64,
    group_interval: u64,
}

/// Judges.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut words: BTreeMap<u32, Vec<Word>> = BTreeMap::new();
    for word in &evidence.words {
        words.entry(word.alert).or_default().push(*word);
    }
    let mut heard: BTreeMap<(u32, u16), Vec<Heard>> = BTreeMap::new();
    for one in &evidence.heard {
        heard.entry((one.alert, one.receiver)).or_default().push(*one);
    }
    let mut labels: BTreeMap<u32, (LabelSet, Vec<Way>)> = BTreeMap::new();
    let mut members: HashMap<GroupId, (u64, u32)> = HashMap::new();
    for (alert, words) in &mut words {
        words.sort_by_key(|word| word.due);
        let of = evidence.population.labels(*alert);
        let ways = ways(evidence, &of);
        let due = words.first().map_or(0, |word| word.due);
        for way in &ways {
            let (first, alerts) = members.entry(way.group.clone()).or_insert((due, 0));
            *first = due.min(*first);
            *alerts += 1;
        }
        labels.insert(*alert, (of, ways));
    }
    let mut verdict = Verdict::default();
    for (alert, words) in &words {
        let Some((labels, ways)) = labels.get(alert) else {
            continue;
        };
        for way in ways {
            let heard = heard.remove(&(*alert, way.receiver)).unwrap_or_default();
            let alone = Timeline {
                evidence,
                labels,
                way,
                opened: members
                    .get(&way.group)
                    .filter(|(_, alerts)| *alerts == 1)
                    .map(|(first, _)| *first),
                words,
                heard: &heard,
            };
            alone.judge(&mut verdict);
        }
    }
    for ((alert, receiver), heard) in heard {
        let receiver = evidence
            .receivers
            .get(usize::from(receiver))
            .map_or("?", String::as_str);
        verdict.violations.extend(heard.first().map(|first| Violation {
            kind: Kind::NeverSaid,
            alert,
            status: first.status,
            text: format!("heard at {} by {receiver}, whom nothing tells of it", at(first.at)),
        }));
    }
    messages(evidence, &words, &mut verdict);
    verdict
}

/// Where an alert goes: to each receiver with an integration, once.
fn ways(evidence: &Evidence<'_>, labels: &LabelSet) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for placement in policy::walk(evidence.config, labels) {
        let receiver = evidence.config.receiver(&placement.receiver);
        let Some(integration) = receiver.and_then(|receiver| receiver.integrations.first()) else {
            continue;
        };
        let path = format!("/{}", placement.receiver);
        let number = evidence.receivers.iter().position(|known| *known == path);
        // One that was never heard of has no number yet.
        let receiver = number.and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX);
        let Some(route) = evidence.config.route(placement.route_id.as_str()) else {
            continue;
        };
        if !ways.iter().any(|way| way.receiver == receiver) {
            ways.push(Way {
                receiver,
                send_resolved: integration.send_resolved,
                group: placement.group_id,
                group_wait: route.timing.group_wait.millis() * 1_000,
                group_interval: route.timing.group_interval.millis() * 1_000,
            });
        }
    }
    ways
}

/// The group keys an alert is notified under, by which a journal is asked.
pub fn group_keys(config: &Config, labels: &LabelSet) -> Vec<GroupKey> {
    policy::walk(config, labels)
        .into_iter()
        .map(|placement| placement.group_key)
        .collect()
}

/// What was said of one alert, and what one receiver heard of it.
struct Timeline<'a> {
    evidence: &'a Evidence<'a>,
    labels: &'a LabelSet,
    way: &'a Way,
    /// When its group had its first word, where the alert is alone in it.
    opened: Option<u64>,
    words: &'a [Word],
    heard: &'a [Heard],
}

impl Timeline<'_> {
    fn judge(&self, verdict: &mut Verdict) {
        for (place, word) in self.words.iter().enumerate() {
            if word.status == Status::Resolved && !self.way.send_resolved {
                continue;
            }
            self.arrival(place, word, verdict);
        }
        let mut told = None;
        for (place, heard) in self.heard.iter().enumerate() {
            let follows = self.follows(told, heard);
            if let Some((kind, text)) = self.wrong(place, heard, follows) {
                verdict.violations.push(Violation {
                    kind,
                    alert: heard.alert,
                    status: heard.status,
                    text,
                });
            }
            told = follows.or(told);
        }
    }

    /// Which word a hearing tells of, as early as it can be: the one told last again, or one after it. A system that lags
    /// may tell of each in turn; it may not go back.
    fn follows(&self, told: Option<usize>, heard: &Heard) -> Option<usize> {
        let words = self.words.iter().enumerate().skip(told.unwrap_or(0));
        let mut fitting = words.filter(|(_, word)| word.status == heard.status && word.due <= heard.at);
        fitting.next().map(|(place, _)| place)
    }

    fn arrival(&self, place: usize, word: &Word, verdict: &mut Verdict) {
        verdict.words += 1;
        let Some(acknowledged) = word.acknowledged else { return };
        verdict.acknowledged += 1;
        // Only the first word of a group is sure to come after `group_wait`; what joins it waits for its tick.
        let joins = self.opened.is_none_or(|opened| word.due > opened);
        let wait = self.way.group_wait.max(if joins { self.way.group_interval } else { 0 });
        let deadline = deadline(acknowledged, wait + self.evidence.slack, &self.evidence.outages);
        let deadline = deadline.max(self.unmuted(deadline, acknowledged));
        let due_of = |place: usize| self.words.get(place).map(|word| word.due);
        let (next, again) = (due_of(place + 1), due_of(place + 2));
        let first = self.heard.iter().find(|heard| {
            heard.status == word.status && heard.at >= word.due && again.is_none_or(|again| heard.at < again)
        });
        let changed_in_time = next.is_some_and(|next| next <= deadline);
        match first {
            Some(first) => {
                verdict.notified += 1;
                if first.at > deadline && !changed_in_time {
                    let (said, due, heard) = (at(acknowledged), at(deadline), at(first.at));
                    let text = format!("acknowledged at {said}, had to be heard by {due} and was at {heard}");
                    verdict.violations.push(Self::violation(Kind::Late, word, text));
                }
            }
            None if changed_in_time || self.nobody_heard_it_fire(word) || self.was_told(word, next) => {
                verdict.excused += 1;
            }
            None if deadline > self.evidence.end => verdict.undecided += 1,
            None => {
                let text = format!("acknowledged at {} and never heard of", at(acknowledged));
                verdict.violations.push(Self::violation(Kind::Lost, word, text));
            }
        }
    }

    /// *Resolved* goes only to who took *firing*.
    fn nobody_heard_it_fire(&self, word: &Word) -> bool {
        let fired = |heard: &Heard| heard.status == Status::Firing;
        word.status == Status::Resolved && !self.heard.iter().any(fired)
    }

    /// Whether the receiver's last news, as long as the word stood, was the same: it changed between two ticks and back,
    /// and a tick says what is new.
    fn was_told(&self, word: &Word, next: Option<u64>) -> bool {
        let mut news = self.heard.iter().rev();
        news.find(|heard| next.is_none_or(|next| heard.at < next))
            .is_some_and(|heard| heard.status == word.status)
    }

    /// What a silence muted is said at the first tick after its end: when that must have come, 0 without one.
    fn unmuted(&self, deadline: u64, acknowledged: u64) -> u64 {
        let silences = self.evidence.silences.iter();
        let muting = silences.filter(|silence| silence.from <= deadline && silence.until >= acknowledged);
        let ends = muting
            .filter(|silence| silence.matchers.matches(self.labels))
            .map(|silence| silence.until);
        ends.max()
            .map_or(0, |until| until + self.way.group_interval + self.evidence.slack)
    }

    /// What is wrong with the hearing at that place.
    fn wrong(&self, place: usize, heard: &Heard, follows: Option<usize>) -> Option<(Kind, String)> {
        let time = at(heard.at);
        let mut before = self.words.iter().filter(|word| word.due <= heard.at);
        if !before.any(|word| word.status == heard.status) {
            return Some((Kind::NeverSaid, format!("heard at {time}")));
        }
        let earlier = self.heard.get(..place).unwrap_or_default();
        if heard.status == Status::Resolved && !earlier.iter().any(|one| one.status == Status::Firing) {
            return Some((Kind::ResolvedFirst, format!("heard at {time}")));
        }
        if follows.is_none() {
            return Some((Kind::OutOfOrder, format!("heard at {time}, after what followed it")));
        }
        let muted = self.evidence.silences.iter().find(|silence| {
            let (from, until) = (silence.from + MUTE_SLACK, silence.until);
            (from..until).contains(&heard.at) && silence.matchers.matches(self.labels)
        });
        muted
            .filter(|_| heard.status == Status::Firing && !self.is_in_outage(heard.at))
            .map(|_| (Kind::Muted, format!("heard at {time}, while a silence muted it")))
    }

    /// While a process stands still or is away, an attempt from before may arrive, or its repeat.
    fn is_in_outage(&self, moment: u64) -> bool {
        self.evidence
            .outages
            .iter()
            .any(|outage| (outage.from..outage.until.saturating_add(self.evidence.slack)).contains(&moment))
    }

    fn violation(kind: Kind, word: &Word, text: String) -> Violation {
        Violation {
            kind,
            alert: word.alert,
            status: word.status,
            text,
        }
    }
}

/// From a silence's acknowledgement until every owner knows it and what was under way has arrived.
const MUTE_SLACK: u64 = 2_000_000;

/// A moment, for a person.
fn at(moment: u64) -> String {
    format!("{:.3} s", std::time::Duration::from_micros(moment).as_secs_f64())
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "LOST",
            Self::Late => "LATE",
            Self::NeverSaid => "NEVER SAID",
            Self::OutOfOrder => "OUT OF ORDER",
            Self::ResolvedFirst => "RESOLVED BEFORE FIRING",
            Self::Muted => "MUTED, BUT SENT",
            Self::SaidTwice => "SAID TWICE",
            Self::Unexplained => "UNEXPLAINED REPEAT",
            Self::NoKey => "NO KEY",
            Self::KeyShared => "KEY SHARED",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: alert {} ({}): {}",
            self.kind, self.alert, self.status, self.text
        )
    }
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;

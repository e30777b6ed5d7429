//! What happened: journal entries of the retained time, by matchers, kinds and time range; the newest first.
//!
//! The journal has no index. It is read backwards, a piece of a partition at a time, the partition first that has been read
//! least far back, until enough was found, the range is through, or the question has taken its time; the answer says how far
//! back it looked and with what to go on.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alert::{LabelSet, Matcher, Timestamp};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use schemas::{JournalEntry, topics};
use serde::Serialize;
use streams::{From, Log, LogError};

use super::entry::Entry;
use super::filter::Filter;
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::view::{Held, Kept, partitions};

/// How many entries one answer has unless asked otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// How many offsets of a partition are read at once.
const PIECE: i64 = 2_000;
/// How long a question may read before it says how far it came: a person waits for it.
const TIME: Duration = Duration::from_secs(2);
/// How long a piece may take: the log answers, or the question is given up.
const PIECE_TIME: Duration = Duration::from_secs(5);
/// How many decisions are kept in mind whose alerts are not known yet.
const MAX_UNDECIDED: usize = 20_000;
/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// Entries that were found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    /// Newest first.
    entries: Vec<Entry>,
    /// What to ask with for older ones; null where there are none.
    next: Option<String>,
    /// Everything since then has been looked at.
    searched_to: i64,
}

/// What is asked for.
#[derive(Debug)]
struct Question {
    since: Timestamp,
    until: Timestamp,
    labels: Vec<Matcher>,
    /// What the kind begins with; empty for all.
    kinds: Vec<String>,
    limit: usize,
    /// By partition, the offset below which to look.
    before: Option<Vec<i64>>,
}

impl Question {
    fn of(params: &Params) -> Result<Self, Refusal> {
        let time = |name: &str, default: i64| match params.text(name).map(str::parse) {
            None => Ok(Timestamp::from_millis(default)),
            Some(Ok(millis)) => Ok(Timestamp::from_millis(millis)),
            Some(Err(_)) => Err(Refusal::bad(format!("{name} is no time in milliseconds since 1970"))),
        };
        let before = params
            .text("before")
            .map(|text| text.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>());
        let before = before
            .transpose()
            .map_err(|_| Refusal::bad("before is not what an answer said as next"))?;
        let kinds = params
            .0
            .iter()
            .filter(|(name, value)| name == "kind" && !value.is_empty());
        Ok(Self {
            since: time("since", i64::MIN)?,
            until: time("until", i64::MAX)?,
            labels: Filter::of(params)?.labels().to_vec(),
            kinds: kinds.map(|(_, kind)| kind.clone()).collect(),
            limit: params.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
            before,
        })
    }

    /// Whether an entry is of a kind that is asked for.
    fn is_of_kind(&self, entry: &JournalEntry) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| entry.kind.starts_with(kind.as_str()))
    }

    fn has_labels(&self, labels: &LabelSet) -> bool {
        self.labels.iter().all(|matcher| matcher.matches(labels))
    }
}

/// What was found, and what may turn out to be asked for.
///
/// A decision about an incident carries the labels of its group only; it is asked for too where one of the incident's
/// alerts meets the matchers. Which alerts an incident has, the view says of those it still has, and the alerts' own
/// entries, which are older than what was decided about them, say of all.
struct Finds<'a> {
    app: &'a App,
    question: &'a Question,
    entries: Vec<Entry>,
    /// Of incidents that are not known to have such an alert.
    undecided: Vec<Entry>,
    /// By incident: whether one of its alerts meets the matchers.
    incidents: HashMap<String, bool>,
}

impl Finds<'_> {
    fn take(&mut self, kept: &Kept) {
        if kept.at < self.question.since || kept.at > self.question.until {
            return;
        }
        let Some(entry) = kept.entry() else { return };
        let meets = self.question.has_labels(&entry.labels);
        if let Some(incident) = entry
            .incident_id
            .as_ref()
            .filter(|_| meets && entry.fingerprint.is_some())
        {
            self.incidents.insert(incident.clone(), true);
        }
        if !self.question.is_of_kind(&entry) {
            return;
        }
        let asked_for = meets
            || entry
                .incident_id
                .as_ref()
                .is_some_and(|incident| self.has_such_an_alert(incident));
        let about_an_incident = entry.incident_id.is_some() && entry.fingerprint.is_none();
        let shown = Entry::made(kept, entry);
        if asked_for {
            self.entries.push(shown);
        } else if about_an_incident && self.undecided.len() < MAX_UNDECIDED {
            self.undecided.push(shown);
        }
    }

    fn has_such_an_alert(&mut self, incident: &str) -> bool {
        if let Some(known) = self.incidents.get(incident) {
            return *known;
        }
        let (app, question) = (self.app, self.question);
        let of_group = |held: Held<'_>| held.alerts().any(|(_, alert)| question.has_labels(&alert.body.labels));
        let found = app
            .view
            .incident(incident)
            .and_then(|(group, _)| app.view.group(&group, of_group));
        let found = found.unwrap_or_default();
        self.incidents.insert(incident.to_owned(), found);
        found
    }

    /// Takes what turned out to be asked for.
    fn decide(&mut self) {
        let incidents = &self.incidents;
        let turned_out = |entry: &Entry| {
            entry
                .incident
                .as_ref()
                .is_some_and(|incident| incidents.get(incident) == Some(&true))
        };
        let (asked_for, undecided) = self.undecided.drain(..).partition(turned_out);
        self.undecided = undecided;
        self.entries.extend::<Vec<Entry>>(asked_for);
    }
}

/// `GET history?since=…&until=…&filter=…&kind=…&limit=…&before=…`.
pub(super) async fn history(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let question = Question::of(&params)?;
    let found = app.blocking(move |app| search(app, &question)).await?;
    Ok(json::ok(&found.map_err(Refusal::later)?))
}

/// A partition, read backwards.
#[derive(Debug)]
struct Backwards {
    partition: u32,
    low: i64,
    /// Everything from here on has been read.
    from: i64,
    /// The time of the oldest entry that was read.
    oldest: Timestamp,
}

impl Backwards {
    fn is_through(&self, since: Timestamp) -> bool {
        self.from <= self.low || self.oldest < since
    }

    /// Reads the piece before.
    fn read(&mut self, log: &dyn Log, mut take: impl FnMut(&Kept)) -> Result<(), LogError> {
        let (start, end) = ((self.from - PIECE).max(self.low), self.from);
        let mut reader = log.reader(&[(topics::JOURNAL.to_owned(), self.partition, From::Offset(start))])?;
        let began = Instant::now();
        while reader.position(topics::JOURNAL, self.partition).unwrap_or(start) < end {
            if began.elapsed() > PIECE_TIME {
                return Err(LogError::Busy(format!(
                    "journal/{} could not be read in time",
                    self.partition
                )));
            }
            let records = reader.poll(usize::try_from(PIECE).unwrap_or(usize::MAX), POLL_WAIT)?;
            for kept in records
                .into_iter()
                .filter(|(_, record)| record.offset < end)
                .filter_map(|(_, record)| Kept::of(record))
            {
                self.oldest = self.oldest.min(kept.at);
                take(&kept);
            }
        }
        self.from = start;
        Ok(())
    }

    /// Goes down to where everything newer is after `until`: what a person asks about is often long ago.
    fn skip_to(&mut self, log: &dyn Log, until: Timestamp) -> Result<(), LogError> {
        let (mut below, mut above) = (self.low, self.from);
        while above - below > PIECE {
            let middle = below + (above - below) / 2;
            if time_at(log, self.partition, middle)?.is_some_and(|at| at > until) {
                above = middle;
            } else {
                below = middle;
            }
        }
        self.from = above;
        Ok(())
    }
}

/// When the first entry at or after an offset was written.
fn time_at(log: &dyn Log, partition: u32, offset: i64) -> Result<Option<Timestamp>, LogError> {
    let mut reader = log.reader(&[(topics::JOURNAL.to_owned(), partition, From::Offset(offset))])?;
    let began = Instant::now();
    while began.elapsed() < TIME {
        if let Some((_, record)) = reader.poll(1, POLL_WAIT)?.into_iter().next() {
            return Ok(Kept::of(record).map(|kept| kept.at));
        }
    }
    Ok(None)
}

fn search(app: &App, question: &Question) -> Result<History, LogError> {
    let began = Instant::now();
    let log = app.log.as_ref();
    let mut parts = begin(log, question)?;
    let mut finds = Finds {
        app,
        question,
        entries: Vec::new(),
        undecided: Vec::new(),
        incidents: HashMap::new(),
    };
    let horizon = loop {
        let open = parts
            .iter_mut()
            .filter(|part| !part.is_through(question.since))
            .max_by_key(|part| part.oldest);
        let Some(part) = open else { break question.since };
        // Everything newer than this has been read in all partitions.
        let horizon = part.oldest;
        let enough = finds
            .entries
            .iter()
            .filter(|entry| entry.at >= horizon.millis())
            .count()
            >= question.limit;
        if enough || began.elapsed() > TIME {
            break horizon;
        }
        part.read(log, |kept| finds.take(kept))?;
        finds.decide();
    };
    let mut found = finds.entries;
    found.sort_by_key(|entry| Reverse((entry.at, entry.partition, entry.offset)));
    let whole = found.iter().take_while(|entry| entry.at >= horizon.millis()).count();
    let kept_back = found.split_off(whole.min(question.limit));
    let all = kept_back.is_empty() && parts.iter().all(|part| part.is_through(question.since));
    let searched_to = match found.last().filter(|_| whole > question.limit) {
        Some(last) => last.at,
        None => horizon.millis().max(0),
    };
    Ok(History {
        next: (!all).then(|| next(&parts, &kept_back)),
        entries: found,
        searched_to,
    })
}

fn begin(log: &dyn Log, question: &Question) -> Result<Vec<Backwards>, LogError> {
    let mut parts = Vec::new();
    for partition in 0..partitions(log, topics::JOURNAL)? {
        let bounds = log.watermarks(topics::JOURNAL, partition)?;
        let asked = question
            .before
            .as_ref()
            .and_then(|before| before.get(usize::try_from(partition).ok()?).copied());
        let from = asked.unwrap_or(bounds.high).clamp(bounds.low, bounds.high);
        let mut part = Backwards {
            partition,
            low: bounds.low,
            from,
            oldest: Timestamp::MAX,
        };
        if asked.is_none() && question.until < log.now() {
            part.skip_to(log, question.until)?;
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Where to go on in each partition: where its reading ended, but above what was found and not given.
fn next(parts: &[Backwards], kept_back: &[Entry]) -> String {
    let before = parts.iter().map(|part| {
        let of_part = kept_back.iter().filter(|entry| entry.partition == part.partition);
        let newest = of_part.map(|entry| entry.offset.saturating_add(1)).max();
        newest.unwrap_or(part.from).max(part.from).to_string()
    });
    before.collect::<Vec<_>>().join(",")
}

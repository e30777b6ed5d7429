//! The world outside: receivers that accept, refuse, hang, or accept and say nothing; and everything they were sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use notify_pipeline::{Attempt, AttemptDone, AttemptResult};
use serde_json::Value;
use streams::simulated::Rng;
use streams::{Completions, Effects};

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Accept,
    Refuse,
    BadRequest,
    Hang,
    /// It takes the message, but the answer is lost.
    AcceptSilently,
}

/// One message that reached a receiver.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) link: String,
    /// Group id, receiver and index of the request, and its sequence number.
    pub(crate) request: (String, String, i32, i64),
    pub(crate) group_key: String,
    pub(crate) accepted: bool,
    pub(crate) resolved: bool,
    pub(crate) firing: BTreeSet<String>,
}

/// An attempt on its way.
struct Flight {
    lane: String,
    partition: u32,
    attempt: Attempt,
    ends: Timestamp,
    result: AttemptResult,
    report: Completions<AttemptDone>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) released: Vec<(String, u32, Attempt)>,
    queue: Vec<(String, u32, Attempt, Completions<AttemptDone>)>,
    flying: Vec<Flight>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) behaviour: BTreeMap<String, Behaviour>,
}

/// Shared by the lanes' effects and the history.
#[derive(Clone, Default)]
pub(crate) struct Receivers(Arc<Mutex<Inner>>);

impl Receivers {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Starts what was released, and ends what is due.
    pub(crate) fn turn(&self, now: Timestamp, rng: &mut Rng) {
        let mut inner = self.lock();
        for (lane, partition, attempt, report) in std::mem::take(&mut inner.queue) {
            let behaviour = inner.behaviour.get(&attempt.link).copied().unwrap_or(Behaviour::Accept);
            let (result, takes) = answer(behaviour, &attempt, now, rng);
            let accepted = matches!(behaviour, Behaviour::Accept | Behaviour::AcceptSilently);
            if attempt.deadline > now {
                let sent = sent(&attempt, now, accepted);
                inner.sent.push(sent);
            }
            let ends = (now + takes).min(attempt.deadline.max(now));
            inner.flying.push(Flight {
                lane,
                partition,
                attempt,
                ends,
                result,
                report,
            });
        }
        let (ended, flying) = std::mem::take(&mut inner.flying)
            .into_iter()
            .partition(|flight| flight.ends <= now);
        inner.flying = flying;
        for flight in ended {
            let done = AttemptDone {
                id: flight.attempt.id,
                result: flight.result,
            };
            flight.report.send(flight.partition, done);
        }
    }

    /// A process died: what it had not started never starts; what flies arrives or not, but nobody hears of it.
    pub(crate) fn lane_died(&self, lane: &str) {
        let mut inner = self.lock();
        inner.queue.retain(|(owner, ..)| owner != lane);
        inner.flying.retain(|flight| flight.lane != lane);
    }

    /// When the next answer is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.lock().flying.iter().map(|flight| flight.ends).min()
    }
}

fn answer(behaviour: Behaviour, attempt: &Attempt, now: Timestamp, rng: &mut Rng) -> (AttemptResult, PromDuration) {
    let takes = PromDuration::from_millis(5 + rng.below(300));
    let duration_ms = takes.millis();
    let failed = |status, retryable, error: &str, written| AttemptResult::Failed {
        status,
        retryable,
        retry_after_ms: None,
        error: error.to_owned(),
        duration_ms,
        request_written: written,
    };
    match behaviour {
        Behaviour::Accept => (
            AttemptResult::Accepted {
                status: 200,
                duration_ms,
            },
            takes,
        ),
        Behaviour::Refuse => (failed(Some(503), true, "unavailable", true), takes),
        Behaviour::BadRequest => (failed(Some(400), false, "bad request", true), takes),
        Behaviour::Hang | Behaviour::AcceptSilently => (
            failed(None, true, "timeout", true),
            attempt.deadline.saturating_since(now),
        ),
    }
}

fn sent(attempt: &Attempt, at: Timestamp, accepted: bool) -> Sent {
    let body: Value = serde_json::from_slice(&attempt.body).unwrap();
    let alerts = body["alerts"].as_array().unwrap().iter();
    let firing = alerts.filter(|alert| alert["status"] == "firing");
    Sent {
        at,
        link: attempt.link.clone(),
        request: request_of(attempt),
        group_key: body["groupKey"].as_str().unwrap().to_owned(),
        accepted,
        resolved: body["status"] == "resolved",
        firing: firing
            .map(|alert| alert["fingerprint"].as_str().unwrap().to_owned())
            .collect(),
    }
}

/// The request an attempt belongs to.
pub(crate) fn request_of(attempt: &Attempt) -> (String, String, i32, i64) {
    let id = &attempt.id;
    (id.group_id.clone(), id.receiver.clone(), id.index, id.sequence)
}

/// The effects of one lane.
pub(crate) struct Post {
    pub(crate) lane: String,
    pub(crate) receivers: Receivers,
    pub(crate) report: Completions<AttemptDone>,
}

impl Effects<Attempt> for Post {
    fn release(&mut self, partition: u32, effect: Attempt) {
        let mut inner = self.receivers.lock();
        inner.released.push((self.lane.clone(), partition, effect.clone()));
        inner
            .queue
            .push((self.lane.clone(), partition, effect, self.report.clone()));
    }

    fn revoke(&mut self, _: &[u32], _: Duration) {}
}

//! Posts numbered alerts at a steady rate, as a Prometheus-like client: tries again until acknowledged, and sends again
//! what fires.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alert::{PromDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::client::{Client, Endpoints, PostError};
use crate::oracle::{Posted, Status, Word};
use crate::sink::wall_clock;

/// How long to wait before an alert is posted again that was not acknowledged.
const AGAIN: Duration = Duration::from_millis(250);
/// Alerts in one request: Prometheus' own limit.
const BATCH: usize = 64;
/// An alert ends this many re-send intervals from now unless sent again: Prometheus' own rule.
const LIFETIMES: u64 = 4;

/// How alerts are numbered and told from those of other runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// The value of the label `run`.
    pub run: String,
}

impl Numbering {
    /// The alert with this number, as API v2 takes it: in a group of its own where the config says
    /// `group_by: [alertname, n]`.
    pub fn alert(&self, number: u64, starts: Timestamp, ends: Timestamp) -> Value {
        json!({
            "labels": {"alertname": "LoadTest", "n": number.to_string(), "run": self.run},
            "annotations": {"summary": format!("numbered alert {number}")},
            "startsAt": starts.to_string(),
            "endsAt": ends.to_string(),
        })
    }

    /// The group key of a webhook's body (payload version 4), and the words in it that are of this run, in order.
    pub fn words(&self, body: &str) -> (String, Vec<Word>) {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let alerts = body.get("alerts").and_then(Value::as_array);
        let words = alerts
            .into_iter()
            .flatten()
            .filter_map(|alert| self.word(alert))
            .collect();
        let group = body.get("groupKey").and_then(Value::as_str);
        (group.unwrap_or_default().to_owned(), words)
    }

    fn word(&self, alert: &Value) -> Option<Word> {
        let label = |name: &str| alert.get("labels")?.get(name)?.as_str();
        if label("run")? != self.run {
            return None;
        }
        let status = if alert.get("status")?.as_str()? == "firing" {
            Status::Firing
        } else {
            Status::Resolved
        };
        Some((label("n")?.parse().ok()?, status))
    }
}

/// How to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose alerts.
    pub numbering: Numbering,
    /// How often a firing alert is sent again.
    pub resend: Duration,
    /// How long an acknowledged firing alert may take to be heard.
    pub bound: Duration,
    /// And a resolved one: it waits for its group's tick.
    pub resolve_bound: Duration,
}

/// Posts. Cheap to clone; all clones are one client.
#[derive(Debug, Clone)]
pub struct Poster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    endpoints: Endpoints,
    posting: Posting,
    began: Instant,
    state: Mutex<State>,
    closing: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    posted: BTreeMap<Word, Posted>,
    starts: BTreeMap<u64, Timestamp>,
    refused: Vec<String>,
}

impl Poster {
    /// Nothing posted yet; times count from `began`.
    pub fn new(client: Client, endpoints: Endpoints, posting: Posting, began: Instant) -> Self {
        let closing = watch::Sender::new(false);
        Self(Arc::new(Shared {
            client,
            endpoints,
            posting,
            began,
            state: Mutex::default(),
            closing,
        }))
    }

    /// What was posted so far.
    pub fn posted(&self) -> BTreeMap<Word, Posted> {
        self.state().posted.clone()
    }

    /// What will never be acknowledged, and why.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// From now on nothing is tried again.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts a new alert `rate` times a second for this long, each when it is due, whether or not the last was answered;
    /// returns when each is acknowledged, refused, or [`Poster::close`] was called.
    pub async fn fire(&self, rate: u32, lasting: Duration) {
        let count = u64::from(rate.max(1)) * lasting.as_millis().try_into().unwrap_or(u64::MAX) / 1_000;
        let every = Duration::from_secs(1) / rate.max(1);
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut running = JoinSet::new();
        for number in 0..count {
            let at = due.tick().await.into_std();
            let poster = self.clone();
            running.spawn(async move { poster.fire_one(number, at).await });
            while running.try_join_next().is_some() {}
        }
        drop(running.join_all().await);
    }

    async fn fire_one(&self, number: u64, due: Instant) {
        let word = (number, Status::Firing);
        let starts = wall_clock();
        let at = self.since(due);
        {
            let mut state = self.state();
            state.starts.insert(number, starts);
            state.posted.insert(
                word,
                Posted {
                    at,
                    acknowledged: None,
                    bound: millis(self.0.posting.bound),
                },
            );
        }
        self.insist(&[number], Status::Firing).await;
    }

    /// Says of every alert that it is over; returns as [`Poster::fire`] does.
    pub async fn resolve_all(&self) {
        let numbers: Vec<u64> = self.state().starts.keys().copied().collect();
        for batch in numbers.chunks(BATCH) {
            let posted = Posted {
                at: self.since(Instant::now()),
                acknowledged: None,
                bound: millis(self.0.posting.resolve_bound),
            };
            self.state()
                .posted
                .extend(batch.iter().map(|number| ((*number, Status::Resolved), posted)));
            self.insist(batch, Status::Resolved).await;
        }
    }

    /// Sends everything that fires again and again, without insisting, until told to stop; ends between two requests, as
    /// one that is cut off may still be taken, after a later one.
    pub async fn resend(&self, mut stop: watch::Receiver<bool>) {
        let mut due = tokio::time::interval(self.0.posting.resend);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = due.tick() => {}
            }
            let numbers: Vec<u64> = self.state().starts.keys().copied().collect();
            for batch in numbers.chunks(BATCH) {
                if *stop.borrow() {
                    return;
                }
                // The next round is its second try.
                drop(self.post(batch, Status::Firing).await);
            }
        }
    }

    /// Posts until acknowledged, refused or closed.
    async fn insist(&self, numbers: &[u64], status: Status) {
        let mut closing = self.0.closing.subscribe();
        loop {
            match self.post(numbers, status).await {
                Ok(()) => return,
                Err(PostError::Refused(code, text)) => {
                    self.state()
                        .refused
                        .push(format!("{status} {numbers:?}: status {code}: {text}"));
                    return;
                }
                Err(PostError::NotNow(_)) => {}
            }
            let closed = tokio::time::timeout(AGAIN, closing.wait_for(|closing| *closing)).await;
            if closed.is_ok() {
                return;
            }
        }
    }

    async fn post(&self, numbers: &[u64], status: Status) -> Result<(), PostError> {
        let Some(url) = self.0.endpoints.next() else {
            return Err(PostError::NotNow("nowhere to post".to_owned()));
        };
        let now = wall_clock();
        let lifetime = LIFETIMES.saturating_mul(millis(self.0.posting.resend));
        let ends = match status {
            Status::Firing => now + PromDuration::from_millis(lifetime),
            Status::Resolved => now,
        };
        let alerts: Vec<Value> = {
            let state = self.state();
            let started = |number: &u64| state.starts.get(number).copied().unwrap_or(now);
            numbers
                .iter()
                .map(|number| self.0.posting.numbering.alert(*number, started(number), ends))
                .collect()
        };
        self.0.client.post_alerts(&url, &alerts).await?;
        let at = self.since(Instant::now());
        let mut state = self.state();
        for number in numbers {
            if let Some(posted) = state.posted.get_mut(&(*number, status)) {
                posted.acknowledged.get_or_insert(at);
            }
        }
        Ok(())
    }

    fn since(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.0.began))
    }
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Numbering;
    use crate::oracle::Status;
    use alert::Timestamp;
    use serde_json::json;

    #[test]
    fn an_alert_is_found_again_in_a_webhook() {
        let ours = Numbering { run: "a".to_owned() };
        let other = Numbering { run: "b".to_owned() };
        let time = Timestamp::from_secs(0);
        let with = |numbering: &Numbering, number, status: &str| {
            let mut alert = numbering.alert(number, time, time);
            alert["status"] = json!(status);
            alert
        };
        let alerts = [
            with(&ours, 7, "firing"),
            with(&other, 8, "firing"),
            json!({"labels": {}}),
            with(&ours, 9, "resolved"),
        ];
        let body = json!({"version": "4", "groupKey": "{}:{}", "alerts": alerts}).to_string();
        let words = vec![(7, Status::Firing), (9, Status::Resolved)];
        assert_eq!(ours.words(&body), ("{}:{}".to_owned(), words));
        for garbage in ["garbage", "{\"alerts\": 3}"] {
            assert_eq!(ours.words(garbage), (String::new(), Vec::new()), "{garbage}");
        }
    }
}

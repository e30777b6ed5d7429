//! A client as Prometheus is one: posts alerts to Alertmanager's API v2, and asks what a person would ask.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alert::{MatchOp, Matcher, Matchers, PromDuration};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::error::Error;
use crate::sink::wall_clock;

/// Prometheus' own time for a request to an Alertmanager.
const REQUEST: Duration = Duration::from_secs(10);
/// A probe of health is answered at once or not at all.
const PROBE: Duration = Duration::from_secs(2);

/// Makes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

/// What became of a post that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It will not be taken as it is: a client error.
    #[error("refused with {0}: {1}")]
    Refused(u16, String),
    /// Not now: no answer, or a server's error. To be tried again.
    #[error("{0}")]
    NotNow(String),
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// None can be made on this machine.
    pub fn new() -> Result<Self, Error> {
        // It fails only where another part of the process chose a provider already, and any will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = || {
            reqwest::Client::builder()
                .timeout(REQUEST)
                .no_proxy()
                .retry(reqwest::retry::never())
        };
        // Where this machine has no certificate store, http still works.
        let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        client.map(Self).map_err(|error| Error::of("an HTTP client", error))
    }

    /// Posts alerts.
    ///
    /// # Errors
    /// They are not acknowledged, all or in part.
    pub async fn post_alerts(&self, url: &str, alerts: &[Value]) -> Result<(), PostError> {
        let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
        let sent = self.0.post(url).json(alerts).send().await;
        let answer = sent.map_err(|error| PostError::NotNow(error.without_url().to_string()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default().trim().to_owned();
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(PostError::Refused(status.as_u16(), text));
        }
        Err(PostError::NotNow(format!("status {status}: {text}")))
    }

    /// Silences what matches, from now on for so long.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn post_silence(&self, url: &str, matchers: &Matchers, lasts: Duration) -> Result<(), Error> {
        let url = format!("{}/api/v2/silences", url.trim_end_matches('/'));
        let now = wall_clock();
        let ends = now + PromDuration::from_millis(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        let matcher = |matcher: &Matcher| {
            let (is_equal, is_regex) = match matcher.op() {
                MatchOp::Equal => (true, false),
                MatchOp::NotEqual => (false, false),
                MatchOp::Regex => (true, true),
                MatchOp::NotRegex => (false, true),
            };
            json!({"name": matcher.name(), "value": matcher.value(), "isEqual": is_equal, "isRegex": is_regex})
        };
        let body = json!({
            "matchers": matchers.0.iter().map(matcher).collect::<Vec<_>>(),
            "startsAt": now.to_string(),
            "endsAt": ends.to_string(),
            "createdBy": "loadtest",
            "comment": "of the timetable",
        });
        let sent = self.0.post(&url).json(&body).send().await;
        let status = sent.map_err(|error| Error::of(&url, error.without_url()))?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Error::of(url, format!("status {status}")))
        }
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// No answer, or none that is a success and JSON.
    pub async fn json(&self, url: &str) -> Result<Value, Error> {
        let answer = self
            .0
            .get(url)
            .send()
            .await
            .map_err(|error| Error::of(url, error.without_url()))?;
        let status = answer.status();
        let text = answer
            .text()
            .await
            .map_err(|error| Error::of(url, error.without_url()))?;
        if !status.is_success() {
            return Err(Error::of(url, format!("status {status}: {}", text.trim())));
        }
        serde_json::from_str(&text).map_err(|error| Error::of(url, error))
    }

    /// Whether it says it is ready.
    pub async fn is_ready(&self, url: &str) -> bool {
        let asked = self
            .0
            .get(format!("{}/-/ready", url.trim_end_matches('/')))
            .timeout(PROBE)
            .send()
            .await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }
}

/// Where to post: one of several, in turn, as behind a load balancer. All clones are one list.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    urls: Arc<Mutex<Vec<String>>>,
    turn: Arc<AtomicUsize>,
}

impl Endpoints {
    /// These.
    pub fn new(urls: impl IntoIterator<Item = String>) -> Self {
        let endpoints = Self::default();
        endpoints.set(urls);
        endpoints
    }

    /// From now on these.
    pub fn set(&self, urls: impl IntoIterator<Item = String>) {
        *self.urls.lock().unwrap_or_else(PoisonError::into_inner) = urls.into_iter().collect();
    }

    /// The next one; none where there is none.
    pub fn next(&self) -> Option<String> {
        let urls = self.urls.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(urls.len())?;
        urls.get(turn).cloned()
    }
}

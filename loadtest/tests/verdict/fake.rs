//! A system that does one thing wrong: takes alerts, sends webhooks, shows a journal.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alert::LabelSet;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use loadtest::sink::wall_clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The alert that it treats wrongly.
pub(crate) const WRONG: u64 = 3;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Acknowledges and forgets.
    Loses,
    /// Sends twice and writes no record.
    RepeatsSilently,
    /// Sends twice and writes a record.
    RepeatsAndSaysSo,
    /// Sends twice under two keys, with records for both.
    ChangesTheKey,
    /// Sends no key.
    SendsNoKey,
    /// Sends everything under one key.
    SharesAKey,
    /// Says at once that it is over, too.
    ResolvesUnasked,
    /// Answers 400.
    Refuses,
    /// Answers 503 once.
    IsBusyOnce,
    /// Never says that it is over.
    KeepsResolvesToItself,
    /// Shows no journal, and repeats.
    HidesTheJournal,
}

/// The alert's number: the pod of a made alert is `checkout-NUMBER-…`.
fn number(alert: &Value) -> u64 {
    let pod = alert["labels"]["pod"].as_str().unwrap();
    pod.split('-').nth(1).unwrap().parse().unwrap()
}

#[derive(Debug)]
pub(crate) struct Fake {
    fault: Fault,
    sink: String,
    client: reqwest::Client,
    seen: Mutex<BTreeSet<(u64, bool)>>,
    busy: Mutex<bool>,
}

/// Starts one that sends to `sink`; its URL.
pub(crate) async fn start(fault: Fault, sink: String) -> String {
    // It chooses the cryptography that reqwest does not bring along.
    drop(loadtest::client::Client::new().unwrap());
    let fake = Fake {
        fault,
        sink,
        client: reqwest::Client::new(),
        seen: Mutex::default(),
        busy: Mutex::new(true),
    };
    let app = Router::new()
        .route("/-/ready", get(|| async { "OK" }))
        .route("/api/v2/alerts", post(take))
        .route("/api/v1/journal", get(journal))
        .with_state(Arc::new(fake));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn take(State(fake): State<Arc<Fake>>, Json(alerts): Json<Vec<Value>>) -> StatusCode {
    let wrong = alerts.iter().any(|alert| number(alert) == WRONG);
    if wrong && fake.fault == Fault::Refuses {
        return StatusCode::BAD_REQUEST;
    }
    if wrong && fake.fault == Fault::IsBusyOnce && std::mem::take(&mut *fake.busy.lock().unwrap()) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    for alert in alerts {
        let ends: alert::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
        let (number, firing) = (number(&alert), ends > wall_clock());
        if fake.seen.lock().unwrap().insert((number, firing)) {
            tokio::spawn(notify(Arc::clone(&fake), alert, number, firing));
        }
    }
    StatusCode::OK
}

/// Sends what is due for a word that is new.
async fn notify(fake: Arc<Fake>, alert: Value, number: u64, firing: bool) {
    let key = format!("{number}-{firing}");
    if number != WRONG {
        return fake.send(&alert, number, firing, Some(&key)).await;
    }
    match (fake.fault, firing) {
        (Fault::Loses, true) | (Fault::KeepsResolvesToItself, false) => {}
        (Fault::SendsNoKey, true) => fake.send(&alert, number, firing, None).await,
        (Fault::SharesAKey, _) => fake.send(&alert, number, firing, Some("2-true")).await,
        (Fault::RepeatsSilently | Fault::RepeatsAndSaysSo | Fault::HidesTheJournal, true) => {
            fake.send(&alert, number, firing, Some(&key)).await;
            fake.send(&alert, number, firing, Some(&key)).await;
        }
        (Fault::ChangesTheKey, true) => {
            fake.send(&alert, number, firing, Some(&key)).await;
            fake.send(&alert, number, firing, Some("another")).await;
        }
        (Fault::ResolvesUnasked, true) => {
            fake.send(&alert, number, true, Some(&key)).await;
            fake.send(&alert, number, false, Some("unasked")).await;
        }
        _ => fake.send(&alert, number, firing, Some(&key)).await,
    }
}

impl Fake {
    async fn send(&self, alert: &Value, number: u64, firing: bool, key: Option<&str>) {
        let mut alert = alert.clone();
        let labels = alert["labels"].as_object().unwrap().iter();
        let labels: LabelSet = labels
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        alert["fingerprint"] = json!(labels.fingerprint().to_string());
        alert["status"] = json!(if firing { "firing" } else { "resolved" });
        let body = json!({"version": "4", "groupKey": format!("{{}}:{{n=\"{number}\"}}"), "alerts": [alert]});
        let mut request = self.client.post(&self.sink).json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        assert!(request.send().await.unwrap().status().is_success());
    }
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    group: String,
}

async fn journal(State(fake): State<Arc<Fake>>, Query(asked): Query<Asked>) -> Result<Json<Value>, StatusCode> {
    if fake.fault == Fault::HidesTheJournal {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let ours = asked.group.contains(&format!("service=\"checkout-{WRONG:07}\""));
    let record = |key: &str| json!({"kind": "notification.possible_duplicate", "fields": {"idempotency_key": key}});
    let says_so = matches!(fake.fault, Fault::RepeatsAndSaysSo | Fault::ChangesTheKey);
    let entries = if ours && says_so {
        vec![record(&format!("{WRONG}-true")), record("another")]
    } else {
        Vec::new()
    };
    Ok(Json(json!({"entries": entries, "complete": true})))
}

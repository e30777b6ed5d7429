//! The built-in inbox: a webhook receiver for a first look, so that a newcomer sees notifications arrive.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

/// The newest messages that are kept: a page of them, not a history.
const KEPT: usize = 200;
/// The most of a message that is read: the default group fits many times.
const MESSAGE_BYTES: usize = 4 << 20;

/// What has arrived, newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<VecDeque<Value>>>);

impl Inbox {
    /// `POST /inbox` takes a webhook, `GET /inbox` shows a page, `GET /inbox.json` the messages.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/inbox", get(page).post(receive))
            .route("/inbox.json", get(list))
            .layer(axum::extract::DefaultBodyLimit::max(MESSAGE_BYTES))
            .with_state(self)
    }
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) {
    let message = serde_json::from_slice::<Value>(&body).unwrap_or_else(|error| Value::String(error.to_string()));
    println!("{}", line(&message, &headers));
    let named = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-alertstream") || *name == "idempotency-key");
    let headers: BTreeMap<&str, String> = named
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let entry = serde_json::json!({"headers": headers, "message": message});
    let mut kept = inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push_front(entry);
    kept.truncate(KEPT);
}

async fn list(State(inbox): State<Inbox>) -> Json<Vec<Value>> {
    Json(
        inbox
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect(),
    )
}

async fn page(State(inbox): State<Inbox>) -> Html<String> {
    let kept = inbox.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><title>Inbox</title><style>body{font:14px sans-serif;margin:2em;max-width:70em}\
         pre{background:#f4f4f4;padding:1em;overflow:auto}</style><h1>Inbox</h1><p>What the built-in receiver heard, newest first.</p>",
    );
    for entry in kept.iter() {
        let text = serde_json::to_string_pretty(entry).unwrap_or_default();
        html.push_str("<pre>");
        html.push_str(&text.replace('&', "&amp;").replace('<', "&lt;"));
        html.push_str("</pre>");
    }
    Html(html)
}

/// One line for the terminal: status, whom, why, what, and how to acknowledge.
fn line(message: &Value, headers: &HeaderMap) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("-")
            .to_owned()
    };
    let alerts = message["alerts"].as_array().map_or(0, Vec::len);
    let labels = message["groupLabels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={}", text(value))).collect();
    format!(
        "inbox: {} to {} ({}): {} {} incident {}",
        text(&message["status"]).to_uppercase(),
        text(&message["receiver"]),
        header("x-alertstream-reason"),
        if alerts == 1 {
            "1 alert".to_owned()
        } else {
            format!("{alerts} alerts")
        },
        labels.join(" "),
        header("x-alertstream-incident"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let message = serde_json::json!({
            "status": "firing", "receiver": "inbox", "alerts": [{}, {}], "groupLabels": {"alertname": "Down"},
        });
        let mut headers = HeaderMap::new();
        headers.insert("x-alertstream-reason", "first notification".parse().unwrap());
        headers.insert("x-alertstream-incident", "ab12".parse().unwrap());
        assert_eq!(
            line(&message, &headers),
            "inbox: FIRING to inbox (first notification): 2 alerts alertname=Down incident ab12"
        );
    }
}

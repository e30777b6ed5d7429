//! The webhook's body, version 4, byte for byte as Alertmanager 0.34 writes it.

use std::collections::BTreeMap;

use alert::Timestamp;
use schemas::FlushAlert;
use serde::Serialize;

/// What a message is made of.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The receiver it goes to.
    pub receiver: &'a str,
    /// Alertmanager's `notification_reason`, or ours.
    pub reason: &'a str,
    /// Alertmanager's group key.
    pub group_key: &'a str,
    /// The group's labels.
    pub group_labels: &'a BTreeMap<String, String>,
    /// Where people find us.
    pub external_url: &'a str,
    /// The alerts, in the order in which they are shown.
    pub alerts: &'a [&'a FlushAlert],
    /// At most so many of them are shown; 0 = all.
    pub max_alerts: u64,
}

/// In the order of Go's struct; Go writes fields in that order and sorts maps.
#[derive(Serialize)]
struct Webhook<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<WebhookAlert<'a>>,
    notification_reason: &'a str,
    #[serde(rename = "groupLabels")]
    group_labels: &'a BTreeMap<String, String>,
    #[serde(rename = "commonLabels")]
    common_labels: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "commonAnnotations")]
    common_annotations: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "routeLabels")]
    route_labels: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    #[serde(rename = "groupKey")]
    group_key: &'a str,
    #[serde(rename = "truncatedAlerts")]
    truncated_alerts: usize,
}

#[derive(Serialize)]
struct WebhookAlert<'a> {
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

const FIRING: &str = "firing";
const RESOLVED: &str = "resolved";

/// The body of a webhook. Alerts beyond `max_alerts` are cut before anything is computed from them, so that status and
/// common labels are of the alerts that are shown.
///
/// # Errors
/// None that can happen: maps with text keys always make JSON.
pub fn webhook(message: &Message<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let limit = usize::try_from(message.max_alerts).unwrap_or(usize::MAX);
    let limit = if limit == 0 { usize::MAX } else { limit };
    let shown: Vec<&FlushAlert> = message.alerts.iter().take(limit).copied().collect();
    let whole = Webhook {
        receiver: quote_meta(message.receiver),
        status: status(&shown),
        alerts: shown.iter().map(|alert| one(alert)).collect(),
        notification_reason: message.reason,
        group_labels: message.group_labels,
        common_labels: common(shown.iter().map(|alert| &alert.body.labels)),
        common_annotations: common(shown.iter().map(|alert| &alert.body.annotations)),
        route_labels: BTreeMap::new(),
        external_url: message.external_url,
        version: "4",
        group_key: message.group_key,
        truncated_alerts: message.alerts.len() - shown.len(),
    };
    let mut body = go_escaped(&serde_json::to_string(&whole)?);
    body.push('\n');
    Ok(body.into_bytes())
}

/// Firing when any of them fires.
pub(crate) fn status(alerts: &[&FlushAlert]) -> &'static str {
    if alerts.iter().any(|alert| !alert.resolved) {
        FIRING
    } else {
        RESOLVED
    }
}

fn one(alert: &FlushAlert) -> WebhookAlert<'_> {
    // A firing alert's end is only a guess: Alertmanager shows none.
    let ends_at = if alert.resolved {
        alert.ends_at
    } else {
        Timestamp::ZERO_TIME
    };
    WebhookAlert {
        status: if alert.resolved { RESOLVED } else { FIRING },
        labels: &alert.body.labels,
        annotations: &alert.body.annotations,
        starts_at: alert.starts_at.rfc3339_nano(),
        ends_at: ends_at.rfc3339_nano(),
        generator_url: &alert.body.generator_url,
        fingerprint: alert.fingerprint.to_string(),
    }
}

/// The pairs that all have. As in Go's map lookup, one that is absent has the empty value.
fn common<'a>(mut sets: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<&'a str, &'a str> {
    let Some(first) = sets.next() else {
        return BTreeMap::new();
    };
    let mut common: BTreeMap<&str, &str> = first
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    for set in sets {
        common.retain(|name, value| set.get(*name).map_or("", String::as_str) == *value);
    }
    common
}

/// Go's `regexp.QuoteMeta`.
fn quote_meta(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// What Go's `json.Encoder` escapes beyond JSON's own rules; outside of strings JSON has none of these.
fn go_escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

//! The webhook's body, version 4, byte for byte as Alertmanager 0.34 writes it.

use std::io;

use alert::{LabelSet, Timestamp};
use schemas::FlushAlert;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

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
    pub group_labels: &'a LabelSet,
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
    group_labels: &'a LabelSet,
    #[serde(rename = "commonLabels")]
    common_labels: LabelSet,
    #[serde(rename = "commonAnnotations")]
    common_annotations: LabelSet,
    #[serde(rename = "routeLabels")]
    route_labels: LabelSet,
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
    labels: &'a LabelSet,
    annotations: &'a LabelSet,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// What a body takes with one alert of some labels, roughly.
const FIRST_CAPACITY: usize = 2 * 1024;

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
        route_labels: LabelSet::new(),
        external_url: message.external_url,
        version: "4",
        group_key: message.group_key,
        truncated_alerts: message.alerts.len() - shown.len(),
    };
    let mut body = Vec::with_capacity(FIRST_CAPACITY);
    whole.serialize(&mut Serializer::with_formatter(&mut body, GoFormatter))?;
    body.push(b'\n');
    Ok(body)
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
fn common<'a>(mut sets: impl Iterator<Item = &'a LabelSet>) -> LabelSet {
    let Some(first) = sets.next() else {
        return LabelSet::new();
    };
    let mut common: Vec<_> = first.iter().collect();
    for set in sets {
        common.retain(|(name, value)| set.value(name) == *value);
    }
    common.into_iter().collect()
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

/// JSON as Go's `json.Encoder` writes it, which escapes more than JSON's own rules ask for.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = suspect(rest.as_bytes()) {
            let (plain, from) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            let c = chars.next().unwrap_or_default();
            match c {
                '<' => writer.write_all(b"\\u003c"),
                '>' => writer.write_all(b"\\u003e"),
                '&' => writer.write_all(b"\\u0026"),
                '\u{2028}' => writer.write_all(b"\\u2028"),
                '\u{2029}' => writer.write_all(b"\\u2029"),
                _ => writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }?;
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Where a character begins that Go may escape.
fn suspect(text: &[u8]) -> Option<usize> {
    /// What U+2028 and U+2029 begin with in UTF-8; others do, too.
    const SEPARATOR: u8 = 0xE2;
    let escaped = memchr::memchr3(b'<', b'>', b'&', text);
    let before = text.get(..escaped.unwrap_or(text.len())).unwrap_or_default();
    memchr::memchr(SEPARATOR, before).or(escaped)
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

//! The webhook's body, version 4, byte for byte as Alertmanager 0.34 writes it.

use alert::{LabelSet, Timestamp};
use schemas::FlushAlert;

use crate::json::Object;

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

/// What a body takes with one alert of some labels, roughly.
const FIRST_CAPACITY: usize = 2 * 1024;

const FIRING: &str = "firing";
const RESOLVED: &str = "resolved";

/// The body of a webhook: fields in the order of Go's struct, labels by their names. Alerts beyond `max_alerts` are cut before
/// anything is computed from them, so that status and common labels are of the alerts that are shown.
pub fn webhook(message: &Message<'_>) -> Vec<u8> {
    let limit = usize::try_from(message.max_alerts).unwrap_or(usize::MAX);
    let limit = if limit == 0 { usize::MAX } else { limit };
    let shown = message.alerts.get(..limit).unwrap_or(message.alerts);
    let mut body = Vec::with_capacity(FIRST_CAPACITY);
    let mut webhook = Object::begin(&mut body);
    webhook.text("receiver", &quote_meta(message.receiver));
    webhook.text("status", status(shown));
    webhook.objects("alerts", shown, |alert, object| one(alert, object));
    webhook.text("notification_reason", message.reason);
    webhook.pairs("groupLabels", message.group_labels);
    webhook.pairs("commonLabels", common(shown.iter().map(|alert| &alert.body.labels)));
    webhook.pairs(
        "commonAnnotations",
        common(shown.iter().map(|alert| &alert.body.annotations)),
    );
    webhook.pairs("routeLabels", []);
    webhook.text("externalURL", message.external_url);
    webhook.text("version", "4");
    webhook.text("groupKey", message.group_key);
    webhook.number("truncatedAlerts", message.alerts.len() - shown.len());
    webhook.end();
    body.push(b'\n');
    body
}

/// Firing when any of them fires.
pub(crate) fn status(alerts: &[&FlushAlert]) -> &'static str {
    if alerts.iter().any(|alert| !alert.resolved) {
        FIRING
    } else {
        RESOLVED
    }
}

fn one(alert: &FlushAlert, object: &mut Object<'_>) {
    // A firing alert's end is only a guess: Alertmanager shows none.
    let ends_at = if alert.resolved {
        alert.ends_at
    } else {
        Timestamp::ZERO_TIME
    };
    object.text("status", status(&[alert]));
    object.pairs("labels", &alert.body.labels);
    object.pairs("annotations", &alert.body.annotations);
    object.text("startsAt", &alert.starts_at.rfc3339_nano());
    object.text("endsAt", &ends_at.rfc3339_nano());
    object.text("generatorURL", &alert.body.generator_url);
    object.text("fingerprint", &alert.fingerprint.to_string());
}

/// The pairs that all have. As in Go's map lookup, one that is absent has the empty value.
fn common<'a>(mut sets: impl Iterator<Item = &'a LabelSet>) -> Vec<(&'a str, &'a str)> {
    let Some(first) = sets.next() else {
        return Vec::new();
    };
    let mut common: Vec<_> = first.iter().collect();
    for set in sets {
        common.retain(|(name, value)| set.value(name) == *value);
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

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

//! What makes an alert acceptable: defaults filled in, Alertmanager's rules, our limits.

use alert::{Alert, LabelSet, PromDuration, Timestamp};
use schemas::{AlertBody, AlertEvent, EventKind, body_size};

use crate::events::EventItem;
use crate::limits::{MAX_ALERT_BYTES, MAX_ANNOTATIONS, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};
use crate::post::PostableAlert;
use crate::refused::{Reason, Refused};

/// What one request or record came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The alerts that are taken, each with its place in the request or record, in order.
    pub alerts: Vec<(usize, Alert)>,
    /// Those that are not, in order.
    pub refused: Vec<Refused>,
    /// How many said they fire, refused ones among them: counted before the checks, as Alertmanager counts.
    pub firing: u64,
    /// How many said they are over.
    pub resolved: u64,
}

impl Batch {
    /// What the events of one record or request come to, all received at one time.
    pub fn of(items: Vec<EventItem>, received_at: Timestamp, resolve_timeout: PromDuration) -> Self {
        let mut batch = Self::default();
        for (index, item) in items.into_iter().enumerate() {
            match item.told {
                Ok(told) => batch.add(index, told, received_at, resolve_timeout),
                Err((labels, reason, message)) => batch.refuse(index, labels, reason, message),
            }
        }
        batch
    }

    /// Takes one alert in, or notes why not. `resolve_timeout` is that of the config now in force.
    pub fn add(&mut self, index: usize, told: Told, received_at: Timestamp, resolve_timeout: PromDuration) {
        let labels_received = told.alert.labels.clone();
        let alert = filled(told, received_at, resolve_timeout);
        if alert.ends_at > received_at {
            self.firing += 1;
        } else {
            self.resolved += 1;
        }
        match checked(&alert) {
            Ok(()) => self.alerts.push((index, alert)),
            Err((reason, message)) => self.refused.push(Refused {
                index,
                labels: labels_received,
                reason,
                message,
            }),
        }
    }

    /// Notes that an item could not be read as an alert at all.
    pub fn refuse(&mut self, index: usize, labels: LabelSet, reason: Reason, message: String) {
        self.refused.push(Refused {
            index,
            labels,
            reason,
            message,
        });
    }
}

/// An alert as it was told: times that were not given are Go's zero time.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    alert: Alert,
    /// It is over, whatever its times say.
    resolve: bool,
}

impl From<PostableAlert> for Told {
    fn from(posted: PostableAlert) -> Self {
        let alert = Alert {
            labels: posted.labels.unwrap_or_default(),
            annotations: posted.annotations,
            starts_at: posted.starts_at.unwrap_or(Timestamp::ZERO_TIME),
            ends_at: posted.ends_at.unwrap_or(Timestamp::ZERO_TIME),
            generator_url: posted.generator_url,
            ..Alert::default()
        };
        Self { alert, resolve: false }
    }
}

impl From<AlertEvent> for Told {
    fn from(event: AlertEvent) -> Self {
        let alert = Alert {
            labels: event.labels.into(),
            annotations: event.annotations.into(),
            starts_at: event.starts_at.unwrap_or(Timestamp::ZERO_TIME),
            ends_at: event.ends_at.unwrap_or(Timestamp::ZERO_TIME),
            generator_url: event.generator_url.unwrap_or_default(),
            expr: event.expr,
            value: event.value,
            hold: event
                .for_ms
                .map(|ms| PromDuration::from_millis(u64::try_from(ms).unwrap_or_default())),
            source: event.source,
            ..Alert::default()
        };
        Self {
            alert,
            resolve: event.kind == EventKind::Resolve,
        }
    }
}

/// Alertmanager's rule for the alerts of a request, all received at one time.
pub fn accept(posted: Vec<PostableAlert>, received_at: Timestamp, resolve_timeout: PromDuration) -> Batch {
    let mut batch = Batch::default();
    for (index, posted) in posted.into_iter().enumerate() {
        batch.add(index, posted.into(), received_at, resolve_timeout);
    }
    batch
}

/// Fills in the times as Alertmanager does, and drops labels without a value.
fn filled(told: Told, received_at: Timestamp, resolve_timeout: PromDuration) -> Alert {
    let Told { mut alert, resolve } = told;
    if resolve && (alert.ends_at.is_zero_time() || alert.ends_at > received_at) {
        // An event that says "it is over" is, whenever its sender's clock thinks that will be.
        alert.ends_at = received_at;
    }
    if alert.starts_at.is_zero_time() {
        alert.starts_at = if alert.ends_at.is_zero_time() {
            received_at
        } else {
            alert.ends_at
        };
    }
    if alert.ends_at.is_zero_time() {
        alert.timeout = true;
        alert.ends_at = received_at + resolve_timeout;
    }
    alert.updated_at = received_at;
    alert.labels = alert.labels.without_empty_values();
    alert
}

fn checked(alert: &Alert) -> Result<(), (Reason, String)> {
    alert.validate().map_err(|error| (Reason::Invalid, error.to_string()))?;
    for (what, count, most) in [
        ("labels", alert.labels.len(), MAX_LABELS),
        ("annotations", alert.annotations.len(), MAX_ANNOTATIONS),
    ] {
        if count > most {
            let message = format!("{}: {count} {what}, at most {most} are taken", named(alert));
            return Err((Reason::TooManyLabels, message));
        }
    }
    let texts = alert.labels.iter().map(|(name, value)| (name, value.len()));
    let names = alert.annotations.iter().map(|(name, _)| (name, 0));
    for (name, value) in texts.chain(names) {
        if name.len() > MAX_NAME_BYTES || value > MAX_LABEL_VALUE_BYTES {
            let most = format!("names of {MAX_NAME_BYTES} and label values of {MAX_LABEL_VALUE_BYTES} bytes are taken");
            let short = crate::refused::shortened(name);
            return Err((
                Reason::TooLong,
                format!("{}: label {short:?} is too long, {most}", named(alert)),
            ));
        }
    }
    let size = body_size(&body(alert));
    if size > MAX_ALERT_BYTES {
        let message = format!(
            "{}: about {size} bytes, at most {MAX_ALERT_BYTES} are taken",
            named(alert)
        );
        return Err((Reason::TooLarge, message));
    }
    Ok(())
}

/// How a message names an alert.
fn named(alert: &Alert) -> String {
    let name = crate::refused::shortened(alert.name());
    format!("alert {:?} ({})", name, alert.fingerprint())
}

/// What an alert says, beside its times.
pub(crate) fn body(alert: &Alert) -> AlertBody {
    AlertBody {
        labels: alert.labels.as_map().clone(),
        annotations: alert.annotations.as_map().clone(),
        generator_url: alert.generator_url.clone(),
        expr: alert.expr.clone(),
        value: alert.value,
        for_ms: alert.hold.map(|hold| i64::try_from(hold.millis()).unwrap_or(i64::MAX)),
        source: alert.source.clone(),
    }
}

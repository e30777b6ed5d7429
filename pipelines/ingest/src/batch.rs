//! What one request or record comes to: each alert of it has its defaults filled in, is held against Alertmanager's rules
//! and our limits, and is placed; what is refused is noted, and its neighbours are kept.

use std::collections::BTreeMap;

use alert::{Alert, GroupId, LabelSet, PromDuration, Timestamp};
use schemas::{AlertBody, AlertEvent, EventKind, alert_body_size};

use crate::config_view::Current;
use crate::events::Format;
use crate::limits::{MAX_ALERT_BYTES, MAX_ANNOTATIONS, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};
use crate::pairs::Pairs;
use crate::placement::place;
use crate::postable::PostableAlert;
use crate::refused::{Reason, Received, Refused};

/// What one request or record came to, as far as it was read. All of it was received at one time, under one config.
#[derive(Debug)]
pub struct Batch<'c> {
    current: &'c Current,
    received_at: Timestamp,
    /// The records of the alerts that are taken, in order, each with its key.
    pub records: Vec<(GroupId, Vec<u8>)>,
    /// Those that are not, in order.
    pub refused: Vec<Refused>,
    /// How many said they fire, refused ones among them: counted before the checks, as Alertmanager counts.
    pub firing: u64,
    /// How many said they are over.
    pub resolved: u64,
    /// How many items there were of each format, where senders may choose one.
    pub formats: BTreeMap<Format, u64>,
}

impl<'c> Batch<'c> {
    /// Nothing yet.
    pub fn new(current: &'c Current, received_at: Timestamp) -> Self {
        Self {
            current,
            received_at,
            records: Vec::new(),
            refused: Vec::new(),
            firing: 0,
            resolved: 0,
            formats: BTreeMap::new(),
        }
    }

    /// Takes one alert in, or notes why not.
    pub(crate) fn add(&mut self, index: usize, told: Told) {
        let resolve_timeout = self.current.config.global.resolve_timeout;
        let mut told = told.filled(self.received_at, resolve_timeout);
        if told.alert.ends_at > self.received_at {
            self.firing += 1;
        } else {
            self.resolved += 1;
        }
        let taken = told
            .checked()
            .and_then(|()| place(self.current, &mut told.alert, &mut self.records));
        if let Err((reason, message)) = taken {
            let labels = told.received.as_ref().unwrap_or(&told.alert.labels);
            let count = labels.len() + told.labels_beyond;
            self.refuse(index, labels, count, reason, message);
        }
    }

    /// Notes what cannot be taken; `labels` are those of its `count` that could be read.
    pub(crate) fn refuse(&mut self, index: usize, labels: &LabelSet, count: usize, reason: Reason, message: String) {
        let labels = Received::of(labels, count, self.refused.len());
        self.refused.push(Refused {
            index,
            labels,
            reason,
            message,
        });
    }

    /// Counts an item of a format.
    pub(crate) fn saw(&mut self, format: Format) {
        *self.formats.entry(format).or_default() += 1;
    }
}

/// An alert as it was told: times that were not given are Go's zero time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Without labels that have no value.
    alert: Alert,
    /// It is over, whatever its times say.
    resolve: bool,
    /// Its labels as they came, where some had no value.
    received: Option<LabelSet>,
    /// How many more labels it has than were held.
    labels_beyond: usize,
    /// How many annotations it has.
    annotations: usize,
}

impl Told {
    /// An alert that says no more than what it is named by.
    fn new(labels: Pairs, annotations: Pairs, resolve: bool) -> Self {
        let (labels_beyond, has_empty) = (labels.beyond(), labels.has_empty());
        let count = annotations.len();
        let labels = labels.held();
        let received = has_empty.then(|| labels.clone());
        let alert = Alert {
            labels: if has_empty {
                labels.without_empty_values()
            } else {
                labels
            },
            annotations: annotations.held(),
            ..Alert::default()
        };
        Self {
            alert,
            resolve,
            received,
            labels_beyond,
            annotations: count,
        }
    }

    /// Fills in the times as Alertmanager does.
    fn filled(mut self, received_at: Timestamp, resolve_timeout: PromDuration) -> Self {
        let alert = &mut self.alert;
        if self.resolve && (alert.ends_at.is_zero_time() || alert.ends_at > received_at) {
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
        self
    }

    fn checked(&self) -> Result<(), (Reason, String)> {
        let alert = &self.alert;
        alert.validate().map_err(|error| (Reason::Invalid, error.to_string()))?;
        for (what, count, most) in [
            ("labels", alert.labels.len() + self.labels_beyond, MAX_LABELS),
            ("annotations", self.annotations, MAX_ANNOTATIONS),
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
                let most =
                    format!("names of {MAX_NAME_BYTES} and label values of {MAX_LABEL_VALUE_BYTES} bytes are taken");
                let short = crate::refused::shortened(name);
                return Err((
                    Reason::TooLong,
                    format!("{}: label {short:?} is too long, {most}", named(alert)),
                ));
            }
        }
        let size = alert_body_size(alert);
        if size > MAX_ALERT_BYTES {
            let message = format!(
                "{}: about {size} bytes, at most {MAX_ALERT_BYTES} are taken",
                named(alert)
            );
            return Err((Reason::TooLarge, message));
        }
        Ok(())
    }
}

impl From<PostableAlert> for Told {
    fn from(posted: PostableAlert) -> Self {
        let mut told = Self::new(posted.labels.unwrap_or_default(), posted.annotations, false);
        told.alert.starts_at = posted.starts_at.unwrap_or(Timestamp::ZERO_TIME);
        told.alert.ends_at = posted.ends_at.unwrap_or(Timestamp::ZERO_TIME);
        told.alert.generator_url = posted.generator_url;
        told
    }
}

impl Told {
    /// What an event says, whose own texts are `labels` and `annotations`.
    pub(crate) fn by_event(event: AlertEvent, labels: Pairs, annotations: Pairs) -> Self {
        let mut told = Self::new(labels, annotations, event.kind == EventKind::Resolve);
        let hold = |ms| PromDuration::from_millis(u64::try_from(ms).unwrap_or_default());
        told.alert = Alert {
            starts_at: event.starts_at.unwrap_or(Timestamp::ZERO_TIME),
            ends_at: event.ends_at.unwrap_or(Timestamp::ZERO_TIME),
            generator_url: event.generator_url.unwrap_or_default(),
            expr: event.expr,
            value: event.value,
            hold: event.for_ms.map(hold),
            source: event.source,
            ..told.alert
        };
        told
    }
}

/// How a message names an alert.
fn named(alert: &Alert) -> String {
    let name = crate::refused::shortened(alert.name());
    format!("alert {:?} ({})", name, alert.fingerprint())
}

/// What an alert says, beside its times; taken out of it.
pub(crate) fn take_body(alert: &mut Alert) -> AlertBody {
    AlertBody {
        labels: std::mem::take(&mut alert.labels),
        annotations: std::mem::take(&mut alert.annotations),
        generator_url: std::mem::take(&mut alert.generator_url),
        expr: alert.expr.take(),
        value: alert.value,
        for_ms: alert.hold.map(|hold| i64::try_from(hold.millis()).unwrap_or(i64::MAX)),
        source: alert.source.take(),
    }
}

//! Which alerts a query is about, and how one is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{Fingerprint, LabelSet, Matcher, Timestamp};
use config::{Config, Receiver};
use policy::SilenceIndex;
use schemas::{AlertPhase, CorrelateAlert};
use serde::Serialize;

use crate::json::{self, Refusal};
use crate::params::Params;
use crate::view::{Version, View};

/// What `/alerts` and `/alerts/groups` filter by.
#[derive(Debug)]
pub(super) struct Selection {
    active: bool,
    silenced: bool,
    inhibited: bool,
    filter: Vec<Matcher>,
    receiver: Option<Matcher>,
    receiver_matchers: Vec<Matcher>,
}

impl Selection {
    pub(super) fn of(params: &Params) -> Result<Self, Refusal> {
        Ok(Self {
            active: params.flag("active", true),
            silenced: params.flag("silenced", true),
            inhibited: params.flag("inhibited", true),
            filter: params.matchers("filter")?,
            receiver: params.receiver()?,
            receiver_matchers: params.matchers("receiver_matchers")?,
        })
    }

    /// Whether a receiver is among those asked for.
    pub(super) fn takes_receiver(&self, config: Option<&Config>, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|matcher| matcher.matches_value(name))
            && (self.receiver_matchers.is_empty() || matches_labels(&self.receiver_matchers, config, name))
    }

    /// Whether an alert is among those asked for, by its labels and what mutes it.
    fn takes(&self, labels: &LabelSet, status: &Status) -> bool {
        self.filter.iter().all(|matcher| matcher.matches(labels))
            && (self.active || status.suppressed())
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
    }
}

fn matches_labels(matchers: &[Matcher], config: Option<&Config>, name: &str) -> bool {
    let labels = config
        .and_then(|config| config.receiver(name))
        .map_or_else(|| named(name), receiver_labels);
    matchers.iter().all(|matcher| matcher.matches(&labels))
}

fn named(name: &str) -> LabelSet {
    LabelSet::from([("name", name)])
}

/// A receiver's labels; `name` is always among them.
pub(super) fn receiver_labels(receiver: &Receiver) -> LabelSet {
    let mut labels = LabelSet::from(receiver.labels.clone());
    labels.insert("name", &receiver.name);
    labels
}

/// What mutes an alert just now.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    inhibited_by: Vec<String>,
    muted_by: Vec<String>,
    silenced_by: Vec<String>,
    state: &'static str,
}

impl Status {
    fn silenced(silenced_by: Vec<String>) -> Self {
        let state = if silenced_by.is_empty() { "active" } else { "suppressed" };
        Self {
            inhibited_by: Vec::new(),
            muted_by: Vec::new(),
            silenced_by,
            state,
        }
    }

    fn suppressed(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// A receiver, by name.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
}

/// An alert as the API shows it; the fields in Go's order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GettableAlert {
    annotations: LabelSet,
    #[serde(serialize_with = "json::time")]
    ends_at: Timestamp,
    pub(super) fingerprint: Fingerprint,
    pub(super) receivers: Vec<Named>,
    #[serde(serialize_with = "json::time")]
    starts_at: Timestamp,
    status: Status,
    #[serde(serialize_with = "json::time")]
    pub(super) updated_at: Timestamp,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    pub(super) labels: LabelSet,
}

/// What the answer to one query is made from, all of one moment.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) view: &'a View,
    config: Option<Arc<Version>>,
    silences: Arc<SilenceIndex>,
    now: Timestamp,
}

impl<'a> Moment<'a> {
    pub(super) fn of(view: &'a View, now: Timestamp) -> Self {
        Self {
            view,
            config: view.config(),
            silences: view.silences(),
            now,
        }
    }

    pub(super) fn config(&self) -> Option<&Config> {
        self.config.as_ref().map(|version| &version.config)
    }

    /// A firing alert, without its receivers, if it is asked for. That it fires is what correlate's record says, never
    /// its `endsAt`, which may be older than the newest re-send (design 5.1).
    pub(super) fn alert(
        &self,
        fingerprint: Fingerprint,
        alert: CorrelateAlert,
        selection: &Selection,
    ) -> Option<GettableAlert> {
        if alert.phase != AlertPhase::Firing {
            return None;
        }
        let labels = alert.body.labels;
        let status = Status::silenced(self.silences.muted_by(&labels, self.now));
        selection.takes(&labels, &status).then(|| GettableAlert {
            annotations: alert.body.annotations,
            // A client takes an end in the past for resolved: then the bound up to which re-sends are not written counts.
            ends_at: if alert.ends_at > self.now {
                alert.ends_at
            } else {
                alert.expires_at.max(alert.ends_at)
            },
            fingerprint,
            receivers: Vec::new(),
            starts_at: alert.starts_at,
            status,
            updated_at: alert.received_at,
            generator_url: alert.body.generator_url,
            labels,
        })
    }

    /// The receivers of every route an alert lands on, in the order of the walk. They may repeat.
    pub(super) fn receivers_of(&self, labels: &LabelSet) -> Vec<String> {
        let walk = |config: &Config| {
            policy::walk(config, labels)
                .into_iter()
                .map(|place| place.receiver)
                .collect()
        };
        self.config().map(walk).unwrap_or_default()
    }

    /// The receiver of a route by its id; none where the config no longer has it.
    pub(super) fn receiver_of_route(&self, route: &str) -> Option<String> {
        self.config()?.route(route).map(|route| route.receiver.clone())
    }
}

/// Names as the API lists them.
pub(super) fn named_all(names: impl IntoIterator<Item = String>) -> Vec<Named> {
    names.into_iter().map(|name| Named { name }).collect()
}

/// Receivers by fingerprint.
pub(super) type Receivers = BTreeMap<Fingerprint, Vec<String>>;

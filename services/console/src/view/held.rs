//! What the view keeps of one group: the stages' records as they stand in the changelogs, not decoded.
//!
//! A decoded alert is four times its encoding, and most alerts are never looked at: whoever asks decodes (design 5.7).

use std::collections::BTreeMap;
use std::mem::take;

use alert::Fingerprint;
use schemas::{Avro, CorrelateAlert, CorrelateGroup, EncodeError, NotificationRequest, NotifyProgress, RouteIncident};

/// The encoded record of one alert.
type Encoded = Box<[u8]>;

#[expect(
    clippy::box_collection,
    reason = "a map in place would make every group a word larger"
)]
/// A group's alerts by fingerprint. Most groups of a large system have one: a map's first node would be ten times that.
#[derive(Debug, Default)]
pub(crate) enum Alerts {
    /// No alert.
    #[default]
    None,
    /// One.
    One(u64, Encoded),
    /// Several.
    Many(Box<BTreeMap<u64, Encoded>>),
}

impl Alerts {
    pub(crate) fn set(&mut self, fingerprint: u64, bytes: &[u8]) {
        match self {
            Self::None => *self = Self::One(fingerprint, bytes.into()),
            Self::One(one, held) if *one == fingerprint => *held = bytes.into(),
            Self::One(one, held) => {
                let first = (*one, take(held));
                *self = Self::Many(Box::new(BTreeMap::from([first, (fingerprint, bytes.into())])));
            }
            Self::Many(many) => {
                many.insert(fingerprint, bytes.into());
            }
        }
    }

    pub(crate) fn remove(&mut self, fingerprint: u64) {
        match self {
            Self::One(one, _) if *one == fingerprint => *self = Self::None,
            Self::Many(many) => {
                many.remove(&fingerprint);
                if many.len() <= 1 {
                    *self = many.pop_first().map_or(Self::None, |(one, held)| Self::One(one, held));
                }
            }
            Self::None | Self::One(..) => {}
        }
    }

    pub(crate) fn get(&self, fingerprint: u64) -> Option<&[u8]> {
        match self {
            Self::One(one, held) if *one == fingerprint => Some(held),
            Self::Many(many) => many.get(&fingerprint).map(AsRef::as_ref),
            Self::None | Self::One(..) => None,
        }
    }

    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (u64, &[u8])> + '_> {
        match self {
            Self::None => Box::new(std::iter::empty()),
            Self::One(one, held) => Box::new(std::iter::once((*one, held.as_ref()))),
            Self::Many(many) => Box::new(many.iter().map(|(fingerprint, held)| (*fingerprint, held.as_ref()))),
        }
    }
}

/// What both correlate's and route's records say of a group; held once (design 5.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The group's id.
    pub(crate) id: String,
    /// The route's id.
    pub(crate) route: String,
    /// The labels its alerts share by `group_by`.
    pub(crate) labels: BTreeMap<String, String>,
}

/// One group.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// [`Texts`] as JSON, without the names of the fields; there as long as correlate or route knows the group.
    texts: Option<Box<str>>,
    /// Correlate knows the group.
    pub(crate) in_correlate: bool,
    /// Correlate's records of its alerts.
    pub(crate) alerts: Alerts,
    /// Route's record of its incident, without the texts.
    incident: Option<Encoded>,
    /// Notify's records of what is under way, by what their keys end with. Empty at rest.
    pub(crate) requests: Vec<(Box<[u8]>, Encoded)>,
}

impl Held {
    /// Whether nothing of the group is left.
    pub(crate) fn is_empty(&self) -> bool {
        !self.in_correlate && matches!(self.alerts, Alerts::None) && self.incident.is_none() && self.requests.is_empty()
    }

    /// Takes correlate's record of the group, or its end.
    pub(crate) fn set_group(&mut self, group: Option<CorrelateGroup>) {
        self.in_correlate = group.is_some();
        let texts = group.map(|group| Texts {
            id: group.group_id,
            route: group.route,
            labels: group.group_labels,
        });
        self.set_texts(texts);
    }

    /// Takes route's record of its incident, or its end.
    pub(crate) fn set_incident(&mut self, incident: Option<RouteIncident>) -> Result<(), EncodeError> {
        let (mut texts, mut encoded) = (None, None);
        if let Some(mut incident) = incident {
            texts = Some(Texts {
                id: take(&mut incident.group),
                route: take(&mut incident.route),
                labels: take(&mut incident.group_labels),
            });
            encoded = Some(schemas::encode(&incident)?.into_boxed_slice());
        }
        self.incident = encoded;
        self.set_texts(texts);
        Ok(())
    }

    fn set_texts(&mut self, texts: Option<Texts>) {
        if let Some(texts) = texts {
            // Strings under string keys: this cannot fail.
            self.texts = serde_json::to_string(&(&texts.id, &texts.route, &texts.labels))
                .ok()
                .map(Into::into);
        } else if !self.in_correlate && self.incident.is_none() {
            self.texts = None;
        }
    }

    /// What the group is; none once neither correlate nor route knows it.
    pub(crate) fn texts(&self) -> Option<Texts> {
        let (id, route, labels) = self
            .texts
            .as_deref()
            .and_then(|texts| serde_json::from_str(texts).ok())?;
        Some(Texts { id, route, labels })
    }

    /// Route's record of its incident.
    pub(crate) fn incident(&self) -> Option<RouteIncident> {
        let mut incident: RouteIncident = read(self.incident.as_deref()?)?;
        let texts = self.texts()?;
        (incident.group, incident.route, incident.group_labels) = (texts.id, texts.route, texts.labels);
        Some(incident)
    }

    /// The incident's id.
    pub(crate) fn incident_id(&self) -> Option<String> {
        self.incident
            .as_deref()
            .and_then(read)
            .map(|incident: RouteIncident| incident.incident_id)
    }

    /// Correlate's records of its alerts, by fingerprint.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (Fingerprint, CorrelateAlert)> {
        self.alerts
            .iter()
            .filter_map(|(fingerprint, bytes)| Some((Fingerprint(fingerprint), read(bytes)?)))
    }

    /// What is under way: each request without its alerts, and how far it is.
    pub(crate) fn requests(&self) -> Vec<(NotificationRequest, Option<NotifyProgress>)> {
        let of = |name: &'static str| {
            self.requests
                .iter()
                .filter(move |(_, bytes)| schemas::schema_of(bytes) == Some(name))
        };
        let progress_of = |suffix: &[u8]| {
            let slot = suffix.get(1..);
            let mut all = of(NotifyProgress::NAME);
            all.find(|(other, _)| other.get(1..) == slot)
                .and_then(|(_, bytes)| read(bytes))
        };
        of(NotificationRequest::NAME)
            .filter_map(|(suffix, bytes)| Some((read(bytes)?, progress_of(suffix))))
            .collect()
    }

    pub(crate) fn set_request(&mut self, suffix: &[u8], value: Option<&[u8]>) {
        self.requests.retain(|(held, _)| held.as_ref() != suffix);
        if let Some(value) = value {
            self.requests.push((suffix.into(), value.into()));
        }
    }
}

/// Reads a record that was checked when it was folded in; none if it is damaged all the same.
pub(crate) fn read<T: Avro>(bytes: &[u8]) -> Option<T> {
    schemas::decode(bytes)
        .inspect_err(|error| tracing::error!(%error, record = T::NAME, "unreadable state record"))
        .ok()
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;

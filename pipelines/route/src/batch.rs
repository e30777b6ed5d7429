//! A flush as mutes leave it: what may be said, what is muted, by what and until when.

use std::collections::BTreeSet;

use alert::{Fingerprint, LabelSet, Timestamp, compare_for_notification};
use policy::{Team, severity_rank, team_of};
use schemas::FlushAlert;

use crate::state::{earliest, hash_of};
use crate::view::View;

/// The newest flush at one instant.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What may be said, in the order of a message.
    pub(crate) alerts: Vec<FlushAlert>,
    /// Of these, who fires.
    pub(crate) firing: BTreeSet<Fingerprint>,
    /// Of these, who is resolved.
    pub(crate) resolved: BTreeSet<Fingerprint>,
    /// Who is muted.
    pub(crate) muted: BTreeSet<Fingerprint>,
    /// How many of the muted fire.
    pub(crate) firing_muted: usize,
    /// The silences that mute any alert, by id.
    pub(crate) muted_by: BTreeSet<String>,
    /// When the first of the muted alerts is muted no more.
    pub(crate) muted_until: Option<Timestamp>,
    /// When everything that fires is muted: since when.
    pub(crate) muted_since: Option<Timestamp>,
}

impl Batch {
    pub(crate) fn of(mut alerts: Vec<FlushAlert>, view: &View, now: Timestamp) -> Self {
        let mut batch = Self::default();
        let mut since = None;
        alerts.retain(|alert| {
            let labels = &alert.body.labels;
            let silences = view.silences.muted_by(labels, now);
            if silences.is_empty() {
                return true;
            }
            batch.muted.insert(alert.fingerprint);
            batch.muted_until = earliest([batch.muted_until, view.silences.muted_until(labels, now)]);
            if !alert.resolved {
                batch.firing_muted += 1;
                let began = silences
                    .iter()
                    .filter_map(|id| view.silences.get(id))
                    .map(|silence| silence.starts_at)
                    .min();
                since = since.max(began);
            }
            batch.muted_by.extend(silences);
            false
        });
        for alert in &alerts {
            let set = if alert.resolved {
                &mut batch.resolved
            } else {
                &mut batch.firing
            };
            set.insert(alert.fingerprint);
        }
        batch.alerts = alerts;
        batch.muted_since = since.filter(|_| batch.firing.is_empty());
        batch
    }

    /// How many fire, muted or not.
    pub(crate) fn all_firing(&self) -> usize {
        self.firing.len() + self.firing_muted
    }

    /// Everything that fires is muted.
    pub(crate) fn fires_muted(&self) -> bool {
        self.firing.is_empty() && self.firing_muted > 0
    }

    /// Changes when another alert fires, resolves or is muted, and never otherwise.
    pub(crate) fn content(&self) -> i64 {
        let firing_muted = i64::try_from(self.firing_muted).unwrap_or(i64::MAX);
        hash_of(&[
            &bits(&self.firing),
            &bits(&self.resolved),
            &bits(&self.muted),
            &[firing_muted],
        ])
    }

    /// The alerts that fire.
    pub(crate) fn firing_alerts(&self) -> Vec<FlushAlert> {
        self.alerts.iter().filter(|alert| !alert.resolved).cloned().collect()
    }
}

/// Fingerprints as a record keeps them.
pub(crate) fn bits(set: &BTreeSet<Fingerprint>) -> Vec<i64> {
    set.iter().map(|fingerprint| fingerprint.0.cast_signed()).collect()
}

/// Fingerprints out of a record.
pub(crate) fn fingerprints(bits: &[i64]) -> BTreeSet<Fingerprint> {
    bits.iter().map(|bits| Fingerprint(bits.cast_unsigned())).collect()
}

/// Alerts in the order of a message.
pub(crate) fn sort(alerts: &mut [FlushAlert]) {
    alerts.sort_by(|a, b| compare_for_notification(&a.body.labels, &b.body.labels));
}

/// Whose incident it is and how severe: of what fires, the severest alert with a team that is declared.
pub(crate) fn owner(alerts: &[FlushAlert], receiver: &str, view: &View) -> (Option<String>, Option<String>) {
    let Some(config) = view.config() else {
        return (None, None);
    };
    let firing = alerts
        .iter()
        .filter(|alert| !alert.resolved)
        .map(|alert| &alert.body.labels);
    let mut ranked: Vec<(u32, &LabelSet)> = firing.map(|labels| (severity_rank(config, labels), labels)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let team = ranked
        .iter()
        .find_map(|(_, labels)| match team_of(config, receiver, labels) {
            Team::Named(name) => Some(name),
            Team::Unowned => None,
        });
    let severity = ranked
        .first()
        .and_then(|(_, labels)| labels.get(&config.severity().label))
        .map(str::to_owned);
    (team, severity)
}

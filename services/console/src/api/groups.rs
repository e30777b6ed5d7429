//! `GET /api/v2/alerts/groups`.

use std::sync::Arc;

use alert::{LabelSet, compare_for_notification};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use super::selection::{GettableAlert, Moment, Named, Receivers, Selection, named_all};
use crate::app::{App, mark_if_stale};
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::view::Held;
use crate::{fresh, ready};

/// A group as the API shows it.
#[derive(Debug, Serialize)]
struct AlertGroup {
    alerts: Vec<GettableAlert>,
    labels: LabelSet,
    receiver: Named,
}

/// Every group with a firing alert, by labels and receiver. `muted` changes nothing yet: there are no time intervals.
pub(super) async fn groups(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let selection = Selection::of(&params)?;
    ready::check(&app)?;
    let fresh = fresh::wait(&app).await;
    let mut response = app.blocking(move |app| json::ok(&list(app, &selection))).await?;
    mark_if_stale(&mut response, fresh.err());
    Ok(response)
}

fn list(app: &App, selection: &Selection) -> Vec<AlertGroup> {
    let moment = Moment::of(&app.view, app.now());
    let mut groups = Vec::new();
    moment
        .view
        .each_group(|held| groups.extend(group(&moment, held, selection)));
    groups.sort_by(|a, b| {
        a.labels
            .before(&b.labels)
            .then_with(|| a.receiver.name.cmp(&b.receiver.name))
    });
    let receivers = receivers(&groups);
    for alert in groups.iter_mut().flat_map(|group| &mut group.alerts) {
        let names = receivers.get(&alert.fingerprint).cloned().unwrap_or_default();
        alert.receivers = named_all(names);
    }
    groups
}

/// A group with what is asked for of it; none where that is nothing.
fn group(moment: &Moment<'_>, held: &Held<'_>, selection: &Selection) -> Option<AlertGroup> {
    let texts = held.texts().filter(|_| held.in_correlate())?;
    let of_incident = || held.incident().map(|incident| incident.receiver);
    let receiver = moment
        .receiver_of_route(&texts.route)
        .or_else(of_incident)
        .unwrap_or_default();
    if !selection.takes_receiver(moment.config(), &receiver) {
        return None;
    }
    let mut alerts: Vec<_> = held
        .alerts()
        .filter_map(|(fingerprint, alert)| moment.alert(fingerprint, alert, selection))
        .collect();
    alerts.sort_by(|a, b| compare_for_notification(&a.labels, &b.labels));
    let labels = texts.labels;
    (!alerts.is_empty()).then_some(AlertGroup {
        alerts,
        labels,
        receiver: Named { name: receiver },
    })
}

/// For each alert, the receivers of the groups shown that it is in, sorted.
fn receivers(groups: &[AlertGroup]) -> Receivers {
    let mut receivers = Receivers::new();
    for group in groups {
        for alert in &group.alerts {
            receivers
                .entry(alert.fingerprint)
                .or_default()
                .push(group.receiver.name.clone());
        }
    }
    for names in receivers.values_mut() {
        names.sort();
    }
    receivers
}

//! Everything about one incident: what fires, who has it, what was told to whom, and every decision with its reason.

use std::sync::Arc;
use std::time::Duration;

use alert::{Fingerprint, GroupId, LabelSet};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use schemas::{AlertPhase, ConfigVersion, CorrelateAlert, NotifyLegState, NotifyRun, topics};
use serde::Serialize;
use streams::From;

use super::entry::Entry;
use super::plan::Plan;
use super::row::{Row, Rows};
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::people::history::{self, Filter};
use crate::people::incidents::{kind, unknown};
use crate::view::{Held, Tables};

/// How many alerts are shown: more than a person reads.
const MAX_ALERTS: usize = 500;
/// How many decisions are shown.
const MAX_ENTRIES: usize = 500;
/// How long an older version of the config is read for.
const CONFIG_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub(super) enum AlertState {
    Firing,
    Resolved,
}

/// An alert of an incident. What its sender did not say is null, never guessed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertShown {
    fingerprint: String,
    state: AlertState,
    starts_at: i64,
    ends_at: i64,
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    labels: LabelSet,
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    annotations: LabelSet,
    generator_url: Option<String>,
    /// The rule's expression: the alert's own, else the one in `generatorUrl`.
    expr: Option<String>,
    value: Option<f64>,
    for_ms: Option<i64>,
    source: Option<String>,
    /// Ids of silences.
    muted_by: Vec<String>,
}

impl AlertShown {
    fn of(app: &App, fingerprint: Fingerprint, alert: CorrelateAlert) -> Option<Self> {
        let state = match alert.phase {
            AlertPhase::Firing => AlertState::Firing,
            AlertPhase::Resolved => AlertState::Resolved,
            AlertPhase::Settled => return None,
        };
        let labels = alert.body.labels;
        let generator_url = Some(alert.body.generator_url).filter(|url| !url.is_empty());
        let expr = alert.body.expr.or_else(|| expression_in(generator_url.as_deref()?));
        Some(Self {
            fingerprint: fingerprint.to_string(),
            state,
            starts_at: alert.starts_at.millis(),
            ends_at: alert.ends_at.millis(),
            muted_by: app.view.silences().muted_by(&labels, app.now()),
            labels,
            annotations: alert.body.annotations,
            generator_url,
            expr,
            value: alert.body.value.filter(|value| value.is_finite()),
            for_ms: alert.body.for_ms,
            source: alert.body.source,
        })
    }
}

/// The expression in a link to Prometheus' graph page: its parameter `g0.expr`.
fn expression_in(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let pairs = query.split('#').next()?.split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == "g0.expr")?
        .1;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub(super) enum LegState {
    Waiting,
    #[serde(rename = "in flight")]
    InFlight,
    Accepted,
    Failed,
}

/// One link of a fallback chain, as it is being tried.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct DeliveryLeg {
    receiver: String,
    integration: String,
    state: LegState,
    at: i64,
    attempts: i32,
}

/// A notification that is under way.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    receiver: String,
    integration: String,
    kind: &'static str,
    reason: String,
    round: Option<i32>,
    step: Option<i32>,
    give_up_at: i64,
    void: Option<String>,
    legs: Vec<DeliveryLeg>,
}

impl Delivery {
    fn of(NotifyRun { request, progress, .. }: NotifyRun) -> Self {
        let leg = |leg: schemas::NotifyLeg| DeliveryLeg {
            receiver: leg.receiver,
            integration: leg.integration,
            state: match leg.state {
                NotifyLegState::Waiting => LegState::Waiting,
                NotifyLegState::InFlight => LegState::InFlight,
                NotifyLegState::Accepted => LegState::Accepted,
                NotifyLegState::Failed => LegState::Failed,
            },
            at: leg.at.millis(),
            attempts: leg.attempts,
        };
        Self {
            kind: kind(request.kind),
            receiver: request.receiver,
            integration: request.integration,
            reason: request.reason,
            round: request.round,
            step: request.step,
            give_up_at: request.give_up_at.millis(),
            void: progress.void,
            legs: progress.legs.into_iter().map(leg).collect(),
        }
    }
}

/// Everything about one incident.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct IncidentDetail {
    /// Null where the incident is over and only the journal remembers it.
    row: Option<Row>,
    /// The group's id.
    group: String,
    group_key: String,
    route: String,
    alerts: Vec<AlertShown>,
    alerts_cut: bool,
    /// What is under way.
    deliveries: Vec<Delivery>,
    /// The policy as it was when the incident opened.
    plan: Option<Plan>,
    /// Newest first.
    journal: Vec<Entry>,
    /// There may be older entries.
    journal_cut: bool,
}

/// `GET incidents/{id}?group=…`: the group is needed only for one that is over and forgotten.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response<Body>, Refusal> {
    let group = params.text("group").map(str::to_owned);
    let detail = app.blocking(move |app| detail(app, &id, group)).await??;
    Ok(json::ok(&detail))
}

fn detail(app: &App, id: &str, group: Option<String>) -> Result<IncidentDetail, Refusal> {
    let known = app.view.incident(id);
    let group_id = known
        .as_ref()
        .map(|(_, incident)| incident.group.clone())
        .or(group)
        .ok_or_else(|| unknown(id))?;
    let filter = Filter {
        group: Some(group_id.clone()),
        incident: Some(id.to_owned()),
        since: known.as_ref().map(|(_, incident)| incident.opened_at),
        limit: MAX_ENTRIES,
    };
    let found = history::entries(app, &filter).map_err(Refusal::later)?;
    let journal: Vec<Entry> = found.entries.iter().filter_map(Entry::of).collect();
    if known.is_none() && journal.is_empty() {
        return Err(unknown(id));
    }
    let mut detail = IncidentDetail {
        row: None,
        group_key: GroupId(group_id.clone()).group_key().0,
        group: group_id,
        route: String::new(),
        alerts: Vec::new(),
        alerts_cut: false,
        deliveries: Vec::new(),
        plan: None,
        journal,
        journal_cut: !found.complete,
    };
    let Some((hash, incident)) = known else {
        return Ok(detail);
    };
    let rows = Rows::of(&app.view);
    let held = |held: Held<'_>| {
        detail.row = rows.whole(&held);
        let shown = held
            .alerts()
            .filter_map(|(fingerprint, alert)| AlertShown::of(app, fingerprint, alert));
        detail.alerts = shown.take(MAX_ALERTS + 1).collect();
        detail.deliveries = held.requests().into_iter().map(Delivery::of).collect();
    };
    app.view.group(&hash, held);
    detail.alerts_cut = detail.alerts.len() > MAX_ALERTS;
    detail.alerts.truncate(MAX_ALERTS);
    detail.plan = incident
        .policy
        .as_deref()
        .and_then(|name| plan(app, name, incident.policy_version));
    detail.route = incident.route;
    Ok(detail)
}

/// The policy's ladder as the incident climbs it: an incident keeps the policy it started under.
fn plan(app: &App, name: &str, version: Option<i64>) -> Option<Plan> {
    let newest = app.view.config()?;
    if version.is_none_or(|version| version == newest.number) {
        return Plan::named(&newest.config, name);
    }
    let older = version.and_then(|version| config_of(app, version));
    Plan::named(&older?, name)
}

/// A version of the config that is not the newest; none if it is not retained.
fn config_of(app: &App, version: i64) -> Option<config::Config> {
    let offset = version.checked_sub(1)?;
    let mut reader = app
        .log
        .reader(&[(topics::CONFIG.to_owned(), 0, From::Offset(offset))])
        .ok()?;
    let records = reader.poll(1, CONFIG_WAIT).ok()?;
    let (_, record) = records.into_iter().find(|(_, record)| record.offset == offset)?;
    let version: ConfigVersion = schemas::decode(record.value.as_deref()?).ok()?;
    Tables::load(&version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_read_out_of_a_link_or_left_out() {
        let rows = [
            ("http://p:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1", Some("up == 0")),
            (
                "http://p/graph?a=b&g0.expr=rate%28x%5B5m%5D%29#top",
                Some("rate(x[5m])"),
            ),
            ("http://p/graph?g0.expr=", None),
            ("http://p/graph?g0.expr=%zz", None),
            ("http://p/graph?g0.expr=%2", None),
            ("http://p/graph?g0.expr=%ff", None),
            ("http://p/graph", None),
            ("http://g/alerting/grafana/x/view", None),
        ];
        for (url, expected) in rows {
            assert_eq!(expression_in(url).as_deref(), expected, "{url}");
        }
    }
}

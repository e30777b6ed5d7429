//! `GET /api/v1/incidents` and `/api/v1/incidents/{id}`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{Fingerprint, GroupHash, GroupId, LabelSet, Timestamp};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use schemas::{
    AlertPhase, CorrelateAlert, IncidentStatus, LadderPhase, LadderPosition, NotifyLegState, NotifyRun, RequestKind,
    RouteIncident,
};
use serde::Serialize;

use super::history::{self, Filter};
use super::journal::Shown;
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::ready;
use crate::view::{Held, View};

/// How many incidents one answer lists unless asked otherwise, and at most: more than a person reads.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// How many alerts of one incident are shown: an incident of a whole data centre has tens of thousands.
const MAX_ALERTS: usize = 1_000;
/// How many journal entries of one incident are shown.
const MAX_ENTRIES: usize = 200;

/// Where an incident stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) state: &'static str,
    generation: i64,
    pub(super) team: Option<String>,
    pub(super) severity: Option<String>,
    policy: Option<String>,
    policy_version: Option<i64>,
    pub(super) receiver: String,
    route: String,
    /// What stands for the group in URLs.
    group: GroupHash,
    group_key: String,
    pub(super) group_labels: LabelSet,
    #[serde(serialize_with = "json::time")]
    pub(super) opened_at: Timestamp,
    pub(super) acknowledged_by: Option<String>,
    #[serde(serialize_with = "json::maybe_time")]
    acknowledged_at: Option<Timestamp>,
    pub(super) firing: i32,
    muted: bool,
    muted_by: Vec<String>,
    #[serde(serialize_with = "json::maybe_time")]
    muted_until: Option<Timestamp>,
    pub(super) ladder: Option<Ladder>,
}

/// The ladder's next rung.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ladder {
    phase: &'static str,
    round: i32,
    step: i32,
    last_resort: bool,
    /// When the next rung is due; none while the ladder is held or over.
    #[serde(serialize_with = "json::maybe_time")]
    pub(super) due: Option<Timestamp>,
    /// What is left until the next rung while the ladder is held, in milliseconds.
    remaining_ms: Option<i64>,
    /// When the rung before fired.
    #[serde(serialize_with = "json::maybe_time")]
    fired_at: Option<Timestamp>,
}

impl Summary {
    pub(super) fn of(incident: RouteIncident) -> Self {
        let id = GroupId(incident.group);
        Self {
            id: incident.incident_id,
            state: state(incident.status),
            generation: incident.generation,
            team: incident.team,
            severity: incident.severity,
            policy: incident.policy,
            policy_version: incident.policy_version,
            receiver: incident.receiver,
            route: incident.route,
            group: id.hash(),
            group_key: id.group_key().0,
            group_labels: incident.group_labels,
            opened_at: incident.opened_at,
            acknowledged_by: incident.acknowledged_by,
            acknowledged_at: incident.acknowledged_at,
            firing: incident.firing,
            muted: incident.muted,
            muted_by: incident.muted_by,
            muted_until: incident.muted_until,
            ladder: incident.ladder.as_ref().map(Ladder::of),
        }
    }
}

impl Ladder {
    fn of(at: &LadderPosition) -> Self {
        let phase = match at.phase {
            LadderPhase::Climbing => "climbing",
            LadderPhase::Held => "held",
            LadderPhase::LastResort => "last resort",
            LadderPhase::Exhausted => "exhausted",
        };
        let (round, step, last_resort) = (at.round, at.step, at.last_resort);
        let due = at.due.filter(|_| at.phase == LadderPhase::Climbing);
        Self {
            phase,
            round,
            step,
            last_resort,
            due,
            remaining_ms: at.remaining_ms,
            fired_at: at.fired_at,
        }
    }
}

/// A state as the API writes it.
pub(super) const fn state(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Firing => "firing",
        IncidentStatus::Acknowledged => "acknowledged",
        IncidentStatus::Quiet => "quiet",
        IncidentStatus::Resolved => "resolved",
        IncidentStatus::Moved => "moved",
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    fingerprint: Fingerprint,
    state: &'static str,
    #[serde(serialize_with = "json::time")]
    starts_at: Timestamp,
    #[serde(serialize_with = "json::time")]
    ends_at: Timestamp,
    labels: LabelSet,
    annotations: LabelSet,
    #[serde(rename = "generatorURL")]
    generator_url: String,
}

impl Alert {
    /// An alert of the group; none once it has left.
    fn of(fingerprint: Fingerprint, alert: CorrelateAlert) -> Option<Self> {
        let state = match alert.phase {
            AlertPhase::Firing => "firing",
            AlertPhase::Resolved => "resolved",
            AlertPhase::Settled => return None,
        };
        let (starts_at, ends_at, body) = (alert.starts_at, alert.ends_at, alert.body);
        let (labels, annotations, generator_url) = (body.labels, body.annotations, body.generator_url);
        Some(Self {
            fingerprint,
            state,
            starts_at,
            ends_at,
            labels,
            annotations,
            generator_url,
        })
    }
}

/// Why something is sent, as the API writes it.
pub(crate) const fn kind(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::First => "first",
        RequestKind::Joined => "joined",
        RequestKind::Resolve => "resolve",
        RequestKind::Repeat => "repeat",
        RequestKind::Reminder => "reminder",
        RequestKind::Step => "step",
        RequestKind::LastResort => "last resort",
    }
}

/// A request under way.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    receiver: String,
    integration: String,
    index: i32,
    sequence: i64,
    kind: &'static str,
    reason: String,
    round: Option<i32>,
    step: Option<i32>,
    #[serde(serialize_with = "json::time")]
    give_up_at: Timestamp,
    void: Option<String>,
    legs: Vec<Leg>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Leg {
    receiver: String,
    integration: String,
    index: i32,
    state: &'static str,
    #[serde(serialize_with = "json::time")]
    at: Timestamp,
    attempts: i32,
}

impl Request {
    fn of(NotifyRun { request, progress, .. }: NotifyRun) -> Self {
        let leg = |leg: schemas::NotifyLeg| {
            let state = match leg.state {
                NotifyLegState::Waiting => "waiting",
                NotifyLegState::InFlight => "in flight",
                NotifyLegState::Accepted => "accepted",
                NotifyLegState::Failed => "failed",
            };
            let (receiver, integration, index) = (leg.receiver, leg.integration, leg.index);
            Leg {
                receiver,
                integration,
                index,
                state,
                at: leg.at,
                attempts: leg.attempts,
            }
        };
        Self {
            receiver: request.receiver,
            integration: request.integration,
            index: request.index,
            sequence: request.sequence,
            kind: kind(request.kind),
            reason: request.reason,
            round: request.round,
            step: request.step,
            give_up_at: request.give_up_at,
            void: progress.void,
            legs: progress.legs.into_iter().map(leg).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    incidents: Vec<Summary>,
    /// How many there are of those asked for, listed or not.
    total: usize,
}

/// Incidents, by state (`state`, may be repeated), owner (`team`) and number (`limit`); the newest first.
pub(super) async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let limit = params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    ready::check(&app)?;
    let listed = app.blocking(move |app| {
        let states: Vec<_> = params
            .0
            .iter()
            .filter(|(name, _)| name == "state")
            .map(|(_, value)| value.as_str())
            .collect();
        let wanted = |incident: &RouteIncident| {
            (states.is_empty() || states.contains(&state(incident.status)))
                && params
                    .text("team")
                    .is_none_or(|team| incident.team.as_deref() == Some(team))
        };
        newest(&app.view, wanted, limit)
    });
    let (incidents, total) = listed.await?;
    Ok(json::ok(&Listed { incidents, total }))
}

/// The newest incidents that are wanted, at most `limit`, and how many there are.
pub(super) fn newest(view: &View, wanted: impl Fn(&RouteIncident) -> bool, limit: usize) -> (Vec<Summary>, usize) {
    let mut newest: BTreeMap<(Reverse<Timestamp>, String), RouteIncident> = BTreeMap::new();
    let mut total = 0;
    view.each_group(|held| {
        if let Some(incident) = held.incident().filter(&wanted) {
            total += 1;
            newest.insert((Reverse(incident.opened_at), incident.incident_id.clone()), incident);
            if newest.len() > limit {
                newest.pop_last();
            }
        }
    });
    (newest.into_values().map(Summary::of).collect(), total)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(flatten)]
    summary: Summary,
    alerts: Vec<Alert>,
    /// There are more alerts than are shown.
    alerts_cut: bool,
    requests: Vec<Request>,
    /// The newest first.
    journal: Vec<Shown>,
    /// Whether older entries of this incident may exist than are shown.
    journal_cut: bool,
}

/// One incident with everything about it.
pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response<Body>, Refusal> {
    ready::check(&app)?;
    let detail = app.blocking(move |app| detail(app, &id)).await??;
    Ok(json::ok(&detail))
}

fn detail(app: &App, id: &str) -> Result<Detail, Refusal> {
    let (group, incident) = app.view.incident(id).ok_or_else(|| unknown(id))?;
    let filter = Filter {
        group: Some(incident.group.clone()),
        incident: Some(id.to_owned()),
        since: Some(incident.opened_at),
        limit: MAX_ENTRIES,
    };
    let found = history::entries(app, &filter).map_err(Refusal::later)?;
    let held = |held: Held<'_>| {
        let mut alerts: Vec<_> = held
            .alerts()
            .filter_map(|(id, alert)| Alert::of(id, alert))
            .take(MAX_ALERTS + 1)
            .collect();
        let cut = alerts.len() > MAX_ALERTS;
        alerts.truncate(MAX_ALERTS);
        (alerts, cut, held.requests().into_iter().map(Request::of).collect())
    };
    let (alerts, alerts_cut, requests) = app.view.group(&group, held).unwrap_or_default();
    let summary = Summary::of(incident);
    let journal_cut = !found.complete;
    let journal = found.entries.iter().filter_map(Shown::of).collect();
    Ok(Detail {
        summary,
        alerts,
        alerts_cut,
        requests,
        journal,
        journal_cut,
    })
}

/// 404 for an incident that nobody knows (any more).
pub(crate) fn unknown(id: &str) -> Refusal {
    Refusal::Said(StatusCode::NOT_FOUND, format!("there is no incident {id}"))
}

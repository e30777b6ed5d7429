//! Acknowledging and un-acknowledging: a record for route, and route's answer.

use std::sync::Arc;

use alert::{Fingerprint, GroupId};
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::http::{Response, StatusCode};
use schemas::{Command, CommandAction, IncidentStatus, RouteCommand, RouteIncident, topics};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::body::{self, Given};
use super::incidents::unknown;
use crate::app::App;
use crate::append::{append, record};
use crate::json::{self, Refusal};
use crate::ready;

/// What became of a command for one incident.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    command: String,
    incident: String,
    accepted: bool,
    /// In route's words; or why there is no answer.
    reason: String,
    /// The incident's generation after the command, where route said.
    generation: Option<i64>,
    /// Where the incident stands after the command, where route said.
    state: Option<String>,
    #[serde(skip)]
    status: StatusCode,
}

impl Answered {
    fn of(incident: &str, answer: RouteCommand) -> Self {
        let accepted = answer.kind == "command.accepted";
        let status = if accepted {
            StatusCode::OK
        } else if answer.reason.starts_with("not found") {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::CONFLICT
        };
        Self {
            command: answer.id,
            incident: incident.to_owned(),
            accepted,
            reason: answer.reason,
            generation: answer.fields.get("generation").and_then(|text| text.parse().ok()),
            state: answer.fields.get("status").cloned(),
            status,
        }
    }

    fn none(incident: &str, command: &str, app: &App) -> Self {
        Self {
            command: command.to_owned(),
            incident: incident.to_owned(),
            accepted: false,
            reason: format!(
                "no answer from route within {} s; the command is written and will be answered in the journal",
                app.settings.write_wait.as_secs()
            ),
            generation: None,
            state: None,
            status: StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

#[derive(Debug, Serialize)]
struct All {
    command: String,
    answers: Vec<Answered>,
}

type Posted = Result<Bytes, BytesRejection>;

/// `POST /api/v1/incidents/{id}/acknowledge`.
pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Posted,
) -> Result<Response<Body>, Refusal> {
    to_incident(&app, &id, CommandAction::Acknowledge, &headers, body).await
}

/// `POST /api/v1/incidents/{id}/unacknowledge`.
pub(super) async fn unacknowledge(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Posted,
) -> Result<Response<Body>, Refusal> {
    to_incident(&app, &id, CommandAction::Unacknowledge, &headers, body).await
}

async fn to_incident(
    app: &Arc<App>,
    id: &str,
    action: CommandAction,
    headers: &HeaderMap,
    body: Posted,
) -> Result<Response<Body>, Refusal> {
    let given = read(headers, body)?;
    ready::check(app)?;
    let (_, incident) = app.view.incident(id).ok_or_else(|| unknown(id))?;
    let answers = give(app, &[incident], action, &given).await?;
    let answer = answers.into_iter().next().ok_or_else(|| unknown(id))?;
    Ok(json::respond(answer.status, &answer))
}

/// `POST /api/v1/alerts/{fingerprint}/acknowledge`: every incident the alert is in. The status is the worst of all answers.
pub(super) async fn acknowledge_alert(
    State(app): State<Arc<App>>,
    Path(fingerprint): Path<String>,
    headers: HeaderMap,
    body: Posted,
) -> Result<Response<Body>, Refusal> {
    let fingerprint: Fingerprint = fingerprint.parse().map_err(|error| Refusal::bad(format!("{error}")))?;
    let given = read(&headers, body)?;
    ready::check(&app)?;
    let mut incidents = app.blocking(move |app| app.view.incidents_of(fingerprint)).await?;
    incidents.retain(|incident| !matches!(incident.status, IncidentStatus::Resolved | IncidentStatus::Moved));
    if incidents.is_empty() {
        let why = format!("the alert {fingerprint} is in no open incident");
        return Err(Refusal::Said(StatusCode::NOT_FOUND, why));
    }
    let answers = give(&app, &incidents, CommandAction::Acknowledge, &given).await?;
    let worst = answers
        .iter()
        .map(|answer| answer.status)
        .max()
        .unwrap_or(StatusCode::OK);
    Ok(json::respond(
        worst,
        &All {
            command: given.id,
            answers,
        },
    ))
}

fn read(headers: &HeaderMap, body: Posted) -> Result<Given, Refusal> {
    let body = body.map_err(|error| Refusal::Said(error.status(), error.body_text()))?;
    body::read(headers, &body)
}

/// Writes the command for each incident and waits for all answers. One that was answered before is not written again.
async fn give(
    app: &Arc<App>,
    incidents: &[RouteIncident],
    action: CommandAction,
    given: &Given,
) -> Result<Vec<Answered>, Refusal> {
    let now = app.now();
    let mut records = Vec::new();
    for incident in incidents
        .iter()
        .filter(|incident| answer(app, incident, &given.id).is_none())
    {
        let command = Command {
            id: given.id.clone(),
            incident_id: incident.incident_id.clone(),
            action,
            by: given.by.clone(),
            generation: given.generation.unwrap_or(incident.generation),
            at: now,
            comment: given.comment.clone(),
        };
        let value = schemas::encode(&command).map_err(Refusal::internal)?;
        let new = record(
            app.log.as_ref(),
            topics::INCIDENTS,
            incident.group.as_bytes(),
            Some(value),
            now,
        );
        records.push(new.map_err(Refusal::later)?);
    }
    if !records.is_empty() {
        append(app.log.as_ref(), records).await.map_err(Refusal::later)?;
    }
    let deadline = Instant::now() + app.settings.write_wait;
    let mut answers = Vec::new();
    for incident in incidents {
        answers.push(wait(app, incident, &given.id, deadline).await);
    }
    Ok(answers)
}

async fn wait(app: &Arc<App>, incident: &RouteIncident, command: &str, deadline: Instant) -> Answered {
    let mut moved = app.view.moved();
    loop {
        moved.borrow_and_update();
        if let Some(answer) = answer(app, incident, command) {
            return Answered::of(&incident.incident_id, answer);
        }
        if timeout_at(deadline, moved.changed()).await.is_err() {
            return Answered::none(&incident.incident_id, command, app);
        }
    }
}

fn answer(app: &App, incident: &RouteIncident, command: &str) -> Option<RouteCommand> {
    app.view
        .answer(&GroupId(incident.group.clone()).hash(), &incident.incident_id, command)
}

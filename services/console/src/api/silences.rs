//! Silences: listed, made, changed, expired.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{Matcher, Silence, SilenceMatcher, SilenceState, Timestamp};
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::HeaderMap;
use axum::http::{Response, StatusCode};
use runtime::answer::code;
use serde::Serialize;

use super::silence_body;
use crate::app::{App, mark_if_stale};
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::silences::{self, Limits, SetError};
use crate::{ready, uuid};

/// A silence as the API shows it; the fields in Go's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gettable<'a> {
    id: &'a str,
    status: Stand,
    #[serde(serialize_with = "json::time")]
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    comment: &'a str,
    created_by: &'a str,
    #[serde(serialize_with = "json::time")]
    ends_at: Timestamp,
    matchers: Vec<Shown<'a>>,
    #[serde(serialize_with = "json::time")]
    starts_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Stand {
    state: SilenceState,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    is_equal: bool,
    is_regex: bool,
    name: &'a str,
    value: &'a str,
}

#[derive(Debug, Serialize)]
struct Created {
    #[serde(rename = "silenceID")]
    id: String,
}

impl<'a> Gettable<'a> {
    fn of(silence: &'a Silence, now: Timestamp) -> Self {
        let shown = |m: &'a SilenceMatcher| Shown {
            is_equal: m.is_equal,
            is_regex: m.is_regex,
            name: &m.name,
            value: &m.value,
        };
        Self {
            id: &silence.id,
            status: Stand {
                state: silence.state(now),
            },
            updated_at: silence.updated_at,
            annotations: &silence.annotations,
            comment: &silence.comment,
            created_by: &silence.created_by,
            ends_at: silence.ends_at,
            matchers: silence.matchers.iter().map(shown).collect(),
            starts_at: silence.starts_at,
        }
    }
}

/// `GET /api/v2/silences`.
pub(super) async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let filter = params.matchers("filter")?;
    ready::check(&app)?;
    let wanted = |state: SilenceState| params.flag(state.as_str(), true);
    let (index, now) = (app.view.silences(), app.now());
    let mut found: Vec<(SilenceState, &Silence)> = index
        .iter()
        .map(|silence| (silence.state(now), silence))
        .filter(|(state, silence)| wanted(*state) && filter.iter().all(|matcher| has(silence, matcher)))
        .collect();
    found.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let shown: Vec<_> = found
        .into_iter()
        .map(|(_, silence)| Gettable::of(silence, now))
        .collect();
    Ok(json::ok(&shown))
}

/// A filter is met by a silence that has the very matcher: nothing is evaluated.
fn has(silence: &Silence, wanted: &Matcher) -> bool {
    silence
        .matchers
        .iter()
        .any(|m| m.name == wanted.name() && m.op() == wanted.op() && m.value == wanted.value())
}

/// Active ones by their end, then pending ones by their start, then expired ones from the last one back.
fn rank<'a>((state, silence): &(SilenceState, &'a Silence)) -> (u8, Timestamp, Reverse<Timestamp>, &'a str) {
    let (zero, id) = (Timestamp::ZERO, silence.id.as_str());
    match state {
        SilenceState::Active => (0, silence.ends_at, Reverse(zero), id),
        SilenceState::Pending => (1, silence.starts_at, Reverse(zero), id),
        SilenceState::Expired => (2, zero, Reverse(silence.ends_at), id),
    }
}

/// `GET /api/v2/silence/{id}`.
pub(super) async fn get(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response<Body>, Refusal> {
    is_uuid(&id)?;
    ready::check(&app)?;
    let index = app.view.silences();
    let silence = index.get(&id).ok_or(Refusal::Empty(StatusCode::NOT_FOUND))?;
    Ok(json::ok(&Gettable::of(silence, app.now())))
}

/// `POST /api/v2/silences`: answers once the view has it.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response<Body>, Refusal> {
    let body = body.map_err(|error| Refusal::Said(error.status(), error.body_text()))?;
    let silence = silence_body::read(&headers, &body)?;
    ready::check(&app)?;
    let now = app.now();
    if silence.starts_at >= silence.ends_at {
        return Err(Refusal::bad(
            "Failed to create silence: start time must be before end time",
        ));
    }
    if silence.ends_at < now {
        return Err(Refusal::bad("Failed to create silence: end time can't be in the past"));
    }
    let new_id = uuid::v4().map_err(Refusal::internal)?;
    let limits = Limits {
        count: app.settings.max_silences,
        bytes: app.settings.max_silence_bytes,
    };
    let writes = silences::set(&app.view.silences(), silence, now, &new_id, limits).map_err(|error| match error {
        SetError::NotFound => Refusal::Said(StatusCode::NOT_FOUND, error.to_string()),
        SetError::Invalid(_) | SetError::TooMany { .. } | SetError::TooLarge { .. } => Refusal::bad(error.to_string()),
    })?;
    let id = writes.last().map(|silence| silence.id.clone()).unwrap_or_default();
    let stale = silences::write(&app, writes, now).await?;
    tracing::info!(silence = id, "silence set");
    let mut response = json::ok(&Created { id });
    mark_if_stale(&mut response, stale);
    Ok(response)
}

/// `DELETE /api/v2/silence/{id}`: ends it now; one that is over stays as it is.
pub(super) async fn expire(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response<Body>, Refusal> {
    is_uuid(&id)?;
    ready::check(&app)?;
    let now = app.now();
    let known = app.view.silences().get(&id).cloned();
    let mut silence = known.ok_or(Refusal::Empty(StatusCode::NOT_FOUND))?;
    let mut response = Response::new(Body::empty());
    if silence.expire(now) {
        let stale = silences::write(&app, vec![silence], now).await?;
        tracing::info!(silence = id, "silence expired");
        mark_if_stale(&mut response, stale);
    }
    Ok(response)
}

fn is_uuid(id: &str) -> Result<(), Refusal> {
    if uuid::is_uuid(id) {
        return Ok(());
    }
    let message = format!("silenceID in path must be of type uuid: {}", alert::go_quote(id));
    Err(Refusal::Coded(
        StatusCode::UNPROCESSABLE_ENTITY,
        code::INVALID_TYPE,
        message,
    ))
}

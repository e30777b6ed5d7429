//! The body of `POST /api/v2/silences`: what go-openapi checks of it before Alertmanager's handler sees it, in its order.

use std::collections::BTreeMap;

use alert::{Silence, SilenceMatcher, Timestamp};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use runtime::answer::code;
use serde::Deserialize;

use crate::json::Refusal;

/// The most matchers of one silence: each is held against every alert at every flush.
const MAX_MATCHERS: usize = 100;

/// Everything may be missing here, so that what is missing is told in go-openapi's words. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    id: Option<String>,
    comment: Option<String>,
    created_by: Option<String>,
    ends_at: Option<String>,
    matchers: Option<Vec<PostableMatcher>>,
    starts_at: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostableMatcher {
    is_equal: Option<bool>,
    is_regex: Option<bool>,
    name: Option<String>,
    value: Option<String>,
}

/// The silence that a body asks for. Its matchers are not compiled yet.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Silence, Refusal> {
    is_json(headers)?;
    if body.is_empty() {
        return Err(Refusal::required("silence"));
    }
    let posted: Postable = serde_json::from_slice(body).map_err(|error| Refusal::unreadable("silence", &error))?;
    let (starts_at, ends_at) = (time(posted.starts_at)?, time(posted.ends_at)?);
    let comment = posted.comment.ok_or_else(|| Refusal::required("comment"))?;
    let created_by = posted.created_by.ok_or_else(|| Refusal::required("createdBy"))?;
    let ends_at = ends_at.ok_or_else(|| Refusal::required("endsAt"))?;
    let matchers = matchers(posted.matchers)?;
    let starts_at = starts_at.ok_or_else(|| Refusal::required("startsAt"))?;
    Ok(Silence {
        id: posted.id.unwrap_or_default(),
        matchers,
        starts_at,
        ends_at,
        updated_at: Timestamp::ZERO_TIME,
        created_by,
        comment,
        annotations: posted.annotations.unwrap_or_default(),
    })
}

/// Refuses any other content type; none at all counts as bytes.
fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream");
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let message = format!("unsupported media type \"{given}\", only [application/json] are allowed");
    Err(Refusal::Coded(status, status.as_u16(), message))
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, Refusal> {
    let parsed = text.map(|text| Timestamp::parse(&text)).transpose();
    parsed.map_err(|error| Refusal::unreadable("silence", &error))
}

fn matchers(given: Option<Vec<PostableMatcher>>) -> Result<Vec<SilenceMatcher>, Refusal> {
    let given = given.ok_or_else(|| Refusal::required("matchers"))?;
    if given.is_empty() {
        let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, code::TOO_FEW_ITEMS);
        return Err(Refusal::Coded(
            status,
            code,
            "matchers in body should have at least 1 items".to_owned(),
        ));
    }
    if given.len() > MAX_MATCHERS {
        return Err(Refusal::bad(format!("a silence has at most {MAX_MATCHERS} matchers")));
    }
    let read = |(i, matcher): (usize, PostableMatcher)| {
        let missing = |field: &str| Refusal::required(&format!("matchers.{i}.{field}"));
        Ok(SilenceMatcher {
            is_regex: matcher.is_regex.ok_or_else(|| missing("isRegex"))?,
            name: matcher.name.ok_or_else(|| missing("name"))?,
            value: matcher.value.ok_or_else(|| missing("value"))?,
            is_equal: matcher.is_equal.unwrap_or(true),
        })
    };
    given.into_iter().enumerate().map(read).collect()
}

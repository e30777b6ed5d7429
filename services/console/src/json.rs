//! JSON as Go writes it, and the error bodies of Alertmanager's API.

use std::fmt::Display;

use alert::Timestamp;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use runtime::answer::{self, code};
use serde::{Serialize, Serializer};

/// A value as Go's `encoding/json` writes it: `<`, `>`, `&` and the two line separators of Unicode are escaped.
pub(crate) fn text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return Ok(plain);
    }
    let mut escaped = String::with_capacity(plain.len() + 64);
    for c in plain.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

/// An answer with a value, as Go's encoder ends it: with a line feed.
pub(crate) fn respond(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match text(value) {
        Ok(body) => answer::json(status, body + "\n"),
        Err(error) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// [`respond`] with 200.
pub(crate) fn ok(value: &impl Serialize) -> Response<Body> {
    respond(StatusCode::OK, value)
}

/// RFC 3339 with milliseconds.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// [`time`], or null.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn maybe_time<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}

/// Why a request is refused, in the shape Alertmanager's clients know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A handler's own error: a bare JSON string.
    Said(StatusCode, String),
    /// An error of the layer that holds a request against the specification.
    Coded(StatusCode, u16, String),
    /// No body at all.
    Empty(StatusCode),
}

impl Refusal {
    /// 400 with a handler's words.
    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self::Said(StatusCode::BAD_REQUEST, why.into())
    }

    /// 500 with a handler's words.
    pub(crate) fn internal(why: impl Display) -> Self {
        Self::Said(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
    }

    /// 503 with a handler's words: the same request may succeed later.
    pub(crate) fn later(why: impl Display) -> Self {
        Self::Said(StatusCode::SERVICE_UNAVAILABLE, why.to_string())
    }

    /// 422: something required is missing.
    pub(crate) fn required(what: &str) -> Self {
        Self::Coded(
            StatusCode::UNPROCESSABLE_ENTITY,
            code::REQUIRED,
            format!("{what} in body is required"),
        )
    }

    /// 400 with its own code: the body is no JSON, or not of the right types.
    pub(crate) fn unreadable(what: &str, error: &impl Display) -> Self {
        let message = format!("parsing {what} body from \"\" failed, because {error}");
        Self::Coded(StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST.as_u16(), message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::Said(status, message) => respond(status, &message),
            Self::Coded(status, code, message) => answer::coded(status, code, &message),
            Self::Empty(status) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let rows = [
            ("plain", r#""plain""#),
            (
                "<a href=\"x\">&</a>",
                r#""\u003ca href=\"x\"\u003e\u0026\u003c/a\u003e""#,
            ),
            ("line\u{2028}two\u{2029}", r#""line\u2028two\u2029""#),
            ("ä→", r#""ä→""#),
        ];
        for (value, expected) in rows {
            assert_eq!(text(&value).unwrap(), expected);
        }
    }
}

//! The two shapes of an error body that Alertmanager's API has, and what clients therefore parse.
//!
//! A handler's own error is a bare JSON string and a line feed; what the layer below it refuses (a path, a method, a
//! body that does not fit the specification) is an object with a code, which is not always the status.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use serde_json::json;

/// The error codes of go-openapi that are no HTTP status; their status is 422.
pub mod code {
    /// A value is not of the type or format it must be of.
    pub const INVALID_TYPE: u16 = 601;
    /// Something required is missing.
    pub const REQUIRED: u16 = 602;
    /// A list has too few items.
    pub const TOO_FEW_ITEMS: u16 = 612;
}

/// A handler's error: the message as a bare JSON string, and a line feed.
pub fn text(status: StatusCode, message: &str) -> Response<Body> {
    respond(status, format!("{}\n", json!(message)))
}

/// An error of the layer that checks a request against the specification: `{"code":…,"message":…}`.
pub fn coded(status: StatusCode, code: u16, message: &str) -> Response<Body> {
    // Written by hand, as the order of the keys is the one that clients have seen.
    respond(status, format!("{{\"code\":{code},\"message\":{}}}", json!(message)))
}

/// [`coded`] with the status as its code.
pub fn refused(status: StatusCode, message: &str) -> Response<Body> {
    coded(status, status.as_u16(), message)
}

/// Any JSON body.
pub fn json(status: StatusCode, body: String) -> Response<Body> {
    respond(status, body)
}

fn respond(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

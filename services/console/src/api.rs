//! Alertmanager's API v2, but for `POST /api/v2/alerts`, which is ingest's.

mod alerts;
mod groups;
mod receivers;
mod selection;
mod silence_body;
mod silences;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{ACCEPT, HeaderMap};
use axum::http::{Response, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::routing::get;

use crate::app::App;

/// The largest request body: a silence has a few matchers and a comment.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The paths.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(receivers::receivers))
        .route("/api/v2/alerts", get(alerts::alerts))
        .route("/api/v2/alerts/groups", get(groups::groups))
        .route("/api/v2/silences", get(silences::list).post(silences::create))
        .route("/api/v2/silence/{id}", get(silences::get).delete(silences::expire))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(acceptable))
}

/// Answers 406 to who takes no JSON, as go-openapi does.
async fn acceptable(request: Request, next: Next) -> Response<Body> {
    if takes_json(request.headers()) {
        return next.run(request).await;
    }
    let message = "unsupported media type requested, only [application/json] are available";
    runtime::answer::refused(StatusCode::NOT_ACCEPTABLE, message)
}

fn takes_json(headers: &HeaderMap) -> bool {
    let mut asked = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    let json = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range.is_empty() || ["application/json", "application/*", "*/*"].contains(&range.to_ascii_lowercase().as_str())
    };
    asked.peek().is_none() || asked.any(|value| value.split(',').any(json))
}

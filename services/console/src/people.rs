//! Our own API, under `/api/v1`: incidents, people's commands, the journal. (Alertmanager's first API answers 410 under
//! the paths it had; none of these is one of them.)

pub(crate) mod body;
mod commands;
pub(crate) mod history;
pub(crate) mod incidents;
mod journal;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::api::MAX_BODY_BYTES;
use crate::app::App;

/// The paths.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/acknowledge", post(commands::acknowledge))
        .route("/api/v1/incidents/{id}/unacknowledge", post(commands::unacknowledge))
        .route(
            "/api/v1/alerts/{fingerprint}/acknowledge",
            post(commands::acknowledge_alert),
        )
        .route("/api/v1/journal", get(journal::journal))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

//! The dashboard: the page, and the answers it asks for under `api/ui/v1`.
//!
//! Everything it shows is what the stages wrote down; what it has to decide by itself (which route, who would be told) it
//! asks of the code that decides it. Filters, counts and grouping run here, so that a phone has little to do.

mod assets;
mod boot;
mod columns;
mod entry;
mod facets;
mod filter;
mod history;
mod incident;
mod live;
mod matchers;
mod pipeline;
mod plan;
mod pulse;
mod routing;
mod row;
mod silences;
#[cfg(test)]
mod types;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;

use crate::api::MAX_BODY_BYTES;
use crate::app::App;
use crate::ready;

pub(crate) use pulse::Pulse;

/// The paths.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let of_the_view = Router::new()
        .route("/api/ui/v1/snapshot", get(live::snapshot))
        .route("/api/ui/v1/changes", get(live::changes))
        .route("/api/ui/v1/stream", get(live::stream))
        .route("/api/ui/v1/facets", get(facets::facets))
        .route("/api/ui/v1/incidents/{id}", get(incident::one))
        .route("/api/ui/v1/history", get(history::history))
        .route("/api/ui/v1/silences/preview", post(silences::preview))
        .route("/api/ui/v1/routing", get(routing::tree))
        .route("/api/ui/v1/routing/where", post(routing::where_to))
        .layer(from_fn_with_state(Arc::clone(app), once_ready));
    let answers = of_the_view
        .route("/api/ui/v1/boot", get(boot::boot))
        .route("/api/ui/v1/matchers", get(matchers::matchers))
        .route("/api/ui/v1/pipeline", get(pipeline::pipeline))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        // Not the stream: the layer leaves events alone.
        .layer(CompressionLayer::new());
    answers.merge(assets::routes())
}

/// What is not read yet is not shown as if it were not there.
async fn once_ready(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match ready::check(&app) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

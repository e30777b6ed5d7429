//! `GET /api/v2/receivers`.

use std::sync::Arc;

use alert::LabelSet;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use super::selection::receiver_labels;
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::ready;

#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    labels: LabelSet,
}

/// Every receiver of the config in file order, whether a route leads to it or not.
pub(super) async fn receivers(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let matchers = params.matchers("receiver_matchers")?;
    ready::check(&app)?;
    let Some(version) = app.view.config() else {
        return Err(Refusal::later("no config was published yet"));
    };
    let shown: Vec<Shown> = version
        .config
        .receivers
        .iter()
        .map(|receiver| Shown {
            name: receiver.name.clone(),
            labels: receiver_labels(receiver),
        })
        .filter(|shown| matchers.iter().all(|matcher| matcher.matches(&shown.labels)))
        .collect();
    Ok(json::ok(&shown))
}

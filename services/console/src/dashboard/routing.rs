//! The routing tree of the running config, and where an alert would go: asked of the code that routes.

use std::collections::HashMap;
use std::sync::Arc;

use alert::{LabelSet, Matcher};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::Response;
use config::{Config, GroupBy, Route};
use policy::{Team, team_of, walk};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, fallback, integrations};
use super::row::Rows;
use crate::app::App;
use crate::json::{self, Refusal};

/// A node of the tree.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteNode {
    id: String,
    receiver: String,
    matchers: Vec<String>,
    continues: bool,
    /// Null: by all labels.
    group_by: Option<Vec<String>>,
    group_wait_ms: u64,
    group_interval_ms: u64,
    repeat_interval_ms: u64,
    /// Open incidents of this very route.
    incidents: u32,
    routes: Vec<RouteNode>,
}

/// The running config's tree.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Routing {
    config_version: i64,
    root: RouteNode,
}

/// One group that an alert would be in, and who would be told of it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Placement {
    route: String,
    /// Routes from the root to this one.
    path: Vec<String>,
    receiver: String,
    integrations: Vec<String>,
    /// Who is told where this receiver fails, in order.
    fallback: Vec<String>,
    #[cfg_attr(test, ts(as = "std::collections::BTreeMap<String, String>"))]
    group_labels: LabelSet,
    group_key: String,
    team: Option<String>,
    /// When the first notification would be sent, from now.
    group_wait_ms: u64,
    repeat_interval_ms: u64,
    plan: Option<Plan>,
}

/// Where an alert would go.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct WhereTo {
    placements: Vec<Placement>,
    /// Silences that would mute it.
    muted_by: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    labels: LabelSet,
}

fn no_config() -> Refusal {
    Refusal::later("no config is published yet")
}

/// `GET routing`.
pub(super) async fn tree(State(app): State<Arc<App>>) -> Result<Response<Body>, Refusal> {
    let version = app.view.config().ok_or_else(no_config)?;
    let routing = app.blocking(move |app| Routing {
        config_version: version.number,
        root: node(&version.config.route, &open_incidents(app)),
    });
    Ok(json::ok(&routing.await?))
}

/// Open incidents by route.
fn open_incidents(app: &App) -> HashMap<String, u32> {
    let (rows, mut open) = (Rows::of(&app.view), HashMap::new());
    app.view.each_group(|held| {
        let is_open = rows.bare(held).is_some_and(|row| !row.state.is_over());
        if let Some(texts) = held.texts().filter(|_| is_open) {
            *open.entry(texts.route).or_default() += 1;
        }
    });
    open
}

fn node(route: &Route, open: &HashMap<String, u32>) -> RouteNode {
    RouteNode {
        id: route.id.as_str().to_owned(),
        receiver: route.receiver.clone(),
        matchers: route.matchers.iter().map(Matcher::to_string).collect(),
        continues: route.continues,
        group_by: match &route.group_by {
            GroupBy::All => None,
            GroupBy::Labels(names) => Some(names.iter().map(ToString::to_string).collect()),
        },
        group_wait_ms: route.timing.group_wait.millis(),
        group_interval_ms: route.timing.group_interval.millis(),
        repeat_interval_ms: route.timing.repeat_interval.millis(),
        incidents: open.get(route.id.as_str()).copied().unwrap_or_default(),
        routes: route.routes.iter().map(|child| node(child, open)).collect(),
    }
}

/// `POST routing/where`.
pub(super) async fn where_to(
    State(app): State<Arc<App>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response<Body>, Refusal> {
    let Json(asked) = asked.map_err(|error| Refusal::bad(error.body_text()))?;
    let version = app.view.config().ok_or_else(no_config)?;
    let labels = asked.labels.without_empty_values();
    labels.validate().map_err(|error| Refusal::bad(error.to_string()))?;
    let placements = walk(&version.config, &labels);
    let placements = placements
        .into_iter()
        .map(|placement| placed(&version.config, &labels, placement));
    Ok(json::ok(&WhereTo {
        placements: placements.collect(),
        muted_by: app.view.silences().muted_by(&labels, app.now()),
    }))
}

fn placed(config: &Config, labels: &LabelSet, placement: policy::Placement) -> Placement {
    let route = config.route(placement.route_id.as_str()).unwrap_or(&config.route);
    let policy = config
        .binding(&placement.receiver)
        .and_then(|binding| binding.policy.as_deref());
    let mut path = Vec::new();
    path_to(&config.route, &route.id, &mut path);
    Placement {
        route: route.id.as_str().to_owned(),
        path,
        integrations: integrations(config, &placement.receiver),
        fallback: fallback(config, &placement.receiver),
        group_labels: placement.group_labels,
        group_key: placement.group_key.0,
        team: match team_of(config, &placement.receiver, labels) {
            Team::Named(name) => Some(name),
            Team::Unowned => None,
        },
        receiver: placement.receiver,
        group_wait_ms: route.timing.group_wait.millis(),
        repeat_interval_ms: route.timing.repeat_interval.millis(),
        plan: policy.and_then(|name| Plan::named(config, name)),
    }
}

/// The ids from a node down to the one with that id; false where it is not below.
fn path_to(node: &Route, id: &config::RouteId, path: &mut Vec<String>) -> bool {
    path.push(node.id.as_str().to_owned());
    let found = node.id == *id || node.routes.iter().any(|child| path_to(child, id, path));
    if !found {
        path.pop();
    }
    found
}

//! `GET /api/v2/status`.

use std::sync::Arc;

use alert::Timestamp;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use crate::app::App;
use crate::gauges::ALIVE;
use crate::json::{self, Refusal};
use crate::ready;

/// The Alertmanager whose behaviour this is: clients compare major and minor with their own and warn.
const VERSION: &str = "0.34.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    cluster: Cluster,
    config: Original,
    #[serde(serialize_with = "json::time")]
    uptime: Timestamp,
    version_info: VersionInfo,
    /// Ours: the number of the config above.
    config_version: Option<i64>,
    /// Ours: why the last reload failed, while the config above goes on running.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_reload_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Cluster {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    peers: Vec<Peer>,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct Peer {
    address: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct Original {
    original: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    branch: &'static str,
    build_date: &'static str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'static str,
    version: &'static str,
}

/// What runs, under which config, since when.
pub(super) async fn status(State(app): State<Arc<App>>) -> Result<Response<Body>, Refusal> {
    ready::check(&app)?;
    let version = app.view.config();
    let original = version
        .as_ref()
        .map(|version| version.config.redacted_yaml())
        .unwrap_or_default();
    Ok(json::ok(&Status {
        cluster: cluster(&app),
        config: Original { original },
        uptime: app.started_at,
        version_info: VersionInfo {
            branch: "alertstream",
            build_date: "",
            build_user: "",
            go_version: "",
            revision: env!("CARGO_PKG_VERSION"),
            version: VERSION,
        },
        config_version: version.map(|version| version.number),
        config_reload_error: app.reload.last_error(),
    }))
}

/// The processes that live, as Alertmanager shows its peers. One alone is what Alertmanager calls a disabled cluster. A
/// process has no address that the others know, so the id stands for it.
fn cluster(app: &App) -> Cluster {
    let now = app.now();
    let mut peers: Vec<Peer> = app.view.with_tables(|tables| {
        let alive = tables
            .instances
            .values()
            .filter(|instance| now.saturating_since(instance.at) <= ALIVE);
        alive
            .map(|instance| Peer {
                address: instance.id.clone(),
                name: instance.id.clone(),
            })
            .collect()
    });
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    if peers.len() > 1 {
        Cluster {
            name: Some(app.settings.instance.clone()),
            peers,
            status: "ready",
        }
    } else {
        Cluster {
            name: None,
            peers: Vec::new(),
            status: "disabled",
        }
    }
}

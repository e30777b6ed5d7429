//! What the page is told once, when it opens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::HeaderMap;
use serde::Serialize;

use crate::app::App;
use crate::json;
use crate::people::body::proxied_user;

/// What does not change while the page is open.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Boot {
    /// The name a trusted proxy gives; null: ask for one.
    user: Option<String>,
    version: &'static str,
    /// The address under which people reach it.
    external_url: String,
    /// It listens beyond loopback, and nobody has to say who he is.
    exposed: bool,
    /// The lines for prometheus.yml.
    prometheus: String,
}

/// `GET boot`.
pub(super) async fn boot(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let user = proxied_user(&headers);
    json::ok(&Boot {
        exposed: app.settings.exposed && user.is_none(),
        user,
        version: env!("CARGO_PKG_VERSION"),
        external_url: app.settings.external_url.clone(),
        prometheus: prometheus(&app.settings.external_url),
    })
}

/// What a Prometheus needs to send its alerts here.
fn prometheus(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (target, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(target, path)| (target, format!("/{path}")));
    let mut lines = "alerting:\n  alertmanagers:\n".to_owned();
    let mut key = "  - ";
    for (name, value, default) in [("scheme", scheme, "http"), ("path_prefix", path.as_str(), "")] {
        if value != default {
            lines.extend([key, name, ": ", value, "\n"]);
            key = "    ";
        }
    }
    lines + &format!("{key}static_configs:\n    - targets: ['{target}']\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_told_scheme_and_prefix_only_where_it_must_be() {
        let rows = [
            (
                "http://10.0.0.1:9093",
                "alerting:\n  alertmanagers:\n  - static_configs:\n    - targets: ['10.0.0.1:9093']\n",
            ),
            (
                "https://ops.example/alerts",
                "alerting:\n  alertmanagers:\n  - scheme: https\n    path_prefix: /alerts\n    static_configs:\n    - targets: ['ops.example']\n",
            ),
        ];
        for (url, expected) in rows {
            assert_eq!(prometheus(url), expected);
        }
    }
}

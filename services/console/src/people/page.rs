//! `GET /`: the incidents on one page, for who has nothing but a browser. It needs no script and no other file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use schemas::IncidentStatus;

use super::incidents::{Summary, newest};
use crate::app::App;
use crate::json::Refusal;

/// How many incidents the page shows: more than fit a screen.
const SHOWN: usize = 200;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Alertstream</title>\
<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"10\"><style>\
body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#1c1c1c;background:#fff}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
.firing{color:#b00020;font-weight:600}.acknowledged{color:#8a5a00}.quiet,.resolved,.moved{color:#557}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#333}.firing{color:#ff6b81}\
.acknowledged{color:#e0a84a}.quiet,.resolved,.moved{color:#9ab}a{color:#9cf}}</style></head><body><h1>Incidents</h1>";

/// The page, anew every ten seconds.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Response<Body>, Refusal> {
    let body = match app.view.not_ready() {
        Some(why) => format!("{HEAD}<p>{}</p></body></html>", escaped(&why)),
        None => app.blocking(table).await?,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = if app.view.not_ready().is_some() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn table(app: &App) -> String {
    let live = |status| !matches!(status, IncidentStatus::Resolved | IncidentStatus::Moved);
    let (incidents, total) = newest(&app.view, |incident| live(incident.status), SHOWN);
    let mut page = HEAD.to_owned();
    if incidents.is_empty() {
        page.push_str("<p>No open incident.</p>");
    } else {
        page.push_str(
            "<table><tr><th>State<th>Group<th>Severity<th>Team<th>Receiver<th>Firing<th>Opened<th>Next step</tr>",
        );
        page.extend(incidents.iter().map(row));
        page.push_str("</table>");
    }
    if total > incidents.len() {
        page.push_str("<p>There are more: see <a href=\"api/v1/incidents?limit=1000\">all</a>.</p>");
    }
    page.push_str("</body></html>");
    page
}

fn row(incident: &Summary) -> String {
    let labels: Vec<_> = incident
        .group_labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let state = incident.state;
    let by = incident
        .acknowledged_by
        .as_ref()
        .map(|by| format!(" by {}", escaped(by)))
        .unwrap_or_default();
    let due = incident
        .ladder
        .as_ref()
        .and_then(|ladder| ladder.due)
        .map(|due| due.to_string())
        .unwrap_or_default();
    let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or("-"));
    // Relative, so that the page works behind any prefix.
    format!(
        "<tr><td class=\"{state}\">{state}{by}<td><a href=\"api/v1/incidents/{}\">{}</a><td>{}<td>{}<td>{}<td>{}<td>{}<td>{due}</tr>",
        escaped(&incident.id),
        escaped(
            if labels.is_empty() {
                "(all)".to_owned()
            } else {
                labels.join(" ")
            }
            .as_str()
        ),
        text(&incident.severity),
        text(&incident.team),
        escaped(&incident.receiver),
        incident.firing,
        incident.opened_at,
    )
}

/// Text for HTML, in elements and in quoted attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

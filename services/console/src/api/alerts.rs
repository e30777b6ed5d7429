//! `GET /api/v2/alerts`.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{Fingerprint, Timestamp};
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};

use super::selection::{Moment, Selection, named_all};
use crate::app::{App, mark_if_stale};
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::{fresh, ready};

/// Every firing alert once, by fingerprint.
pub(super) async fn alerts(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let selection = Selection::of(&params)?;
    ready::check(&app)?;
    let fresh = fresh::wait(&app).await;
    let body = app
        .blocking(move |app| list(app, &selection))
        .await?
        .map_err(Refusal::internal)?;
    let mut response = runtime::answer::json(StatusCode::OK, body);
    mark_if_stale(&mut response, fresh.err());
    Ok(response)
}

/// The answer's text. An alert of several groups is shown as the one that received it last has it. Each is written as soon
/// as it is found: a hundred thousand of them decoded would be several times their text.
fn list(app: &App, selection: &Selection) -> Result<String, serde_json::Error> {
    let moment = Moment::of(&app.view, app.now());
    let mut found: BTreeMap<Fingerprint, (Timestamp, String)> = BTreeMap::new();
    let mut failed = None;
    moment.view.each_group(|held| {
        for (fingerprint, alert) in held.alerts() {
            if found
                .get(&fingerprint)
                .is_some_and(|(newest, _)| *newest >= alert.received_at)
            {
                continue;
            }
            let Some(mut alert) = moment.alert(fingerprint, alert, selection) else {
                continue;
            };
            let receivers = moment.receivers_of(&alert.labels);
            if !receivers
                .iter()
                .any(|name| selection.takes_receiver(moment.config(), name))
            {
                continue;
            }
            alert.receivers = named_all(receivers);
            match json::text(&alert) {
                Ok(text) => drop(found.insert(fingerprint, (alert.updated_at, text))),
                Err(error) => failed = Some(error),
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(joined(found.into_values().map(|(_, text)| text))),
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut body = "[".to_owned();
    for (i, text) in texts.enumerate() {
        if i > 0 {
            body.push(',');
        }
        body.push_str(&text);
    }
    body.push_str("]\n");
    body
}

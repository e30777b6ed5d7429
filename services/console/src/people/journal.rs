//! `GET /api/v1/journal`.

use std::sync::Arc;

use alert::{GroupHash, LabelSet, Timestamp};
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use super::history::{self, Filter};
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::ready;
use crate::view::Kept;

/// How many entries one answer has unless asked otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// A journal entry as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    kind: String,
    #[serde(serialize_with = "json::time")]
    at: Timestamp,
    reason: String,
    group_key: String,
    incident: Option<String>,
    fingerprint: Option<String>,
    receiver: Option<String>,
    labels: LabelSet,
    fields: LabelSet,
    config_version: u64,
    /// Joins all entries that one arrival caused.
    trace: String,
    partition: u32,
    offset: i64,
}

impl Shown {
    /// An entry; none if it cannot be read.
    pub(super) fn of(kept: &Kept) -> Option<Self> {
        let entry = kept.entry()?;
        Some(Self {
            kind: entry.kind,
            at: entry.at,
            reason: entry.reason,
            group_key: entry.group_key,
            incident: entry.incident_id,
            fingerprint: entry.fingerprint,
            receiver: entry.receiver,
            labels: entry.labels,
            fields: entry.fields,
            config_version: kept.config_version,
            trace: format!("{:032x}", kept.trace),
            partition: kept.partition,
            offset: kept.offset,
        })
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    entries: Vec<Shown>,
    /// Whether that is all there is: older entries than those in memory are found by group or incident only, and not
    /// without bound.
    complete: bool,
}

/// Entries by `group` (its hash or its id), `incident`, `since` (RFC 3339) and `limit`; the newest first.
pub(super) async fn journal(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let limit = params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let since = params
        .text("since")
        .map(Timestamp::parse)
        .transpose()
        .map_err(|error| Refusal::bad(error.to_string()))?;
    ready::check(&app)?;
    let incident = params.text("incident").map(str::to_owned);
    let of_incident = || {
        app.view
            .incident(incident.as_deref()?)
            .map(|(_, incident)| incident.group)
    };
    let group = match params.text("group") {
        Some(text) => Some(group_id(&app, text)),
        None => of_incident(),
    };
    let filter = Filter {
        group,
        incident,
        since,
        limit,
    };
    let found = app
        .blocking(move |app| history::entries(app, &filter))
        .await?
        .map_err(Refusal::later)?;
    let entries = found.entries.iter().filter_map(Shown::of).collect();
    Ok(json::ok(&Listed {
        entries,
        complete: found.complete,
    }))
}

/// The id of the group that a text names: by its hash, if there is such a group, or as it is.
fn group_id(app: &App, text: &str) -> String {
    let by_hash = text
        .parse::<GroupHash>()
        .ok()
        .and_then(|hash| app.view.group(&hash, |held| held.texts().map(|texts| texts.id))?);
    by_hash.unwrap_or_else(|| text.to_owned())
}

//! What a silence would mute, before anybody makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alert::{LabelSet, Matcher, SilenceMatcher};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::Response;
use schemas::AlertPhase;
use serde::{Deserialize, Serialize};

use super::matchers::ShownMatcher;
use super::row::{Row, Rows};
use crate::app::App;
use crate::json::{self, Refusal};
use crate::view::Held;

/// How many of the alerts are listed.
const SAMPLE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    matchers: Vec<ShownMatcher>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct TeamHit {
    /// Empty for what nobody owns.
    team: String,
    incidents: u32,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct PreviewAlert {
    group: String,
    incident: String,
    #[cfg_attr(test, ts(as = "BTreeMap<String, String>"))]
    labels: LabelSet,
}

/// What would go quiet.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct SilencePreview {
    alerts: u32,
    /// Incidents with at least one such alert.
    incidents: u32,
    /// All alerts that fire now.
    of: u32,
    /// Ladders that would climb no further while it lasts: nothing else fires there.
    ladders: u32,
    teams: Vec<TeamHit>,
    /// At most 50.
    sample: Vec<PreviewAlert>,
}

/// `POST silences/preview`.
pub(super) async fn preview(
    State(app): State<Arc<App>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response<Body>, Refusal> {
    let Json(asked) = asked.map_err(|error| Refusal::bad(error.body_text()))?;
    let compile = |shown: ShownMatcher| SilenceMatcher::from(shown).compile();
    let matchers: Result<Vec<Matcher>, String> = asked.matchers.into_iter().map(compile).collect();
    let matchers = matchers.map_err(Refusal::bad)?;
    Ok(json::ok(&app.blocking(move |app| count(app, &matchers)).await?))
}

#[derive(Default)]
struct Counting {
    preview: SilencePreview,
    teams: BTreeMap<String, u32>,
    /// An alert in two groups is one alert.
    seen: BTreeSet<u64>,
    all: BTreeSet<u64>,
}

fn count(app: &App, matchers: &[Matcher]) -> SilencePreview {
    let rows = Rows::of(&app.view);
    let mut counting = Counting::default();
    app.view.each_group(|held| {
        if let Some(row) = rows.bare(held).filter(|row| !row.state.is_over()) {
            counting.add(&row, held, matchers);
        }
    });
    let Counting {
        mut preview,
        teams,
        seen,
        all,
    } = counting;
    preview.alerts = small(seen.len());
    preview.of = small(all.len());
    preview.teams = teams
        .into_iter()
        .map(|(team, incidents)| TeamHit { team, incidents })
        .collect();
    preview
}

impl Counting {
    fn add(&mut self, row: &Row, held: &Held<'_>, matchers: &[Matcher]) {
        let (mut hit, mut missed) = (0_u32, 0_u32);
        for (fingerprint, alert) in held.alerts().filter(|(_, alert)| alert.phase == AlertPhase::Firing) {
            self.all.insert(fingerprint.0);
            let labels = alert.body.labels;
            if matchers.is_empty() || !matchers.iter().all(|matcher| matcher.matches(&labels)) {
                missed += 1;
                continue;
            }
            hit += 1;
            if self.seen.insert(fingerprint.0) && self.preview.sample.len() < SAMPLE {
                self.preview.sample.push(PreviewAlert {
                    group: row.group.clone(),
                    incident: row.id.clone(),
                    labels,
                });
            }
        }
        if hit == 0 {
            return;
        }
        self.preview.incidents += 1;
        *self.teams.entry(row.team.clone().unwrap_or_default()).or_default() += 1;
        let climbs = row.ladder.as_ref().is_some_and(|ladder| ladder.due.is_some());
        self.preview.ladders += u32::from(climbs && missed == 0);
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! Counts of what there is to filter by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use schemas::AlertPhase;
use serde::Serialize;

use super::filter::{Fact, Filter};
use super::row::{Row, Rows};
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::view::Held;

/// How many of an incident's alerts are looked at: what they all have in common is known after a few.
const MAX_ALERTS: usize = 100;
/// How many labels are counted at all, and how many values of each: memory is bounded, whatever people label by.
const MAX_COUNTED_NAMES: usize = 100;
const MAX_COUNTED_VALUES: usize = 5_000;
/// How many labels are shown, and how many values of each: more than a person reads.
const SHOWN_NAMES: usize = 16;
const SHOWN_VALUES: usize = 20;

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct FacetValue {
    value: String,
    count: u32,
}

/// Counts of incidents by a label, or by `@state`, `@team`, `@severity`, `@receiver`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Facet {
    name: String,
    /// The most frequent ones.
    values: Vec<FacetValue>,
    /// Values that are not listed.
    more: usize,
}

/// What there is to filter by among the rows that meet a filter.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Facets {
    total: usize,
    facets: Vec<Facet>,
}

/// `GET facets?filter=…`.
pub(super) async fn facets(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let filter = Filter::of(&params)?;
    Ok(json::ok(&app.blocking(move |app| count(app, &filter)).await?))
}

#[derive(Default)]
struct Counted {
    facts: BTreeMap<&'static str, HashMap<String, u32>>,
    labels: BTreeMap<String, HashMap<String, u32>>,
}

fn count(app: &App, filter: &Filter) -> Facets {
    let rows = Rows::of(&app.view);
    let (mut counted, mut total) = (Counted::default(), 0);
    app.view.each_group(|held| {
        if let Some(row) = rows.bare(held).filter(|row| filter.takes(row, held)) {
            total += 1;
            counted.add(&row, held);
        }
    });
    let facts = Fact::ALL
        .into_iter()
        .filter_map(|fact| Some((fact.name().to_owned(), counted.facts.remove(fact.name())?)));
    let facts: Vec<Facet> = facts.map(|(name, values)| facet(name, values)).collect();
    let mut labels: Vec<(String, HashMap<String, u32>)> = counted.labels.into_iter().collect();
    // What most incidents have comes first; what names each of them by itself helps nobody to choose.
    labels.sort_by_cached_key(|(name, values)| {
        (
            values.len() > 1 && values.len() == total,
            std::cmp::Reverse(values.values().sum::<u32>()),
            name.clone(),
        )
    });
    let labels = labels
        .into_iter()
        .take(SHOWN_NAMES)
        .map(|(name, values)| facet(name, values));
    Facets {
        total,
        facets: facts.into_iter().chain(labels).collect(),
    }
}

impl Counted {
    fn add(&mut self, row: &Row, held: &Held<'_>) {
        for fact in Fact::ALL {
            let values = self.facts.entry(fact.name()).or_default();
            for value in fact.values(row) {
                one_more(values, value);
            }
        }
        let alerts = held
            .alerts()
            .filter(|(_, alert)| alert.phase != AlertPhase::Settled)
            .take(MAX_ALERTS);
        let mut pairs: BTreeSet<(String, String)> = alerts.flat_map(|(_, alert)| alert.body.labels).collect();
        if pairs.is_empty() {
            pairs.extend(row.labels.clone());
        }
        for (name, value) in pairs {
            if !self.labels.contains_key(&name) && self.labels.len() >= MAX_COUNTED_NAMES {
                continue;
            }
            one_more(self.labels.entry(name).or_default(), &value);
        }
    }
}

fn one_more(values: &mut HashMap<String, u32>, value: &str) {
    if let Some(count) = values.get_mut(value) {
        *count += 1;
    } else if values.len() < MAX_COUNTED_VALUES {
        values.insert(value.to_owned(), 1);
    }
}

fn facet(name: String, values: HashMap<String, u32>) -> Facet {
    let mut values: Vec<FacetValue> = values
        .into_iter()
        .map(|(value, count)| FacetValue { value, count })
        .collect();
    values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    let more = values.len().saturating_sub(SHOWN_VALUES);
    values.truncate(SHOWN_VALUES);
    Facet { name, values, more }
}

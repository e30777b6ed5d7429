//! How it stands with the pipeline itself: who runs, how far each stage is, what no stage could apply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use processor::Record;
use schemas::{ConfigVersion, DeadLetter, LaneStanding, topics};
use serde::Serialize;
use streams::{From, Log, LogError};

use super::pulse::STAGES;
use crate::app::App;
use crate::gauges::ALIVE;
use crate::json::{self, Refusal};
use crate::view::partitions;

/// How many dead letters are shown, and how much of each.
const MAX_LETTERS: i64 = 50;
const MAX_CONTENT: usize = 2 * 1024;
/// How long a partition's letters may take.
const READ_TIME: Duration = Duration::from_secs(2);
/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// A process.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceShown {
    id: String,
    services: Vec<String>,
    started_at: i64,
    /// For ingest: since when it has been receiving without a gap.
    receiving_since: Option<i64>,
    seen_at: i64,
    alive: bool,
    /// The lanes of its correlate, route and notify.
    lanes: Vec<LaneShown>,
}

/// A lane: a thread that runs a stage's partitions.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct LaneShown {
    stage: String,
    lane: String,
    partitions: i32,
    /// Partitions that are being read back after they moved here.
    restoring: i32,
    keys: i64,
    timers: i64,
    /// By how much the earliest timer is late.
    late_ms: i64,
    /// When it last made a pass: a lane that does not is stuck.
    looked_at: i64,
    not_ready: Option<String>,
}

/// A partition of a stage's topic.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct PartitionShown {
    partition: u32,
    /// Null: nothing committed yet, or a transaction is open.
    committed: Option<i64>,
    end: i64,
    lag: Option<i64>,
    /// The lane that committed last.
    owner: Option<String>,
}

/// A stage and the topic it reads.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct StageShown {
    stage: &'static str,
    topic: &'static str,
    partitions: Vec<PartitionShown>,
    /// Why nothing is known of it.
    error: Option<String>,
}

/// What a stage could not apply.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetterShown {
    at: i64,
    stage: String,
    reason: String,
    error: String,
    topic: String,
    partition: i32,
    offset: i64,
    key: String,
    /// The beginning, as text.
    value: String,
    value_bytes: usize,
}

/// The config in force.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigShown {
    version: Option<i64>,
    file: String,
    published_at: Option<i64>,
    published_by: Option<String>,
    /// Why the last reload was refused.
    reload_error: Option<String>,
}

/// How it stands with the pipeline.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Pipeline {
    now: i64,
    instances: Vec<InstanceShown>,
    stages: Vec<StageShown>,
    /// How far the view is behind, in records.
    view_lag: i64,
    /// Newest first, at most 50.
    dead_letters: Vec<DeadLetterShown>,
    /// All that are retained.
    dead_letter_count: i64,
    config: ConfigShown,
}

/// `GET pipeline`.
pub(super) async fn pipeline(State(app): State<Arc<App>>) -> Result<Response<Body>, Refusal> {
    let found = app.blocking(look).await?;
    Ok(json::ok(&found.map_err(Refusal::later)?))
}

fn look(app: &App) -> Result<Pipeline, LogError> {
    let log = app.log.as_ref();
    let (dead_letters, dead_letter_count) = letters(log)?;
    Ok(Pipeline {
        now: app.now().millis(),
        instances: instances(app),
        stages: STAGES.map(|(stage, topic)| shown(log, stage, topic)).into(),
        view_lag: view_lag(app)?,
        dead_letters,
        dead_letter_count,
        config: config(app),
    })
}

fn instances(app: &App) -> Vec<InstanceShown> {
    let now = app.now();
    app.view.with_tables(|tables| {
        let shown = tables.instances.values().map(|instance| InstanceShown {
            id: instance.id.clone(),
            services: instance.services.clone(),
            started_at: instance.started_at.millis(),
            receiving_since: instance.receiving_since.map(alert::Timestamp::millis),
            seen_at: instance.at.millis(),
            alive: now.saturating_since(instance.at) <= ALIVE,
            lanes: instance.lanes.iter().map(lane).collect(),
        });
        shown.collect()
    })
}

fn lane(standing: &LaneStanding) -> LaneShown {
    LaneShown {
        stage: standing.stage.clone(),
        lane: standing.lane.clone(),
        partitions: standing.partitions,
        restoring: standing.restoring,
        keys: standing.keys,
        timers: standing.timers,
        late_ms: standing.late_ms,
        looked_at: standing.looked_at.millis(),
        not_ready: standing.not_ready.clone(),
    }
}

fn shown(log: &dyn Log, stage: &'static str, topic: &'static str) -> StageShown {
    let asked = partitions(log, topic)
        .and_then(|count| (0..count).map(|partition| part(log, stage, topic, partition)).collect());
    let (partitions, error) = match asked {
        Ok(partitions) => (partitions, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    StageShown {
        stage,
        topic,
        partitions,
        error,
    }
}

fn part(log: &dyn Log, stage: &str, topic: &str, partition: u32) -> Result<PartitionShown, LogError> {
    let bounds = log.watermarks(topic, partition)?;
    // An error here means that a transaction commits there just now.
    let committed = log.committed(stage, topic, partition).ok();
    let done = committed
        .as_ref()
        .map(|found| found.as_ref().map_or(bounds.low, |found| found.offset));
    let found = committed.flatten();
    Ok(PartitionShown {
        partition,
        committed: found.as_ref().map(|found| found.offset),
        end: bounds.high,
        lag: done.map(|done| (bounds.high - done).max(0)),
        owner: found.map(|found| found.lane).filter(|lane| !lane.is_empty()),
    })
}

fn view_lag(app: &App) -> Result<i64, LogError> {
    let mut lag = 0;
    for topic in [
        topics::CORRELATE_CHANGELOG,
        topics::ROUTE_CHANGELOG,
        topics::NOTIFY_CHANGELOG,
        topics::JOURNAL,
    ] {
        for partition in 0..partitions(app.log.as_ref(), topic)? {
            let end = app.log.watermarks(topic, partition)?.high;
            lag += (end - app.view.positions.get(topic, partition)).max(0);
        }
    }
    Ok(lag)
}

/// The newest dead letters, and how many are retained.
fn letters(log: &dyn Log) -> Result<(Vec<DeadLetterShown>, i64), LogError> {
    let (mut found, mut count) = (Vec::new(), 0);
    for partition in 0..partitions(log, topics::DEAD_LETTERS)? {
        let bounds = log.watermarks(topics::DEAD_LETTERS, partition)?;
        count += bounds.high - bounds.low;
        let start = (bounds.high - MAX_LETTERS).max(bounds.low);
        if start == bounds.high {
            continue;
        }
        let mut reader = log.reader(&[(topics::DEAD_LETTERS.to_owned(), partition, From::Offset(start))])?;
        let began = Instant::now();
        while reader.position(topics::DEAD_LETTERS, partition).unwrap_or(start) < bounds.high
            && began.elapsed() < READ_TIME
        {
            let records = reader.poll(usize::try_from(MAX_LETTERS).unwrap_or(usize::MAX), POLL_WAIT)?;
            found.extend(records.iter().filter_map(|(_, record)| letter(record)));
        }
    }
    found.sort_by_key(|letter| std::cmp::Reverse(letter.at));
    found.truncate(usize::try_from(MAX_LETTERS).unwrap_or(usize::MAX));
    Ok((found, count))
}

fn letter(record: &Record) -> Option<DeadLetterShown> {
    let letter: DeadLetter = schemas::decode(record.value.as_deref()?).ok()?;
    let content = letter.value.get(..MAX_CONTENT).unwrap_or(&letter.value);
    Some(DeadLetterShown {
        at: record.appended.millis(),
        stage: letter.stage,
        reason: letter.reason,
        error: letter.error,
        topic: letter.topic,
        partition: letter.partition,
        offset: letter.offset,
        key: String::from_utf8_lossy(&record.key).into_owned(),
        value: String::from_utf8_lossy(content).into_owned(),
        value_bytes: letter.value.len(),
    })
}

fn config(app: &App) -> ConfigShown {
    let version = app.view.config();
    let published: Option<&ConfigVersion> = version.as_ref().map(|version| &version.published);
    ConfigShown {
        version: version.as_ref().map(|version| version.number),
        file: published.map_or_else(
            || app.settings.config_file.clone(),
            |published| published.alertmanager_file.clone(),
        ),
        published_at: published.map(|published| published.at.millis()),
        published_by: published.map(|published| published.published_by.clone()),
        reload_error: app.reload.last_error(),
    }
}

//! How it stands with the data, for every browser at once: one look at the log every two seconds, while anybody asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alert::Timestamp;
use schemas::topics;
use serde::Serialize;
use streams::{Log, LogError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::row::{Rows, State};
use crate::app::App;
use crate::view::{Cursor, Place, partitions};

/// How often browsers are told.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// A look younger than this is good enough for the next who asks.
const FRESH: Duration = Duration::from_millis(1_900);
/// How often the stages' lag is asked for: on Kafka that is a request for each partition of each stage.
const LAG_EVERY: Duration = Duration::from_secs(4);
/// How long a look waits for the view to reach the ends it saw, before it calls the data old.
const REACH: Duration = Duration::from_millis(300);
/// Counting walks all groups; it may take one part in so many of the time.
const COUNTING_SHARE: u32 = 20;
/// The stages and the topic that each of them reads.
pub(super) const STAGES: [(&str, &str); 4] = [
    ("ingest", topics::ALERT_EVENTS),
    ("correlate", topics::ALERTS),
    ("route", topics::INCIDENTS),
    ("notify", topics::NOTIFICATIONS),
];

/// Open incidents of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct TeamCount {
    /// Its name; empty for what nobody owns.
    team: String,
    title: String,
    open: u32,
    unacknowledged: u32,
}

/// Counts over everything, whatever the filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    needs_human: u32,
    firing: u32,
    acknowledged: u32,
    muted: u32,
    quiet: u32,
    waiting: u32,
    teams: Vec<TeamCount>,
}

/// How far a stage is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct StageLag {
    stage: &'static str,
    /// Records that are written and not yet processed; null where that is not known.
    lag: Option<i64>,
}

/// How it stands with the data.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    /// The server's time.
    now: i64,
    /// How old what is shown may be: since when the view has not been at the end of the log. 0 where it is.
    age_ms: i64,
    stages: Vec<StageLag>,
    totals: Totals,
    /// The release of the server; another one than at the start means: reload the page.
    version: &'static str,
    config_version: Option<i64>,
    /// Why the last reload was refused; the config before goes on.
    reload_error: Option<String>,
    /// Why the view does not show everything; null where it does.
    not_ready: Option<String>,
}

/// What is kept from look to look.
#[derive(Debug, Default)]
struct Kept {
    last: Option<(Instant, Heartbeat)>,
    lag: Option<(Instant, Vec<StageLag>)>,
    /// The counts, what they cost, when they were made, and where the changes stood.
    totals: Option<(Totals, Duration, Instant, Cursor)>,
    /// When the view was last seen to have reached all ends.
    reached: Option<Timestamp>,
}

/// The one who looks.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Kept>);

impl Pulse {
    /// The newest look; a new one where it is old. Whoever asks meanwhile waits for the same one.
    pub(super) async fn look(&self, app: &Arc<App>) -> Heartbeat {
        let mut kept = self.0.lock().await;
        if let Some((at, last)) = &kept.last
            && at.elapsed() < FRESH
        {
            let mut same = last.clone();
            same.now = app.now().millis();
            return same;
        }
        let age_ms = age(app, &mut kept).await;
        let heartbeat = Heartbeat {
            now: app.now().millis(),
            age_ms,
            stages: lag(app, &mut kept).await,
            totals: totals(app, &mut kept).await,
            version: env!("CARGO_PKG_VERSION"),
            config_version: app.view.config().map(|version| version.number),
            reload_error: app.reload.last_error(),
            not_ready: app.view.not_ready(),
        };
        kept.last = Some((Instant::now(), heartbeat.clone()));
        heartbeat
    }
}

/// The ends of the log, then the view's way there.
async fn age(app: &Arc<App>, kept: &mut Kept) -> i64 {
    let asked = app.now();
    let started = app.started_at;
    let reached = match app.blocking(ends).await {
        Ok(Ok(ends)) => {
            let deadline = Instant::now() + REACH;
            app.view.positions.wait_for(&ends, deadline).await.is_ok()
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "the ends of the log are not known");
            false
        }
        Err(_) => false,
    };
    if reached {
        kept.reached = Some(asked);
        return 0;
    }
    let since = kept.reached.unwrap_or(started);
    i64::try_from(app.now().saturating_since(since).millis()).unwrap_or(i64::MAX)
}

fn ends(app: &App) -> Result<Vec<Place>, LogError> {
    let mut ends = Vec::new();
    for topic in [
        topics::CORRELATE_CHANGELOG,
        topics::ROUTE_CHANGELOG,
        topics::JOURNAL,
        topics::SILENCES,
    ] {
        for partition in 0..partitions(app.log.as_ref(), topic)? {
            let offset = app.log.watermarks(topic, partition)?.high;
            ends.push(Place {
                topic,
                partition,
                offset,
            });
        }
    }
    Ok(ends)
}

async fn lag(app: &Arc<App>, kept: &mut Kept) -> Vec<StageLag> {
    if let Some((at, lag)) = &kept.lag
        && at.elapsed() < LAG_EVERY
    {
        return lag.clone();
    }
    let asked = app.blocking(|app| {
        let of = |(stage, topic)| StageLag {
            stage,
            lag: lag_of(app.log.as_ref(), stage, topic),
        };
        STAGES.map(of).to_vec()
    });
    let lag = asked.await.unwrap_or_default();
    kept.lag = Some((Instant::now(), lag.clone()));
    lag
}

/// Records of a topic that a stage has not processed; none while that cannot be said.
fn lag_of(log: &dyn Log, stage: &str, topic: &'static str) -> Option<i64> {
    let count = log.partitions(topic).ok()??;
    (0..count)
        .map(|partition| {
            let bounds = log.watermarks(topic, partition).ok()?;
            let done = log.committed(stage, topic, partition).ok()?;
            Some((bounds.high - done.map_or(bounds.low, |done| done.offset)).max(0))
        })
        .sum()
}

async fn totals(app: &Arc<App>, kept: &mut Kept) -> Totals {
    let stands = app.view.changes.cursor();
    if let Some((totals, cost, at, then)) = &kept.totals
        && (*then == stands || at.elapsed() < *cost * COUNTING_SHARE)
    {
        return totals.clone();
    }
    let began = Instant::now();
    let totals = app.blocking(count).await.unwrap_or_default();
    kept.totals = Some((totals.clone(), began.elapsed(), Instant::now(), stands));
    totals
}

fn count(app: &App) -> Totals {
    let rows = Rows::of(&app.view);
    let (mut totals, mut teams) = (Totals::default(), BTreeMap::<String, (u32, u32)>::new());
    app.view.each_group(|held| {
        let Some(row) = rows.bare(held) else { return };
        let place = match row.state {
            State::Firing => &mut totals.firing,
            State::Acknowledged => &mut totals.acknowledged,
            State::Quiet => &mut totals.quiet,
            State::Waiting => &mut totals.waiting,
            State::Resolved | State::Moved => return,
        };
        *place += 1;
        totals.muted += u32::from(row.muted);
        totals.needs_human += u32::from(row.needs_human);
        if matches!(row.state, State::Firing | State::Acknowledged) {
            let (open, unacknowledged) = teams.entry(row.team.unwrap_or_default()).or_default();
            *open += 1;
            *unacknowledged += u32::from(row.needs_human);
        }
    });
    let config = app.view.config();
    let declared = config.iter().filter_map(|version| version.config.escalation.as_ref());
    let titles: BTreeMap<&String, &String> = declared
        .flat_map(|escalation| &escalation.teams)
        .map(|(name, team)| (name, &team.title))
        .collect();
    for name in titles.keys() {
        teams.entry((*name).clone()).or_default();
    }
    totals.teams = teams
        .into_iter()
        .map(|(team, (open, unacknowledged))| TeamCount {
            title: titles.get(&team).map_or_else(|| team.clone(), |title| (*title).clone()),
            team,
            open,
            unacknowledged,
        })
        .collect();
    totals
}

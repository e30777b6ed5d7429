//! Reads that show all that was acknowledged before them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemas::topics;
use streams::LogError;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

use crate::app::App;
use crate::json::Refusal;
use crate::view::{Place, partitions};

/// The consumer group whose committed offsets say what the alerts' changelog holds.
const CORRELATE: &str = "correlate";
/// How often committed offsets are asked for while correlate is behind: it commits every 10 ms when it is busy, every
/// 100 ms when it is not.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Makes requests that wait at the same time share one round of questions to the log.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    /// When the last round that succeeded began.
    last: Mutex<Option<Instant>>,
}

/// Waits until the view shows every alert that was acknowledged before this call. Returns why it may not, after
/// `read_wait` at most.
pub(crate) async fn wait(app: &Arc<App>) -> Result<(), String> {
    let asked = Instant::now();
    let deadline = asked + app.settings.read_wait;
    let round = async {
        let mut last = app.fresh.last.lock().await;
        let began = Instant::now();
        if last.is_some_and(|last| last >= asked) {
            return Ok(());
        }
        round(app, deadline).await?;
        *last = Some(began);
        Ok(())
    };
    timeout_at(deadline, round)
        .await
        .unwrap_or_else(|_| Err("correlate or the view is behind the topic alerts".to_owned()))
}

/// Ends of `alerts` → correlate's committed offsets → end of its changelog → the view.
async fn round(app: &Arc<App>, deadline: Instant) -> Result<(), String> {
    let mut waiting = ask(app, |app| ends(app, topics::ALERTS)).await?;
    loop {
        waiting = ask(app, move |app| Ok(still_behind(app, waiting))).await?;
        if waiting.is_empty() {
            break;
        }
        sleep(ASK_AGAIN).await;
    }
    let changelog = ask(app, |app| ends(app, topics::CORRELATE_CHANGELOG)).await?;
    let places: Vec<Place> = changelog
        .into_iter()
        .map(|(partition, offset)| Place {
            topic: topics::CORRELATE_CHANGELOG,
            partition,
            offset,
        })
        .collect();
    app.view
        .positions
        .wait_for(&places, deadline)
        .await
        .map_err(|behind| behind.to_string())
}

async fn ask<T: Send + 'static>(
    app: &Arc<App>,
    question: impl FnOnce(&App) -> Result<T, LogError> + Send + 'static,
) -> Result<T, String> {
    let told = |refusal: Refusal| format!("{refusal:?}");
    app.blocking(question)
        .await
        .map_err(told)?
        .map_err(|error| error.to_string())
}

fn ends(app: &App, topic: &'static str) -> Result<BTreeMap<u32, i64>, LogError> {
    let count = partitions(app.log.as_ref(), topic)?;
    (0..count)
        .map(|partition| Ok((partition, app.log.watermarks(topic, partition)?.high)))
        .collect()
}

/// The partitions of `alerts` that correlate has not committed up to these ends.
fn still_behind(app: &App, mut ends: BTreeMap<u32, i64>) -> BTreeMap<u32, i64> {
    ends.retain(|partition, end| {
        // An error here means: not known yet. A transaction that commits right now is one.
        let committed = app.log.committed(CORRELATE, topics::ALERTS, *partition).ok().flatten();
        *end > 0 && committed.is_none_or(|committed| committed.offset < *end)
    });
    ends
}

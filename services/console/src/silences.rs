//! What writing a silence means: Alertmanager's rules, the log, and the end of those that are long over.

use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Silence, SilenceError, SilenceState, Timestamp};
use policy::SilenceIndex;
use schemas::{MAX_RECORD_BYTES, SilenceRecord, topics};
use streams::LogError;
use tokio::time::{Instant, interval};

use crate::app::App;
use crate::append::{append, record};
use crate::json::Refusal;
use crate::view::Place;

/// How often silences that are long over are looked for: Alertmanager's maintenance interval.
const COLLECT_EVERY: Duration = Duration::from_secs(15 * 60);
/// The most that go in one append: with a comment each they stay far below what a log takes at once.
const MAX_COLLECTED: usize = 1_000;

/// What a silence must not exceed; 0 = no limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    /// How many there may be, expired ones included.
    pub(crate) count: usize,
    /// How large one may be, encoded.
    pub(crate) bytes: usize,
}

/// Why a silence is refused, in Alertmanager's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetError {
    #[error("silence not found")]
    NotFound,
    #[error("invalid silence: {0}")]
    Invalid(#[from] SilenceError),
    #[error("exceeded maximum number of silences: {count} (limit: {limit})")]
    TooMany { count: usize, limit: usize },
    #[error("silence exceeded maximum size: {size} bytes (limit: {limit} bytes)")]
    TooLarge { size: usize, limit: usize },
}

/// What is to be written so that `silence` holds: itself, last, under its own id if it may take the known one's place, else
/// under `new_id`, after the known one's end.
pub(crate) fn set(
    index: &SilenceIndex,
    mut silence: Silence,
    now: Timestamp,
    new_id: &str,
    limits: Limits,
) -> Result<Vec<Silence>, SetError> {
    if silence.starts_at.is_zero_time() {
        silence.starts_at = now;
    }
    silence.validate()?;
    let known = index.get(&silence.id);
    if known.is_none() && !silence.id.is_empty() {
        return Err(SetError::NotFound);
    }
    silence.updated_at = now;
    if known.is_some_and(|known| Silence::can_update(known, &silence, now)) {
        check_size(&silence, limits)?;
        return Ok(vec![silence]);
    }
    if limits.count > 0 && index.len() >= limits.count {
        return Err(SetError::TooMany {
            count: index.len(),
            limit: limits.count,
        });
    }
    new_id.clone_into(&mut silence.id);
    silence.starts_at = silence.starts_at.max(now);
    check_size(&silence, limits)?;
    let mut old = known.cloned();
    Ok(old
        .take_if(|old| old.expire(now))
        .into_iter()
        .chain([silence])
        .collect())
}

fn check_size(silence: &Silence, limits: Limits) -> Result<(), SetError> {
    let limit = if limits.bytes == 0 {
        MAX_RECORD_BYTES
    } else {
        limits.bytes.min(MAX_RECORD_BYTES)
    };
    let size = schemas::encode(&SilenceRecord::from(silence.clone())).map_or(usize::MAX, |bytes| bytes.len());
    if size > limit {
        Err(SetError::TooLarge { size, limit })
    } else {
        Ok(())
    }
}

/// Appends silences and waits until the view has them; returns why it may not have them yet.
pub(crate) async fn write(app: &Arc<App>, silences: Vec<Silence>, now: Timestamp) -> Result<Option<String>, Refusal> {
    let mut values = Vec::new();
    for silence in silences {
        let key = silence.id.clone().into_bytes();
        let value = schemas::encode(&SilenceRecord::from(silence)).map_err(Refusal::internal)?;
        values.push((key, Some(value)));
    }
    let last = put(app, values, now).await.map_err(Refusal::later)?;
    let place = Place {
        topic: topics::SILENCES,
        partition: 0,
        offset: last.saturating_add(1),
    };
    let deadline = Instant::now() + app.settings.write_wait;
    Ok(app
        .view
        .positions
        .wait_for(&[place], deadline)
        .await
        .err()
        .map(|behind| behind.to_string()))
}

/// Appends to the table in one go; returns the last offset.
async fn put(app: &Arc<App>, values: Vec<(Vec<u8>, Option<Vec<u8>>)>, now: Timestamp) -> Result<i64, LogError> {
    let records: Result<Vec<_>, _> = values
        .into_iter()
        .map(|(key, value)| record(app.log.as_ref(), topics::SILENCES, &key, value, now))
        .collect();
    Ok(append(app.log.as_ref(), records?)
        .await?
        .last()
        .copied()
        .unwrap_or_default())
}

/// The ids of silences that ended more than `retention` ago, at most a thousand.
pub(crate) fn long_over(index: &SilenceIndex, now: Timestamp, retention: PromDuration) -> Vec<String> {
    index
        .iter()
        .filter(|silence| silence.state(now) == SilenceState::Expired && silence.ends_at + retention < now)
        .map(|silence| silence.id.clone())
        .take(MAX_COLLECTED)
        .collect()
}

/// One pass over the silences: those long over get a tombstone. Several consoles may do this at once.
pub(crate) async fn collect(app: &Arc<App>) {
    let now = app.now();
    if app.view.not_ready().is_some() {
        return;
    }
    let ids = long_over(&app.view.silences(), now, app.settings.retention);
    if ids.is_empty() {
        return;
    }
    let count = ids.len();
    match put(app, ids.into_iter().map(|id| (id.into_bytes(), None)).collect(), now).await {
        Ok(_) => tracing::info!(count, "silences that were long over are gone"),
        Err(error) => tracing::warn!(%error, "silences that are long over could not be removed; tried again later"),
    }
}

/// Passes for ever, from when the view is complete.
pub(crate) async fn collect_for_ever(app: Arc<App>) {
    app.view.caught_up().await;
    let mut ticks = interval(COLLECT_EVERY);
    loop {
        ticks.tick().await;
        collect(&app).await;
    }
}

//! Putting a config on the topic `config`, where every process takes it from.

use std::time::{Duration, Instant};

use alert::Timestamp;
use config::Config;
use runtime::names;
use schemas::{ConfigVersion, topics};
use streams::{From, Log, LogError};
use xxhash_rust::xxh3::xxh3_128;

use crate::append::{append_blocking, record};
use crate::gauges::whole;

/// How many versions are read at once while the newest is looked for.
const BATCH: usize = 100;
/// How long one poll waits.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// How long reading the topic may take: it holds a few hundred versions at most, so a log that needs longer is down.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The names of the two files, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFiles {
    /// `alertmanager.yml`'s.
    pub alertmanager: String,
    /// `escalation.yml`'s; none where there is none.
    pub escalation: Option<String>,
}

/// Why a config could not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The log's word.
    #[error("the config could not be published: {0}")]
    Log(#[from] LogError),
    /// The topic's newest version could not be read in time.
    #[error("the config could not be published: the topic config was not read to its end in {} s", READ_TIMEOUT.as_secs())]
    Timeout,
    /// It cannot be written as a record.
    #[error("the config could not be published: {0}")]
    Encode(String),
}

/// Makes `config` the newest version on the topic unless it already is, and returns its number: its offset plus one.
/// Secrets stay behind. Sets the metrics of a config that was loaded. Blocks; `by` is the instance that asks.
///
/// # Errors
/// See [`PublishError`].
pub fn publish_config(log: &dyn Log, config: &Config, files: &ConfigFiles, by: &str) -> Result<i64, PublishError> {
    let number = publish(log, config, files, by)?;
    let (alertmanager, escalation) = config.published();
    loaded(config, hash(&alertmanager, escalation.as_deref()), log.now());
    Ok(number)
}

fn publish(log: &dyn Log, config: &Config, files: &ConfigFiles, by: &str) -> Result<i64, PublishError> {
    let (alertmanager, escalation) = config.published();
    let newest = newest(log)?;
    if let Some((number, newest)) = newest
        && (&newest.alertmanager, &newest.escalation) == (&alertmanager, &escalation)
    {
        return Ok(number);
    }
    let now = log.now();
    let escalation_file = files.escalation.clone().filter(|_| escalation.is_some());
    let key = key(&alertmanager, escalation.as_deref());
    let version = ConfigVersion {
        alertmanager,
        alertmanager_file: files.alertmanager.clone(),
        escalation,
        escalation_file,
        published_by: by.to_owned(),
        at: now,
    };
    let value = schemas::encode(&version).map_err(|error| PublishError::Encode(error.to_string()))?;
    let offsets = append_blocking(log, vec![record(log, topics::CONFIG, &key, Some(value), now)?])?;
    let number = offsets.last().map_or(0, |offset| offset.saturating_add(1));
    tracing::info!(version = number, by, "config published");
    Ok(number)
}

/// The key of a version: one text has one place in the history, its last.
fn key(alertmanager: &str, escalation: Option<&str>) -> Vec<u8> {
    format!("{:032x}", hash(alertmanager, escalation)).into_bytes()
}

/// The hash of both texts, their border kept.
fn hash(alertmanager: &str, escalation: Option<&str>) -> u128 {
    xxh3_128(format!("{alertmanager}\0{}", escalation.unwrap_or("\0")).as_bytes())
}

/// A hash as a gauge: 48 bits of it, as in Alertmanager, which every number of a metric holds exactly. (Alertmanager's is
/// of the file's text, by MD5. Both only say whether two processes have the same.)
fn gauge(hash: u128) -> f64 {
    let half = |shift: u32| u32::try_from((hash >> shift) & 0xFF_FFFF).unwrap_or_default();
    f64::from(half(24)) * f64::from(1 << 24) + f64::from(half(0))
}

/// What Alertmanager's metrics say of a config that was loaded.
fn loaded(config: &Config, hash: u128, now: Timestamp) {
    let integrations: usize = config
        .receivers
        .iter()
        .map(|receiver| receiver.integrations.len())
        .sum();
    let seconds = usize::try_from(now.unix_seconds()).unwrap_or_default();
    metrics::gauge!(names::CONFIG_HASH).set(gauge(hash));
    metrics::gauge!(names::CONFIG_LAST_RELOAD_SUCCESSFUL).set(1.0);
    metrics::gauge!(names::CONFIG_LAST_RELOAD_SUCCESS).set(whole(seconds));
    metrics::gauge!(names::RECEIVERS).set(whole(config.receivers.len()));
    metrics::gauge!(names::INTEGRATIONS).set(whole(integrations));
}

/// The newest version on the topic with its number.
fn newest(log: &dyn Log) -> Result<Option<(i64, ConfigVersion)>, PublishError> {
    let end = log.watermarks(topics::CONFIG, 0)?.high;
    let mut reader = log.reader(&[(topics::CONFIG.to_owned(), 0, From::Beginning)])?;
    let (mut newest, began) = (None, Instant::now());
    while reader.position(topics::CONFIG, 0).unwrap_or(0) < end {
        if began.elapsed() > READ_TIMEOUT {
            return Err(PublishError::Timeout);
        }
        for (_, record) in reader.poll(BATCH, POLL_WAIT)? {
            newest = record
                .value
                .clone()
                .map(|value| (record.offset.saturating_add(1), value))
                .or(newest);
        }
    }
    // One that cannot be read is of a newer release, and surely another one.
    Ok(newest.and_then(|(number, value)| Some((number, schemas::decode(&value).ok()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_a_gauge_and_tells_texts_apart() {
        let of = |alertmanager, escalation| gauge(hash(alertmanager, escalation));
        let texts = [("a", None), ("b", None), ("a", Some("")), ("a", Some("b"))];
        for (number, (alertmanager, escalation)) in texts.into_iter().enumerate() {
            let value = of(alertmanager, escalation);
            assert!(value > 0.0 && value < 2_f64.powi(48) && value.fract() == 0.0, "{value}");
            for (other, rest) in &texts[..number] {
                assert_ne!(value.to_bits(), of(other, *rest).to_bits());
            }
        }
        let exact = |hash| format!("{:.1}", gauge(hash));
        assert_eq!(exact(0xFFFF_FFFF_FFFF), "281474976710655.0");
        assert_eq!(exact(1 << 48), "0.0");
    }
}

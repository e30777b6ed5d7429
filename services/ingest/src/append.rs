//! Appending a request's records, and what is answered when the log does not take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use alert::{PromDuration, Timestamp, partition_for};
use processor::Meta;
use runtime::names;
use schemas::topics;
use streams::{Log, LogError, NewRecord};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3;

/// How long a request waits for the log. Prometheus gives up after 10 s (`timeout` of its `alertmanagers` section) and
/// sends again within the minute; a longer wait would only keep memory.
pub(crate) const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process counts as not receiving after it answered 503: Prometheus sends again each minute, so as long as
/// refusals go on there is one within this time.
const REFUSING_FOR: PromDuration = PromDuration::from_secs(60);

/// Appends for requests, and remembers whether that works.
#[derive(Debug, Clone)]
pub(crate) struct Appender {
    log: Arc<dyn Log>,
    alerts: u32,
    journal: u32,
    refused_at: Arc<AtomicI64>,
}

impl Appender {
    /// For a log that has the topics.
    pub(crate) fn new(log: Arc<dyn Log>, alerts: u32, journal: u32) -> Self {
        Self {
            log,
            alerts,
            journal,
            refused_at: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// Whether a request was answered 503 a short while ago.
    pub(crate) fn is_refusing(&self, now: Timestamp) -> bool {
        let last = Timestamp::from_millis(self.refused_at.load(Ordering::Relaxed));
        now.saturating_since(last) <= REFUSING_FOR
    }

    /// A request is answered 503.
    pub(crate) fn refused(&self) {
        self.refused_at.store(self.log.now().millis(), Ordering::Relaxed);
    }

    /// A record for the topic `alerts`.
    pub(crate) fn alert(&self, key: String, value: Vec<u8>, now: Timestamp, config_version: u64) -> NewRecord {
        record(topics::ALERTS, self.alerts, key, value, now, config_version)
    }

    /// A record for the journal.
    pub(crate) fn journal(&self, key: String, value: Vec<u8>, now: Timestamp, config_version: u64) -> NewRecord {
        record(topics::JOURNAL, self.journal, key, value, now, config_version)
    }

    /// Returns once all records are acknowledged.
    ///
    /// # Errors
    /// Why they are not, for the client: none, some or all of them may be in the log, and sending again is right.
    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(records.len()).unwrap_or_default();
        let (done, answer) = oneshot::channel();
        let answered = move |appended| {
            if done.send(appended).is_err() {
                tracing::debug!("append answered after the request was given up");
            }
        };
        self.log.append(records, Box::new(answered));
        match tokio::time::timeout(APPEND_TIMEOUT, answer).await {
            Ok(Ok(Ok(_))) => {
                metrics::counter!(names::INGEST_RECORDS_APPENDED).increment(count);
                Ok(())
            }
            Ok(Ok(Err(error))) => Err(format!("the log does not take alerts: {}", told(&error))),
            Ok(Err(_)) => Err("the log gave no answer".to_owned()),
            Err(_) => Err(format!(
                "the log did not acknowledge within {} s",
                APPEND_TIMEOUT.as_secs()
            )),
        }
    }
}

/// The reason without the variant's own words.
fn told(error: &LogError) -> String {
    match error {
        LogError::Busy(why)
        | LogError::Refused(why)
        | LogError::Abort(why)
        | LogError::Unknown(why)
        | LogError::Fatal(why) => why.clone(),
        LogError::Crashed => error.to_string(),
    }
}

/// A record with what it says of itself. Its id is the hash of its content and the time: the same alert in the same request
/// at the same millisecond is the same record.
pub(crate) fn record(
    topic: &'static str,
    partitions: u32,
    key: String,
    value: Vec<u8>,
    now: Timestamp,
    config_version: u64,
) -> NewRecord {
    let mut hash = Xxh3::new();
    for part in [topic.as_bytes(), key.as_bytes(), &value, &now.millis().to_be_bytes()] {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let id = hash.digest128();
    let meta = Meta {
        id,
        now: now.millis(),
        partition: 0,
        offset: -1,
        due: None,
        config_version,
        trace: id,
    };
    NewRecord {
        topic: topic.into(),
        partition: partition_for(key.as_bytes(), partitions),
        key: key.into_bytes(),
        value: Some(value),
        meta: Some(meta),
        headers: Vec::new(),
    }
}

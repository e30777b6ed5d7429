//! How far each stage is behind its inbox, partition by partition, as Kafka tells any client.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::topics::{ALERTS, INCIDENTS, NOTIFICATIONS};
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{Log, LogError};

use crate::error::Error;

/// Each stage, which is its group's name, and its inbox.
const STAGES: [(&str, &str); 3] = [("correlate", ALERTS), ("route", INCIDENTS), ("notify", NOTIFICATIONS)];
/// How often to ask: each partition is two requests.
const EVERY: Duration = Duration::from_secs(2);

/// What was seen last. It looks until it is dropped.
#[derive(Debug)]
pub struct Lag {
    seen: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
    closing: Arc<AtomicBool>,
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

impl Lag {
    /// Begins to look. Blocks until Kafka answers.
    ///
    /// # Errors
    /// It does not, or there is no thread.
    pub fn watch(brokers: &str, prefix: &str) -> Result<Self, Error> {
        let log = KafkaLog::connect(KafkaOptions {
            brokers: brokers.to_owned(),
            topic_prefix: prefix.to_owned(),
            ..KafkaOptions::default()
        });
        let log = log.map_err(|error| Error::of("kafka", error))?;
        let lag = Self {
            seen: Arc::default(),
            closing: Arc::default(),
        };
        let (seen, closing) = (Arc::clone(&lag.seen), Arc::clone(&lag.closing));
        let looking = std::thread::Builder::new().name("lag".to_owned()).spawn(move || {
            while !closing.load(Ordering::Relaxed) {
                for (stage, topic) in STAGES {
                    // While a broker is away there is nothing to show.
                    if let Ok(behind) = look(&log, stage, topic) {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.insert(stage.to_owned(), behind);
                    }
                }
                std::thread::sleep(EVERY);
            }
        });
        looking.map(|_| lag).map_err(|error| Error::of("a thread", error))
    }

    /// Records that each stage has not taken yet, for each partition.
    pub fn now(&self) -> BTreeMap<String, Vec<u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn look(log: &KafkaLog, stage: &str, topic: &str) -> Result<Vec<u64>, LogError> {
    let partitions = log.partitions(topic)?.unwrap_or(0);
    let behind = |partition| {
        let ends = log.watermarks(topic, partition)?;
        let taken = log
            .committed(stage, topic, partition)?
            .map_or(ends.low, |committed| committed.offset);
        Ok(u64::try_from(ends.high - taken).unwrap_or(0))
    };
    (0..partitions).map(behind).collect()
}

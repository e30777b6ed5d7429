//! The thread that keeps the config current and says that this process lives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::Timestamp;
use runtime::names;
use schemas::{Instance, topics};
use streams::{Log, LogError};

use crate::append::{Appender, record};
use crate::config_feed::{ConfigFeed, SharedConfig};
use crate::heartbeat::{HEARTBEAT_EVERY, Heartbeat};
use crate::lag::LagWatch;
use crate::lanes::Lanes;
use crate::service::OtherLanes;

/// How long one look at the config table waits: how late a new version may be seen, and a stop.
const LOOK: Duration = Duration::from_millis(100);

/// One users' topic: its consumer group and its partitions.
#[derive(Debug, Clone)]
pub(crate) struct EventTopic {
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) partitions: u32,
}

/// What a heartbeat needs.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) appender: Appender,
    pub(crate) config: SharedConfig,
    pub(crate) topics: Vec<EventTopic>,
    pub(crate) instance: String,
    pub(crate) services: Vec<String>,
    pub(crate) lanes: OtherLanes,
    pub(crate) started_at: Timestamp,
    pub(crate) state: Arc<Mutex<Heartbeat>>,
    pub(crate) lag: LagWatch,
}

impl Pulse {
    /// Writes one heartbeat; does not wait for its acknowledgement.
    pub(crate) fn beat(&mut self) {
        let now = self.log.now();
        let receiving = self.is_receiving(now);
        metrics::gauge!(names::INGEST_RECEIVING).set(if receiving { 1.0 } else { 0.0 });
        let since = lock(&self.state).beat(now, receiving);
        let instance = Instance {
            id: self.instance.clone(),
            services: self.services.clone(),
            started_at: self.started_at,
            receiving_since: since,
            at: now,
            lanes: self.lanes.stand(),
        };
        let Ok(value) = schemas::encode(&instance) else { return };
        let version = self.config.load().as_ref().map_or(0, |current| current.version);
        let beat = record(topics::INSTANCES, 1, self.instance.clone(), value, now, version);
        let state = Arc::clone(&self.state);
        let done = move |appended: streams::Appended| match appended {
            Ok(_) => lock(&state).acknowledged(now),
            Err(error) => tracing::warn!(%error, "heartbeat not acknowledged"),
        };
        self.log.append(vec![beat], Box::new(done));
    }

    /// Whether what is sent here is taken, and what is in the users' topics is read in time.
    fn is_receiving(&mut self, now: Timestamp) -> bool {
        for EventTopic {
            topic,
            group,
            partitions,
        } in &self.topics
        {
            for partition in 0..*partitions {
                // A log that does not answer is asked again in five seconds, not sixteen times now; the last answer holds.
                let Ok(ends) = self.log.watermarks(topic, partition) else {
                    continue;
                };
                let committed = self.log.committed(group, topic, partition).ok();
                let offset = committed.map(|committed| committed.map_or(ends.low, |committed| committed.offset));
                self.lag.note(topic, partition, now, ends.high, offset);
            }
        }
        let behind = self.lag.behind(now);
        if let Some((topic, partition)) = behind.first() {
            tracing::warn!(
                topic,
                partition,
                partitions = behind.len(),
                "events wait for more than 15 s"
            );
        }
        behind.is_empty() && self.config.load().is_some() && !self.appender.is_refusing(now)
    }
}

fn lock(state: &Mutex<Heartbeat>) -> std::sync::MutexGuard<'_, Heartbeat> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn spawn(feed: ConfigFeed, pulse: Pulse, lanes: Lanes) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("ingest-watch".to_owned())
            .spawn(move || run(feed, pulse, lanes, &told))?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that watches the config has panicked");
        }
    }
}

fn run(mut feed: ConfigFeed, mut pulse: Pulse, mut lanes: Lanes, stop: &AtomicBool) {
    pulse.beat();
    let mut next_beat = pulse.log.now() + HEARTBEAT_EVERY;
    while !stop.load(Ordering::Relaxed) {
        if pulse.log.now() >= next_beat {
            next_beat = pulse.log.now() + HEARTBEAT_EVERY;
            pulse.beat();
        }
        if pulse.config.load().is_some() {
            lanes.start();
        }
        let read = feed.poll(LOOK);
        match read {
            Ok(0) => std::thread::park_timeout(LOOK),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the config table cannot be read now");
                std::thread::park_timeout(HEARTBEAT_EVERY.as_std());
                feed = reopened(feed, &pulse);
            }
        }
    }
}

/// A new reader from the beginning; the old one where that fails.
fn reopened(feed: ConfigFeed, pulse: &Pulse) -> ConfigFeed {
    let opened: Result<_, LogError> = ConfigFeed::open(pulse.log.as_ref(), Arc::clone(&pulse.config));
    opened.unwrap_or(feed)
}

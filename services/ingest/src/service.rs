//! Wiring: the routes, the lanes on the users' topics, and the thread that watches.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use axum::Router;
use ingest_pipeline::Ingest;
use processor::Processor;
use runtime::Health;
use schemas::{LaneStanding, topics};
use streams::{LaneError, LaneStatus, LaneThread, Log, LogError};

use crate::append::Appender;
use crate::config_feed::ConfigFeed;
use crate::heartbeat::Heartbeat;
use crate::lag::LagWatch;
use crate::lanes::{Lanes, RunningLanes};
use crate::posts::Posts;
use crate::watch::{EventTopic, Pulse, Watch};

/// What ingest is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This process: unique among all that live, the same after a restart.
    pub instance: String,
    /// What this process runs, for the table `instances`.
    pub services: Vec<String>,
    /// The users' topics to read, by their bare names; `alert-events` unless an operator lists others.
    pub event_topics: Vec<String>,
    /// Lanes for each of these topics, no more than it has partitions.
    pub lanes: usize,
    /// The lanes of this process's other stages: its heartbeat says how they stand.
    pub others: OtherLanes,
}

/// Lanes that somebody else runs.
#[derive(Debug, Clone, Default)]
pub struct OtherLanes(pub Vec<Arc<LaneStatus>>);

impl OtherLanes {
    /// Whether each has made a pass and none restores.
    pub fn have_restored(&self) -> bool {
        let restored = |lane: &LaneStanding| lane.looked_at.millis() > 0 && lane.restoring == 0;
        self.stand().iter().all(restored)
    }

    /// How each of them stands just now.
    pub fn stand(&self) -> Vec<LaneStanding> {
        self.0.iter().map(|lane| lane.standing()).collect()
    }
}

/// Why ingest does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A lane does not start: a topic is missing, or the log refuses.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The log refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system gives no thread.
    #[error("ingest: {0}")]
    Thread(#[from] io::Error),
}

/// A running ingest.
#[derive(Debug)]
pub struct Service {
    posts: Posts,
    lanes: RunningLanes,
    watch: Watch,
}

impl Service {
    /// Starts reading the config, the heartbeat, and, once there is a config, the lanes. The topics exist before. Why it is not ready it tells
    /// `health` from then on.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(log: &Arc<dyn Log>, settings: Settings, health: &Health) -> Result<Self, StartError> {
        let config = Arc::new(ArcSwapOption::empty());
        let feed = ConfigFeed::open(log.as_ref(), Arc::clone(&config))?;
        let appender = Appender::new(
            Arc::clone(log),
            partitions(log.as_ref(), topics::ALERTS)?,
            partitions(log.as_ref(), topics::JOURNAL)?,
        );
        let known = Arc::clone(&config);
        health.register("ingest", move || {
            known
                .load()
                .is_none()
                .then(|| "no config has been published yet".to_owned())
        });
        let mut event_topics = Vec::new();
        for topic in &settings.event_topics {
            let partitions = partitions(log.as_ref(), topic)?;
            event_topics.push(EventTopic {
                topic: topic.clone(),
                group: group(topic),
                partitions,
            });
        }
        let lanes = Lanes::new(log, &settings, &event_topics, health);
        let running = lanes.running();
        let started_at = log.now();
        let pulse = Pulse {
            log: Arc::clone(log),
            appender: appender.clone(),
            config: Arc::clone(&config),
            topics: event_topics,
            instance: settings.instance,
            services: settings.services,
            lanes: settings.others,
            started_at,
            state: Arc::new(Mutex::new(Heartbeat::new(started_at))),
            lag: LagWatch::default(),
        };
        let watch = Watch::spawn(feed, pulse, lanes)?;
        Ok(Self {
            posts: Posts::new(config, appender),
            lanes: running,
            watch,
        })
    }

    /// `POST /api/v2/alerts` and `POST /api/v1/events`.
    pub fn router(&self) -> Router {
        self.posts.clone().router()
    }

    /// Stops the lanes and the heartbeat. Requests that still run are answered; stop the server first.
    ///
    /// # Errors
    /// What ended a lane before it was told to.
    pub fn stop(self) -> Result<(), LaneError> {
        self.watch.stop();
        let lanes = std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        lanes.iter().for_each(LaneThread::ask_to_stop);
        lanes.into_iter().map(LaneThread::stop).fold(Ok(()), Result::and)
    }
}

/// The consumer group of a topic: the lane's rule.
fn group(topic: &str) -> String {
    if topic == Ingest::INBOX {
        Ingest::NAME.to_owned()
    } else {
        format!("{}-{topic}", Ingest::NAME)
    }
}

fn partitions(log: &dyn Log, topic: &str) -> Result<u32, StartError> {
    log.partitions(topic)?
        .ok_or_else(|| LaneError::NoTopic(topic.to_owned()).into())
}

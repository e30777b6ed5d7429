//! The lanes on the users' topics. They start once there is a config: an event that came before it waits in its topic, as
//! a lane could only make a dead letter of it.

use std::sync::{Arc, Mutex, PoisonError};

use ingest_pipeline::Ingest;
use runtime::Health;
use streams::{Lane, LaneConfig, LaneThread, Log};

use crate::counters::CountCommitted;
use crate::service::{Settings, StartError};
use crate::watch::EventTopic;

/// The lanes that run.
pub(crate) type RunningLanes = Arc<Mutex<Vec<LaneThread>>>;

/// Starts lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    log: Arc<dyn Log>,
    health: Health,
    /// Topic and transactional id of each that is still to be started.
    waiting: Vec<(String, String)>,
    running: RunningLanes,
}

impl Lanes {
    /// As many as asked for on each topic, no more than it has partitions.
    pub(crate) fn new(log: &Arc<dyn Log>, settings: &Settings, topics: &[EventTopic], health: &Health) -> Self {
        let mut waiting = Vec::new();
        for EventTopic {
            topic,
            group,
            partitions,
        } in topics
        {
            let count = settings.lanes.min(usize::try_from(*partitions).unwrap_or(usize::MAX));
            waiting.extend((0..count).map(|number| (topic.clone(), format!("{}-{group}-{number}", settings.instance))));
        }
        Self {
            log: Arc::clone(log),
            health: health.clone(),
            waiting,
            running: RunningLanes::default(),
        }
    }

    pub(crate) fn running(&self) -> RunningLanes {
        Arc::clone(&self.running)
    }

    /// Starts what waits. One that does not start says so in the log, keeps the process from being ready, and is not tried
    /// again.
    pub(crate) fn start(&mut self) {
        for (topic, name) in std::mem::take(&mut self.waiting) {
            match self.start_one(&topic, &name) {
                Ok(lane) => self.running.lock().unwrap_or_else(PoisonError::into_inner).push(lane),
                Err(error) => {
                    tracing::error!(lane = name, %error, "the lane does not start");
                    let reason = format!("the lane does not start: {error}");
                    self.health.register(&name, move || Some(reason.clone()));
                }
            }
        }
    }

    fn start_one(&self, topic: &str, name: &str) -> Result<LaneThread, StartError> {
        let config = LaneConfig {
            inbox: Some(topic.to_owned()),
            ..LaneConfig::new(name)
        };
        let lane = Lane::new(Ingest::new(), Arc::clone(&self.log), config, |_| {
            Box::new(CountCommitted)
        })?;
        let thread = LaneThread::spawn(lane, name)?;
        let status = thread.status();
        self.health.register(name, move || status.not_ready());
        Ok(thread)
    }
}

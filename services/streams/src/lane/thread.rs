//! A lane on its own OS thread: tokio serves HTTP and sends, it never runs a lane.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use processor::Processor;

use super::{Completions, Effects, Lane, LaneConfig, LaneError, LaneStatus};
use crate::log::{Log, LogError};

/// A running lane.
#[derive(Debug)]
pub struct LaneThread {
    status: Arc<LaneStatus>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), LaneError>>,
}

impl LaneThread {
    /// Starts the lane. A lane that ends with an error says so in its status and in the log, and stays ended: its
    /// process is not ready any more.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn<P: Processor + 'static>(lane: Lane<P>, name: &str) -> io::Result<Self> {
        let (status, stop) = (lane.status(), Arc::new(AtomicBool::new(false)));
        let (told, seen) = (Arc::clone(&stop), Arc::clone(&status));
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = lane.run(&told);
            if let Err(error) = &ended {
                tracing::error!(stage = P::NAME, %error, "the lane has ended");
                seen.ended(&error.to_string());
            }
            ended
        })?;
        Ok(Self { status, stop, thread })
    }

    /// What health checks and metrics read.
    pub fn status(&self) -> Arc<LaneStatus> {
        Arc::clone(&self.status)
    }

    /// Asks the lane to stop; returns at once.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops the lane: running effects are awaited within their budget, the partitions are given up.
    ///
    /// # Errors
    /// What ended the lane before.
    pub fn stop(self) -> Result<(), LaneError> {
        self.ask_to_stop();
        self.thread
            .join()
            .unwrap_or_else(|_| Err(LogError::Fatal("the lane panicked".to_owned()).into()))
    }
}

/// Starts `lanes` lanes of one stage under an instance's name: `<stage>-<instance>-<n>`.
///
/// # Errors
/// The log or the system refuses; lanes that were started before it are stopped.
pub fn spawn_lanes<P: Processor + 'static>(
    log: &Arc<dyn Log>,
    instance: &str,
    lanes: usize,
    mut stage: impl FnMut() -> P,
    mut effects: impl FnMut(Completions<P::Completion>) -> Box<dyn Effects<P::Effect>>,
) -> Result<Vec<LaneThread>, LaneError> {
    let mut threads = Vec::with_capacity(lanes);
    for n in 0..lanes {
        let name = format!("{}-{instance}-{n}", P::NAME);
        let started = Lane::new(stage(), Arc::clone(log), LaneConfig::new(&name), &mut effects).and_then(|lane| {
            LaneThread::spawn(lane, &name).map_err(|error| LogError::Fatal(format!("no thread: {error}")).into())
        });
        match started {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                threads.iter().for_each(LaneThread::ask_to_stop);
                return Err(error);
            }
        }
    }
    Ok(threads)
}

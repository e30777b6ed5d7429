//! The thread that reads the log into the view.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use schemas::topics;
use streams::{From, Log, LogError, Reader};

use super::recent::MAX_RECENT;
use super::{Place, View};
use crate::app::MayBegin;

/// Everything that is read whole. The journal is read from its tail.
const WHOLE: [&str; 6] = [
    topics::CONFIG,
    topics::SILENCES,
    topics::INSTANCES,
    topics::CORRELATE_CHANGELOG,
    topics::ROUTE_CHANGELOG,
    topics::NOTIFY_CHANGELOG,
];
/// The most records of one pass: they are folded in under a millisecond or two, then whoever waits is told.
const MAX_RECORDS: usize = 5_000;
/// The longest a pass waits for records.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// The pause after an empty poll that did not wait: a log in memory answers at once, and must not be asked in a spin.
const IDLE_PAUSE: Duration = Duration::from_millis(2);
/// Lanes that do not come to run hold up the view no longer than this: it is where people would look why.
const WAITS_AT_MOST: Duration = Duration::from_secs(30);
/// The pause between two looks whether it may begin.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The pause after an error: long enough not to flood a log that is down, short against anything a person waits for.
const ERROR_PAUSE: Duration = Duration::from_millis(500);

/// A reader of everything the view shows.
pub(crate) struct Feed {
    log: Arc<dyn Log>,
    view: Arc<View>,
    reader: Box<dyn Reader>,
    partitions: Vec<(&'static str, u32)>,
    /// Where each partition ended when the feed was opened: the view is ready once it is there.
    ends: Vec<Place>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("partitions", &self.partitions.len())
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Opens a reader over every partition, from the beginning (the journal: from its tail).
    pub(crate) fn open(log: Arc<dyn Log>, view: Arc<View>) -> Result<Self, LogError> {
        let mut starts = Vec::new();
        let mut ends = Vec::new();
        for topic in WHOLE.into_iter().chain([topics::JOURNAL]) {
            let count = partitions(log.as_ref(), topic)?;
            let tail = i64::try_from(MAX_RECENT).unwrap_or(i64::MAX) / i64::from(count.max(1));
            for partition in 0..count {
                let bounds = log.watermarks(topic, partition)?;
                let from = if topic == topics::JOURNAL {
                    (bounds.high - tail).max(bounds.low)
                } else {
                    bounds.low
                };
                starts.push(Place {
                    topic,
                    partition,
                    offset: from,
                });
                ends.push(Place {
                    topic,
                    partition,
                    offset: bounds.high,
                });
            }
        }
        view.positions.advance(starts.iter().copied());
        let partitions: Vec<_> = starts.iter().map(|place| (place.topic, place.partition)).collect();
        let reader = reader(log.as_ref(), &view, &partitions)?;
        Ok(Self {
            log,
            view,
            reader,
            partitions,
            ends,
        })
    }

    /// Reads once and folds what came; returns how many records that were.
    pub(crate) fn pass(&mut self, wait: Duration) -> Result<usize, LogError> {
        let records = self.reader.poll(MAX_RECORDS, wait)?;
        let count = records.len();
        for (topic, record) in records {
            self.view.fold(&topic, record);
        }
        let places = self.partitions.iter().filter_map(|&(topic, partition)| {
            Some(Place {
                topic,
                partition,
                offset: self.reader.position(topic, partition)?,
            })
        });
        self.view.positions.advance(places);
        if !self.ends.is_empty() && self.view.positions.behind(&self.ends).is_none() {
            self.ends.clear();
            self.view.complete();
        }
        Ok(count)
    }

    /// After an error: a new reader, from where the view stands.
    fn reopen(&mut self) -> Result<(), LogError> {
        self.reader = reader(self.log.as_ref(), &self.view, &self.partitions)?;
        Ok(())
    }
}

fn reader(log: &dyn Log, view: &View, partitions: &[(&'static str, u32)]) -> Result<Box<dyn Reader>, LogError> {
    let from: Vec<_> = partitions
        .iter()
        .map(|&(topic, partition)| {
            (
                topic.to_owned(),
                partition,
                From::Offset(view.positions.get(topic, partition)),
            )
        })
        .collect();
    log.view_reader(&from)
}

/// How many partitions a topic has; refused where it does not exist.
pub(crate) fn partitions(log: &dyn Log, topic: &str) -> Result<u32, LogError> {
    log.partitions(topic)?
        .ok_or_else(|| LogError::Refused(format!("there is no topic {topic}")))
}

/// The thread around a [`Feed`].
#[derive(Debug)]
pub(crate) struct FeedThread {
    stop: Arc<AtomicBool>,
    handle: Option<JoinHandle<()>>,
}

impl FeedThread {
    /// Starts it. It reads once `may_begin` says so, or after a while.
    pub(crate) fn start(mut feed: Feed, may_begin: MayBegin) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = thread::Builder::new().name("console-view".to_owned()).spawn(move || {
            let began = Instant::now();
            while !stopped.load(Ordering::Acquire) && !may_begin() && began.elapsed() < WAITS_AT_MOST {
                thread::park_timeout(LOOK_AGAIN);
            }
            while !stopped.load(Ordering::Acquire) {
                step(&mut feed);
            }
        })?;
        Ok(Self {
            stop,
            handle: Some(handle),
        })
    }

    /// Ends it and waits for its end, at most one poll.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(handle) = self.handle.take() {
            handle.thread().unpark();
            if handle.join().is_err() {
                tracing::error!("the view's thread panicked");
            }
        }
    }
}

impl Drop for FeedThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn step(feed: &mut Feed) {
    let began = Instant::now();
    match feed.pass(POLL_WAIT) {
        Ok(0) if began.elapsed() < IDLE_PAUSE => thread::park_timeout(IDLE_PAUSE),
        Ok(_) => {}
        Err(error) => {
            metrics::counter!("console_view_errors_total").increment(1);
            tracing::warn!(%error, "the view could not read; it opens a new reader");
            thread::park_timeout(ERROR_PAUSE);
            if let Err(error) = feed.reopen() {
                tracing::warn!(%error, "the view could not open a reader");
            }
        }
    }
}

//! The lane: one thread that runs one stage on a share of the partitions.
//!
//! The loop is the design's: poll → apply records, completions and due timers in time order → write each dirty key once
//! to the changelog, send outputs and offsets, commit → release the effects. A transaction never outlives a step, so a
//! partition is only ever given up between transactions, and a table only ever changes between them.

mod batch;
mod dead_letters;
mod effects;
mod gather;
mod phase;
mod restore;
mod settings;
mod status;
mod table_feed;
mod thread;
mod transaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use processor::{Attention, Processor};

use crate::log::{Event, Join, Log, LogError, Member};
use effects::Gathering;
use phase::{Phase, Task};
use table_feed::TableFeed;

pub use effects::{Completions, Effects, NoEffects};
pub use settings::{LaneConfig, Sabotage};
pub use status::LaneStatus;
pub use thread::{LaneThread, spawn_lanes};

/// Why a lane ends before it is told to.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The log is of no more use.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A topic the stage needs is not there.
    #[error("topic {0:?} does not exist: run `alertstream topics create`")]
    NoTopic(String),
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records applied or refused.
    pub records: usize,
    /// Timers fired.
    pub timers: usize,
    /// Completions and sweep slices applied, partitions restored.
    pub other: usize,
    /// Whether a transaction was committed.
    pub committed: bool,
}

impl Progress {
    /// Whether the step did anything at all.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a partition that is being given up may wait for running effects: well inside `max.poll.interval.ms`.
const REVOKE_BUDGET: Duration = Duration::from_secs(5);

/// The longest a pass waits that is woken by whatever there is to do. What nobody wakes it for (an idle commit, being told to
/// stop) has time as long.
const WOKEN: Duration = Duration::from_millis(100);

/// One lane.
pub struct Lane<P: Processor> {
    stage: P,
    log: Arc<dyn Log>,
    member: Box<dyn Member>,
    config: LaneConfig,
    tables: TableFeed,
    tasks: BTreeMap<u32, Task<P::Completion>>,
    effects: Box<dyn Effects<P::Effect>>,
    completions: Receiver<(u32, P::Completion)>,
    report: Completions<P::Completion>,
    gathering: Gathering,
    topics: BTreeMap<&'static str, u32>,
    status: Arc<LaneStatus>,
    now: Timestamp,
    /// When the last transaction was begun.
    began: Timestamp,
    inputs: u64,
    idle_since: Option<Timestamp>,
    turn: u32,
    /// How many records the last transaction had: about so many has the next.
    sent: usize,
    /// How long the last commit took, by the log's clock.
    committing: PromDuration,
    /// The longest a pass waits for something to do.
    wait: Duration,
    /// How often a restore was put off.
    put_off: usize,
    /// The producer is to be replaced before anything else.
    anew: bool,
}

impl<P: Processor> std::fmt::Debug for Lane<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("lane", &self.config.lane)
            .field("partitions", &self.tasks.keys())
            .finish_non_exhaustive()
    }
}

impl<P: Processor> Lane<P> {
    /// Joins the stage's group and starts reading its tables. `effects` gets the sender for completions.
    ///
    /// # Errors
    /// A topic is missing, or the log refuses.
    pub fn new(
        stage: P,
        log: Arc<dyn Log>,
        config: LaneConfig,
        effects: impl FnOnce(Completions<P::Completion>) -> Box<dyn Effects<P::Effect>>,
    ) -> Result<Self, LaneError> {
        let topics = partition_counts(log.as_ref())?;
        let inbox = config.inbox.clone().unwrap_or_else(|| P::INBOX.to_owned());
        if log.partitions(&inbox)?.is_none() {
            return Err(LaneError::NoTopic(inbox));
        }
        let tables = TableFeed::open(log.as_ref(), P::TABLES)?;
        let mut member = log.join(&Join {
            group: config.group::<P>(),
            topic: inbox,
            lane: config.lane.clone(),
        })?;
        let waker = member.wake_on(P::TABLES);
        let wait = if waker.is_some() { WOKEN } else { config.poll_wait };
        let (sender, completions) = channel();
        let report = Completions::new(sender, waker);
        let (now, effects) = (log.now(), effects(report.clone()));
        Ok(Self {
            stage,
            member,
            tables,
            tasks: BTreeMap::new(),
            effects,
            completions,
            gathering: report.gathering(),
            report,
            topics,
            status: Arc::new(LaneStatus::new(P::NAME, &config.lane)),
            now,
            began: Timestamp::ZERO,
            inputs: 0,
            idle_since: None,
            turn: 0,
            sent: 0,
            committing: PromDuration::default(),
            wait,
            put_off: 0,
            anew: false,
            log,
            config,
        })
    }

    /// What health checks and metrics read.
    pub fn status(&self) -> Arc<LaneStatus> {
        Arc::clone(&self.status)
    }

    /// Where effects that outlive this lane's knowledge report to.
    pub fn completions(&self) -> Completions<P::Completion> {
        self.report.clone()
    }

    /// The stage, for a look from outside.
    pub fn stage(&self) -> &P {
        &self.stage
    }

    /// The state of the active partitions, for a look from outside.
    pub fn stores(&self) -> impl Iterator<Item = (u32, &processor::Store)> {
        self.tasks
            .iter()
            .filter(|(_, task)| task.is_active())
            .map(|(partition, task)| (*partition, &task.store))
    }

    /// How far each table has been taken up, for a look from outside.
    pub fn tables(&self) -> &processor::Tables {
        self.tables.versions()
    }

    /// Runs until told to stop, then gives everything up in order.
    ///
    /// # Errors
    /// The log is of no more use.
    pub fn run(mut self, stop: &AtomicBool) -> Result<(), LaneError> {
        while !stop.load(Ordering::Relaxed) {
            let wait = self.idle_wait();
            self.step(wait)?;
        }
        self.close()
    }

    /// One pass: at most one transaction. Waits at most `wait` for something to do.
    ///
    /// # Errors
    /// The log is of no more use.
    pub fn step(&mut self, wait: Duration) -> Result<Progress, LaneError> {
        if self.anew {
            self.start_anew()?;
            return Ok(Progress::default());
        }
        self.take_up_tables()?;
        for event in self.poll(wait)? {
            match event {
                Event::Assigned(partitions) => self.assign(&partitions),
                Event::Revoked { partitions, lost } => self.revoke(&partitions, lost)?,
                Event::Records(records) => self.take_in_hand(records),
            }
        }
        let restored = self.restore_slice()?;
        self.now = self.now.max(self.log.now());
        self.wake_the_waiting()?;
        if self.gathers().is_some() {
            return Ok(Progress::default());
        }
        self.take_in_shared_completions();
        self.ask_for_ends()?;
        let mut batch = self.apply(Budget::pass(&self.config));
        // What the pass armed for now (a flush without `group_wait`, a retry) joins its transaction: a commit of its own
        // costs a hop many times what asking for the ends costs.
        for partition in self.ask_for_ends()? {
            self.fire_due(partition, &mut batch);
        }
        let mut progress = self.transact(batch)?;
        progress.other += restored;
        self.status.look(&self.tasks, self.now);
        Ok(progress)
    }

    /// Gives up every partition, waiting for running effects, and leaves the group.
    ///
    /// # Errors
    /// The log is of no more use.
    pub fn close(mut self) -> Result<(), LaneError> {
        let partitions: Vec<u32> = self.tasks.keys().copied().collect();
        let given_up = self.revoke(&partitions, false);
        self.member.close();
        given_up
    }

    fn poll(&mut self, wait: Duration) -> Result<Vec<Event>, LaneError> {
        let in_hand: usize = self.tasks.values().map(|task| task.in_hand.len()).sum();
        let room = self.config.max_records.saturating_sub(in_hand);
        match self.member.poll(room, wait) {
            Ok(events) => Ok(events),
            Err(LogError::Busy(reason)) => {
                tracing::debug!(stage = P::NAME, reason, "poll put off");
                Ok(Vec::new())
            }
            Err(LogError::Unknown(reason) | LogError::Abort(reason)) => {
                tracing::warn!(stage = P::NAME, reason, "producer replaced after a poll");
                self.start_anew()?;
                Ok(Vec::new())
            }
            Err(error @ (LogError::Refused(_) | LogError::Crashed | LogError::Fatal(_))) => Err(error.into()),
        }
    }

    fn take_up_tables(&mut self) -> Result<(), LaneError> {
        let changes = self.tables.poll()?;
        let mut sweep = false;
        for change in &changes {
            match self.stage.table(change) {
                Ok(Attention::None) => {}
                Ok(Attention::Sweep) => sweep = true,
                Err(poison) => {
                    metrics::counter!("streams_table_records_refused_total", "stage" => P::NAME, "table" => change.table)
                        .increment(1);
                    tracing::error!(
                        stage = P::NAME, table = change.table, offset = change.offset, %poison, "table record refused"
                    );
                }
            }
        }
        if sweep {
            for task in self.tasks.values_mut() {
                task.sweep_from_start();
            }
        }
        Ok(())
    }

    fn assign(&mut self, partitions: &[u32]) {
        for partition in partitions {
            let mut task = Task::new(*partition, Phase::Assigned);
            // What was reported stays true when a restore begins anew: a stage knows one it has already taken up.
            if let Some(before) = self.tasks.remove(partition) {
                task.completions = before.completions;
            }
            self.tasks.insert(*partition, task);
        }
    }

    fn revoke(&mut self, partitions: &[u32], lost: bool) -> Result<(), LaneError> {
        let budget = if lost { Duration::ZERO } else { REVOKE_BUDGET };
        self.effects.revoke(partitions, budget);
        if !lost {
            self.take_in_completions();
            self.now = self.now.max(self.log.now());
            let batch = self.apply(Budget::completions_only(partitions));
            self.transact(batch)?;
        }
        for partition in partitions {
            self.tasks.remove(partition);
        }
        match self.member.release(partitions) {
            Err(LogError::Crashed) => Err(LogError::Crashed.into()),
            Err(error) => {
                tracing::warn!(stage = P::NAME, %error, "release of revoked partitions");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn take_in_hand(&mut self, records: Vec<Arc<processor::Record>>) {
        for record in records {
            if let Some(task) = self.tasks.get_mut(&record.partition).filter(|task| task.is_active()) {
                task.in_hand.push_back(record);
            }
        }
    }

    /// Goes on with partitions that waited for a config version which has come.
    fn wake_the_waiting(&mut self) -> Result<(), LaneError> {
        let version = self.stage.config_version();
        for (partition, task) in &mut self.tasks {
            if let Phase::Waiting { for_version, offset } = task.phase
                && for_version <= version
            {
                match self.member.start(*partition, offset) {
                    Ok(()) => task.phase = Phase::Active,
                    Err(LogError::Busy(reason)) => tracing::debug!(stage = P::NAME, reason, "going on is put off"),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Asks, in one request, for the ends of the partitions whose timers are due while nothing is in hand: only an
    /// answer from after a timer was due says that nothing came before it.
    /// Returns the partitions that were asked for.
    fn ask_for_ends(&mut self) -> Result<Vec<u32>, LaneError> {
        if self.config.sabotage == Some(Sabotage::FireTimersAheadOfInput) {
            return Ok(Vec::new());
        }
        let now = self.now;
        let mut asking: Vec<u32> = self
            .tasks
            .values()
            .filter(|task| task.needs_end(now))
            .map(|task| task.partition)
            .collect();
        if asking.is_empty() {
            return Ok(asking);
        }
        match self.member.ends(&asking) {
            Ok(ends) => {
                for (partition, end) in ends {
                    if let Some(task) = self.tasks.get_mut(&partition) {
                        task.end_seen = Some((now, end));
                    }
                }
            }
            Err(error @ (LogError::Crashed | LogError::Fatal(_))) => return Err(error.into()),
            Err(error) => {
                tracing::debug!(stage = P::NAME, %error, "ends not known yet: timers wait");
                asking.clear();
            }
        }
        Ok(asking)
    }

    /// After a transaction whose fate is unknown: a new producer, and every partition as its changelog has it. Where no
    /// producer is to be had yet, each further step tries again before it does anything else.
    fn start_anew(&mut self) -> Result<(), LaneError> {
        self.anew = true;
        match self.member.renew() {
            Ok(()) => {}
            Err(LogError::Busy(reason) | LogError::Unknown(reason) | LogError::Abort(reason)) => {
                self.status.refused(&reason);
                return Ok(());
            }
            Err(error @ (LogError::Refused(_) | LogError::Crashed | LogError::Fatal(_))) => return Err(error.into()),
        }
        self.anew = false;
        let partitions: Vec<u32> = self.tasks.keys().copied().collect();
        for partition in partitions {
            self.member.pause(partition)?;
            self.assign(&[partition]);
        }
        Ok(())
    }
}

/// What one pass may do.
#[derive(Debug, Clone)]
struct Budget {
    records: usize,
    timers: usize,
    /// Only completions of these partitions, when they are about to be given up.
    completions_of: Option<Vec<u32>>,
}

impl Budget {
    fn pass(config: &LaneConfig) -> Self {
        Self {
            records: config.max_records,
            timers: config.max_timers,
            completions_of: None,
        }
    }

    fn completions_only(partitions: &[u32]) -> Self {
        Self {
            records: 0,
            timers: 0,
            completions_of: Some(partitions.to_vec()),
        }
    }
}

fn partition_counts(log: &dyn Log) -> Result<BTreeMap<&'static str, u32>, LaneError> {
    let mut counts = BTreeMap::new();
    for spec in &schemas::topics::TOPICS {
        if let Some(count) = log.partitions(spec.name)? {
            counts.insert(spec.name, count);
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests;

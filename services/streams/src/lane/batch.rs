//! One pass of applying: records, completions, due timers and sweep slices, each partition in time order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alert::{Timestamp, partition_for};
use processor::{Applied, Context, Origin, Output, Poison, Processor, Record, Timer, apply};
use schemas::{DeadLetter, MAX_RECORD_BYTES};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::phase::{AtEnd, Phase, Sweep, Task};
use super::settings::{LONGEST_PASS, Sabotage};
use super::{Budget, Lane, Progress};
use crate::log::NewRecord;

/// What one pass did: the content of its transaction, and how to take it back.
#[derive(Debug)]
pub(super) struct Batch<E, C> {
    pub(super) outputs: Vec<NewRecord>,
    pub(super) effects: Vec<(u32, E)>,
    pub(super) undo: BTreeMap<u32, Undo<C>>,
    pub(super) progress: Progress,
    /// Partitions that found a record of a newer release: held once the batch is settled.
    pub(super) held: Vec<(u32, String)>,
    /// Partitions that wait for a config version: paused once the batch is settled.
    pub(super) waiting: Vec<(u32, u64, i64)>,
}

/// What a partition had in hand before the pass.
#[derive(Debug)]
pub(super) struct Undo<C> {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) completions: Vec<C>,
    pub(super) next: i64,
    pub(super) greet: bool,
    pub(super) sweep: Sweep,
    pub(super) halves: BTreeSet<Timer>,
}

impl<E, C> Batch<E, C> {
    fn new(outputs: usize) -> Self {
        Self {
            outputs: Vec::with_capacity(outputs),
            effects: Vec::new(),
            undo: BTreeMap::new(),
            progress: Progress::default(),
            held: Vec::new(),
            waiting: Vec::new(),
        }
    }
}

/// What a partition does next.
enum Next<C> {
    Greet,
    Completion(C),
    Fire(Timer),
    Apply(Arc<Record>),
    Wait(u64, i64),
    Nothing,
}

pub(super) type BatchOf<P> = Batch<<P as Processor>::Effect, <P as Processor>::Completion>;

impl<P: Processor> Lane<P> {
    /// Applies what the budget allows. Partitions take turns at being first.
    pub(super) fn apply(&mut self, budget: Budget) -> BatchOf<P> {
        let mut batch = Batch::new(self.sent);
        let mut budget = budget;
        let began = self.log.now();
        let may_take = self.config.commit_after.max(self.committing.min(LONGEST_PASS));
        let mut order: Vec<u32> = self
            .tasks
            .values()
            .filter(|task| task.is_active())
            .map(|task| task.partition)
            .collect();
        if !order.is_empty() {
            self.turn = self.turn.wrapping_add(1);
            let first = usize::try_from(self.turn).unwrap_or(0) % order.len();
            order.rotate_left(first);
        }
        for partition in order {
            if budget
                .completions_of
                .as_ref()
                .is_some_and(|only| !only.contains(&partition))
            {
                continue;
            }
            while (self.log.now().saturating_since(began) < may_take || self.is_half_done(partition))
                && self.apply_next(partition, &mut budget, &mut batch)
            {}
            if budget.completions_of.is_none() {
                self.sweep_slice(partition, &mut batch);
            }
        }
        batch
    }

    /// Whether only other halves of what this pass has applied are left: to leave them costs their hop a transaction.
    fn is_half_done(&mut self, partition: u32) -> bool {
        let task = self.tasks.get_mut(&partition).filter(|task| task.in_hand.is_empty());
        task.is_some_and(|task| task.next_half().is_some())
    }

    /// Fires the timers of a partition that are due now; what is unread goes first, in the next pass.
    pub(super) fn fire_due(&mut self, partition: u32, batch: &mut BatchOf<P>) {
        let mut budget = Budget {
            records: 0,
            ..Budget::pass(&self.config)
        };
        while self.apply_next(partition, &mut budget, batch) {}
    }

    /// Applies one input of a partition; false when there is none to apply now.
    fn apply_next(&mut self, partition: u32, budget: &mut Budget, batch: &mut BatchOf<P>) -> bool {
        match self.next(partition, budget) {
            Next::Nothing => false,
            Next::Wait(version, offset) => {
                batch.waiting.push((partition, version, offset));
                false
            }
            Next::Greet => {
                self.undo_of(partition, batch);
                if let Some(task) = self.tasks.get_mut(&partition) {
                    task.greet = false;
                }
                self.input(partition, batch, None, None, P::restored).is_ok()
            }
            Next::Completion(completion) => {
                self.undo_of(partition, batch);
                batch.progress.other += 1;
                if let Err(poison) = self.input(partition, batch, None, None, |stage, cx| {
                    stage.completion(&completion, cx)
                }) {
                    let letter = self.letter(partition, "completion", &poison);
                    self.bury(batch, Vec::new(), letter);
                }
                self.undo_of(partition, batch).completions.push(completion);
                true
            }
            Next::Fire(timer) => {
                budget.timers -= 1;
                self.fire(partition, &timer, batch);
                true
            }
            Next::Apply(record) => {
                budget.records -= 1;
                self.apply_record(partition, record, batch)
            }
        }
    }

    /// Completions first (they free slots), then whichever is earlier: a due timer or the next record. At a tie the
    /// record goes first; with nothing in hand a timer fires only at the inbox's end, or with the record whose other half it is.
    fn next(&mut self, partition: u32, budget: &Budget) -> Next<P::Completion> {
        let version = self.stage.config_version();
        let sabotage = self.config.sabotage;
        let position = self.member.position(partition);
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| task.is_active()) else {
            return Next::Nothing;
        };
        if task.greet {
            return Next::Greet;
        }
        if let Some(completion) = task.completions.pop_front() {
            return Next::Completion(completion);
        }
        let now = self.now;
        let ahead = sabotage == Some(Sabotage::FireTimersAheadOfInput);
        // Mostly what is unread goes first, and then no timer is looked for.
        let unread = task.in_hand.front().map(|record| record.appended);
        let may_fire = |due: &Timestamp| ahead || unread.is_none_or(|appended| *due < appended);
        let due = task.store.next_due().filter(|due| *due <= now && budget.timers > 0);
        let due = due.filter(may_fire).and_then(|_| task.store.next_timer());
        if let Some(timer) = due
            && let Some(timer) = Self::fires(task, timer, now, position, budget, ahead)
        {
            return Next::Fire(timer);
        }
        if budget.records == 0 {
            return Next::Nothing;
        }
        let Some(record) = task.in_hand.front() else {
            return Next::Nothing;
        };
        let needs = record.meta.map_or(0, |meta| meta.config_version);
        if needs > version && sabotage != Some(Sabotage::IgnoreConfigVersion) {
            return Next::Wait(needs, record.offset);
        }
        task.in_hand.pop_front().map_or(Next::Nothing, Next::Apply)
    }

    /// Which timer fires now, where this one is due before all others and before what is unread. Where it must wait, the other
    /// half of a record need not.
    fn fires(
        task: &mut Task<P::Completion>,
        timer: Timer,
        now: Timestamp,
        position: Option<i64>,
        budget: &Budget,
        ahead: bool,
    ) -> Option<Timer> {
        if ahead || !task.in_hand.is_empty() {
            return Some(timer);
        }
        let halves_fire = budget.records > 0;
        if halves_fire && task.halves.contains(&timer) {
            return Some(timer);
        }
        match task.is_at_end(timer.due, now, position.unwrap_or(task.next)) {
            AtEnd::Yes => Some(timer),
            AtEnd::Unknown => halves_fire.then(|| task.next_half()).flatten(),
            AtEnd::GaveUp => {
                metrics::counter!("streams_timers_fired_blind_total", "stage" => P::NAME).increment(1);
                Some(timer)
            }
        }
    }

    fn apply_record(&mut self, partition: u32, record: Arc<Record>, batch: &mut BatchOf<P>) -> bool {
        self.undo_of(partition, batch);
        let outcome = self.input(partition, batch, Some(&record), None, |stage, cx| {
            stage.record(&record, cx)
        });
        let refused = match outcome {
            Ok(()) => None,
            Err(Poison::UnknownSchema(reason)) => {
                batch
                    .held
                    .push((partition, format!("offset {}: {reason}", record.offset)));
                if let Some(task) = self.tasks.get_mut(&partition) {
                    task.in_hand.push_front(record);
                }
                return false;
            }
            Err(poison) => Some(poison),
        };
        if let Some(poison) = refused {
            let letter = self.letter_of(&record, &poison);
            self.bury(batch, record.key.clone(), letter);
        }
        batch.progress.records += 1;
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.next = record.offset + 1;
        }
        self.undo_of(partition, batch).records.push(record);
        true
    }

    fn fire(&mut self, partition: u32, timer: &Timer, batch: &mut BatchOf<P>) {
        self.undo_of(partition, batch);
        batch.progress.timers += 1;
        let outcome = self.input(partition, batch, None, Some(timer), |stage, cx| stage.timer(timer, cx));
        if let Err(poison) = outcome {
            let state = self
                .tasks
                .get(&partition)
                .and_then(|task| task.store.get(&timer.key))
                .map(|stored| stored.bytes.to_vec());
            let letter = DeadLetter {
                value: state.unwrap_or_default(),
                ..self.letter(partition, "timer", &poison)
            };
            self.bury(batch, timer.key.as_bytes().to_vec(), letter);
        }
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.fired(timer);
        }
    }

    /// One slice of a pass over the state; a poisoned one ends the pass, since a pass repeats from the start.
    fn sweep_slice(&mut self, partition: u32, batch: &mut BatchOf<P>) {
        let ready = self
            .tasks
            .get(&partition)
            .filter(|task| task.is_active() && !task.greet);
        let from = match ready.map(|task| &task.sweep) {
            None | Some(Sweep::Done) => return,
            Some(Sweep::Start) => None,
            Some(Sweep::From(key)) => Some(key.clone()),
        };
        self.undo_of(partition, batch);
        let swept = self.input(partition, batch, None, None, |stage, cx| stage.sweep(from.as_ref(), cx));
        batch.progress.other += 1;
        let next = match swept {
            Ok(next) => next,
            Err(poison) => {
                let letter = self.letter(partition, "sweep", &poison);
                self.bury(batch, Vec::new(), letter);
                None
            }
        };
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.sweep = next.map_or(Sweep::Done, Sweep::From);
        }
    }

    /// Applies one input; its outputs and effects join the batch, or (poison) nothing does.
    fn input<T>(
        &mut self,
        partition: u32,
        batch: &mut BatchOf<P>,
        record: Option<&Record>,
        timer: Option<&Timer>,
        input: impl FnOnce(&mut P, &mut Context<'_, P::Effect>) -> Result<T, Poison>,
    ) -> Result<T, Poison> {
        self.inputs += 1;
        let inbox = self.config.inbox.as_deref().unwrap_or(P::INBOX);
        let Some(task) = self.tasks.get_mut(&partition) else {
            return Err(Poison::Malformed("partition is gone".to_owned()));
        };
        let now = record.map_or(self.now, |record| self.now.max(record.appended));
        self.now = now;
        let origin = Origin {
            stage: P::NAME,
            now,
            partition,
            offset: record.map_or(task.next, |record| record.offset),
            due: timer.map(|timer| timer.due),
            discriminator: match (record, timer) {
                // Two systems, and two inboxes of one stage, have the same offsets; the time of an append tells them apart.
                (Some(record), _) => xxh3_64_with_seed(inbox.as_bytes(), record.appended.millis().cast_unsigned()),
                (None, Some(timer)) => xxh3_64_with_seed(timer.key.as_bytes(), u64::from(timer.kind)),
                (None, None) => xxh3_64_with_seed(self.config.lane.as_bytes(), self.inputs),
            },
            trace: record.and_then(|record| record.meta).map_or(0, |meta| meta.trace),
            config_version: self.stage.config_version(),
            tables: self.tables.versions(),
        };
        let stage = &mut self.stage;
        let savepoint = task.store.savepoint();
        let (answer, mut applied) = apply(&mut task.store, origin, |cx| input(stage, cx))?;
        let size = |output: &Output| output.value.as_ref().map_or(0, Vec::len);
        if let Some(large) = applied.outputs.iter().find(|output| size(output) > MAX_RECORD_BYTES) {
            // Nothing of this input has left memory yet: it is taken back whole and becomes a dead letter.
            task.store.undo_to(savepoint);
            metrics::counter!("streams_records_too_large_total", "stage" => P::NAME).increment(1);
            return Err(Poison::Malformed(format!(
                "asks for a record of {} bytes on {}, more than the {MAX_RECORD_BYTES} allowed",
                size(large),
                large.topic
            )));
        }
        if let Some(record) = record {
            task.armed_with(record.appended, now, std::mem::take(&mut applied.due_now));
        }
        self.collect(partition, applied, batch);
        Ok(answer)
    }

    fn collect(&self, partition: u32, applied: Applied<P::Effect>, batch: &mut BatchOf<P>) {
        batch
            .outputs
            .extend(applied.outputs.into_iter().map(|output| self.addressed(output)));
        batch
            .effects
            .extend(applied.effects.into_iter().map(|effect| (partition, effect)));
    }

    /// The record with its partition: chosen by its key alone.
    fn addressed(&self, output: Output) -> NewRecord {
        let partitions = self.topics.get(output.topic).copied().unwrap_or(1);
        NewRecord {
            topic: output.topic.into(),
            partition: partition_for(&output.key, partitions),
            key: output.key,
            value: output.value,
            meta: Some(output.meta),
            headers: Vec::new(),
        }
    }

    /// How to take back what this pass does to a partition; noted before its first input.
    fn undo_of<'b>(&self, partition: u32, batch: &'b mut BatchOf<P>) -> &'b mut Undo<P::Completion> {
        let task = self.tasks.get(&partition);
        batch.undo.entry(partition).or_insert_with(|| Undo {
            records: Vec::new(),
            completions: Vec::new(),
            next: task.map_or(0, |task| task.next),
            greet: task.is_some_and(|task| task.greet),
            sweep: task.map_or(Sweep::Done, |task| task.sweep.clone()),
            halves: task.map(|task| task.halves.clone()).unwrap_or_default(),
        })
    }

    /// Takes every change of the pass back: state, what was in hand, completions (which are not sent for again).
    pub(super) fn take_back(&mut self, batch: BatchOf<P>) {
        for (partition, undo) in batch.undo {
            let Some(task) = self.tasks.get_mut(&partition) else {
                continue;
            };
            if self.config.sabotage == Some(Sabotage::SkipUndo) {
                task.store.committed();
            } else {
                task.store.undo_to(0);
            }
            for record in undo.records.into_iter().rev() {
                task.in_hand.push_front(record);
            }
            if self.config.sabotage != Some(Sabotage::LoseCompletionsOnAbort) {
                for completion in undo.completions.into_iter().rev() {
                    task.completions.push_front(completion);
                }
            }
            (task.next, task.greet, task.sweep) = (undo.next, undo.greet, undo.sweep);
            task.halves = undo.halves;
        }
    }

    /// What a pass found that it cannot go past: the partition is paused until that changes.
    pub(super) fn set_aside(
        &mut self,
        held: Vec<(u32, String)>,
        waiting: Vec<(u32, u64, i64)>,
    ) -> Result<(), super::LaneError> {
        for (partition, reason) in held {
            tracing::error!(
                stage = P::NAME,
                partition,
                reason,
                "the partition is held: a newer release is needed"
            );
            self.pause(partition, Phase::Held { reason })?;
        }
        for (partition, for_version, offset) in waiting {
            self.pause(partition, Phase::Waiting { for_version, offset })?;
        }
        Ok(())
    }

    fn pause(&mut self, partition: u32, phase: Phase) -> Result<(), super::LaneError> {
        self.member.pause(partition)?;
        if let Some(task) = self.tasks.get_mut(&partition) {
            task.in_hand.clear();
            task.phase = phase;
        }
        Ok(())
    }
}

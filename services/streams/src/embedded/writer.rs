//! The one thread that writes: it takes everything that waits, writes it as one atomic batch and shows it to the readers.
//! That makes the order of all transactions. What finds nobody writing and nothing waiting is written by the thread that
//! brings it, which saves it the way to this one and back.
//!
//! A stage goes on with what another one has written before it is on disk: a crash takes both back, for it leaves a
//! prefix of the journal. What leaves the log waits for a sync, which another thread does for all who wait: the answer to
//! an append, and what a lane sends.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use processor::Record;

use super::codec::Runs;
use super::op::Op;
use super::retention;
use super::shared::{Job, Shared, Spare, Ticket};
use super::state::{State, Topic};
use super::store::Batch;
use super::topics;
use crate::log::{AppendDone, Committed, LogError, NewRecord};

/// How often what is old is looked for.
const MAINTENANCE: Duration = Duration::from_secs(1);
/// A record's limit, with room over the project's `MAX_RECORD_BYTES`; Kafka's default is the same.
const MAX_RECORD: usize = 1 << 20;
/// Far above any key of ours.
const MAX_KEY: usize = 60_000;

/// Runs until the log is closed.
pub(super) fn run(shared: &Shared) {
    let mut maintained = Instant::now();
    while let Some(jobs) = shared.take(MAINTENANCE) {
        let mut guard = shared.writing();
        write(shared, &mut guard, jobs);
        if maintained.elapsed() >= MAINTENANCE {
            maintained = Instant::now();
            if let Err(why) = retention::maintain(shared) {
                shared.die(why);
            }
        }
        drop(guard);
    }
    shared.syncing.stop();
}

/// Writes a job at once where nobody writes and nothing waits, else leaves it to the writer's thread.
pub(super) fn hand_in(shared: &Shared, job: Job) -> Result<(), Box<(Job, LogError)>> {
    if let Some(mut writing) = shared.try_writing() {
        write(shared, &mut writing, vec![job]);
        return Ok(());
    }
    shared.submit(job)
}

/// Carries out jobs in their order. Only one thread may: whoever calls holds [`Shared::writing`].
fn write(shared: &Shared, spare: &mut Spare, jobs: Vec<Job>) {
    let mut together = Vec::new();
    for job in jobs {
        match job {
            Job::Append { .. } | Job::Commit { .. } => together.push(job),
            Job::Create { topics, reply } => {
                records(shared, spare, std::mem::take(&mut together));
                answer(&reply, topics::create(shared, &topics));
            }
            Job::Op { op, reply } => {
                records(shared, spare, std::mem::take(&mut together));
                let done = retention::commit(shared, &op);
                if let Err(why) = &done {
                    shared.die(why.clone());
                }
                answer(&reply, done.map_err(LogError::Fatal));
            }
        }
    }
    records(shared, spare, together);
}

/// Whoever asked may be gone.
fn answer<T>(reply: &SyncSender<Result<T, LogError>>, result: Result<T, LogError>) {
    if reply.try_send(result).is_err() {
        tracing::debug!("nobody waits for this answer any more");
    }
}

enum Answer {
    Append(AppendDone, Vec<i64>),
    Commit(SyncSender<Result<u64, LogError>>),
}

/// What goes into one batch.
#[derive(Default)]
struct Plan {
    /// By topic and partition, in the order of their first records.
    added: Vec<Added>,
    places: BTreeMap<(u32, u32), usize>,
    offsets: BTreeMap<(String, String, u32), Committed>,
    answers: Vec<Answer>,
    refused: Vec<(Answer, LogError)>,
}

/// What is added to a partition.
struct Added {
    topic: Cow<'static, str>,
    id: u32,
    partition: u32,
    high: i64,
    /// The segment it goes into, where that begins with it, and how long it was before.
    segment: u64,
    begun: bool,
    at: u64,
    runs: Runs,
    records: Vec<Arc<Record>>,
}

fn records(shared: &Shared, spare: &mut Spare, jobs: Vec<Job>) {
    if jobs.is_empty() {
        return;
    }
    let now = shared.clock.now();
    let mut plan = Plan::default();
    let room = retention::room(shared);
    {
        let mut state = shared.state();
        for job in jobs {
            plan.job(&mut state, spare, job, now, (room, shared.segment_bytes()));
        }
    }
    for (answer, error) in std::mem::take(&mut plan.refused) {
        answer.refuse(error);
    }
    if plan.answers.is_empty() {
        return;
    }
    let answers = std::mem::take(&mut plan.answers);
    match put(shared, spare, &mut plan, now) {
        Ok((batch, sequence)) => {
            publish(shared, plan, &batch, now);
            batch.into_buffers().for_each(|buffer| spare.keep(buffer));
            let mut appended = Vec::new();
            for given in answers {
                match given {
                    Answer::Append(done, offsets) => appended.push((done, offsets)),
                    Answer::Commit(reply) => answer(&reply, Ok(sequence)),
                }
            }
            shared.syncing.written(sequence, appended);
        }
        Err(why) => {
            let why = shared.failed(&why);
            for answer in answers {
                answer.refuse(LogError::Fatal(why.clone()));
            }
        }
    }
}

impl Answer {
    fn refuse(self, error: LogError) {
        match self {
            Self::Append(done, _) => done(Err(error)),
            Self::Commit(reply) => answer(&reply, Err(error)),
        }
    }
}

impl Plan {
    fn job(&mut self, state: &mut State, spare: &mut Spare, job: Job, now: i64, (room, limit): (retention::Room, u64)) {
        match job {
            Job::Append { records, done } => {
                let allowed = state.alive().and_then(|()| room.append()).and_then(|()| {
                    state
                        .full
                        .as_ref()
                        .map_or(Ok(()), |why| Err(LogError::Busy(why.clone())))
                });
                match allowed.and_then(|()| check(state, &records)) {
                    Ok(topics) => {
                        let offsets = self.add(state, spare, (records, topics), now, limit);
                        self.answers.push(Answer::Append(done, offsets));
                    }
                    Err(error) => self.refused.push((Answer::Append(done, Vec::new()), error)),
                }
            }
            Job::Commit {
                ticket,
                records,
                offsets,
                reply,
            } => {
                let allowed = state.alive().and_then(|()| may_commit(state, &ticket, &offsets));
                let allowed = allowed
                    .and_then(|()| room.commit())
                    .and_then(|()| check(state, &records));
                match allowed {
                    Ok(topics) => {
                        self.add(state, spare, (records, topics), now, limit);
                        self.commit(state, ticket, offsets);
                        self.answers.push(Answer::Commit(reply));
                    }
                    Err(error) => self.refused.push((Answer::Commit(reply), error)),
                }
            }
            // These are taken out before.
            Job::Create { .. } | Job::Op { .. } => {}
        }
    }

    /// Takes up what a commit says of its partitions; what is known already is not said again.
    fn commit(&mut self, state: &State, ticket: Ticket, offsets: Vec<(u32, i64)>) {
        let group = (ticket.group, ticket.topic);
        let known = state.groups.get(&group).map(|group| &group.committed);
        for (partition, offset) in offsets {
            let said = known.and_then(|known| known.get(&partition));
            // Mostly one partition of many has moved, and the others cost no more than this look.
            if self.offsets.is_empty() && said.is_some_and(|said| said.offset == offset && said.lane == ticket.lane) {
                continue;
            }
            let key = (group.0.clone(), group.1.clone(), partition);
            let committed = Committed {
                offset,
                lane: ticket.lane.clone(),
            };
            if self.offsets.contains_key(&key) || said != Some(&committed) {
                self.offsets.insert(key, committed);
            }
        }
    }

    /// Gives records their offsets. They were checked, and `topics` are the ids of theirs.
    fn add(
        &mut self,
        state: &mut State,
        spare: &mut Spare,
        (records, topics): (Vec<NewRecord>, Vec<u32>),
        now: i64,
        limit: u64,
    ) -> Vec<i64> {
        let mut offsets = Vec::with_capacity(records.len());
        for (new, id) in records.into_iter().zip(topics) {
            let place = match self.places.get(&(id, new.partition)) {
                Some(place) => *place,
                None => match self.begin(state, spare, &new, now, limit) {
                    Some(place) => place,
                    None => continue,
                },
            };
            let Some(added) = self.added.get_mut(place) else {
                continue;
            };
            let record = Record {
                partition: new.partition,
                offset: added.high,
                appended: alert::Timestamp::from_millis(now),
                key: new.key,
                value: new.value,
                meta: new.meta,
                headers: new.headers,
            };
            offsets.push(added.high);
            added.high += 1;
            added.runs.push(&record);
            added.records.push(Arc::new(record));
        }
        offsets
    }

    /// The first record of the batch for a partition: where it goes.
    fn begin(&mut self, state: &mut State, spare: &mut Spare, new: &NewRecord, now: i64, limit: u64) -> Option<usize> {
        let topic = state.topics.get(&*new.topic)?;
        let (id, partition) = (topic.note.id, topic.partition(new.partition)?);
        let last = partition.segments.last().map(|segment| &segment.note);
        let last = last.filter(|note| !retention::is_full(&topic.note, note, now, limit));
        let (high, last) = (partition.high, last.map(|note| (note.number, note.bytes)));
        let (segment, at) = last.unwrap_or_else(|| (state.number_segment(), 0));
        self.added.push(Added {
            topic: new.topic.clone(),
            id,
            partition: new.partition,
            high,
            segment,
            begun: last.is_none(),
            at,
            runs: Runs::within(spare.take()),
            records: Vec::new(),
        });
        let place = self.added.len() - 1;
        self.places.insert((id, new.partition), place);
        Some(place)
    }
}

/// Whether a member may commit: its producer is the lane's, and its seat owns the partitions.
fn may_commit(state: &State, ticket: &Ticket, offsets: &[(u32, i64)]) -> Result<(), LogError> {
    if state
        .lanes
        .get(&ticket.lane)
        .is_none_or(|lane| lane.epoch != ticket.epoch)
    {
        return Err(LogError::Unknown(format!(
            "the producer of lane {} was fenced",
            ticket.lane
        )));
    }
    let group = state.groups.get(&(ticket.group.clone(), ticket.topic.clone()));
    let group = group.ok_or_else(|| LogError::Abort(format!("there is no group {}", ticket.group)))?;
    group
        .group
        .may_commit(ticket.seat, offsets.iter().map(|(partition, _)| *partition))
        .map_err(LogError::Abort)
}

/// Whether these may be written; the ids of their topics, which mostly are those of the records before them.
fn check(state: &State, records: &[NewRecord]) -> Result<Vec<u32>, LogError> {
    let mut topics = Vec::with_capacity(records.len());
    let mut last: Option<(&str, &Topic)> = None;
    for record in records {
        let topic = match last.filter(|(name, _)| *name == record.topic) {
            Some((_, topic)) => topic,
            None => state.topic(&record.topic)?,
        };
        topic.has(&record.topic, record.partition)?;
        topics.push(topic.note.id);
        last = Some((&record.topic, topic));
        let headers: usize = record
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let size = record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers;
        if size > MAX_RECORD || record.key.len() > MAX_KEY {
            let (topic, key) = (&record.topic, record.key.len());
            return Err(LogError::Refused(format!(
                "a record of {size} bytes with a key of {key} for {topic} is larger than {MAX_RECORD} with {MAX_KEY}"
            )));
        }
    }
    Ok(topics)
}

/// Writes it; gives back the runs, which tell how the segments have grown, and the batch's number.
fn put(shared: &Shared, spare: &mut Spare, plan: &mut Plan, now: i64) -> Result<(Batch, u64), String> {
    let mut batch = Batch::within(spare.take());
    for added in &mut plan.added {
        let (topic, partition, number) = (added.id, added.partition, added.segment);
        if added.begun {
            batch.op(&Op::Begun {
                topic,
                partition,
                number,
            });
        }
        let runs = std::mem::take(&mut added.runs).finish();
        batch.runs(topic, partition, (number, added.at), runs);
    }
    for ((group, topic, partition), committed) in &plan.offsets {
        batch.op(&Op::Committed {
            group: group.clone(),
            topic: topic.clone(),
            partition: *partition,
            offset: committed.offset,
            lane: committed.lane.clone(),
        });
    }
    let sequence = shared
        .store
        .write(now, &mut batch, |out| shared.state().snapshot(out))?;
    Ok((batch, sequence))
}

/// Shows what is written now, all of it at once.
fn publish(shared: &Shared, plan: Plan, batch: &Batch, now: i64) {
    let mut state = shared.state();
    let mut touched = BTreeSet::new();
    for (added, runs) in plan.added.into_iter().zip(batch.runs_of()) {
        if added.begun {
            let begun = Op::Begun {
                topic: added.id,
                partition: added.partition,
                number: added.segment,
            };
            state.apply(&begun, now);
        }
        if let Some(topic) = state.topics.get_mut(&*added.topic) {
            let room = topic.tail_room();
            if let Some(partition) = topic.partition_mut(added.partition) {
                partition.grow(runs);
                added
                    .records
                    .into_iter()
                    .for_each(|record| partition.push(record, room));
            }
        }
        touched.insert(added.topic);
    }
    for ((group, topic, partition), committed) in plan.offsets {
        if let Ok(group) = state.group(&group, &topic) {
            group.committed.insert(partition, committed);
        }
    }
    for topic in &touched {
        if let Some(topic) = state.topics.get(&**topic) {
            topic.wake();
        }
    }
}

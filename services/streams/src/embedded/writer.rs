//! The one thread that writes: it takes everything that waits, writes it as one atomic batch, syncs once, shows it to
//! the readers, and only then answers. Group commit, and the order of all transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use fjall::Keyspace;
use processor::Record;

use super::codec;
use super::retention;
use super::shared::{Job, Shared, Ticket};
use super::state::{Kept, State};
use super::topics;
use crate::log::{AppendDone, Appended, Committed, LogError, NewRecord};

/// How often what is old is looked for.
const MAINTENANCE: Duration = Duration::from_secs(1);
/// A record's limit, with room over the project's `MAX_RECORD_BYTES`; Kafka's default is the same.
const MAX_RECORD: usize = 1 << 20;
/// The engine's keys end at 64 KiB.
const MAX_KEY: usize = 60_000;

/// Runs until the log is closed.
pub(super) fn run(shared: &Shared) {
    let mut maintained = Instant::now();
    while let Some(jobs) = shared.take(MAINTENANCE) {
        let guard = shared.writing();
        write(shared, jobs);
        if maintained.elapsed() >= MAINTENANCE {
            maintained = Instant::now();
            if let Err(why) = retention::maintain(shared) {
                shared.die(why);
            }
        }
        drop(guard);
    }
    shared.store.sync_mark();
}

fn write(shared: &Shared, jobs: Vec<Job>) {
    let mut together = Vec::new();
    for job in jobs {
        match job {
            Job::Append { .. } | Job::Commit { .. } => together.push(job),
            Job::Create { topics, reply } => {
                records(shared, std::mem::take(&mut together));
                answer(&reply, topics::create(shared, &topics));
            }
            Job::Forget { topic, keys } => {
                records(shared, std::mem::take(&mut together));
                if let Err(why) = retention::forget(shared, &topic, keys) {
                    shared.die(why);
                }
            }
        }
    }
    records(shared, together);
}

/// Whoever asked may be gone.
fn answer(reply: &SyncSender<Result<(), LogError>>, result: Result<(), LogError>) {
    if reply.try_send(result).is_err() {
        tracing::debug!("nobody waits for this answer any more");
    }
}

enum Answer {
    Append(AppendDone, Vec<i64>),
    Commit(SyncSender<Result<(), LogError>>),
}

/// What goes into one batch.
#[derive(Default)]
struct Plan {
    records: Vec<Planned>,
    highs: BTreeMap<(u32, u32), i64>,
    offsets: BTreeMap<(String, String, u32), Committed>,
    answers: Vec<Answer>,
    refused: Vec<(Answer, LogError)>,
}

struct Planned {
    topic: String,
    keyspace: Keyspace,
    compacted: bool,
    record: Arc<Record>,
    bytes: u64,
}

fn records(shared: &Shared, jobs: Vec<Job>) {
    if jobs.is_empty() {
        return;
    }
    let dead = shared.state().alive().err();
    let rolled = if dead.is_none() { roll(shared, &jobs) } else { Ok(()) };
    if let Err(why) = rolled {
        shared.die(why);
    }
    let now = shared.clock.now();
    let mut plan = Plan::default();
    let room = retention::room(shared);
    {
        let state = shared.state();
        for job in jobs {
            plan.job(&state, job, now, room);
        }
    }
    for (answer, error) in std::mem::take(&mut plan.refused) {
        answer.give(Err(error));
    }
    if plan.answers.is_empty() {
        return;
    }
    match put(shared, &mut plan, now) {
        Ok(()) => {
            let answers = std::mem::take(&mut plan.answers);
            publish(shared, plan, now);
            for answer in answers {
                answer.give(Ok(()));
            }
        }
        Err(why) => {
            let why = format!(
                "writing to {} failed: {why}. What it had not acknowledged is there or not there, whole, at the next \
                 start: free space or repair the disk, then start again",
                shared.store.path().display()
            );
            shared.die(why.clone());
            for answer in plan.answers {
                answer.give(Err(LogError::Fatal(why.clone())));
            }
        }
    }
}

impl Answer {
    fn give(self, result: Result<(), LogError>) {
        match self {
            Self::Append(done, offsets) => done(result.map(|()| offsets) as Appended),
            Self::Commit(reply) => answer(&reply, result),
        }
    }
}

/// Segments that are due are closed before anything is written into them.
fn roll(shared: &Shared, jobs: &[Job]) -> Result<(), String> {
    let mut topics = BTreeSet::new();
    for job in jobs {
        if let Job::Append { records, .. } | Job::Commit { records, .. } = job {
            topics.extend(records.iter().map(|r| r.topic.as_str()));
        }
    }
    topics
        .into_iter()
        .try_for_each(|topic| retention::roll_if_due(shared, topic))
}

impl Plan {
    fn job(&mut self, state: &State, job: Job, now: i64, room: retention::Room) {
        match job {
            Job::Append { records, done } => {
                let allowed = state.alive().and_then(|()| room.append()).and_then(|()| {
                    state
                        .full
                        .as_ref()
                        .map_or(Ok(()), |why| Err(LogError::Busy(why.clone())))
                });
                match allowed.and_then(|()| check(state, &records)) {
                    Ok(()) => {
                        let offsets = self.add(state, records, now);
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
                    Ok(()) => {
                        self.add(state, records, now);
                        for (partition, offset) in offsets {
                            let key = (ticket.group.clone(), ticket.topic.clone(), partition);
                            self.offsets.insert(
                                key,
                                Committed {
                                    offset,
                                    lane: ticket.lane.clone(),
                                },
                            );
                        }
                        self.answers.push(Answer::Commit(reply));
                    }
                    Err(error) => self.refused.push((Answer::Commit(reply), error)),
                }
            }
            // These are taken out before.
            Job::Create { .. } | Job::Forget { .. } => {}
        }
    }

    /// Gives records their offsets. They were checked.
    fn add(&mut self, state: &State, records: Vec<NewRecord>, now: i64) -> Vec<i64> {
        let mut offsets = Vec::with_capacity(records.len());
        for new in records {
            let Some(topic) = state.topics.get(&new.topic) else {
                continue;
            };
            let Some(partition) = topic.partition(new.partition) else {
                continue;
            };
            let high = self
                .highs
                .entry((topic.note.id, new.partition))
                .or_insert(partition.high);
            let keyspace = match &topic.kept {
                Kept::Newest(keyspace) => keyspace,
                Kept::Segments(segments) => match segments.values().next_back() {
                    Some(segment) => &segment.keyspace,
                    None => continue,
                },
            };
            let record = Record {
                partition: new.partition,
                offset: *high,
                appended: alert::Timestamp::from_millis(now),
                key: new.key,
                value: new.value,
                meta: new.meta,
                headers: new.headers,
            };
            offsets.push(*high);
            *high += 1;
            self.records.push(Planned {
                topic: new.topic,
                keyspace: keyspace.clone(),
                compacted: topic.note.compacted,
                record: Arc::new(record),
                bytes: 0,
            });
        }
        offsets
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

fn check(state: &State, records: &[NewRecord]) -> Result<(), LogError> {
    for record in records {
        state.partition(&record.topic, record.partition)?;
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
    Ok(())
}

fn put(shared: &Shared, plan: &mut Plan, now: i64) -> Result<(), String> {
    shared.store.write(now, |batch| {
        for planned in &mut plan.records {
            let record = &planned.record;
            let key = if planned.compacted {
                codec::compacted_key(record.partition, &record.key)
            } else {
                codec::offset_key(record.partition, record.offset)
            };
            let value = codec::encode_record(record);
            planned.bytes = u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX);
            batch.put(&planned.keyspace, key, value);
        }
        for ((topic, partition), high) in &plan.highs {
            batch.note(codec::high_key(*topic, *partition), high.to_be_bytes().to_vec());
        }
        for ((group, topic, partition), committed) in &plan.offsets {
            let value = codec::encode_committed(committed.offset, &committed.lane);
            batch.note(codec::offsets_key(group, topic, *partition), value);
        }
    })
}

/// Shows what is on disk now, all of it at once.
fn publish(shared: &Shared, plan: Plan, now: i64) {
    let mut state = shared.state();
    let mut touched = BTreeSet::new();
    for planned in plan.records {
        let Some(topic) = state.topics.get_mut(&planned.topic) else {
            continue;
        };
        if let Kept::Segments(segments) = &mut topic.kept
            && let Some(mut segment) = segments.last_entry()
        {
            let note = &mut segment.get_mut().note;
            note.bytes += planned.bytes;
            note.newest = now;
        }
        if let Some(partition) = topic.partition_mut(planned.record.partition) {
            partition.push(planned.record);
        }
        if !touched.contains(&planned.topic) {
            touched.insert(planned.topic);
        }
    }
    for ((group, topic, partition), committed) in plan.offsets {
        if let Ok(group) = state.group(&group, &topic) {
            group.committed.insert(partition, committed);
        }
    }
    for topic in &touched {
        if let Some(topic) = state.topics.get(topic) {
            topic.wake();
        }
    }
}

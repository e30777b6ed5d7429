//! The invariants, each a named predicate over what the world can see. Those that bound a time are in `bounds`, the
//! account of every input is in `account`.

use std::collections::{BTreeMap, BTreeSet};

use alert::{PromDuration, Timestamp};
use processor::{Meta, Record};
use schemas::{
    Avro, Flush, GenerationRaised, JournalEntry, NotificationRequest, Outcome, OutcomeKind, RequestKind, RouteIncident,
    topics,
};
use streams::Log;

use super::account::Account;
use super::bounds::Bounds;
use super::facts::Facts;
use super::receivers::request_of;
use super::world::{PARTITIONS, World};

/// `repeat_interval` of every config of the histories.
const REPEAT: PromDuration = PromDuration::from_secs(600);

/// group id, receiver, integration index
pub(crate) type Slot = (String, String, i32);
/// What fires and what is resolved.
type Content = (BTreeSet<u64>, BTreeSet<u64>);

/// What a slot was last told.
pub(crate) struct Entry {
    pub(crate) content: Content,
    at: Timestamp,
}

struct Request {
    partition: u32,
    request: NotificationRequest,
}

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Checks {
    positions: BTreeMap<&'static str, BTreeMap<u32, i64>>,
    requests: BTreeMap<(Slot, i64), Request>,
    entries: BTreeMap<Slot, Entry>,
    raised: Vec<(u32, i64, String, GenerationRaised)>,
    duplicates: BTreeMap<(String, String), usize>,
    accepted: BTreeMap<(String, String), usize>,
    heard: BTreeMap<(String, String), BTreeSet<String>>,
    seen_sends: usize,
    bounds: Bounds,
    pub(crate) account: Account,
    /// Print what is sent and how it ended.
    told: bool,
    /// What happened that a simulation must contain to prove anything.
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

impl Checks {
    pub(crate) fn new(told: bool) -> Self {
        Self {
            told,
            ..Self::default()
        }
    }

    /// After every step that did anything.
    pub(crate) fn step(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let world = facts.world;
        for record in self.new_records(world, topics::NOTIFICATIONS) {
            in_time_order(world, topics::INCIDENTS, &record)?;
            self.notification(&record)?;
        }
        for record in self.new_records(world, topics::INCIDENTS) {
            if schemas::schema_of(record.bytes()) == Some(Flush::NAME) {
                in_time_order(world, topics::ALERTS, &record)?;
            }
            self.outcome(&record, facts);
        }
        for record in self.new_records(world, topics::JOURNAL) {
            self.journal(&record);
        }
        self.released(facts)?;
        self.sends(world)?;
        self.bounds.a1(facts, &self.entries)
    }

    /// Whenever time is about to pass or has passed.
    pub(crate) fn look(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        self.bounds.a1(facts, &self.entries)?;
        self.bounds.a8(facts)
    }

    fn new_records(&mut self, world: &World, topic: &'static str) -> Vec<Record> {
        world
            .log
            .committed_since(topic, self.positions.entry(topic).or_default())
    }

    fn notification(&mut self, record: &Record) -> Result<(), String> {
        let group = String::from_utf8_lossy(&record.key).into_owned();
        if schemas::schema_of(record.bytes()) == Some(GenerationRaised::NAME) {
            let raised: GenerationRaised = schemas::decode(record.bytes()).unwrap();
            self.raised.push((record.partition, record.offset, group, raised));
            return Ok(());
        }
        // What nobody can read is A6's.
        let Ok(request) = schemas::decode::<NotificationRequest>(record.bytes()) else {
            return Ok(());
        };
        *self.seen.entry(kind_name(request.kind)).or_default() += 1;
        let slot: Slot = (group, request.receiver.clone(), request.index);
        self.a2(&slot, &request)?;
        if request.part == 0 {
            self.bounds.asked(&slot, request.sequence);
            self.account.asked(&slot, &request);
        }
        let at = (slot, request.sequence);
        self.requests.insert(
            at,
            Request {
                partition: record.partition,
                request,
            },
        );
        Ok(())
    }

    /// A2: no second request for what an entry holds as delivered, before `repeat_interval`, but for the ladder and the
    /// one word after an acknowledgement.
    fn a2(&self, slot: &Slot, request: &NotificationRequest) -> Result<(), String> {
        if matches!(
            request.kind,
            RequestKind::Step | RequestKind::LastResort | RequestKind::Reminder
        ) {
            return Ok(());
        }
        let Some(Entry { content: told, at }) = self.entries.get(slot) else {
            return Ok(());
        };
        let content = content(request);
        let early = request.tick < *at + REPEAT;
        if content == *told && early && !content.0.is_empty() {
            return Err(format!(
                "A2: {slot:?} is asked again ({:?}) for what it was told at {at}: {told:?}",
                request.kind
            ));
        }
        Ok(())
    }

    fn outcome(&mut self, record: &Record, facts: &Facts<'_>) {
        if schemas::schema_of(record.bytes()) != Some(Outcome::NAME) {
            return;
        }
        let outcome: Outcome = schemas::decode(record.bytes()).unwrap();
        let name = match outcome.kind {
            OutcomeKind::Delivered => "delivered",
            OutcomeKind::Failed => "failed",
            OutcomeKind::Void => "void",
        };
        *self.seen.entry(name).or_default() += 1;
        let group = String::from_utf8_lossy(&record.key).into_owned();
        let slot: Slot = (group, outcome.receiver, outcome.index);
        self.bounds.ended(&slot, outcome.sequence, outcome.kind, facts);
        self.account.ended(&slot, outcome.sequence);
        if outcome.kind == OutcomeKind::Delivered
            && let Some(request) = self.requests.get(&(slot.clone(), outcome.sequence))
        {
            let (content, at) = (content(&request.request), outcome.at);
            self.entries.insert(slot, Entry { content, at });
        }
    }

    fn journal(&mut self, record: &Record) {
        let entry: JournalEntry = schemas::decode(record.bytes()).unwrap();
        if self.told && entry.kind.starts_with("notification") {
            println!(
                "  {} {:?} {}: {:?}",
                entry.kind,
                entry.receiver,
                entry.reason,
                entry.fields.get("link")
            );
        }
        if entry.kind == "notification.possible_duplicate" {
            let key = (
                entry.fields.value("idempotency_key").to_owned(),
                entry.fields.value("link").to_owned(),
            );
            *self.duplicates.entry(key).or_default() += 1;
        }
        self.account.journal(record, &entry);
    }

    /// A3 and A7, at the moment an attempt is released.
    fn released(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let world = facts.world;
        let released = std::mem::take(&mut world.receivers.lock().released);
        for (lane, _, attempt) in released {
            let (group, receiver, index, sequence) = request_of(&attempt);
            let at = &((group, receiver, index), sequence);
            let Some(Request { partition, request }) = self.requests.get(at) else {
                return Err(format!("{lane} sends {at:?} that nobody asked for"));
            };
            let read = world
                .log
                .committed("notify", topics::NOTIFICATIONS, *partition)
                .ok()
                .flatten();
            let read = read.map_or(0, |committed| committed.offset);
            let voids = self.raised.iter().find(|(p, offset, group, raised)| {
                let older = request
                    .generation
                    .is_some_and(|generation| generation < raised.generation);
                let mine = *p == *partition && *group == at.0.0 && raised.incident_id == request.incident_id;
                mine && older && *offset < read
            });
            if let Some((_, offset, ..)) = voids {
                return Err(format!(
                    "A7: {:?} of {at:?} starts although its generation was raised at {offset}",
                    request.kind
                ));
            }
            for alert in &request.alerts {
                let labels = &alert.body.labels;
                let mut silences = facts.silences.iter();
                if let Some(silence) = silences.find(|silence| silence.surely_mutes(labels, world.now())) {
                    return Err(format!(
                        "A3: an attempt of {at:?} starts with {labels} muted by {}",
                        silence.id
                    ));
                }
            }
            self.bounds.started(&at.0, request);
        }
        Ok(())
    }

    /// A4.
    fn sends(&mut self, world: &World) -> Result<(), String> {
        let inner = world.receivers.lock();
        for sent in inner.sent.iter().skip(self.seen_sends) {
            self.seen_sends += 1;
            if self.told {
                println!(
                    "  sent to {} at {}: {:?}, accepted {}",
                    sent.link, sent.at, sent.request, sent.accepted
                );
            }
            let listener = (sent.group_key.clone(), sent.link.clone());
            if sent.resolved && !self.heard.contains_key(&listener) {
                return Err(format!(
                    "A4: {} is told resolved of {} at {}, but never heard firing",
                    sent.link, sent.group_key, sent.at
                ));
            }
            if !sent.accepted {
                continue;
            }
            self.heard
                .entry(listener)
                .or_default()
                .extend(sent.firing.iter().cloned());
            let (group, receiver, index, sequence) = sent.request.clone();
            let Some(asked) = self.requests.get(&((group, receiver, index), sequence)) else {
                continue;
            };
            let key = (asked.request.idempotency_key.clone(), sent.link.clone());
            *self.accepted.entry(key).or_default() += 1;
        }
        Ok(())
    }

    /// At the end, when everything is healed and quiet.
    pub(crate) fn end(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        a5(facts.world)?;
        self.account.a6(facts)?;
        self.a2_sends()?;
        self.a1(facts)
    }

    /// A2's second half: every repeat is known to be one. Only at the end, as a dead lane's open transaction may hide a
    /// journal record from readers for a while.
    fn a2_sends(&self) -> Result<(), String> {
        for (key, times) in &self.accepted {
            let known = self.duplicates.get(key).copied().unwrap_or(0);
            if *times > known + 1 {
                return Err(format!(
                    "A2: {key:?} was sent {times} times, {known} of them known as possible duplicates"
                ));
            }
        }
        Ok(())
    }

    /// A1, its end: who fires and was never silenced is listed as firing by every receiver of its routes. (Who was may
    /// still wait for its tick; that bound is [`Bounds::a1`]'s.)
    fn a1(&self, facts: &Facts<'_>) -> Result<(), String> {
        for (alert, slots) in facts.truth.iter().zip(&facts.world.slots) {
            let name = alert.labels.value("alertname");
            if !alert.firing || facts.silences.iter().any(|silence| silence.name == name) {
                continue;
            }
            let fingerprint = alert.labels.fingerprint().0;
            for slot in slots {
                let told = self.entries.get(slot).map(|entry| &entry.content.0);
                if !told.is_some_and(|told| told.contains(&fingerprint)) {
                    return Err(format!("A1: {} fires, but {slot:?} was told {told:?}", alert.labels));
                }
            }
        }
        Ok(())
    }
}

/// A timer takes effect in time order: what it said was said with nothing unread that came before it was due. (What came
/// in the same millisecond may have come after the end was asked for.) What a record younger than a second armed for now goes
/// with that record, and what an open transaction hid is no reason to wait.
fn in_time_order(world: &World, inbox: &'static str, said: &Record) -> Result<(), String> {
    let Some((meta, due)) = said.meta.and_then(|meta| Some((meta, meta.due?))) else {
        return Ok(());
    };
    let mut from = BTreeMap::from([(meta.partition, meta.offset)]);
    from.extend(
        (0..PARTITIONS)
            .filter(|partition| *partition != meta.partition)
            .map(|other| (other, i64::MAX)),
    );
    let unread = world.log.committed_since(inbox, &mut from);
    match unread.iter().find(|record| record.appended.millis() < due) {
        None => Ok(()),
        Some(_) if due == meta.now && read_a_moment_ago(world, inbox, &meta) => Ok(()),
        Some(record) => Err(format!(
            "order: a timer of {inbox}/{} due at {due} fired at {}, ahead of offset {}, appended at {}",
            meta.partition,
            meta.now,
            record.offset,
            record.appended.millis()
        )),
    }
}

/// Whether the record before the place where this was said had come within a second.
fn read_a_moment_ago(world: &World, inbox: &'static str, said: &Meta) -> bool {
    let records = world.log.committed_records(inbox).into_iter();
    let before = records.filter(|record| record.partition == said.partition && record.offset < said.offset);
    let last = before.max_by_key(|record| record.offset);
    last.is_some_and(|record| said.now - record.appended.millis() <= 1_000)
}

/// A5: what a restore from the changelog would give is what the owner holds.
pub(crate) fn a5(world: &World) -> Result<(), String> {
    for (name, lane) in &world.lanes {
        let records = world.log.committed_records(lane.changelog());
        for (partition, store) in lane.stores() {
            let mut restored = processor::Store::default();
            for record in records.iter().filter(|record| record.partition == partition) {
                restored
                    .restore(&record.key, record.value.as_deref())
                    .map_err(|error| error.to_string())?;
            }
            if !restored.dump().eq(store.dump()) {
                return Err(format!(
                    "A5: {name} holds another state of partition {partition} than its changelog"
                ));
            }
        }
    }
    Ok(())
}

/// The incidents, as route's owners hold them.
pub(crate) fn incidents(world: &World) -> Vec<RouteIncident> {
    let found: BTreeMap<_, _> = world.incidents().collect();
    found
        .into_values()
        .map(|bytes| schemas::decode::<RouteIncident>(bytes).unwrap().whole())
        .collect()
}

fn content(request: &NotificationRequest) -> Content {
    let of = |resolved| {
        let alerts = request.alerts.iter().filter(move |alert| alert.resolved == resolved);
        alerts.map(|alert| alert.fingerprint.0).collect()
    };
    (of(false), of(true))
}

fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::First => "first",
        RequestKind::Joined => "joined",
        RequestKind::Resolve => "resolve",
        RequestKind::Repeat => "repeat",
        RequestKind::Reminder => "reminder",
        RequestKind::Step => "step",
        RequestKind::LastResort => "last resort",
    }
}

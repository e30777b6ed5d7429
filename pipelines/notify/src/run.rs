//! One request under way: where its state is kept, how it begins and how it ends.

use std::sync::Arc;

use alert::{GroupHash, GroupId, PromDuration, Timestamp};
use processor::{Context, Poison, StateKey, Store, Timers};
use schemas::{
    Avro, DecodeError, FlushAlert, NotificationRequest, NotifyAlerts, NotifyDoubt, NotifyLeg, NotifyLegState,
    NotifyProgress, NotifyRun, Outcome, OutcomeKind, slot_name, topics,
};

use crate::attempt::{Attempt, AttemptId};
use crate::journal;
use crate::next::{LOST_AFTER, accepted, link_of, links, open};

/// The request, without its alerts, in what earlier releases left.
const HEAD: u8 = 1;
/// The alerts of one part.
const ALERTS: u8 = 2;
/// The request and how far it is, with the timer.
pub(crate) const RUN: u8 = 3;
/// What is in doubt of one that ended.
pub(crate) const DOUBT: u8 = 4;

/// The timer of a run: what is due next.
const DUE: u8 = 1;
/// The timer of a doubt: its end.
const FORGET: u8 = 1;

/// The most bytes of alerts that stand in the run itself. It is written at each step, mostly twice: begun and ended.
const MAX_ALERTS: usize = 4 * 1024;

/// How long a doubt is remembered: a failed request is asked for again after one `group_interval`, and one that is
/// longer than a day is a mistake.
const DOUBT_KEPT: PromDuration = PromDuration::from_hours(24);

/// A request under way.
#[derive(Debug)]
pub(crate) struct Run {
    group: GroupHash,
    slot: Vec<u8>,
    stored: bool,
    alerts: Option<Arc<Vec<FlushAlert>>>,
    /// What is stored of it.
    pub(crate) state: NotifyRun,
}

/// A decoding error of our own bytes as the lane takes it.
pub(crate) fn poison(error: &DecodeError) -> Poison {
    match error {
        DecodeError::UnknownSchema(_) => Poison::UnknownSchema(error.to_string()),
        DecodeError::WrongRecord { .. } | DecodeError::Malformed(_) | DecodeError::TooShort => {
            Poison::Malformed(error.to_string())
        }
    }
}

/// A record's bytes.
pub(crate) fn bytes<T: Avro>(record: &T) -> Result<Vec<u8>, Poison> {
    schemas::encode(record).map_err(|error| Poison::Malformed(error.to_string()))
}

/// What tells a group's requests apart in state keys: receiver, integration and index, none a prefix of another.
fn slot(receiver: &str, integration: &str, index: i32) -> Vec<u8> {
    let text = slot_name(receiver, integration, index);
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [len.to_be_bytes().as_slice(), text.as_bytes()].concat()
}

/// The record under a key.
pub(crate) fn read<T: Avro>(key: &StateKey, cx: &Context<'_, Attempt>) -> Result<Option<T>, Poison> {
    cx.get(key)
        .map(|stored| schemas::decode(stored.bytes))
        .transpose()
        .map_err(|error| poison(&error))
}

/// The requests under way of one group, or of all, by their keys.
pub(crate) fn under_way(group: Option<GroupHash>, cx: &Context<'_, Attempt>) -> Vec<StateKey> {
    match group {
        Some(group) => cx.range(StateKey::new(group, RUN)).map(|(key, _)| key).collect(),
        None => cx
            .scan(None)
            .map(|(key, _)| key)
            .filter(|key| key.kind() == Some(RUN))
            .collect(),
    }
}

/// Whether an attempt's run was voided after the attempt was asked for.
pub(crate) fn is_void(id: &AttemptId, state: &Store) -> bool {
    let group = GroupId(id.group_id.clone()).hash();
    let key = StateKey::with(group, RUN, &slot(&id.receiver, &id.integration, id.index));
    let run = state
        .get(&key)
        .and_then(|stored| schemas::decode::<NotifyRun>(stored.bytes).ok());
    run.is_some_and(|NotifyRun { progress, .. }| progress.run == id.run && progress.void.is_some())
}

impl Run {
    /// A run of a request that has just arrived, with its first part. Nothing is written yet.
    pub(crate) fn begin(
        group_id: &str,
        mut request: NotificationRequest,
        cx: &Context<'_, Attempt>,
    ) -> Result<Self, Poison> {
        let alerts = NotifyAlerts {
            alerts: std::mem::take(&mut request.alerts),
        };
        let progress = NotifyProgress {
            group_id: group_id.to_owned(),
            run: cx.offset(),
            parts: 1,
            links: 0,
            link_started: cx.now(),
            legs: Vec::new(),
            void: None,
            void_tables: std::collections::BTreeMap::new(),
        };
        Ok(Self {
            group: GroupId(group_id.to_owned()).hash(),
            slot: slot(&request.receiver, &request.integration, request.index),
            stored: false,
            state: NotifyRun {
                request,
                progress,
                alerts: bytes(&alerts)?,
            },
            alerts: Some(Arc::new(alerts.alerts)),
        })
    }

    /// The run under way for this receiver, integration and index of a group.
    pub(crate) fn find(
        group_id: &str,
        receiver: &str,
        integration: &str,
        index: i32,
        cx: &Context<'_, Attempt>,
    ) -> Result<Option<Self>, Poison> {
        let group = GroupId(group_id.to_owned()).hash();
        Self::load(&StateKey::with(group, RUN, &slot(receiver, integration, index)), cx)
    }

    /// The run under this key.
    pub(crate) fn load(key: &StateKey, cx: &Context<'_, Attempt>) -> Result<Option<Self>, Poison> {
        let (Some(group), Some(stored)) = (key.group(), cx.get(key)) else {
            return Ok(None);
        };
        let slot = key.rest().to_vec();
        let state = if schemas::schema_of(stored.bytes) == Some(NotifyProgress::NAME) {
            let Some(request) = read(&StateKey::with(group, HEAD, &slot), cx)? else {
                return Ok(None);
            };
            NotifyRun {
                request,
                progress: schemas::decode(stored.bytes).map_err(|error| poison(&error))?,
                alerts: Vec::new(),
            }
        } else {
            schemas::decode(stored.bytes).map_err(|error| poison(&error))?
        };
        Ok(Some(Self {
            group,
            slot,
            stored: true,
            alerts: None,
            state,
        }))
    }

    /// Whether all parts are here.
    pub(crate) fn whole(&self) -> bool {
        self.state.progress.parts >= self.state.request.parts
    }

    /// Takes up the next part's alerts.
    pub(crate) fn append(&mut self, alerts: Vec<FlushAlert>, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let key = self.alerts_key(self.state.progress.parts);
        cx.put(key, &Timers::none(), &bytes(&NotifyAlerts { alerts })?);
        self.state.progress.parts += 1;
        self.alerts = None;
        Ok(())
    }

    /// The alerts of all parts, in order.
    pub(crate) fn alerts(&mut self, cx: &Context<'_, Attempt>) -> Result<Arc<Vec<FlushAlert>>, Poison> {
        if let Some(alerts) = &self.alerts {
            return Ok(Arc::clone(alerts));
        }
        let mut all = Vec::new();
        for part in 0..self.state.progress.parts {
            let stored: Option<NotifyAlerts> = if part == 0 && !self.state.alerts.is_empty() {
                Some(schemas::decode(&self.state.alerts).map_err(|error| poison(&error))?)
            } else {
                read(&self.alerts_key(part), cx)?
            };
            all.extend(stored.map(|part| part.alerts).unwrap_or_default());
        }
        let all = Arc::new(all);
        self.alerts = Some(Arc::clone(&all));
        Ok(all)
    }

    /// Writes the state, with a timer for what is due next.
    pub(crate) fn save(&mut self, due: Option<Timestamp>, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        if self.state.alerts.len() > MAX_ALERTS {
            let alerts = std::mem::take(&mut self.state.alerts);
            cx.put(self.alerts_key(0), &Timers::none(), &alerts);
        }
        self.stored = true;
        let timers = Timers::none().and_maybe(DUE, due);
        cx.put(self.key(RUN), &timers, &bytes(&self.state)?);
        Ok(())
    }

    /// It is not wanted any more. What is in flight is waited for, nothing else starts.
    pub(crate) fn void(&mut self, why: String, cx: &Context<'_, Attempt>) {
        if self.state.progress.void.is_none() {
            self.state.progress.void = Some(why);
            self.state.progress.void_tables = cx
                .tables()
                .iter()
                .map(|(table, at)| ((*table).to_owned(), *at))
                .collect();
        }
    }

    /// Nobody will report the attempts in flight (their owner is gone, or their results are lost): they wait until
    /// `resend` of their deadline, to be tried again as possible duplicates if their link still is. Says whether there
    /// were any.
    pub(crate) fn unsettle(&mut self, resend: impl Fn(Timestamp) -> Option<Timestamp>) -> bool {
        let NotifyRun { request, progress, .. } = &mut self.state;
        let mut found = false;
        for place in 0..progress.legs.len() {
            let Some(leg) = progress
                .legs
                .get(place)
                .filter(|leg| leg.state == NotifyLegState::InFlight)
            else {
                continue;
            };
            let Some(at) = resend(leg.at) else { continue };
            if open(request, progress, link_of(leg)) {
                // Its link gets its time anew: it was not the receiver that let it pass.
                progress.link_started = progress.link_started.max(at);
            }
            if let Some(leg) = progress.legs.get_mut(place) {
                (leg.state, leg.at, leg.doubt) = (NotifyLegState::Waiting, at, true);
            }
            found = true;
        }
        found
    }

    /// Takes attempts as lost whose results are long overdue.
    pub(crate) fn give_up_lost(&mut self, now: Timestamp) {
        self.unsettle(|deadline| (deadline + LOST_AFTER <= now).then_some(now));
    }

    /// Ends the run: its one outcome, its journal record, and no state, except that what is in doubt is remembered.
    pub(crate) fn finish(&self, kind: OutcomeKind, reason: &str, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let links = links(&self.state.request).into_iter().enumerate();
        let took = links.filter(|(link, _)| accepted(&self.state.progress, *link));
        let heard: Vec<String> = took.map(|(_, name)| name.to_owned()).collect();
        journal::finished(self, kind, reason, &heard, cx)?;
        let tables = if kind == OutcomeKind::Void {
            self.state.progress.void_tables.clone()
        } else {
            <_>::default()
        };
        let outcome = Outcome {
            receiver: self.state.request.receiver.clone(),
            integration: self.state.request.integration.clone(),
            index: self.state.request.index,
            sequence: self.state.request.sequence,
            kind,
            heard,
            reason: reason.to_owned(),
            tables,
            attempts: self.state.progress.legs.iter().map(|leg| leg.attempts).sum(),
            at: cx.now(),
        };
        cx.send(
            topics::INCIDENTS,
            self.state.progress.group_id.as_bytes(),
            bytes(&outcome)?,
        );
        self.remember_doubt(kind, cx)?;
        if self.stored {
            cx.delete(&self.key(RUN));
            cx.delete(&self.key(HEAD));
            for part in 0..self.state.progress.parts {
                cx.delete(&self.alerts_key(part));
            }
        }
        Ok(())
    }

    fn remember_doubt(&self, kind: OutcomeKind, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let doubtful = self
            .state
            .progress
            .legs
            .iter()
            .filter(|leg| leg.doubt && leg.state != NotifyLegState::Accepted);
        let legs: Vec<_> = doubtful
            .map(|leg| slot_name(&leg.receiver, &leg.integration, leg.index))
            .collect();
        let key = self.key(DOUBT);
        if kind == OutcomeKind::Delivered || legs.is_empty() {
            cx.delete(&key);
        } else {
            let doubt = NotifyDoubt {
                sequence: self.state.request.sequence,
                legs,
            };
            cx.put(key, &Timers::one(FORGET, cx.now() + DOUBT_KEPT), &bytes(&doubt)?);
        }
        Ok(())
    }

    /// Adds a leg, to be tried at once. One that an earlier run of the same sequence number left in doubt is so from the
    /// start.
    pub(crate) fn add_leg(
        &mut self,
        link: usize,
        receiver: &str,
        integration: &str,
        index: i32,
        cx: &Context<'_, Attempt>,
    ) -> Result<(), Poison> {
        let doubt: Option<NotifyDoubt> = read(&self.key(DOUBT), cx)?;
        let name = slot_name(receiver, integration, index);
        let doubt = doubt.is_some_and(|it| it.sequence == self.state.request.sequence && it.legs.contains(&name));
        self.state.progress.legs.push(NotifyLeg {
            link: i32::try_from(link).unwrap_or(i32::MAX),
            receiver: receiver.to_owned(),
            integration: integration.to_owned(),
            index,
            state: NotifyLegState::Waiting,
            at: cx.now(),
            attempts: 0,
            doubt,
        });
        Ok(())
    }

    /// The id of a leg's newest attempt.
    pub(crate) fn attempt_id(&self, leg: usize, attempt: i32, partition: u32) -> AttemptId {
        AttemptId {
            partition,
            group_id: self.state.progress.group_id.clone(),
            receiver: self.state.request.receiver.clone(),
            integration: self.state.request.integration.clone(),
            index: self.state.request.index,
            sequence: self.state.request.sequence,
            run: self.state.progress.run,
            leg,
            attempt,
        }
    }

    fn key(&self, kind: u8) -> StateKey {
        StateKey::with(self.group, kind, &self.slot)
    }

    fn alerts_key(&self, part: i32) -> StateKey {
        StateKey::with(
            self.group,
            ALERTS,
            &[self.slot.as_slice(), &part.to_be_bytes()].concat(),
        )
    }
}

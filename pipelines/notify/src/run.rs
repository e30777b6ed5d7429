//! One request under way: where its state is kept, how it begins and how it ends.

use std::sync::Arc;

use alert::{GroupHash, GroupId, PromDuration, Timestamp};
use processor::{Context, Poison, StateKey, Store, Timers};
use schemas::{
    Avro, DecodeError, FlushAlert, NotificationRequest, NotifyAlerts, NotifyDoubt, NotifyLeg, NotifyLegState,
    NotifyProgress, Outcome, OutcomeKind, topics,
};

use crate::attempt::{Attempt, AttemptId};
use crate::journal;
use crate::next::{LOST_AFTER, accepted, link_of, links, open};

/// The request, without its alerts.
const HEAD: u8 = 1;
/// The alerts of one part.
const ALERTS: u8 = 2;
/// How far it is, with the timer.
pub(crate) const PROGRESS: u8 = 3;
/// What is in doubt of one that ended.
pub(crate) const DOUBT: u8 = 4;

/// The timer of progress: what is due next.
const DUE: u8 = 1;
/// The timer of a doubt: its end.
const FORGET: u8 = 1;

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
    /// The request, without its alerts.
    pub(crate) request: NotificationRequest,
    /// How far it is.
    pub(crate) progress: NotifyProgress,
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
    let text = leg_name(receiver, integration, index);
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [len.to_be_bytes().as_slice(), text.as_bytes()].concat()
}

fn leg_name(receiver: &str, integration: &str, index: i32) -> String {
    format!("{receiver}/{integration}/{index}")
}

/// The record under a key.
pub(crate) fn read<T: Avro>(key: &StateKey, cx: &Context<'_, Attempt>) -> Result<Option<T>, Poison> {
    cx.get(key)
        .map(|stored| schemas::decode(stored.bytes))
        .transpose()
        .map_err(|error| poison(&error))
}

/// The requests under way of one group, or of all, as keys of their progress.
pub(crate) fn under_way(group: Option<GroupHash>, cx: &Context<'_, Attempt>) -> Vec<StateKey> {
    match group {
        Some(group) => cx
            .range(StateKey::new(group, PROGRESS).as_bytes())
            .map(|(key, _)| key)
            .collect(),
        None => cx
            .scan(None)
            .map(|(key, _)| key)
            .filter(|key| key.kind() == Some(PROGRESS))
            .collect(),
    }
}

/// Whether an attempt's run was voided after the attempt was asked for.
pub(crate) fn is_void(id: &AttemptId, state: &Store) -> bool {
    let group = GroupId(id.group_id.clone()).hash();
    let key = StateKey::with(group, PROGRESS, &slot(&id.receiver, &id.integration, id.index));
    let progress = state
        .get(&key)
        .and_then(|stored| schemas::decode::<NotifyProgress>(stored.bytes).ok());
    progress.is_some_and(|progress| progress.run == id.run && progress.void.is_some())
}

impl Run {
    /// A run of a request that has just arrived, with its first part. Nothing is written yet.
    pub(crate) fn begin(group_id: &str, mut request: NotificationRequest, cx: &Context<'_, Attempt>) -> Self {
        let alerts = std::mem::take(&mut request.alerts);
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
        Self {
            group: GroupId(group_id.to_owned()).hash(),
            slot: slot(&request.receiver, &request.integration, request.index),
            stored: false,
            alerts: Some(Arc::new(alerts)),
            request,
            progress,
        }
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
        Self::load(
            &StateKey::with(group, PROGRESS, &slot(receiver, integration, index)),
            cx,
        )
    }

    /// The run whose progress is under this key.
    pub(crate) fn load(key: &StateKey, cx: &Context<'_, Attempt>) -> Result<Option<Self>, Poison> {
        let Some(group) = key.group() else { return Ok(None) };
        let Some(progress) = read(key, cx)? else {
            return Ok(None);
        };
        let slot = key.rest().to_vec();
        let Some(request) = read(&StateKey::with(group, HEAD, &slot), cx)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            group,
            slot,
            stored: true,
            alerts: None,
            request,
            progress,
        }))
    }

    /// Whether all parts are here.
    pub(crate) fn whole(&self) -> bool {
        self.progress.parts >= self.request.parts
    }

    /// Takes up the next part's alerts.
    pub(crate) fn append(&mut self, alerts: Vec<FlushAlert>, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let key = self.alerts_key(self.progress.parts);
        cx.put(key, &Timers::none(), &bytes(&NotifyAlerts { alerts })?);
        self.progress.parts += 1;
        self.alerts = None;
        Ok(())
    }

    /// The alerts of all parts, in order.
    pub(crate) fn alerts(&mut self, cx: &Context<'_, Attempt>) -> Result<Arc<Vec<FlushAlert>>, Poison> {
        if let Some(alerts) = &self.alerts {
            return Ok(Arc::clone(alerts));
        }
        let mut all = Vec::new();
        for part in 0..self.progress.parts {
            let stored: Option<NotifyAlerts> = read(&self.alerts_key(part), cx)?;
            all.extend(stored.map(|part| part.alerts).unwrap_or_default());
        }
        let all = Arc::new(all);
        self.alerts = Some(Arc::clone(&all));
        Ok(all)
    }

    /// Writes the state, with a timer for what is due next.
    pub(crate) fn save(&mut self, due: Option<Timestamp>, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        if !self.stored {
            cx.put(self.key(HEAD), &Timers::none(), &bytes(&self.request)?);
            let alerts = self.alerts.as_deref().cloned().unwrap_or_default();
            cx.put(self.alerts_key(0), &Timers::none(), &bytes(&NotifyAlerts { alerts })?);
            self.stored = true;
        }
        let timers = Timers::none().and_maybe(DUE, due);
        cx.put(self.key(PROGRESS), &timers, &bytes(&self.progress)?);
        Ok(())
    }

    /// It is not wanted any more. What is in flight is waited for, nothing else starts.
    pub(crate) fn void(&mut self, why: String, cx: &Context<'_, Attempt>) {
        if self.progress.void.is_none() {
            self.progress.void = Some(why);
            self.progress.void_tables = cx
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
        let Self { request, progress, .. } = self;
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
        let links = links(&self.request).into_iter().enumerate();
        let took = links.filter(|(link, _)| accepted(&self.progress, *link));
        let heard: Vec<String> = took.map(|(_, name)| name.to_owned()).collect();
        journal::finished(self, kind, reason, &heard, cx)?;
        let tables = if kind == OutcomeKind::Void {
            self.progress.void_tables.clone()
        } else {
            <_>::default()
        };
        let outcome = Outcome {
            receiver: self.request.receiver.clone(),
            integration: self.request.integration.clone(),
            index: self.request.index,
            sequence: self.request.sequence,
            kind,
            heard,
            reason: reason.to_owned(),
            tables,
            attempts: self.progress.legs.iter().map(|leg| leg.attempts).sum(),
            at: cx.now(),
        };
        cx.send(topics::INCIDENTS, self.progress.group_id.as_bytes(), bytes(&outcome)?);
        self.remember_doubt(kind, cx)?;
        if self.stored {
            cx.delete(&self.key(HEAD));
            cx.delete(&self.key(PROGRESS));
            for part in 0..self.progress.parts {
                cx.delete(&self.alerts_key(part));
            }
        }
        Ok(())
    }

    fn remember_doubt(&self, kind: OutcomeKind, cx: &mut Context<'_, Attempt>) -> Result<(), Poison> {
        let doubtful = self
            .progress
            .legs
            .iter()
            .filter(|leg| leg.doubt && leg.state != NotifyLegState::Accepted);
        let legs: Vec<_> = doubtful
            .map(|leg| leg_name(&leg.receiver, &leg.integration, leg.index))
            .collect();
        let key = self.key(DOUBT);
        if kind == OutcomeKind::Delivered || legs.is_empty() {
            cx.delete(&key);
        } else {
            let doubt = NotifyDoubt {
                sequence: self.request.sequence,
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
        let name = leg_name(receiver, integration, index);
        let doubt = doubt.is_some_and(|it| it.sequence == self.request.sequence && it.legs.contains(&name));
        self.progress.legs.push(NotifyLeg {
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
            group_id: self.progress.group_id.clone(),
            receiver: self.request.receiver.clone(),
            integration: self.request.integration.clone(),
            index: self.request.index,
            sequence: self.request.sequence,
            run: self.progress.run,
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

//! One group while one input is applied to it: its records in hand, and the order in which everything is settled.

use std::collections::BTreeMap;
use std::rc::Rc;

use alert::{GroupId, Timestamp};
use processor::{Poison, StateKey, Timers};
use schemas::{
    FlushAlert, FlushSettled, GenerationRaised, IncidentStatus, Look, RequestKind, RouteIncident, RouteLadder,
    RouteSlot, route_keys, slot_name, topics,
};

use crate::batch::{self, Batch};
use crate::journal::Entry;
use crate::state::{
    delete_all, earliest, encoded, load, load_all, load_incident, save, save_incident, slot_is_empty, slot_key,
    slot_timers,
};
use crate::view::{Cx, View};
use crate::{ladder, mutes, slot};

/// How long an incident that is over or was moved is remembered: the time in which one that returns is the same one
///, and in which a late outcome still finds it.
pub(crate) const REMEMBERED: alert::PromDuration = alert::PromDuration::from_mins(15);

/// A group's records in hand. Every handler changes them and ends with [`Group::finish`].
pub(crate) struct Group<'w, 'c> {
    pub(crate) view: &'w View,
    pub(crate) cx: &'w mut Cx<'c>,
    pub(crate) hash: alert::GroupHash,
    pub(crate) incident: RouteIncident,
    pub(crate) ladder: Option<RouteLadder>,
    pub(crate) slots: BTreeMap<String, RouteSlot>,
    /// Since when the ladder is to be held, where that is not now.
    pub(crate) hold_since: Option<Timestamp>,
    /// The newest flush differs from the one before: what was not said of it is worth an entry.
    pub(crate) changed: bool,
    look_at: Option<Timestamp>,
    batch: Option<Rc<Batch>>,
}

impl<'w, 'c> Group<'w, 'c> {
    /// The group as it is kept; none where nothing is known of it.
    pub(crate) fn open(view: &'w View, cx: &'w mut Cx<'c>, id: &str) -> Result<Option<Self>, Poison> {
        let hash = GroupId(id.to_owned()).hash();
        let Some(incident) = load_incident(cx, hash)? else {
            return Ok(None);
        };
        Self::with(view, cx, hash, incident).map(Some)
    }

    /// The group of an incident in hand.
    pub(crate) fn with(
        view: &'w View,
        cx: &'w mut Cx<'c>,
        hash: alert::GroupHash,
        incident: RouteIncident,
    ) -> Result<Self, Poison> {
        let ladder = load(cx, &StateKey::new(hash, route_keys::LADDER))?;
        let slots = load_all::<RouteSlot>(cx, hash, route_keys::SLOT)?
            .into_iter()
            .map(|(_, slot)| (slot_name(&slot.receiver, &slot.integration, slot.index), slot))
            .collect();
        Ok(Self {
            view,
            cx,
            hash,
            incident,
            ladder,
            slots,
            hold_since: None,
            changed: false,
            look_at: None,
            batch: None,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cx.now()
    }

    /// Neither resolved nor moved.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.incident.status, IncidentStatus::Resolved | IncidentStatus::Moved)
    }

    /// The newest flush as mutes leave it now.
    pub(crate) fn batch(&mut self) -> Result<Rc<Batch>, Poison> {
        if let Some(batch) = &self.batch {
            return Ok(batch.clone());
        }
        let kept = load_all::<FlushAlert>(self.cx, self.hash, route_keys::ALERT)?;
        let mut alerts: Vec<FlushAlert> = kept.into_iter().map(|(_, alert)| alert).collect();
        batch::sort(&mut alerts);
        Ok(self.set_batch(alerts))
    }

    /// Takes a flush in hand.
    pub(crate) fn set_batch(&mut self, alerts: Vec<FlushAlert>) -> Rc<Batch> {
        let batch = Rc::new(Batch::of(alerts, self.view, self.cx.now()));
        self.batch = Some(batch.clone());
        batch
    }

    /// Raises the generation: what waits under an older one is void.
    pub(crate) fn raise(&mut self, reason: &str, everything: bool) -> Result<(), Poison> {
        self.incident.generation += 1;
        let raised = GenerationRaised {
            incident_id: self.incident.incident_id.clone(),
            generation: self.incident.generation,
            everything,
            reason: reason.to_owned(),
        };
        let bytes = encoded(&raised)?;
        self.cx
            .send(topics::NOTIFICATIONS, self.incident.group.as_bytes(), bytes);
        Ok(())
    }

    /// Asks for a flush, at the time given or when one was to be asked for anyway, whichever comes first.
    pub(crate) fn look(&mut self, at: Timestamp) {
        self.look_at = earliest([self.look_at, Some(at)]);
    }

    /// Writes a journal entry about this incident.
    pub(crate) fn note(&mut self, entry: Entry) -> Result<(), Poison> {
        entry.of(&self.incident, self.cx)
    }

    /// Draws every conclusion from what the handler changed, and stores what is in hand.
    pub(crate) fn finish(mut self) -> Result<(), Poison> {
        slot::judge_waiting(&mut self)?;
        ladder::see_mutes(&mut self)?;
        ladder::climb(&mut self)?;
        slot::send_queued(&mut self)?;
        ladder::note_end(&mut self)?;
        self.settle()?;
        if let Some(at) = self.look_at.take() {
            look_at(&mut self.incident, at);
        }
        ask_if_due(&mut self.incident, self.cx)?;
        self.store()
    }

    /// Settles the newest flush once each of its integrations has its outcome or had nothing to say, and tells correlate
    /// where alerts may leave the group with it.
    fn settle(&mut self) -> Result<(), Poison> {
        let unsaid = |slot: &RouteSlot| {
            let ladder = |kind| matches!(kind, RequestKind::Step | RequestKind::LastResort);
            slot.waits || slot.pending.as_ref().is_some_and(|pending| !ladder(pending.kind))
        };
        if self.incident.settled || self.incident.status == IncidentStatus::Moved || self.slots.values().any(unsaid) {
            return Ok(());
        }
        self.incident.settled = true;
        // What was asked for since the flush stays asked for: a look too many says nothing, one missing may page nobody.
        if let Some(at) = self.again_at() {
            self.look(at);
        }
        if !self.incident.answer_owed {
            return Ok(());
        }
        let bytes = encoded(&FlushSettled {
            flush: self.incident.flush,
            keep: self.incident.failed || self.incident.voided,
            again_at: None,
        })?;
        self.cx.send(topics::ALERTS, self.incident.group.as_bytes(), bytes);
        Ok(())
    }

    /// When to look again though nothing changed.
    fn again_at(&self) -> Option<Timestamp> {
        let route = self.view.route(&self.incident.route);
        let retry = route
            .filter(|_| self.incident.failed)
            .map(|route| self.incident.tick + route.timing.group_interval);
        // A repeat that is due and was not delivered is tried again with the rest, not at once.
        let repeat = slot::repeat_due(self).filter(|due| *due > self.now());
        earliest([retry, self.incident.muted_until, repeat])
    }

    fn store(mut self) -> Result<(), Poison> {
        self.refresh_status();
        if self.incident.policy.is_none() && !self.slots.values().any(|slot| slot.waits || slot.queued.is_some()) {
            delete_all(self.cx, self.hash, route_keys::ALERT, |_| false);
        }
        for (name, slot) in &self.slots {
            let key = slot_key(self.hash, name);
            if slot_is_empty(slot) {
                self.cx.delete(&key);
            } else {
                save(self.cx, key, &slot_timers(slot), slot)?;
            }
        }
        save_incident(self.cx, self.hash, self.incident)
    }

    /// The status that follows from what is known, of an incident that goes on.
    pub(crate) fn refresh_status(&mut self) {
        if self.is_live() {
            self.incident.status = if self.incident.acknowledged_at.is_some() {
                IncidentStatus::Acknowledged
            } else if self.incident.quiet {
                IncidentStatus::Quiet
            } else {
                IncidentStatus::Firing
            };
        }
    }

    /// Stores the ladder, which does not change once it started.
    pub(crate) fn store_ladder(&mut self, ladder: RouteLadder) -> Result<(), Poison> {
        save(
            self.cx,
            StateKey::new(self.hash, route_keys::LADDER),
            &Timers::none(),
            &ladder,
        )?;
        self.ladder = Some(ladder);
        Ok(())
    }

    /// Forgets an incident that ended. What its integrations were told lives on in the slots, as Alertmanager's log does,
    /// but a moved incident owes nobody whom its ladder told.
    pub(crate) fn forget(mut self) -> Result<(), Poison> {
        if self.slots.values().any(|slot| slot.pending.is_some()) {
            self.incident.forget_at = Some(self.now() + REMEMBERED);
            return self.finish();
        }
        let moved = self.incident.status == IncidentStatus::Moved;
        for slot in self.slots.values_mut() {
            (slot.waits, slot.queued, slot.failed, slot.void_tables, slot.recheck_at) = (false, None, None, None, None);
            if moved && slot.told_by_ladder {
                slot.entry = None;
            }
            slot.told_by_ladder = false;
        }
        mutes::forget(&mut self);
        for kind in [route_keys::LADDER, route_keys::ALERT, route_keys::COMMAND] {
            delete_all(self.cx, self.hash, kind, |_| false);
        }
        let (hash, key) = (self.hash, StateKey::new(self.hash, route_keys::INCIDENT));
        for (name, slot) in &self.slots {
            let key = slot_key(hash, name);
            if slot_is_empty(slot) {
                self.cx.delete(&key);
            } else {
                save(self.cx, key, &slot_timers(slot), slot)?;
            }
        }
        self.cx.delete(&key);
        Ok(())
    }
}

/// Notes that a group is to be looked at then, unless it is to be sooner.
pub(crate) fn look_at(incident: &mut RouteIncident, at: Timestamp) {
    incident.again_at = earliest([incident.again_at, Some(at)]);
}

/// Asks correlate for a flush where the time for one has come. Until then that time is a timer of the incident.
pub(crate) fn ask_if_due(incident: &mut RouteIncident, cx: &mut Cx<'_>) -> Result<(), Poison> {
    let now = cx.now();
    if incident.again_at.take_if(|at| *at <= now).is_some() {
        let bytes = encoded(&Look { at: now })?;
        cx.send(topics::ALERTS, incident.group.as_bytes(), bytes);
    }
    Ok(())
}

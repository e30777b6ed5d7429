//! The bounds in time of A1 and A8, by the clock of [`Health`](super::facts::Health).

use std::collections::{BTreeMap, BTreeSet};

use alert::{LabelSet, PromDuration};
use config::Config;
use policy::{Ladder, chain};
use processor::StateKey;
use schemas::{IncidentStatus, LadderPhase, NotificationRequest, OutcomeKind, RouteIncident};

use super::checks::{Entry, Slot};
use super::facts::{ATTEMPT, Facts};
use super::world::World;

/// What a bound allows beside the config's own times when all is well.
const SLACK: PromDuration = PromDuration::from_secs(2);

/// What is owed: the attempt that carries an alert at a slot.
struct Owed {
    /// When it must have started.
    by: PromDuration,
    /// It started; until its outcome nothing more is owed.
    started: bool,
}

/// An incident on its ladder.
struct Climb {
    /// How long it climbed: all was well and nothing held it.
    spent: PromDuration,
    /// How long it may.
    bound: PromDuration,
    held: bool,
}

/// What is owed, and who climbs.
#[derive(Default)]
pub(crate) struct Bounds {
    owed: BTreeMap<(Slot, u64), Owed>,
    /// The request that holds a slot.
    holding: BTreeMap<Slot, i64>,
    climbs: BTreeMap<String, Climb>,
    /// Incidents by their keys, as last decoded from these bytes: most looks find them unchanged.
    decoded: BTreeMap<StateKey, (Vec<u8>, RouteIncident)>,
    looked_at: PromDuration,
}

impl Bounds {
    /// A request was written: its slot is held.
    pub(crate) fn asked(&mut self, slot: &Slot, sequence: i64) {
        self.holding.insert(slot.clone(), sequence);
    }

    /// A request ended: its slot is free, and what it did not deliver is owed anew, at the next look.
    pub(crate) fn ended(&mut self, slot: &Slot, sequence: i64, kind: OutcomeKind, facts: &Facts<'_>) {
        if self.holding.get(slot) == Some(&sequence) {
            self.holding.remove(slot);
        }
        if kind == OutcomeKind::Delivered {
            return;
        }
        let by = facts
            .healthy
            .saturating_add(interval(&facts.world.config))
            .saturating_add(SLACK);
        for (_, owed) in self.owed.iter_mut().filter(|((of, _), _)| of == slot) {
            *owed = Owed { by, started: false };
        }
    }

    /// An attempt starts.
    pub(crate) fn started(&mut self, slot: &Slot, request: &NotificationRequest) {
        for alert in request.alerts.iter().filter(|alert| !alert.resolved) {
            if let Some(owed) = self.owed.get_mut(&(slot.clone(), alert.fingerprint.0)) {
                owed.started = true;
            }
        }
    }

    /// A1: a firing alert that nothing mutes and that its log entry does not list as firing: the first attempt that carries
    /// it starts within `group_wait` (or `group_interval`, and the end of the request that holds its slot) plus slack.
    pub(crate) fn a1(&mut self, facts: &Facts<'_>, entries: &BTreeMap<Slot, Entry>) -> Result<(), String> {
        let mut wanted = BTreeSet::new();
        for (alert, slots) in facts.truth.iter().zip(&facts.world.slots) {
            if !alert.firing || facts.muted(&alert.labels) {
                continue;
            }
            let fingerprint = alert.labels.fingerprint().0;
            for slot in slots {
                if !entries
                    .get(slot)
                    .is_some_and(|entry| entry.content.0.contains(&fingerprint))
                {
                    wanted.insert((slot.clone(), fingerprint));
                    self.a1_of(facts, slot, fingerprint, &alert.labels)?;
                }
            }
        }
        self.owed.retain(|key, _| wanted.contains(key));
        Ok(())
    }

    fn a1_of(&mut self, facts: &Facts<'_>, slot: &Slot, fingerprint: u64, labels: &LabelSet) -> Result<(), String> {
        let held = self.holding.contains_key(slot);
        let owed = self.owed.entry((slot.clone(), fingerprint)).or_insert_with(|| {
            let wait = if facts.world.was_flushed(&slot.0) {
                interval(&facts.world.config)
            } else {
                wait(&facts.world.config)
            };
            Owed {
                by: facts.healthy.saturating_add(wait).saturating_add(SLACK),
                started: false,
            }
        });
        if held {
            owed.by = owed.by.max(facts.healthy.saturating_add(SLACK));
        }
        if owed.started || facts.healthy <= owed.by {
            return Ok(());
        }
        let late = PromDuration::from_millis(facts.healthy.millis() - owed.by.millis());
        Err(format!(
            "A1: no attempt tells {slot:?} of {labels}, {late} after it had to"
        ))
    }

    /// A8: every escalation ends acknowledged, resolved, moved, or with its last resort tried through its whole chain,
    /// within a computable bound: the sum of the policy's steps and rounds, the last resort's chain and its last attempt,
    /// and whatever time it was held (acknowledged, quiet, muted, moved), with the tick after each hold.
    pub(crate) fn a8(&mut self, facts: &Facts<'_>) -> Result<(), String> {
        let passed = facts.healthy.millis() - self.looked_at.millis();
        self.looked_at = facts.healthy;
        self.decode(facts.world);
        let ids: BTreeSet<&String> = self
            .decoded
            .values()
            .map(|(_, incident)| &incident.incident_id)
            .collect();
        self.climbs.retain(|id, _| ids.contains(id));
        for (_, incident) in self.decoded.values() {
            if !climbs(incident) {
                self.climbs.remove(&incident.incident_id);
                continue;
            }
            let held = held(facts, incident);
            let climb = self
                .climbs
                .entry(incident.incident_id.clone())
                .or_insert_with(|| Climb {
                    spent: PromDuration::ZERO,
                    bound: bound(&facts.world.config, incident),
                    held,
                });
            if !climb.held {
                climb.spent = climb.spent.saturating_add(PromDuration::from_millis(passed));
            } else if !held {
                climb.bound = climb.bound.saturating_add(interval(&facts.world.config));
            }
            climb.held = held;
            if climb.spent > climb.bound {
                let (group, ladder) = (&incident.group, &incident.ladder);
                return Err(format!(
                    "A8: the ladder of {group} climbs for {}, its bound is {}: {ladder:?}",
                    climb.spent, climb.bound
                ));
            }
        }
        Ok(())
    }

    fn decode(&mut self, world: &World) {
        let mut there = BTreeSet::new();
        for (key, bytes) in world.incidents() {
            there.insert(key.clone());
            if self.decoded.get(&key).is_none_or(|(known, _)| known != bytes) {
                let incident: RouteIncident = schemas::decode(bytes).unwrap();
                self.decoded.insert(key, (bytes.to_vec(), incident.whole()));
            }
        }
        self.decoded.retain(|key, _| there.contains(key));
    }
}

/// Whether its ladder is still to end.
fn climbs(incident: &RouteIncident) -> bool {
    let phase = incident.ladder.as_ref().map(|ladder| ladder.phase);
    incident.status != IncidentStatus::Resolved && phase.is_some_and(|phase| phase != LadderPhase::Exhausted)
}

/// Whether something holds its ladder, as the world has it: only the acknowledgement is route's own.
fn held(facts: &Facts<'_>, incident: &RouteIncident) -> bool {
    let in_group = |slots: &[Slot]| slots.iter().any(|slot| slot.0 == incident.group);
    let mut unmuted = facts
        .truth
        .iter()
        .zip(&facts.world.slots)
        .filter(|(alert, slots)| alert.firing && in_group(slots) && !facts.muted(&alert.labels));
    matches!(incident.status, IncidentStatus::Acknowledged | IncidentStatus::Moved) || unmuted.next().is_none()
}

/// How long an unheld ladder takes at most.
fn bound(config: &Config, incident: &RouteIncident) -> PromDuration {
    let policies = config.escalation.as_ref().map(|escalation| &escalation.policies);
    let policy = policies
        .and_then(|policies| policies.get(incident.policy.as_ref()?))
        .unwrap();
    let walks = policy.last_resort.iter().map(|target| {
        let config::Target::Receiver(receiver) = target;
        let links = chain(config, receiver);
        links
            .iter()
            .fold(PromDuration::ZERO, |sum, link| sum.saturating_add(link.try_for))
    });
    let climb = Ladder::of(policy)
        .total()
        .saturating_add(walks.max().unwrap_or_default());
    climb.saturating_add(ATTEMPT).saturating_add(SLACK)
}

fn wait(config: &Config) -> PromDuration {
    config
        .route
        .walk()
        .map(|route| route.timing.group_wait)
        .max()
        .unwrap_or_default()
}

fn interval(config: &Config) -> PromDuration {
    config
        .route
        .walk()
        .map(|route| route.timing.group_interval)
        .max()
        .unwrap_or_default()
}

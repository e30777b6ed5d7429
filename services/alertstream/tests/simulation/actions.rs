//! What happens in a history: alerts come and go, people and operators act, lanes die, receivers misbehave.

use std::collections::BTreeMap;

use alert::{PromDuration, SilenceMatcher, partition_for};
use schemas::{Command, CommandAction, SilenceRecord, topics};

use super::checks::incidents;
use super::facts::Silenced;
use super::history::{History, LIVES};
use super::receivers::Behaviour;
use super::setting;
use super::world::{PARTITIONS, STAGES};

impl History {
    pub(super) fn change_an_alert(&mut self) {
        let at = usize::try_from(self.rng.below(self.truth.len() as u64)).unwrap();
        let now = self.world.now();
        let alert = &mut self.truth[at];
        let began = alert.since;
        if alert.firing && began == now {
            // Alertmanager's merge rule keeps the end that was said first: it would live on until it is sent again.
            return;
        }
        alert.firing = !alert.firing;
        alert.since = now;
        let (labels, firing) = (alert.labels.clone(), alert.firing);
        self.tell(|_| format!("{labels} {}", if firing { "fires" } else { "resolves" }));
        if firing {
            self.world.post(&labels, now, now + LIVES);
        } else {
            self.world.post(&labels, began, now);
        }
    }

    pub(super) fn crash(&mut self) {
        let names: Vec<String> = self.world.lanes.keys().cloned().collect();
        if let Some(name) = self.rng.pick(&names).cloned() {
            let points = 1 + self.rng.below(40);
            self.world.log.crash_in(&name, points);
            self.tell(|_| format!("{name} will die at point {points}"));
        }
    }

    /// A second lane comes, or one is declared dead though it lives: a zombie until it polls.
    pub(super) fn second_lane(&mut self) -> Result<(), String> {
        let stage = STAGES[usize::try_from(self.rng.below(3)).unwrap()];
        let of_stage: Vec<String> = self
            .world
            .lanes
            .keys()
            .filter(|name| name.starts_with(stage))
            .cloned()
            .collect();
        if of_stage.len() < 2 {
            self.disturb();
            self.start(stage);
        } else if let Some(name) = self.rng.pick(&of_stage).cloned() {
            if self.rng.chance(500) {
                self.disturb();
                self.tell(|_| format!("{name} is declared dead"));
                self.world.log.expire(&name);
            } else {
                self.disturb();
                self.tell(|_| format!("{name} leaves"));
                self.step(&name)?;
                if let Some(lane) = self.world.lanes.remove(&name) {
                    lane.close();
                }
                self.world.receivers.lane_died(&name);
                self.check()?;
            }
        }
        Ok(())
    }

    pub(super) fn silence(&mut self) {
        let now = self.world.now();
        let active = self.silences.iter().position(|silence| silence.ends_at > now);
        let (at, ends_at) = if let Some(at) = active {
            (at, now)
        } else {
            let name = ["Slow", "Down", "Full"][usize::try_from(self.rng.below(3)).unwrap()];
            let id = format!("silence-{}", self.silences.len());
            let silence = Silenced {
                id,
                name: name.to_owned(),
                starts_at: now,
                ends_at: now,
                surely_read: false,
            };
            self.silences.push(silence);
            (
                self.silences.len() - 1,
                now + PromDuration::from_millis(20_000 + self.rng.below(200_000)),
            )
        };
        self.silences[at].ends_at = ends_at;
        self.write_silence(at);
        let told = self.silences[at].clone();
        self.tell(|_| format!("{told:?}"));
    }

    /// Console writes until it is acknowledged, as its answer waits for that.
    fn write_silence(&mut self, at: usize) {
        let silence = self.silences[at].clone();
        let matcher = SilenceMatcher {
            name: "alertname".to_owned(),
            value: silence.name,
            is_regex: false,
            is_equal: true,
        };
        let record = SilenceRecord {
            id: silence.id.clone(),
            matchers: vec![matcher],
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            updated_at: self.world.now(),
            created_by: "simulation".to_owned(),
            comment: String::new(),
            annotations: BTreeMap::new(),
        };
        self.world.append_surely(topics::SILENCES, 0, &silence.id, &record);
        // A lane reads its tables at the start of each step, and attempts are released in a step: without lag it has it.
        self.silences[at].surely_read = true;
    }

    pub(super) fn command(&mut self) {
        let open = incidents(&self.world);
        let Some(incident) = self.rng.pick(&open).cloned() else {
            return;
        };
        self.commands += 1;
        let action = if self.rng.chance(700) {
            CommandAction::Acknowledge
        } else {
            CommandAction::Unacknowledge
        };
        let command = Command {
            id: format!("command-{}", self.commands),
            incident_id: incident.incident_id.clone(),
            action,
            by: "ada".to_owned(),
            generation: incident.generation,
            at: self.world.now(),
            comment: String::new(),
        };
        self.tell(|_| format!("{action:?} {} at generation {}", incident.group, incident.generation));
        let partition = partition_for(incident.group.as_bytes(), PARTITIONS);
        self.world
            .append_surely(topics::INCIDENTS, partition, &incident.group, &command);
    }

    pub(super) fn change_a_receiver(&mut self) {
        let link = *self.rng.pick(&setting::RECEIVERS).unwrap();
        let behaviour = [
            Behaviour::Accept,
            Behaviour::Refuse,
            Behaviour::BadRequest,
            Behaviour::Hang,
            Behaviour::AcceptSilently,
        ][usize::try_from(self.rng.below(5)).unwrap()];
        self.tell(|_| format!("{link} will {behaviour:?}"));
        self.world.receivers.lock().behaviour.insert(link.to_owned(), behaviour);
    }

    /// Something nobody can read lies in a stage's inbox.
    pub(super) fn garbage(&mut self) {
        let inboxes = [topics::ALERTS, topics::INCIDENTS, topics::NOTIFICATIONS];
        let topic = *self.rng.pick(&inboxes).unwrap();
        let partition = u32::try_from(self.rng.below(PARTITIONS.into())).unwrap();
        let appended = self
            .world
            .append(topic, partition, "garbage".to_owned(), b"\xC3\x28".to_vec());
        // Where the answer is lost it lies there all the same, as the newest record.
        let offset = appended.map_or_else(|_| self.world.end(topic, partition) - 1, |offsets| offsets[0]);
        self.checks.account.garbage(topic, partition, offset);
        self.tell(|_| format!("garbage at {topic}/{partition}/{offset}"));
    }
}

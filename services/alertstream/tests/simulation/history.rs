//! One random history: alerts, re-sends, resolves, silences, acknowledgements, config changes, receivers that misbehave,
//! crashes at any step, zombies, faults of the log. Then everything heals, and the invariants must hold.

use std::collections::BTreeMap;

use alert::{LabelSet, PromDuration, SilenceMatcher, Timestamp, partition_for};
use schemas::{Command, CommandAction, SilenceRecord, topics};
use streams::Sabotage;
use streams::simulated::{Faults, Rng};

use super::checks::{Checks, Silenced, a5, incidents};
use super::receivers::Behaviour;
use super::setting;
use super::world::{PARTITIONS, STAGES, START, World};

/// Prometheus re-sends what fires each minute and sets its end four minutes ahead.
const RESEND: PromDuration = PromDuration::from_secs(60);
const LIVES: PromDuration = PromDuration::from_secs(240);
const HEARTBEAT: PromDuration = PromDuration::from_secs(5);
/// What was resolved is re-sent for this long.
const RESENT_RESOLVED: PromDuration = PromDuration::from_secs(900);
/// Actions of a history.
const STEPS: u32 = 160;
/// Long enough for a group interval, a whole ladder with its fallbacks, and what a crash adds.
const HEALING: PromDuration = PromDuration::from_secs(420);

/// How a history is run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) sabotage: Option<Sabotage>,
    /// Print it as it goes.
    pub(crate) told: bool,
}

/// What is true of one alert.
struct Truth {
    labels: LabelSet,
    firing: bool,
    since: Timestamp,
}

/// What a seed allows.
#[expect(
    clippy::struct_excessive_bools,
    reason = "six things a history has or has not, each on its own"
)]
struct Weather {
    faults: bool,
    crashes: bool,
    silences: bool,
    configs: bool,
    acknowledgements: bool,
    bad_receivers: bool,
}

pub(crate) struct History {
    seed: u64,
    plan: Plan,
    rng: Rng,
    weather: Weather,
    world: World,
    checks: Checks,
    truth: Vec<Truth>,
    silences: Vec<Silenced>,
    expired: BTreeMap<String, Timestamp>,
    resend_at: Timestamp,
    heartbeat_at: Timestamp,
    trace: Vec<String>,
    commands: u64,
    config: usize,
}

impl History {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0x1405_7B7E_F767_814F);
        let weather = Weather {
            faults: rng.chance(500),
            crashes: rng.chance(700),
            silences: rng.chance(400),
            configs: rng.chance(250),
            acknowledgements: rng.chance(500),
            bad_receivers: rng.chance(500),
        };
        let world = World::new(seed, plan.sabotage);
        let truth = setting::alerts()
            .into_iter()
            .map(|labels| Truth {
                labels,
                firing: false,
                since: START,
            })
            .collect();
        Self {
            seed,
            plan,
            rng,
            weather,
            world,
            checks: Checks::new(plan.told),
            truth,
            silences: Vec::new(),
            expired: BTreeMap::new(),
            resend_at: START,
            heartbeat_at: START,
            trace: Vec::new(),
            commands: 0,
            config: 0,
        }
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.clone()
    }

    pub(crate) fn run(&mut self) -> Result<(), String> {
        let outcome = self.live().and_then(|()| self.heal());
        outcome.map_err(|error| {
            let tail: Vec<&str> = self.trace.iter().rev().take(60).rev().map(String::as_str).collect();
            format!(
                "{}\n-- seed {} at {}: {error}",
                tail.join("\n"),
                self.seed,
                self.world.now()
            )
        })
    }

    fn live(&mut self) -> Result<(), String> {
        for stage in STAGES {
            self.start(stage);
        }
        self.heartbeat();
        if self.weather.faults {
            let lag = if self.weather.silences { 0 } else { 200 };
            self.world.log.set_faults(Faults {
                abort: 40,
                unknown: 20,
                partial: 200,
                lag,
                lost_ack: 50,
            });
        }
        for _ in 0..STEPS {
            self.act()?;
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), String> {
        match self.rng.below(100) {
            0..=49 => self.step_one(),
            50..=74 => {
                let ms = match self.rng.below(10) {
                    0..=5 => self.rng.below(100),
                    6..=8 => self.rng.below(3_000),
                    _ => self.rng.below(20_000),
                };
                self.advance(PromDuration::from_millis(ms))
            }
            75..=84 => {
                self.change_an_alert();
                Ok(())
            }
            85..=88 if self.weather.crashes => {
                self.crash();
                Ok(())
            }
            89 if self.weather.crashes => self.second_lane(),
            90..=91 if self.weather.silences => {
                self.silence();
                Ok(())
            }
            92..=93 if self.weather.acknowledgements => {
                self.command();
                Ok(())
            }
            94 if self.weather.configs => {
                self.config = usize::try_from(self.rng.below(3)).unwrap();
                self.world.publish_config(self.config);
                self.tell(|history| format!("config {} is version {}", history.config, history.world.version));
                Ok(())
            }
            95..=97 if self.weather.bad_receivers => {
                self.change_a_receiver();
                Ok(())
            }
            98 => {
                self.world.log.compact(topics::CORRELATE_CHANGELOG);
                self.world.log.compact(topics::ROUTE_CHANGELOG);
                self.world.log.compact(topics::NOTIFY_CHANGELOG);
                Ok(())
            }
            _ => self.step_all(),
        }
    }

    fn start(&mut self, stage: &str) {
        let name = self.world.start(stage);
        self.tell(|_| format!("start {name}"));
    }

    fn step_one(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.world.lanes.keys().cloned().collect();
        let Some(name) = self.rng.pick(&names).cloned() else {
            return Ok(());
        };
        self.step(&name)
    }

    fn step_all(&mut self) -> Result<(), String> {
        for name in self.world.lanes.keys().cloned().collect::<Vec<_>>() {
            self.step(&name)?;
        }
        Ok(())
    }

    /// One step of one lane; a lane that dies is replaced at once under another name.
    fn step(&mut self, name: &str) -> Result<(), String> {
        let Some(lane) = self.world.lanes.get_mut(name) else {
            return Ok(());
        };
        match lane.step() {
            Ok(progress) => {
                if !progress.is_idle() {
                    self.tell(|_| format!("{name}: {progress:?}"));
                }
            }
            Err(error) => {
                self.tell(|_| format!("{name} died: {error}"));
                let stage = name.split('-').next().unwrap().to_owned();
                self.world.bury(name);
                // The group notices at once or later: until then the heir has nothing.
                let later = self.world.now() + PromDuration::from_millis(self.rng.below(8_000));
                self.expired.insert(name.to_owned(), later);
                self.start(&stage);
            }
        }
        let (now, mut rng) = (self.world.now(), self.rng.clone());
        self.world.receivers.turn(now, &mut rng);
        self.rng = rng;
        self.checks.step(&self.world, &self.silences)
    }

    /// Lets time pass: re-sends and heartbeats happen on the way, and sessions of the dead end.
    fn advance(&mut self, by: PromDuration) -> Result<(), String> {
        let end = self.world.now() + by;
        while self.world.now() < end {
            let mut next = end.min(self.resend_at).min(self.heartbeat_at);
            next = self.world.receivers.next().map_or(next, |answer| next.min(answer));
            let by = next
                .saturating_since(self.world.now())
                .max(PromDuration::from_millis(1));
            self.world.log.advance(by);
            let now = self.world.now();
            if now >= self.heartbeat_at {
                self.heartbeat();
            }
            if now >= self.resend_at {
                self.resend();
            }
            let over: Vec<String> = self
                .expired
                .iter()
                .filter(|(_, at)| **at <= now)
                .map(|(n, _)| n.clone())
                .collect();
            for name in over {
                self.expired.remove(&name);
                self.world.log.expire(&name);
            }
            let mut rng = self.rng.clone();
            self.world.receivers.turn(now, &mut rng);
            self.rng = rng;
        }
        self.tell(|history| format!("now {}", history.world.now()));
        self.checks.step(&self.world, &self.silences)
    }

    fn heartbeat(&mut self) {
        self.heartbeat_at = self.world.now() + HEARTBEAT;
        self.world.heartbeat(Some(START));
    }

    fn resend(&mut self) {
        let now = self.world.now();
        self.resend_at = now + RESEND;
        for at in 0..self.truth.len() {
            let alert = &self.truth[at];
            let (labels, since, firing) = (alert.labels.clone(), alert.since, alert.firing);
            if firing {
                self.world.post(&labels, since, now + LIVES);
            } else if since > START && now.saturating_since(since) < RESENT_RESOLVED {
                self.world.post(&labels, since - PromDuration::from_millis(1), since);
            }
        }
    }

    fn change_an_alert(&mut self) {
        let at = usize::try_from(self.rng.below(self.truth.len() as u64)).unwrap();
        let now = self.world.now();
        let alert = &mut self.truth[at];
        let began = alert.since;
        alert.firing = !alert.firing;
        alert.since = now;
        let (labels, firing) = (alert.labels.clone(), alert.firing);
        self.tell(|_| format!("{labels} {}", if firing { "fires" } else { "resolves" }));
        if firing {
            self.world.post(&labels, now, now + LIVES);
        } else {
            self.world
                .post(&labels, began, now.max(began + PromDuration::from_millis(1)));
        }
    }

    fn crash(&mut self) {
        let names: Vec<String> = self.world.lanes.keys().cloned().collect();
        if let Some(name) = self.rng.pick(&names).cloned() {
            let points = 1 + self.rng.below(40);
            self.world.log.crash_in(&name, points);
            self.tell(|_| format!("{name} will die at point {points}"));
        }
    }

    /// A second lane comes, or one is declared dead though it lives: a zombie until it polls.
    fn second_lane(&mut self) -> Result<(), String> {
        let stage = STAGES[usize::try_from(self.rng.below(3)).unwrap()];
        let of_stage: Vec<String> = self
            .world
            .lanes
            .keys()
            .filter(|name| name.starts_with(stage))
            .cloned()
            .collect();
        if of_stage.len() < 2 {
            self.start(stage);
        } else if let Some(name) = self.rng.pick(&of_stage).cloned() {
            if self.rng.chance(500) {
                self.tell(|_| format!("{name} is declared dead"));
                self.world.log.expire(&name);
            } else {
                self.tell(|_| format!("{name} leaves"));
                self.step(&name)?;
                if let Some(lane) = self.world.lanes.remove(&name) {
                    lane.close();
                }
                self.world.receivers.lane_died(&name);
                self.checks.step(&self.world, &self.silences)?;
            }
        }
        Ok(())
    }

    fn silence(&mut self) {
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
        let bytes = schemas::encode(&record).unwrap();
        while self
            .world
            .append(topics::SILENCES, 0, silence.id.clone(), bytes.clone())
            .is_err()
        {}
        // A lane reads its tables at the start of each step, and attempts are released in a step: without lag it has it.
        self.silences[at].surely_read = true;
    }

    fn command(&mut self) {
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
        let bytes = schemas::encode(&command).unwrap();
        drop(
            self.world
                .append(topics::INCIDENTS, partition, incident.group.clone(), bytes),
        );
    }

    fn change_a_receiver(&mut self) {
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

    /// Everything works again; time passes until all that is owed must be said; the last checks.
    fn heal(&mut self) -> Result<(), String> {
        self.tell(|_| "healing".to_owned());
        self.world.log.set_faults(Faults::default());
        self.world.receivers.lock().behaviour.clear();
        for (name, _) in std::mem::take(&mut self.expired) {
            self.world.log.expire(&name);
        }
        for name in self.world.lanes.keys() {
            self.world.log.spare(name);
        }
        let end = self.world.now() + HEALING;
        while self.world.now() < end {
            self.settle()?;
            let by = 1_000 + self.rng.below(8_000);
            self.advance(PromDuration::from_millis(by))?;
        }
        self.settle()?;
        let now = self.world.now();
        let muted = |labels: &LabelSet| self.silences.iter().any(|silence| silence.mutes(labels, now));
        // Who began to fire, or was muted, just now may still wait for its tick.
        let firing: Vec<(LabelSet, bool)> = self
            .truth
            .iter()
            .filter(|alert| alert.firing)
            .map(|alert| (alert.labels.clone(), muted(&alert.labels)))
            .filter(|(labels, _)| {
                !self
                    .silences
                    .iter()
                    .any(|silence| silence.name == labels.value("alertname"))
            })
            .collect();
        a5(&self.world)?;
        self.checks.end(&self.world, &firing)
    }

    /// Steps all lanes until none has anything to do now.
    fn settle(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..200 {
            let mut idle = true;
            for name in self.world.lanes.keys().cloned().collect::<Vec<_>>() {
                let before = self.trace.len();
                self.step(&name)?;
                idle &= self.trace.len() == before;
            }
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet >= 2 {
                return Ok(());
            }
        }
        Ok(())
    }

    fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        let line = line(self);
        if self.plan.told {
            println!("{line}");
        }
        self.trace.push(line);
    }
}

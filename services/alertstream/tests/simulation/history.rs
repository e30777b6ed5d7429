//! One random history: alerts, re-sends, resolves, silences, acknowledgements, config changes, receivers that misbehave,
//! crashes at any step, zombies, faults of the log. Then everything heals, and the invariants must hold.

use std::collections::BTreeMap;

use alert::{PromDuration, Timestamp};
use schemas::topics;
use streams::Sabotage;
use streams::simulated::{Faults, Rng};

use super::breakage::Breakage;
use super::checks::Checks;
use super::facts::{Facts, Health, SESSION, Silenced, Truth};
use super::setting;
use super::world::{STAGES, START, World};

/// Prometheus re-sends what fires each minute and sets its end four minutes ahead.
const RESEND: PromDuration = PromDuration::from_secs(60);
pub(super) const LIVES: PromDuration = PromDuration::from_secs(240);
const HEARTBEAT: PromDuration = PromDuration::from_secs(5);
/// What was resolved is re-sent for this long.
const RESENT_RESOLVED: PromDuration = PromDuration::from_secs(900);
/// Actions of a history.
const STEPS: u32 = 160;
/// Long enough for what a crash adds, and for more to happen while all is well.
const HEALING: PromDuration = PromDuration::from_secs(160);
/// Long enough for a group interval and a whole ladder with its fallbacks.
const RESTING: PromDuration = PromDuration::from_secs(260);
/// How often lanes run while something is under way that no timer tells of: a restore, a table that lags.
const PACE: PromDuration = PromDuration::from_millis(500);

/// How a history is run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) breakage: Option<Breakage>,
    /// Print it as it goes.
    pub(crate) told: bool,
}

/// What a seed allows.
#[expect(
    clippy::struct_excessive_bools,
    reason = "things a history has or has not, each on its own"
)]
pub(super) struct Weather {
    /// Lanes run whenever they have something to do, as threads would; else only when their turn comes.
    prompt: bool,
    faults: bool,
    crashes: bool,
    garbage: bool,
    silences: bool,
    configs: bool,
    acknowledgements: bool,
    bad_receivers: bool,
}

pub(crate) struct History {
    seed: u64,
    plan: Plan,
    pub(super) rng: Rng,
    weather: Weather,
    pub(super) world: World,
    pub(super) checks: Checks,
    health: Health,
    pub(super) truth: Vec<Truth>,
    pub(super) silences: Vec<Silenced>,
    expired: BTreeMap<String, Timestamp>,
    resend_at: Timestamp,
    heartbeat_at: Timestamp,
    trace: Vec<String>,
    pub(super) commands: u64,
    pub(super) config: usize,
    /// Lanes run whenever they have something to do.
    running: bool,
}

impl History {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0x1405_7B7E_F767_814F);
        let weather = Weather {
            prompt: rng.chance(500),
            faults: rng.chance(500),
            crashes: rng.chance(700),
            garbage: rng.chance(300),
            silences: rng.chance(400),
            configs: rng.chance(250),
            acknowledgements: rng.chance(500),
            bad_receivers: rng.chance(500),
        };
        let world = World::broken(seed, plan.sabotage, plan.breakage);
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
            health: Health::new(START),
            truth,
            silences: Vec::new(),
            expired: BTreeMap::new(),
            resend_at: START,
            heartbeat_at: START,
            trace: Vec::new(),
            commands: 0,
            config: 0,
            running: false,
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
        self.running = self.weather.prompt;
        if self.weather.faults {
            let lag = if self.weather.silences { 0 } else { 200 };
            self.world.log.set_faults(Faults {
                abort: 40,
                unknown: 20,
                partial: 200,
                lag,
                lost_ack: 50,
                busy: 0,
            });
        }
        for _ in 0..STEPS {
            self.act()?;
        }
        Ok(())
    }

    fn act(&mut self) -> Result<(), String> {
        match self.rng.below(100) {
            0..=48 => self.step_one(),
            49 if self.weather.garbage => {
                self.garbage();
                Ok(())
            }
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

    pub(super) fn start(&mut self, stage: &str) {
        let name = self.world.start(stage);
        self.tell(|_| format!("start {name}"));
    }

    fn step_one(&mut self) -> Result<(), String> {
        let names: Vec<String> = self.world.lanes.keys().cloned().collect();
        let Some(name) = self.rng.pick(&names).cloned() else {
            return Ok(());
        };
        self.step(&name).map(drop)
    }

    fn step_all(&mut self) -> Result<(), String> {
        for name in self.world.lanes.keys().cloned().collect::<Vec<_>>() {
            self.step(&name)?;
        }
        Ok(())
    }

    /// One step of one lane; a lane that dies is replaced at once under another name. Says whether it did anything.
    pub(super) fn step(&mut self, name: &str) -> Result<bool, String> {
        let Some(lane) = self.world.lanes.get_mut(name) else {
            return Ok(false);
        };
        let mut did = true;
        match lane.step() {
            Ok(progress) => {
                did = !progress.is_idle();
                if did {
                    self.tell(|_| format!("{name}: {progress:?}"));
                }
            }
            Err(error) => {
                self.tell(|_| format!("{name} died: {error}"));
                let stage = name.split('-').next().unwrap().to_owned();
                self.world.bury(name);
                // The group notices at once or later: until then the heir has nothing.
                let later = self.world.now() + PromDuration::from_millis(self.rng.below(SESSION.millis()));
                self.expired.insert(name.to_owned(), later);
                self.disturb();
                self.start(&stage);
            }
        }
        self.turn();
        if did {
            if !self.world.is_whole() {
                self.disturb();
            }
            self.check()?;
        }
        Ok(did)
    }

    /// Receivers start what was released, and answer what is due.
    fn turn(&mut self) {
        let (now, mut rng) = (self.world.now(), self.rng.clone());
        self.world.receivers.turn(now, &mut rng);
        self.rng = rng;
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            world: &self.world,
            truth: &self.truth,
            silences: &self.silences,
            healthy: self.health.reading(),
        }
    }

    /// What must hold after every step.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let mut checks = std::mem::take(&mut self.checks);
        let held = checks.step(&self.facts());
        self.checks = checks;
        held
    }

    /// What must hold whenever time passes. A partition without an owner is none of the bounds' making.
    fn look(&mut self) -> Result<(), String> {
        if !self.world.is_whole() {
            self.health.disturb(self.world.now());
        }
        let mut checks = std::mem::take(&mut self.checks);
        let held = checks.look(&self.facts());
        self.checks = checks;
        held
    }

    /// Lets time pass: re-sends, heartbeats and answers happen on the way, sessions of the dead end, and lanes run where
    /// they are `running`.
    fn advance(&mut self, by: PromDuration) -> Result<(), String> {
        let end = self.world.now() + by;
        if self.running {
            self.settle()?;
        }
        self.look()?;
        while self.world.now() < end {
            let woken = self.next_event();
            let next = end.min(self.resend_at).min(self.heartbeat_at).min(woken.unwrap_or(end));
            let by = next
                .saturating_since(self.world.now())
                .max(PromDuration::from_millis(1));
            self.world.log.advance(by);
            let now = self.world.now();
            self.health.pass(now, self.running);
            if now >= self.heartbeat_at {
                self.heartbeat();
            }
            let mut due = woken.is_some_and(|woken| woken <= now);
            if now >= self.resend_at {
                self.resend();
                due = true;
            }
            self.expire_the_dead();
            self.turn();
            if self.running && due {
                self.settle()?;
            }
            if due {
                self.look()?;
            }
        }
        self.tell(|history| format!("now {}", history.world.now()));
        self.check()
    }

    /// When something happens next that wakes a lane, beside re-sends.
    fn next_event(&self) -> Option<Timestamp> {
        let sessions = self.expired.values().min().copied();
        let mut next = [self.world.receivers.next(), sessions].into_iter().flatten().min();
        if self.running {
            let restless = self.weather.faults || !self.world.is_whole();
            let pace = restless.then(|| self.world.now() + PACE);
            next = [next, self.world.next_timer(), self.world.gathered_at(), pace]
                .into_iter()
                .flatten()
                .min();
        }
        next
    }

    fn expire_the_dead(&mut self) {
        let now = self.world.now();
        let over = self.expired.iter().filter(|(_, at)| **at <= now);
        for name in over.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.expired.remove(&name);
            self.world.log.expire(&name);
        }
    }

    /// What follows is a recovery, and takes its time.
    pub(super) fn disturb(&mut self) {
        self.health.disturb(self.world.now());
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

    /// Everything works again. For a while more happens, now that the bounds in time hold; then time passes until all that
    /// is owed must be said; the last checks.
    fn heal(&mut self) -> Result<(), String> {
        self.tell(|_| "healing".to_owned());
        self.world.log.set_faults(Faults::default());
        self.weather.faults = false;
        self.world.receivers.lock().behaviour.clear();
        for (name, _) in std::mem::take(&mut self.expired) {
            self.world.log.expire(&name);
        }
        for name in self.world.lanes.keys() {
            self.world.log.spare(name);
        }
        self.running = true;
        self.health.disturb(self.world.now());
        let (healed, rested) = (
            self.world.now() + HEALING,
            self.world.now() + HEALING.saturating_add(RESTING),
        );
        while self.world.now() < rested {
            if self.world.now() < healed {
                match self.rng.below(8) {
                    0..=2 => self.change_an_alert(),
                    3 if self.weather.silences => self.silence(),
                    4 if self.weather.acknowledgements => self.command(),
                    _ => {}
                }
            }
            let by = 1_000 + self.rng.below(8_000);
            self.advance(PromDuration::from_millis(by))?;
        }
        // A position past control records is committed a little later.
        self.advance(PACE)?;
        self.advance(PACE)?;
        self.settle()?;
        self.look()?;
        let mut checks = std::mem::take(&mut self.checks);
        let held = checks.end(&self.facts());
        self.checks = checks;
        held
    }

    /// Steps all lanes until none has anything to do now.
    fn settle(&mut self) -> Result<(), String> {
        // Where readers lag and polls are partial, a pass that did nothing does not mean that there is nothing.
        let enough = if self.weather.faults { 2 } else { 1 };
        let mut quiet = 0;
        for _ in 0..200 {
            let mut idle = true;
            for name in self.world.lanes.keys().cloned().collect::<Vec<_>>() {
                idle &= !self.step(&name)?;
            }
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet >= enough {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        let line = line(self);
        if self.plan.told {
            println!("{line}");
        }
        self.trace.push(line);
    }
}

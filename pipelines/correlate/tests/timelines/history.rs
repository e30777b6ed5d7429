//! Random histories against a naive model: what must hold after every step of every one of them. A failing seed is named.

use std::collections::{BTreeMap, BTreeSet};

use alert::LabelSet;
use config::{Config, Source};
use schemas::{AlertPhase, CORRELATE_ALERT, CORRELATE_GROUP, CorrelateAlert, CorrelateGroup, GroupPhase, decode};

use processor::Stored;

use crate::world::{EMPTY, Post, START, Step, World, labels};

pub(crate) const CONFIGS: [&str; 4] = [
    "route: {receiver: r, group_wait: 30s, group_interval: 2m}\nreceivers: [{name: r}]\n",
    "route: {receiver: r, group_wait: 10s, group_interval: 1m, group_by: [alertname]}\nreceivers: [{name: r}]\n",
    "route: {receiver: r, group_wait: 30s, group_interval: 2m, routes: [
       {matchers: ['team=x'], receiver: x, continue: true}, {matchers: ['team=~\"x|y\"'], receiver: x}]}
receivers: [{name: r}, {name: x}]\n",
    "route: {receiver: r, group_wait: 30s, group_interval: 2m, group_by: ['...']}\nreceivers: [{name: r}]\n",
];
pub(crate) const ALERTS: [&str; 5] = ["A team=x", "B team=x", "C team=y", "D team=y", "E"];
const STEPS: usize = 120;
const SEEDS: u64 = 100;

/// xorshift64*
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    pub(crate) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }
}

/// What is known of an alert from outside: the last thing that was said of it.
#[derive(Debug, Clone, Copy, Default)]
struct Truth {
    firing_until: Option<i64>,
    starts: Option<i64>,
}

struct History {
    seed: u64,
    random: Random,
    world: World,
    second: i64,
    configs: Vec<Config>,
    config: usize,
    truths: BTreeMap<&'static str, Truth>,
    /// The groups of which something changed, or for which a look was asked, since their last flush.
    due: BTreeSet<String>,
}

/// What state holds, decoded.
struct State {
    groups: BTreeMap<String, CorrelateGroup>,
    /// By group id (where there is a group), then by name.
    alerts: Vec<(String, String, CorrelateAlert)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let config = random.index(CONFIGS.len());
        let world = World::new(CONFIGS[config]);
        let configs = CONFIGS
            .map(|text| Config::load(Source { name: "a.yml", text }, None).unwrap())
            .into();
        Self {
            seed,
            random,
            world,
            second: 0,
            configs,
            config,
            truths: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            let (step, asked) = self.choose();
            self.due.extend(asked);
            if self.random.below(10) == 0 {
                assert!(self.world.driver.restores_equal(), "seed {}", self.seed);
                self.world.driver.restart();
            }
            self.world.step(&step);
            self.read(&format!("{step:?}"));
            self.check();
            let wait = [0, 1, 7, 60, 130][self.random.index(5)];
            self.second += wait;
            self.world.until(self.second);
            self.read("time passes");
            self.check();
        }
        self.end();
    }

    fn choose(&mut self) -> (Step, Option<String>) {
        let alert = ALERTS[self.random.index(ALERTS.len())];
        let groups: Vec<CorrelateGroup> = self.state().groups.into_values().collect();
        let group = (!groups.is_empty()).then(|| groups[self.random.index(groups.len())].clone());
        match (self.random.below(20), group) {
            (0..9, _) => {
                let ends = 30 + i64::try_from(self.random.below(400)).unwrap();
                let truth = self.truths.entry(alert).or_default();
                let starts = *truth.starts.get_or_insert(self.second);
                truth.firing_until = Some(self.second + ends);
                let text = ["", "x"][usize::from(self.random.below(8) == 0)];
                let starts = Some(starts - self.second);
                (
                    Step::Post(Post {
                        alert,
                        starts,
                        ends,
                        text,
                        ..EMPTY
                    }),
                    None,
                )
            }
            (9..12, _) => {
                let truth = self.truths.entry(alert).or_default();
                let starts = truth.starts.take().unwrap_or(self.second - 10);
                truth.firing_until = None;
                (
                    Step::Post(Post {
                        alert,
                        starts: Some(starts - self.second),
                        ends: 0,
                        ..EMPTY
                    }),
                    None,
                )
            }
            (12..17, Some(group)) => {
                let flush = (group.flushes - i64::try_from(self.random.below(2)).unwrap()).max(0);
                let keep = self.random.below(5) == 0;
                let again = (self.random.below(3) == 0).then_some(self.second + 50);
                let id = group.group_id.clone();
                (
                    Step::Settle(leak(group.group_id), flush, keep, again),
                    again.map(|_| id),
                )
            }
            (17, Some(group)) => (
                Step::Look(leak(group.group_id.clone()), self.second + 20),
                Some(group.group_id),
            ),
            (18, _) if self.random.below(3) == 0 => {
                self.config = self.random.index(CONFIGS.len());
                (Step::Config(CONFIGS[self.config]), None)
            }
            _ => (Step::Nothing, None),
        }
    }

    /// Reads what was said: a flush needs a change or a look before it.
    fn read(&mut self, step: &str) {
        for line in self.world.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_ne!(words[0], "refused:", "seed {}: {step}: {line}", self.seed);
            if words[1] == "flush" {
                let id = line.split_once(" flush ").unwrap().1;
                let (number, rest) = id.split_at(id.find([' ', ':']).unwrap());
                let group = rest.rsplit_once(": ").map_or("", |(group, _)| group).trim();
                let group = if group.is_empty() { "{}:{}" } else { group };
                assert!(
                    self.due.remove(group),
                    "seed {}: {step}: flush {number} of {group} for nothing",
                    self.seed
                );
            } else if words[1].starts_with("alert.") {
                let group = line.splitn(4, ' ').nth(3).unwrap_or("{}:{}");
                self.due.insert(group.to_owned());
            } else if words[1] == "send" {
                // whatever it left has changed
                self.due.extend(self.state().groups.into_keys());
            }
        }
        if step.starts_with("Config") {
            self.due.extend(self.state().groups.into_keys());
        }
    }

    fn state(&self) -> State {
        let mut by_hash = BTreeMap::new();
        let mut state = State {
            groups: BTreeMap::new(),
            alerts: Vec::new(),
        };
        for (key, value) in self.world.driver.store().dump() {
            let bytes = Stored::decode(value).unwrap().bytes;
            if key.kind() == Some(CORRELATE_GROUP) {
                let group = decode::<CorrelateGroup>(bytes).unwrap().whole();
                by_hash.insert(key.group().unwrap(), group.group_id.clone());
                state.groups.insert(group.group_id.clone(), group);
            } else {
                assert_eq!(key.kind(), Some(CORRELATE_ALERT));
                let group = by_hash.get(&key.group().unwrap()).cloned().unwrap_or_default();
                let alert: CorrelateAlert = decode(bytes).unwrap();
                let name = alert.body.labels.value("alertname").to_owned();
                state.alerts.push((group, name, alert));
            }
        }
        state
    }

    fn check(&self) {
        let seed = self.seed;
        let state = self.state();
        for (id, group) in &state.groups {
            let of = |phase| {
                state
                    .alerts
                    .iter()
                    .filter(|(of, _, alert)| of == id && alert.phase == phase)
                    .count()
            };
            let (firing, resolved) = (of(AlertPhase::Firing), of(AlertPhase::Resolved));
            let counted = (group.firing, group.alerts);
            assert_eq!(
                counted,
                (count(firing), count(firing + resolved)),
                "seed {seed}: counts of {id}"
            );
            match group.phase {
                GroupPhase::Firing => assert!(firing > 0, "seed {seed}: {id} is not quiet"),
                GroupPhase::Quiet => assert_eq!(firing, 0, "seed {seed}: {id} is quiet"),
                GroupPhase::Moved => assert_eq!(firing + resolved, 0, "seed {seed}: {id} moved"),
            }
        }
        let config = &self.configs[self.config];
        for (alert, truth) in &self.truths {
            let labels: LabelSet = labels(alert);
            let name = labels.value("alertname");
            let wanted: BTreeSet<String> = policy::walk(config, &labels)
                .into_iter()
                .map(|place| place.group_id.0)
                .collect();
            let firing: BTreeSet<String> = state
                .alerts
                .iter()
                .filter(|(_, of, alert)| of == name && alert.phase == AlertPhase::Firing)
                .map(|(group, ..)| group.clone())
                .collect();
            match truth.firing_until {
                Some(until) if until > self.second => {
                    assert_eq!(
                        firing, wanted,
                        "seed {seed}: {name} fires until {until}, it is {}",
                        self.second
                    );
                }
                Some(_) => assert!(
                    firing.is_subset(&wanted),
                    "seed {seed}: {name} is where it does not belong"
                ),
                None => assert!(firing.is_empty(), "seed {seed}: {name} is resolved, {firing:?}"),
            }
        }
    }

    /// Everything expires, route answers every flush, and then nothing is left.
    fn end(mut self) {
        for _ in 0..60 {
            self.second += 60;
            self.world.until(self.second);
            self.read("the end");
            for group in self.state().groups.into_values() {
                self.world
                    .step(&Step::Settle(leak(group.group_id), group.flushes, false, None));
                self.read("the end");
            }
            self.check();
        }
        let keys = self.world.keys();
        assert!(
            keys.is_empty(),
            "seed {}: {} keys are left at {}",
            self.seed,
            keys.len(),
            START + self.second
        );
        assert_eq!(self.world.driver.store().timers_armed(), 0);
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap()
}

/// A step is `Copy`; a test may leak a name.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn random_histories_keep_what_never_breaks() {
    for seed in 1..=SEEDS {
        History::new(seed).run();
    }
}

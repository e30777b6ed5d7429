//! Seeded histories: whatever receivers, people and crashes do, each request has exactly one outcome.

use std::collections::{BTreeMap, BTreeSet};

use alert::{PromDuration, Timestamp};
use notify_pipeline::{Attempt, AttemptResult};
use schemas::{NotificationRequest, OutcomeKind};

use crate::fixture::{Did, World, accepted, network, no_destination, request, resolve, retry_after, secs, status};

const SEEDS: u64 = 150;
const STEPS: usize = 60;

/// A small generator of our own: no dependency, the same on every machine (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

#[derive(Default)]
struct Model {
    /// Sequence number → generation, of requests that have no outcome yet.
    pending: BTreeMap<i64, Option<i64>>,
    flying: Vec<Attempt>,
    generation: i64,
    /// Sequence numbers whose generation was raised, or whose group moved.
    unwanted: BTreeSet<i64>,
    /// From when to when instance `a` is silenced.
    muted: Option<(Timestamp, Timestamp)>,
    asked: i64,
    ended: i64,
}

impl Model {
    /// Checks what the stage did against what it may do.
    fn take(&mut self, did: Did, seed: u64) {
        assert!(did.refused.is_empty(), "seed {seed}: {:?}", did.refused);
        for attempt in did.attempts {
            let sequence = attempt.id.sequence;
            assert!(
                self.pending.contains_key(&sequence),
                "seed {seed}: an attempt without a request"
            );
            assert!(
                !self.unwanted.contains(&sequence),
                "seed {seed}: an attempt after its generation was raised"
            );
            let second_of_noc = attempt.link == "noc" && attempt.index == 1;
            let start = attempt.deadline - PromDuration::from_secs(if second_of_noc { 5 } else { 30 });
            let muted = self.muted.is_some_and(|(from, to)| (from..=to).contains(&start));
            assert!(!muted, "seed {seed}: an attempt with a muted alert");
            self.flying.push(attempt);
        }
        for outcome in did.outcomes {
            assert!(
                self.pending.remove(&outcome.sequence).is_some(),
                "seed {seed}: an outcome too many: {outcome:?}"
            );
            assert!(
                !self.flying.iter().any(|it| it.id.sequence == outcome.sequence),
                "seed {seed}: an outcome while an attempt is out"
            );
            assert!(
                outcome.kind != OutcomeKind::Delivered || !outcome.heard.is_empty(),
                "seed {seed}"
            );
            self.ended += 1;
        }
    }

    fn ask(&mut self, dice: &mut Dice, world: &World) -> Option<NotificationRequest> {
        if !self.pending.is_empty() {
            return None;
        }
        self.asked += 1;
        let generation = (dice.roll(2) == 0).then_some(self.generation);
        let base = match dice.roll(4) {
            0 => request(&["pager"]),
            1 => request(&["pager", "sms", "noc"]),
            2 => request(&["pager", "nobody", "noc"]),
            _ => resolve("pager", &["pager", "noc"]),
        };
        self.pending.insert(self.asked, generation);
        let give_up_at = world.driver.now() + PromDuration::from_secs(10 + dice.roll(300));
        Some(NotificationRequest {
            sequence: self.asked,
            generation,
            give_up_at,
            ..base
        })
    }

    fn raise(&mut self, everything: bool) {
        self.generation += 1;
        for (sequence, generation) in &self.pending {
            if everything || generation.is_some_and(|it| it < self.generation) {
                self.unwanted.insert(*sequence);
            }
        }
    }
}

fn result(dice: &mut Dice) -> AttemptResult {
    match dice.roll(9) {
        0 | 1 => accepted(),
        2 => status(404),
        3 => no_destination(),
        4 => retry_after(429, dice.roll(100)),
        5 => network(dice.roll(2) == 0),
        _ => status(503),
    }
}

fn step(world: &mut World, model: &mut Model, dice: &mut Dice) -> Did {
    let now = world.driver.now();
    match dice.roll(12) {
        0..=2 => model
            .ask(dice, world)
            .map(|request| world.request(&request))
            .unwrap_or_default(),
        3..=6 if !model.flying.is_empty() => {
            let place = usize::try_from(dice.roll(model.flying.len() as u64)).unwrap();
            let attempt = model.flying.swap_remove(place);
            world.answer(&attempt, result(dice))
        }
        7 => {
            let everything = dice.roll(4) == 0;
            model.raise(everything);
            world.raise(model.generation, everything)
        }
        8 if dice.roll(3) == 0 => {
            let from = now.unix_seconds();
            model.muted = Some((secs(from), secs(from + 20)));
            world.silence("a", from, from + 20)
        }
        9 => {
            // Nobody who sent before this reports any more.
            model.flying.clear();
            world.restart()
        }
        _ => {
            let by = PromDuration::from_millis(dice.roll(4_000));
            // Attempts do not outlive their deadline: the sender reports every one of them by then.
            let late: Vec<_> = model.flying.extract_if(.., |it| it.deadline <= now + by).collect();
            let mut all = Did::default();
            for attempt in late {
                let did = world.answer(&attempt, network(true));
                all.attempts.extend(did.attempts);
                all.outcomes.extend(did.outcomes);
            }
            let did = world.until(now + by);
            all.attempts.extend(did.attempts);
            all.outcomes.extend(did.outcomes);
            all
        }
    }
}

#[test]
fn each_request_has_exactly_one_outcome_and_nothing_unwanted_is_sent() {
    for seed in 0..SEEDS {
        let tolerance = (seed % 2 == 0).then(|| PromDuration::from_secs(2));
        let (mut world, mut model, mut dice) = (World::with_tolerance(tolerance), Model::default(), Dice(seed));
        for _ in 0..STEPS {
            let did = step(&mut world, &mut model, &mut dice);
            model.take(did, seed);
        }
        // In the end everything answers, and nothing is left.
        for _ in 0..400 {
            let flying = std::mem::take(&mut model.flying);
            for attempt in flying {
                let did = world.answer(&attempt, status(503));
                model.take(did, seed);
            }
            let next = world.driver.now() + PromDuration::from_secs(1);
            let did = world.until(next);
            model.take(did, seed);
        }
        assert!(
            model.pending.is_empty(),
            "seed {seed}: no outcome for {:?}",
            model.pending
        );
        assert_eq!(model.asked, model.ended, "seed {seed}");
        world.until(world.driver.now() + PromDuration::from_hours(25));
        assert!(world.at_rest(), "seed {seed}: something is kept");
    }
}

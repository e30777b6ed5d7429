//! The whole system on the simulated log: seeded random histories with a crash at any step and every fault the design
//! names; the invariants A1 to A8 after every step and at the end.
//!
//! A failing seed is printed with its history; `SIMULATION_SEED=n cargo test -p alertstream --test simulation one_seed --
//! --nocapture` runs it alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "simulation/account.rs"]
mod account;
#[path = "simulation/actions.rs"]
mod actions;
#[path = "simulation/bounds.rs"]
mod bounds;
#[path = "simulation/breakage.rs"]
mod breakage;
#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/facts.rs"]
mod facts;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/large.rs"]
mod large;
#[path = "simulation/outage.rs"]
mod outage;
#[path = "simulation/receivers.rs"]
mod receivers;
#[path = "simulation/setting.rs"]
mod setting;
#[path = "simulation/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use breakage::Breakage;
use history::{History, Plan};
use streams::Sabotage;

/// Histories CI runs; `SIMULATION_SEEDS` sets another number.
const SEEDS: u64 = 2_000;

fn seeds() -> u64 {
    std::env::var("SIMULATION_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEEDS)
}

/// Runs one history; the error is the broken invariant with the history before it.
fn run(seed: u64, plan: Plan) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| History::new(seed, plan).run()));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Runs seeds on all cores until one fails by an invariant (any, where that is empty); returns one that did.
fn first_failure(seeds: u64, plan: Plan, invariant: &str) -> Option<(u64, String)> {
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || failure.lock().unwrap().is_some() {
                        return;
                    }
                    if let Err(error) = run(seed, plan)
                        && error.contains(invariant)
                    {
                        failure.lock().unwrap().get_or_insert((seed, error));
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap()
}

#[test]
fn every_invariant_holds_in_thousands_of_histories() {
    if let Some((seed, error)) = first_failure(seeds(), Plan::default(), "") {
        panic!(
            "{error}\n\nseed {seed}: SIMULATION_SEED={seed} cargo test -p alertstream --test simulation one_seed -- --nocapture"
        );
    }
}

/// Every kind of failure among the seeds with one seed for each, for whoever mends several: `SIMULATION_SURVEY=500 cargo
/// test -p alertstream --test simulation survey -- --nocapture`.
#[test]
fn survey() {
    let seeds = std::env::var("SIMULATION_SURVEY")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut kinds = std::collections::BTreeMap::<String, (u64, u64)>::new();
    for seed in 0..seeds {
        if let Err(error) = run(seed, Plan::default()) {
            let last = error.lines().last().unwrap_or_default();
            let kind = last
                .split(": ")
                .skip(1)
                .collect::<Vec<_>>()
                .join(": ")
                .chars()
                .take(60)
                .collect();
            let entry = kinds.entry(kind).or_insert((seed, 0));
            entry.1 += 1;
        }
    }
    for (kind, (seed, times)) in &kinds {
        println!("{times:5} times, first seed {seed}: {kind}");
    }
    assert!(kinds.is_empty(), "{} kinds of failure", kinds.len());
}

#[test]
fn one_seed() {
    let seed = std::env::var("SIMULATION_SEED").ok().and_then(|text| text.parse().ok());
    let plan = Plan {
        told: seed.is_some(),
        ..Plan::default()
    };
    if let Err(error) = run(seed.unwrap_or(0), plan) {
        panic!("{error}");
    }
}

#[test]
fn one_seed_gives_one_history() {
    let trace = |seed| {
        let mut history = History::new(seed, Plan::default());
        let outcome = history.run();
        (outcome.is_ok(), history.trace())
    };
    for seed in 0..5 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
}

/// The simulation is able to fail: rules of the lane, switched off, are caught. Three more are caught only by the lane's
/// own tests, since the stages mend what they break (a lost completion, a record ahead of its config) or a simulated step
/// is whole (a zombie between its poll and its commit).
#[test]
fn each_broken_rule_is_caught() {
    for sabotage in [
        Sabotage::FireTimersAheadOfInput,
        Sabotage::SkipUndo,
        Sabotage::EndRestoreEarly,
        Sabotage::ReleaseBeforeCommit,
        Sabotage::ForgetTombstones,
        Sabotage::KeepInHand,
    ] {
        let plan = Plan {
            sabotage: Some(sabotage),
            ..Plan::default()
        };
        let caught = first_failure(400, plan, "");
        assert!(caught.is_some(), "{sabotage:?} was not noticed in 400 histories");
    }
}

/// The invariants are able to fail: a stage that is broken is caught, and by the invariant that speaks of it.
#[test]
fn each_broken_stage_is_caught_by_its_invariant() {
    for (breakage, invariant) in [
        (Breakage::LateTicks, "A1"),
        (Breakage::IgnoredLooks, "A1"),
        (Breakage::LostOutcomes, "A1"),
        (Breakage::SlowRungs, "A8"),
        (Breakage::LostCommands, "A6"),
        (Breakage::LostResolves, "A6"),
        (Breakage::SwallowedGarbage, "A6"),
    ] {
        let plan = Plan {
            breakage: Some(breakage),
            ..Plan::default()
        };
        let caught = first_failure(100, plan, &format!(": {invariant}: "));
        assert!(
            caught.is_some(),
            "{breakage:?} was not noticed by {invariant} in 100 histories"
        );
    }
}

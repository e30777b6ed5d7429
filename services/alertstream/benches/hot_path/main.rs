//! What one alert costs on this machine, step by step, in nanoseconds: `cargo bench -p alertstream`.
//!
//! 50,000 alerts as a Prometheus re-sends them, 256 in a request, each with ten labels and two annotations, under a config
//! of 20 routes; then what a stage does with each: a record read, a state put, a timer armed and taken. Printed is the best of
//! several rounds. `cargo test` runs a few of them once, so that it goes on working.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "it measures time, and ends where it cannot"
)]

mod stages;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use alert::{GroupId, LabelSet, MatchOp, Matcher, PromDuration, Timestamp};
use config::{Config, Source};
use ingest_pipeline::{Batch, Current, post_alerts};
use processor::{StateKey, Store, Timers};
use schemas::{AlertUpdate, UpdateHead, decode, encode};
use serde::de::IgnoredAny;

/// The program's own: what is measured is mostly small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IN_A_REQUEST: usize = 256;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn config() -> String {
    let mut text = "route:\n  receiver: r\n  group_by: [alertname, cluster]\n  routes:\n".to_owned();
    for team in 0..20 {
        writeln!(text, "    - {{receiver: r, matchers: ['team=\"t{team}\"']}}").expect("a string takes it");
    }
    text.push_str("receivers: [{name: r}]\n");
    text
}

fn current(text: &str) -> Current {
    let config = Config::load(Source { name: "a.yml", text }, None);
    Current {
        version: 1,
        config: Arc::new(config.expect("it is right")),
    }
}

/// One alert as Prometheus writes it.
fn alert(number: usize) -> String {
    format!(
        concat!(
            r#"{{"annotations":{{"description":"Pod production/checkout-{n} has been restarting 12 times in 10 minutes.","#,
            r#""summary":"Pod is crash looping."}},"endsAt":"2023-11-14T22:17:20.000Z","startsAt":"2023-11-14T20:13:20.000Z","#,
            r#""generatorURL":"http://prometheus-1:9090/graph?g0.expr=rate%28restarts%5B5m%5D%29+%3E+0&g0.tab=1","#,
            r#""labels":{{"alertname":"PodCrashLooping","cluster":"eu-west-1-{c}","container":"checkout","endpoint":"http","#,
            r#""instance":"10.0.12.7:8080","job":"kube-state-metrics","namespace":"production","pod":"checkout-{n}","#,
            r#""severity":"critical","team":"t{t}"}}}}"#
        ),
        n = number,
        c = number % 500,
        t = number % 40,
    )
}

/// How much is done: for figures, or to see that it works.
#[derive(Debug, Clone, Copy)]
struct Size {
    alerts: usize,
    rounds: usize,
}

/// Prints the best of several rounds over all alerts.
fn step(size: Size, what: &str, mut round: impl FnMut() -> usize) {
    let best = (0..size.rounds).map(|_| {
        let began = Instant::now();
        let count = round();
        let nanos = began.elapsed().as_nanos();
        nanos / u128::try_from(count.max(1)).unwrap_or(1)
    });
    println!("{what:<52} {:>7} ns", best.min().unwrap_or_default());
}

/// Does something with each and forgets the result; how many there were.
fn each<T, R>(of: &[T], what: impl Fn(&T) -> R) -> usize {
    for item in of {
        black_box(what(item));
    }
    of.len()
}

/// The records of a request.
fn taken(current: &Current, body: &str) -> Vec<(GroupId, Vec<u8>)> {
    let mut batch = Batch::new(current, NOW);
    post_alerts(Some("application/json"), body.as_bytes(), &mut batch).expect("they are right");
    batch.records
}

fn main() {
    // `cargo bench` says `--bench`; `cargo test` does not.
    let size = if std::env::args().any(|arg| arg == "--bench") {
        Size {
            alerts: 50_000,
            rounds: 7,
        }
    } else {
        Size { alerts: 500, rounds: 1 }
    };
    let step = |what: &str, round: &mut dyn FnMut() -> usize| step(size, what, round);
    let current = current(&config());
    let alerts: Vec<String> = (0..size.alerts).map(alert).collect();
    let bodies: Vec<String> = alerts
        .chunks(IN_A_REQUEST)
        .map(|chunk| format!("[{}]", chunk.join(",")))
        .collect();
    let taken = |body: &String| taken(&current, body);
    let records: Vec<Vec<u8>> = bodies.iter().flat_map(taken).map(|(_, bytes)| bytes).collect();
    let updates: Vec<AlertUpdate> = records.iter().map(|bytes| decode(bytes).expect("ours")).collect();
    let labels: Vec<LabelSet> = updates.iter().map(|update| update.body.labels.clone()).collect();
    let bytes = |all: &[Vec<u8>]| all.iter().map(Vec::len).sum::<usize>() / all.len();
    println!(
        "{} records of {} bytes, from {} bytes of JSON each",
        records.len(),
        bytes(&records),
        alerts.iter().map(String::len).sum::<usize>() / size.alerts
    );
    step("a request, from its body to its records: all of it", &mut || {
        bodies.iter().map(|body| black_box(taken(body)).len()).sum()
    });
    step("  reading JSON without keeping anything", &mut || {
        for body in &bodies {
            black_box(serde_json::from_str::<IgnoredAny>(body).expect("they are right"));
        }
        size.alerts
    });
    step("  a copy of the labels", &mut || each(&labels, LabelSet::clone));
    step("  the fingerprint", &mut || each(&labels, LabelSet::fingerprint));
    let matcher = Matcher::new(MatchOp::Regex, "pod", "checkout-[0-9]+7").expect("it is right");
    step("  a matcher with a regular expression", &mut || {
        each(&labels, |set| matcher.matches(set))
    });
    step("  the walk through the routes", &mut || {
        each(&labels, |set| policy::walk(&current.config, set))
    });
    step("  encoding the record", &mut || {
        each(&updates, |update| encode(update).expect("ours"))
    });
    step("correlate: decoding the record", &mut || {
        each(&records, |bytes| decode::<AlertUpdate>(bytes).expect("ours"))
    });
    step("correlate: reading its head", &mut || {
        each(&records, |bytes| UpdateHead::read(bytes).expect("ours"))
    });
    state(&records, &|what, round| step(what, round));
    let alone = crate::current(stages::CONFIG);
    let placed: Vec<(GroupId, Vec<u8>)> = bodies.iter().flat_map(|body| crate::taken(&alone, body)).collect();
    let mut costs = stages::Costs::default();
    for _ in 0..size.rounds {
        stages::round(&placed, NOW, &mut costs);
    }
    for (what, nanos) in costs.rows() {
        println!("{what:<52} {nanos:>7} ns");
    }
}

/// What a stage's state costs: each record put under a group of its own, with a timer; found again; its timer taken.
fn state(records: &[Vec<u8>], step: &dyn Fn(&str, &mut dyn FnMut() -> usize)) {
    let keys: Vec<StateKey> = (0..records.len())
        .map(|number| StateKey::new(GroupId(format!("{{}}:{{pod=\"{number}\"}}")).hash(), 1))
        .collect();
    let due = |number: usize| NOW + PromDuration::from_millis(u64::try_from(number).unwrap_or_default());
    let filled = || {
        let mut store = Store::default();
        for (number, (key, bytes)) in keys.iter().zip(records).enumerate() {
            store.put(key.clone(), &Timers::one(1, due(number)), bytes);
        }
        store.committed();
        store
    };
    step("state: a put with a timer, and its commit", &mut || filled().len());
    let store = filled();
    step("state: a get", &mut || {
        each(&keys, |key| store.get(key).map(|stored| stored.bytes.len()))
    });
    step(
        "state: the same, its timer taken and the value put without it",
        &mut || {
            let mut store = filled();
            let mut taken = 0;
            while let Some(timer) = store.next_timer() {
                store.disarm(&timer);
                taken += 1;
            }
            assert_eq!(taken, records.len(), "every timer was armed and taken");
            taken
        },
    );
}

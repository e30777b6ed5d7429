//! What a re-sent alert that changes nothing costs correlate on this machine, the short way and the long one:
//! `cargo run --release -p correlate-pipeline --example resend`.
#![allow(
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "it measures time, and ends where it cannot"
)]

use std::time::Instant;

use alert::{LabelSet, Timestamp, group_key};
use correlate_pipeline::{Correlate, Never};
use processor::{Context, Origin, Poison, Processor, Record, Store, Tables, apply};
use schemas::{AlertBody, AlertUpdate, encode};

const ALERTS: usize = 50_000;
const ROUNDS: usize = 7;
const NOW: i64 = 1_700_000_000;

fn record(number: usize, second: i64) -> Record {
    let at = |offset: i64| Timestamp::from_secs(NOW + second + offset);
    let pod = format!("checkout-{number}");
    let labels = LabelSet::from([
        ("alertname", "PodCrashLooping"),
        ("cluster", "eu-west-1"),
        ("container", "checkout"),
        ("endpoint", "http"),
        ("instance", "10.0.12.7:8080"),
        ("job", "kube-state-metrics"),
        ("namespace", "production"),
        ("pod", &pod),
        ("severity", "critical"),
        ("team", "payments"),
    ]);
    let group_labels = labels.only(["alertname", "pod"]);
    let key = group_key("{}", &group_labels);
    let annotations = LabelSet::from([
        ("description", "Pod has been restarting 12 times in 10 minutes."),
        ("summary", "Pod is crash looping."),
    ]);
    let update = AlertUpdate {
        fingerprint: labels.fingerprint(),
        content_hash: 1,
        starts_at: Timestamp::from_secs(NOW - 3_600),
        ends_at: at(240),
        received_at: at(0),
        timeout: false,
        resolved: false,
        config_version: 0,
        hops: 0,
        copy: 0,
        copies: 1,
        route: "{}".to_owned(),
        group_labels,
        moved_from: None,
        body: AlertBody {
            labels,
            annotations,
            generator_url: "http://prometheus-1:9090/graph?g0.expr=rate&g0.tab=1".to_owned(),
            ..AlertBody::default()
        },
    };
    Record {
        partition: 0,
        offset: i64::try_from(number).unwrap_or_default(),
        appended: at(0),
        key: key.to_string().into_bytes(),
        value: Some(encode(&update).expect("ours")),
        meta: None,
        headers: Vec::new(),
    }
}

type Way = fn(&mut Correlate, &Record, &mut Context<'_, Never>) -> Result<(), Poison>;

/// Gives every record to the stage; nanoseconds for each.
fn round(stage: &mut Correlate, store: &mut Store, records: &[Record], way: Way) -> u128 {
    let tables = Tables::new();
    let began = Instant::now();
    for record in records {
        let origin = Origin {
            stage: Correlate::NAME,
            now: record.appended,
            partition: 0,
            offset: record.offset,
            due: None,
            discriminator: 0,
            trace: 0,
            config_version: 0,
            tables: &tables,
        };
        apply(store, origin, |cx| way(stage, record, cx)).expect("they are right");
    }
    let nanos = began.elapsed().as_nanos();
    nanos / u128::try_from(records.len().max(1)).unwrap_or(1)
}

fn main() {
    let (mut stage, mut store) = (Correlate::new(), Store::default());
    let at = |second| (0..ALERTS).map(|number| record(number, second)).collect::<Vec<_>>();
    let first = round(&mut stage, &mut store, &at(0), Correlate::record);
    let refreshed = round(&mut stage, &mut store, &at(60), Correlate::record);
    store.committed();
    let again = at(120);
    let mut best = |way: Way| {
        let rounds = (0..ROUNDS).map(|_| round(&mut stage, &mut store, &again, way));
        rounds.min().unwrap_or_default()
    };
    let (long, short) = (best(Correlate::read_whole), best(Correlate::record));
    assert!(store.dirty().is_empty(), "a re-send after a minute changes nothing");
    println!("{ALERTS} alerts, each in its own group");
    println!("first received                       {first:>7} ns");
    println!("re-sent, and written                 {refreshed:>7} ns");
    println!("re-sent, nothing to write: read whole {long:>6} ns");
    println!("re-sent, nothing to write: by heads   {short:>6} ns");
}

//! The speed gates, bounded so loosely that a debug build on a busy machine passes, and so that a floor of 100 ms at any
//! hop does not: alerts are posted one at a time, and the fastest quarter counts, which noise does not reach and a floor
//! does. The numbers themselves are what `--example gates` prints in release.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, and uses only some of what the process tests share"
)]

#[path = "processes/http.rs"]
mod http;
#[path = "processes/program.rs"]
mod program;
#[path = "processes/receiver.rs"]
mod receiver;
#[path = "processes/waiting.rs"]
mod waiting;

use std::path::Path;
use std::time::{Duration, Instant};

use program::{Program, alert, alertmanager_yml};
use receiver::Receiver;
use serde_json::json;
use streams::kafka::broker::Broker;
use waiting::secs;

/// How many alerts count, after a few that make connections.
const COUNTED: usize = 40;
const FIRST: usize = 5;
/// Everything an alert's way may take here, by far.
const AT_MOST: Duration = secs(20);

fn config(folder: &Path, receiver: &Receiver) {
    let route = "receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1h, repeat_interval: 24h";
    std::fs::write(
        folder.join("alertmanager.yml"),
        alertmanager_yml(route, &[("r", receiver.url("r"))]),
    )
    .unwrap();
}

/// From posted to received, one alert after the other; sorted.
fn one_at_a_time(program: &Program, receiver: &Receiver) -> Vec<Duration> {
    let mut took: Vec<Duration> = (0..FIRST + COUNTED)
        .map(|number| {
            let name = format!("Alert{number}");
            let began = Instant::now();
            program.alerts(&json!([alert(&[("alertname", &name)])]));
            receiver.wait_for(AT_MOST, "firing", &name).at.duration_since(began)
        })
        .skip(FIRST)
        .collect();
    took.sort_unstable();
    took
}

fn judge(what: &str, took: &[Duration], floor: Duration) {
    let (quarter, median, worst) = (took[COUNTED / 4], took[COUNTED / 2], took[COUNTED - 1]);
    println!("{what}: posted to received: p25 {quarter:.1?}, p50 {median:.1?}, worst {worst:.1?}");
    assert!(
        quarter < floor,
        "{what}: a quarter of the alerts took {quarter:.1?} and less, which is a floor"
    );
}

#[test]
fn nothing_on_the_embedded_log_waits_for_a_clock() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    config(folder.path(), &receiver);
    let program = Program::start(folder.path(), &[]);
    judge(
        "embedded",
        &one_at_a_time(&program, &receiver),
        Duration::from_millis(100),
    );
    program.end();
}

/// Three transactions lie in between: a floor of 100 ms in each is 300.
#[test]
fn nothing_on_kafka_waits_for_a_clock() {
    let Some(broker) = Broker::shared().unwrap() else {
        return;
    };
    let brokers = format!("--kafka.brokers={}", broker.lock().unwrap().address());
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    config(folder.path(), &receiver);
    let of = |command: &'static str| [command, &brokers, "--topic-prefix=speed-", "--lanes=1"];
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_alertstream"))
        .args(["topics", "create", &brokers, "--topic-prefix=speed-", "--partitions=3"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let start = |command| Program::listening(folder.path(), &of(command));
    let services: Vec<Program> = ["ingest,console", "correlate", "route", "notify"].map(start).into();
    services.iter().for_each(Program::wait_until_ready);
    judge(
        "kafka",
        &one_at_a_time(&services[0], &receiver),
        Duration::from_millis(250),
    );
    services.into_iter().for_each(Program::end);
}

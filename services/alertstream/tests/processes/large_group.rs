//! A group of 10,000 alerts, too large for one record at any stage: one message with all of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Program, alert, alertmanager_yml, resolved};
use crate::receiver::{Heard, Receiver};
use crate::waiting::{secs, throughout};

/// As many as one request may have.
const ALERTS: usize = 10_000;

/// Everything in one group, told once it had time to gather.
pub(crate) fn config(receiver: &Receiver) -> String {
    let route = "receiver: chat, group_by: [alertname], group_wait: 4s, group_interval: 2s, repeat_interval: 1h";
    alertmanager_yml(route, &[("chat", receiver.url("chat"))])
}

fn all(one: fn(&[(&str, &str)]) -> Value) -> Value {
    let describe = |number: usize| {
        let text = format!("node-{number:05}.rack-{:03}.example.com", number / 40);
        let mut alert = one(&[("alertname", "Outage"), ("instance", &text), ("job", "node")]);
        alert["annotations"] = json!({"summary": format!("{text} is gone")});
        alert
    };
    (0..ALERTS).map(describe).collect()
}

pub(crate) fn post(program: &Program) {
    program.alerts(&all(alert));
}

/// Resolves all of them.
pub(crate) fn resolve(program: &Program) {
    program.alerts(&all(resolved));
}

/// One message of that status with all of them.
#[track_caller]
pub(crate) fn heard_whole(receiver: &Receiver, status: &str, at_most: Duration) -> Heard {
    let began = Instant::now();
    let message = receiver.wait(at_most, &format!("{status} with {ALERTS} alerts"), |heard| {
        heard.iter().find(|heard| heard.status() == status).cloned()
    });
    let instances: BTreeSet<String> = message.labels("instance").into_iter().collect();
    let heads: Vec<String> = receiver
        .heard()
        .iter()
        .map(|heard| format!("{:?} {:.600}", heard.headers, heard.body))
        .collect();
    assert_eq!(
        (message.labels("instance").len(), instances.len()),
        (ALERTS, ALERTS),
        "{heads:#?}"
    );
    eprintln!(
        "{status} with {ALERTS} alerts, after {:.1} s",
        message.at.saturating_duration_since(began).as_secs_f64()
    );
    message
}

/// Tells it all, is killed, tells nothing again, and resolves all of it in one message.
fn life(receiver: &Receiver, mut restarted: impl FnMut() -> Program) {
    heard_whole(receiver, "firing", secs(40));
    let program = restarted();
    let groups = program.get("/api/v2/alerts/groups").ok();
    assert_eq!(groups[0]["alerts"].as_array().map(Vec::len), Some(ALERTS));
    throughout(secs(3), "nothing is told again", || receiver.heard().len() == 1);
    resolve(&program);
    heard_whole(receiver, "resolved", secs(40));
    assert_eq!(receiver.heard().len(), 2);
}

fn embedded(folder: &Path) -> Program {
    Program::start(folder, &[])
}

#[test]
fn embedded_and_killed_before_and_after_it_was_told() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), config(&receiver)).unwrap();
    let mut program = embedded(folder.path());
    post(&program);
    program.kill();
    let mut program = Some(embedded(folder.path()));
    life(&receiver, || {
        drop(program.take());
        embedded(folder.path())
    });
}

//! SIGKILL at many moments on the embedded log: nothing that was acknowledged is lost, and a repeat is known as one.

use std::time::Duration;

use serde_json::json;

use crate::accounting::{Poster, has_records, one_group_each, settle};
use crate::program::{Program, alert, alertmanager_yml};
use crate::receiver::Receiver;
use crate::waiting::{secs, throughout};

/// After so many more acknowledged alerts the process is killed: while its first commits run, and deep in its work.
const KILLED_AFTER: [usize; 6] = [1, 40, 3, 120, 0, 17];

#[test]
fn at_any_moment() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let poster = Poster::start(Duration::from_millis(2));
    for count in KILLED_AFTER {
        let mut program = Program::listening(folder.path(), &[]);
        poster.target(Some(program.address));
        if count > 0 {
            poster.more(count);
        }
        program.kill();
        poster.target(None);
    }
    let program = Program::start(folder.path(), &[]);
    poster.target(Some(program.address));
    poster.more(10);
    poster.target(None);
    assert!(poster.count() >= KILLED_AFTER.iter().sum::<usize>());
    settle(&receiver, &program, &poster.acknowledged(), secs(30));
    program.end();
}

#[test]
fn while_a_receiver_has_the_message_and_has_not_answered() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let args = ["--web.external-url=http://alerts.example"];
    let mut program = Program::start(folder.path(), &args);
    receiver.hold(true);
    program.alerts(&json!([alert(&[("alertname", "InFlight")])]));
    let first = receiver.wait_for(secs(10), "firing", "InFlight");
    program.kill();
    receiver.hold(false);

    let mut program = Program::start(folder.path(), &args);
    let second = receiver.wait(secs(15), "the same message again", |heard| heard.get(1).cloned());
    assert_eq!(first.key(), second.key());
    assert_eq!(first.body, second.body);
    has_records(&program, &first, 1);
    throughout(secs(2), "it is told no third time", || receiver.heard().len() == 2);
    // Nobody has asked for metrics between the record and this kill.
    program.kill();
    let program = Program::start(folder.path(), &args);
    assert_eq!(program.metric("notify_possible_duplicates_total", ""), Some(1.0));
    program.end();
}

#[test]
fn before_a_timer_was_due_which_then_fires_once() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let route = "receiver: chat, group_by: [alertname], group_wait: 2s, group_interval: 1s, repeat_interval: 1h";
    let text = alertmanager_yml(route, &[("chat", receiver.url("chat"))]);
    std::fs::write(folder.path().join("alertmanager.yml"), text).unwrap();
    let mut program = Program::start(folder.path(), &[]);
    program.alerts(&json!([alert(&[("alertname", "Waiting")])]));
    program.kill();
    assert!(receiver.heard().is_empty(), "its time had not come");

    let program = Program::start(folder.path(), &[]);
    receiver.wait_for(secs(15), "firing", "Waiting");
    throughout(secs(3), "it is told once", || receiver.heard().len() == 1);
    program.end();
}

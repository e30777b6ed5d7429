//! The verdict is able to fail: systems that each do one thing wrong, and what a run says of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod fake;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use fake::Fault;
use loadtest::outcome::TargetOutcome;
use loadtest::profile::{Profile, Settings};
use loadtest::run::{Place, Prepared};
use loadtest::target::Target;
use loadtest::timetable::Timetable;

/// Long beside what a message takes, short beside a test.
const SLACK: Duration = Duration::from_secs(1);

/// Ten alerts to a system with that fault, one by one, and then the end of all of them.
async fn run(fault: Fault) -> TargetOutcome {
    let settings = Settings {
        rate: Some(50.0),
        seconds: Some(0.2),
        run: format!("{fault:?}"),
        group_interval: Some(Duration::from_millis(100)),
        faults: Some(Timetable::default()),
        slack: Some(SLACK),
        ..Settings::default()
    };
    let mut scenario = Profile::Chaos.scenario(&settings).unwrap();
    scenario.linger = Duration::from_millis(300) + SLACK;
    scenario.rest = Duration::from_secs(1);
    scenario.record_shown = Duration::from_millis(300);
    for phase in &mut scenario.phases {
        phase.patience = SLACK;
    }
    // The receiver's address has to be known before the system is there.
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let url = fake::start(fault, format!("http://{listen}/sink")).await;
    let target = Target::Running {
        url,
        pids: Vec::new(),
        command: None,
    };
    let place = Place {
        target: &target,
        listen,
        kafka: None,
        topic_prefix: "",
        partitions: None,
        config: None,
        keep: false,
    };
    Prepared::new(scenario).run(&place).await.unwrap()
}

/// What the run says is wrong, in short.
fn findings(outcome: &TargetOutcome) -> Vec<String> {
    let short = |text: &String| {
        // Which of the two comes first is theirs to say.
        if text.starts_with("KEY SHARED") {
            return "KEY SHARED".to_owned();
        }
        let end = text.find(" (").or_else(|| text.find(':')).unwrap_or(text.len());
        text.get(..end).unwrap().to_owned()
    };
    outcome.findings.iter().map(short).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_seen_and_nothing_else() {
    let rows: [(Fault, &[&str]); 12] = [
        (Fault::None, &[]),
        (Fault::IsBusyOnce, &[]),
        (Fault::RepeatsAndSaysSo, &[]),
        (Fault::Loses, &["LOST: alert 3", "RESOLVED BEFORE FIRING: alert 3"]),
        (Fault::KeepsResolvesToItself, &["LOST: alert 3"]),
        (Fault::RepeatsSilently, &["UNEXPLAINED REPEAT: alert 3"]),
        (Fault::ChangesTheKey, &["SAID TWICE: alert 3"]),
        (Fault::SendsNoKey, &["NO KEY: alert 3"]),
        (Fault::SharesAKey, &["KEY SHARED", "KEY SHARED"]),
        (Fault::ResolvesUnasked, &["NEVER SAID: alert 3"]),
        (Fault::Refuses, &["REFUSED"]),
        (Fault::HidesTheJournal, &["NO JOURNAL", "UNEXPLAINED REPEAT: alert 3"]),
    ];
    let running: Vec<_> = rows.iter().map(|(fault, _)| tokio::spawn(run(*fault))).collect();
    for ((fault, expected), running) in rows.into_iter().zip(running) {
        let outcome = running.await.unwrap();
        assert_eq!(findings(&outcome), expected, "{fault:?}: {:?}", outcome.findings);
        let explained = u64::from(fault == Fault::RepeatsAndSaysSo);
        assert_eq!(outcome.verdict.repeats_explained, explained, "{fault:?}");
        let words = if fault == Fault::Refuses { 19..=20 } else { 20..=20 };
        assert!(
            words.contains(&outcome.verdict.words),
            "{fault:?}: ten alerts, firing and resolved"
        );
    }
}

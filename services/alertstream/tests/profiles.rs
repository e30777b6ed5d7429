//! Every profile of the load test, for seconds and in small numbers, with its oracle on: against this program on the
//! embedded log, and where there is a Kafka against its four services. No time is judged but what the oracle must know.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use loadtest::broker::Kafka;
use loadtest::outcome::TargetOutcome;
use loadtest::profile::{Profile, Settings};
use loadtest::recording::Recording;
use loadtest::run::{Place, Prepared};
use loadtest::scenario::Entry;
use loadtest::target::Target;
use streams::kafka::broker::Broker;
use tokio::sync::Mutex;

/// What a debug build may take where the machine and its disk serve others, too, by far.
const SLACK: Duration = Duration::from_mins(5);
/// The two tests take turns: a broker and four services beside four other systems are more than two cores start in time.
static TURN: Mutex<()> = Mutex::const_new(());
/// So many runs at once: more would only wait for each other.
const AT_ONCE: usize = 4;

fn settings(profile: Profile) -> Settings {
    let line = r#"{"at":"2026-01-01T00:00:00Z","kind":"alert","labels":{"alertname":"A"}}"#;
    Settings {
        alerts: Some(200),
        rate: Some(if profile == Profile::TenThousand { 200.0 } else { 40.0 }),
        seconds: Some(2.0),
        run: profile.name(),
        group_interval: Some(Duration::from_secs(1)),
        slack: Some(SLACK),
        faults: (profile == Profile::Chaos)
            .then(|| "500ms kill up 100ms; 1s silence namespace=team-3 2s".parse().unwrap()),
        answers: (profile == Profile::SlowReceiver).then(|| {
            "200; 500ms 200@100; 1s 503x3,200; 1500ms 429x2,200; 2s 200"
                .parse()
                .unwrap()
        }),
        recording: (profile == Profile::Replay).then(|| Recording::from_lines(line).unwrap()),
        ..Settings::default()
    }
}

async fn run(settings: Settings, profile: Profile, target: Target, kafka: Option<Kafka>) -> TargetOutcome {
    let mut scenario = profile.scenario(&settings).unwrap();
    scenario.linger = Duration::from_secs(1);
    scenario.rest = Duration::from_secs(1);
    for phase in &mut scenario.phases {
        phase.patience = SLACK;
    }
    let place = Place {
        target: &target,
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        kafka: kafka.as_ref(),
        topic_prefix: "",
        partitions: None,
        config: None,
        keep: false,
    };
    Prepared::new(scenario).run(&place).await.unwrap()
}

fn check(name: &str, outcome: &TargetOutcome) {
    assert!(
        outcome.findings.is_empty(),
        "{name}: {:#?}\n{:#?}",
        outcome.findings,
        outcome.verdict
    );
    assert!(outcome.verdict.notified > 0, "{name}: {:?}", outcome.verdict);
    assert!(outcome.phases.iter().any(|phase| phase.is_counted), "{name}");
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_alertstream"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_profile_on_the_embedded_log() {
    let _turn = TURN.lock().await;
    let all: Vec<Profile> = Profile::value_variants()
        .iter()
        .copied()
        .filter(|profile| !profile.is_of_services())
        .collect();
    for some in all.chunks(AT_ONCE) {
        let run = |profile: &Profile| run(settings(*profile), *profile, Target::Up(Some(program())), None);
        let running: Vec<_> = some.iter().map(run).map(tokio::spawn).collect();
        for (profile, running) in some.iter().zip(running) {
            check(&profile.name(), &running.await.unwrap());
        }
    }
}

/// What is different there: consumers that come and go, and the ways in.
#[tokio::test(flavor = "multi_thread")]
async fn profiles_on_kafka() {
    let _turn = TURN.lock().await;
    let Some(broker) = tokio::task::spawn_blocking(Broker::shared).await.unwrap().unwrap() else {
        return;
    };
    let kafka = Kafka::There(broker.lock().unwrap().address().to_owned());
    let rows = [
        (
            Profile::ScaleOut,
            Entry::KafkaJson,
            Some("500ms scale route 2; 1500ms scale route 1"),
        ),
        (Profile::Flap, Entry::KafkaAvro, None),
    ];
    for (profile, entry, faults) in rows {
        let settings = Settings {
            entry,
            faults: faults.map(|text: &str| text.parse().unwrap()),
            ..settings(profile)
        };
        let name = format!("{} {entry:?}", profile.name());
        check(
            &name,
            &run(
                settings,
                profile,
                Target::Services(Some(program())),
                Some(kafka.clone()),
            )
            .await,
        );
    }
}

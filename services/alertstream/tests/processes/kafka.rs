//! The distributed form on a real Kafka: a process for each service, with the commands of `docker-compose.yml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemas::{AlertEvent, DeadLetter, EventKind, topics};
use serde_json::json;
use streams::kafka::broker::{Broker, say_skipped};
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{From, Log, NewRecord};
use tempfile::TempDir;

use crate::accounting::{Poster, all_heard, one_group_each, settle};
use crate::compose;
use crate::large_group;
use crate::program::{Program, alert};
use crate::receiver::Receiver;
use crate::waiting::{eventually, secs, throughout};

/// The services as the compose file calls them, the one that answers first.
const SERVICES: [&str; 4] = ["front", "correlate", "route", "notify"];
/// After a kill: a session timeout of 10 s, a rebalance, a restore, and 5 s in which an earlier attempt may still arrive.
const TAKEOVER: Duration = secs(40);

/// The system: its folder with the config, its topics, its processes.
struct System {
    // The first to end: they still need the others.
    processes: BTreeMap<&'static str, Program>,
    folder: TempDir,
    broker: Arc<Mutex<Broker>>,
    prefix: &'static str,
}

impl System {
    /// Makes the topics and starts everything; none where there is no Kafka.
    fn start(prefix: &'static str, config: &str) -> Option<Self> {
        let broker = Broker::shared().unwrap()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
        std::fs::write(folder.path().join("escalation.yml"), "version: 1\n").unwrap();
        let mut system = Self {
            folder,
            broker,
            prefix,
            processes: BTreeMap::new(),
        };
        let refused = Program::refused(system.folder.path(), &texts(&system.command("correlate")));
        assert!(refused.contains("alertstream topics create"), "{refused}");
        system.create_topics();
        for name in SERVICES {
            system.processes.insert(
                name,
                Program::listening(system.folder.path(), &texts(&system.command(name))),
            );
        }
        system.processes.values().for_each(Program::wait_until_ready);
        Some(system)
    }

    /// A service's command with this test's broker, files and ports in the place of the containers'.
    fn command(&self, service: &str) -> Vec<String> {
        let place = |arg: String| match arg.split_once('=').map(|(flag, _)| flag) {
            Some("--kafka.brokers") => format!("--kafka.brokers={}", self.address()),
            Some("--config.file") => "--config.file=alertmanager.yml".to_owned(),
            Some("--escalation.file") => "--escalation.file=escalation.yml".to_owned(),
            Some("--web.listen-address") => "--web.listen-address=127.0.0.1:0".to_owned(),
            Some(_) | None => arg,
        };
        let prefix = format!("--topic-prefix={}", self.prefix);
        compose::command(service)
            .into_iter()
            .map(place)
            .chain([prefix])
            .collect()
    }

    fn create_topics(&self) {
        let made = std::process::Command::new(env!("CARGO_BIN_EXE_alertstream"))
            .args(self.command("topics"))
            .arg("--partitions=4")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn address(&self) -> String {
        self.broker.lock().unwrap().address().to_owned()
    }

    fn front(&self) -> &Program {
        &self.processes["front"]
    }

    /// SIGKILL, and a new process in its place, which listens.
    fn restart(&mut self, name: &'static str) {
        self.processes.remove(name).unwrap().kill();
        let program = Program::listening(self.folder.path(), &texts(&self.command(name)));
        self.processes.insert(name, program);
    }

    /// The topics, as their users see them.
    fn log(&self) -> Arc<KafkaLog> {
        let options = KafkaOptions {
            brokers: self.address(),
            topic_prefix: self.prefix.to_owned(),
            ..KafkaOptions::default()
        };
        KafkaLog::connect(options).unwrap()
    }

    fn end(self) {
        self.processes.into_values().for_each(Program::end);
    }
}

fn texts(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// Publishes events, and returns when they are acknowledged.
fn publish(log: &KafkaLog, events: impl IntoIterator<Item = Vec<u8>>) {
    let partitions = log.partitions(topics::ALERT_EVENTS).unwrap().unwrap();
    let (done, answers) = channel();
    let mut sent = 0;
    for (event, partition) in events.into_iter().zip((0..partitions).cycle()) {
        let record = NewRecord {
            topic: topics::ALERT_EVENTS.into(),
            partition,
            key: Vec::new(),
            value: Some(event),
            meta: None,
            headers: Vec::new(),
        };
        let done = done.clone();
        log.append(vec![record], Box::new(move |appended| drop(done.send(appended))));
        sent += 1;
    }
    for _ in 0..sent {
        answers.recv_timeout(secs(30)).unwrap().unwrap();
    }
}

/// The dead letters, once there are so many.
fn dead_letters(log: &KafkaLog, count: usize) -> Vec<DeadLetter> {
    let mut reader = log
        .reader(&[(topics::DEAD_LETTERS.to_owned(), 0, From::Beginning)])
        .unwrap();
    let mut found = Vec::new();
    eventually(secs(20), &format!("{count} dead letters"), || {
        let records = reader.poll(100, Duration::from_millis(100)).unwrap();
        found.extend(
            records
                .iter()
                .map(|(_, record)| schemas::decode::<DeadLetter>(record.bytes()).unwrap()),
        );
        (found.len() >= count).then(|| found.clone())
    })
}

#[test]
fn an_alert_and_events_of_each_format_go_through_four_processes_and_garbage_disturbs_nobody() {
    let receiver = Receiver::start();
    let Some(system) = System::start("first-", &one_group_each(&receiver)) else {
        return;
    };
    system.front().alerts(&json!([alert(&[("alertname", "Posted")])]));
    receiver.wait_for(secs(20), "firing", "Posted");

    let log = system.log();
    let labels = |name: &str| BTreeMap::from([("alertname".to_owned(), name.to_owned())]);
    let avro = schemas::encode(&AlertEvent {
        id: None,
        source: Some("pipeline".to_owned()),
        kind: EventKind::Alert,
        labels: labels("Avro").into(),
        annotations: alert::LabelSet::new(),
        starts_at: None,
        ends_at: None,
        generator_url: None,
        expr: Some("errors > 5".to_owned()),
        value: Some(7.0),
        for_ms: None,
    });
    let json = json!({"kind": "alert", "labels": labels("Json"), "annotations": {"summary": "from a log"}});
    publish(&log, [json.to_string().into_bytes(), avro.unwrap()]);
    let message = receiver.wait_for(secs(20), "firing", "Json");
    assert_eq!(message.body["alerts"][0]["annotations"]["summary"], "from a log");
    receiver.wait_for(secs(20), "firing", "Avro");

    // One partition after the other, four of each: every partition has garbage before a good one.
    let garbage = [
        b"\x00\xffgarbage".to_vec(),
        b"{\"kind\":\"alert\"}".to_vec(),
        b"\xc3\x01garbage".to_vec(),
        vec![0xff; 100_000],
    ];
    publish(&log, garbage.clone());
    let good = ["After0", "After1", "After2", "After3"];
    publish(
        &log,
        good.map(|name| json!([alert(&[("alertname", name)])]).to_string().into_bytes()),
    );
    for name in good {
        receiver.wait_for(secs(20), "firing", name);
    }
    let letters = dead_letters(&log, garbage.len());
    for value in &garbage {
        let letter = letters
            .iter()
            .find(|letter| &letter.value == value)
            .unwrap_or_else(|| panic!("{value:.20?}: {letters:.500?}"));
        assert_eq!(
            (letter.stage.as_str(), letter.topic.as_str()),
            ("ingest", topics::ALERT_EVENTS),
            "{letter:.500?}"
        );
        assert!(!letter.reason.is_empty() && !letter.error.is_empty(), "{letter:.500?}");
    }
    let shown = system.front().get("/api/v2/alerts").ok();
    assert_eq!(shown.as_array().map(Vec::len), Some(7), "{shown}");
    for (name, program) in &system.processes {
        assert_eq!(program.get("/-/healthy").status, 200, "{name}");
        assert!(program.metric("alertmanager_build_info", "").is_some(), "{name}");
    }
    replay(&system, &log, &receiver);
    system.end();
}

/// Labelled lines of a supercomputer's log, where that file is: each is found again in a notification.
fn replay(system: &System, log: &KafkaLog, receiver: &Receiver) {
    let file = std::env::var("ALERTSTREAM_LOGHUB")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/loghub").to_owned());
    let Ok(text) = std::fs::read(Path::new(&file).join("BGL_2k.log")) else {
        say_skipped(&format!("the replay of BGL_2k.log: it is not in {file}"));
        return;
    };
    let source = "BGL_2k.log";
    let found = loadtest::replay::events(&String::from_utf8_lossy(&text), source);
    assert!(
        found.bad.is_empty() && found.events.len() > 100,
        "{} events",
        found.events.len()
    );
    publish(
        log,
        found.events.iter().map(|(_, _, event)| event.to_string().into_bytes()),
    );
    let lines: std::collections::BTreeSet<usize> = found.events.iter().map(|(number, ..)| *number).collect();
    receiver.wait(secs(40), &format!("all of {} labelled lines", lines.len()), |heard| {
        let told = heard
            .iter()
            .flat_map(|message| loadtest::replay::lines_in(&message.body, source))
            .collect();
        lines.is_subset(&told).then_some(())
    });
    assert!(system.front().metric("ingest_events_received_total", "").unwrap() >= 100.0);
}

#[test]
fn each_service_is_killed_in_turn_and_a_second_route_comes_and_goes() {
    let receiver = Receiver::start();
    let Some(mut system) = System::start("second-", &one_group_each(&receiver)) else {
        return;
    };
    let poster = Poster::start(Duration::from_millis(50));
    poster.target(Some(system.front().address));
    poster.more(5);
    for name in ["notify", "front", "route", "correlate"] {
        if name == "front" {
            poster.target(None);
        }
        system.restart(name);
        poster.target(Some(system.front().address));
        poster.more(20);
        all_heard(&receiver, &poster.acknowledged(), TAKEOVER);
    }
    let second = Program::start(system.folder.path(), &texts(&system.command("route")));
    poster.more(20);
    all_heard(&receiver, &poster.acknowledged(), TAKEOVER);
    second.end();
    poster.more(20);
    poster.target(None);
    settle(&receiver, system.front(), &poster.acknowledged(), TAKEOVER);
    throughout(secs(2), "and nobody is told anything more", {
        let told = receiver.heard().len();
        let receiver = &receiver;
        move || receiver.heard().len() == told
    });
    drop(poster);
    system.end();
}

#[test]
fn a_group_of_ten_thousand_and_every_stage_killed_once_it_was_told() {
    let receiver = Receiver::start();
    let Some(mut system) = System::start("third-", &large_group::config(&receiver)) else {
        return;
    };
    large_group::post(system.front());
    large_group::heard_whole(&receiver, "firing", secs(90));
    for name in ["correlate", "route", "notify"] {
        system.restart(name);
    }
    system.processes.values().for_each(Program::wait_until_ready);
    large_group::resolve(system.front());
    large_group::heard_whole(&receiver, "resolved", secs(90));
    assert_eq!(receiver.heard().len(), 2, "told once, resolved once");
    system.end();
}

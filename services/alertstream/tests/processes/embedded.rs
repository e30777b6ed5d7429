//! `alertstream up` on the embedded log: what a newcomer, a person on call and Alertmanager's clients see of it.

use std::process::Command;

use serde_json::{Value, json};

use crate::program::{Program, alert, alertmanager_yml, resolved};
use crate::receiver::Receiver;
use crate::waiting::{eventually, secs, throughout};

/// A fingerprint as Prometheus computes it, of `{alertname="Acked"}`.
fn fingerprint(labels: &[(&str, &str)]) -> String {
    let labels: std::collections::BTreeMap<&str, &str> = labels.iter().copied().collect();
    labels
        .into_iter()
        .collect::<alert::LabelSet>()
        .fingerprint()
        .to_string()
}

/// The words of a command line of the banner, as a shell understands them.
fn words(line: &str) -> Vec<String> {
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}; {line}");
    let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(
        shell.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&shell.stderr)
    );
    String::from_utf8(shell.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_newcomer_who_follows_the_banner_sees_a_notification_and_acknowledges_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let banner = program.out();
    let url = format!("http://{}", program.address);
    for text in [
        format!("alertstream is up on {url}\n"),
        format!("dashboard: {url}/\n"),
        "config: built-in (no alertmanager.yml here)\n".to_owned(),
        "log:    embedded, in data/\n".to_owned(),
        format!("notifications: {url}/inbox\n"),
        format!("           - targets: ['{}']\n", program.address),
    ] {
        assert!(banner.contains(&text), "{text:?} is not in\n{banner}");
    }
    let commands: Vec<_> = banner
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("curl "))
        .map(words)
        .collect();
    let [post, acknowledge] = commands.as_slice() else {
        panic!("{banner}")
    };
    let [_, header, to, _, body] = post.as_slice() else {
        panic!("{post:?}")
    };
    let path = to.strip_prefix(&url).unwrap();
    program
        .send("POST", path, &format!("{header}\r\n"), body.as_bytes())
        .ok();

    let inbox = eventually(secs(10), "both notifications in the inbox", || {
        program
            .get("/inbox.json")
            .ok()
            .as_array()
            .filter(|inbox| inbox.len() == 2)
            .cloned()
    });
    let mut receivers: Vec<_> = inbox
        .iter()
        .map(|entry| entry["message"]["receiver"].as_str().unwrap())
        .collect();
    receivers.sort_unstable();
    assert_eq!(receivers, ["first-responder", "inbox"]);
    assert!(
        program.get("/inbox").body.contains("first-responder"),
        "the page shows them"
    );
    eventually(secs(2), "a line each on standard output", || {
        let out = program.out();
        let lines: Vec<_> = out
            .lines()
            .filter(|line| line.starts_with("inbox: FIRING"))
            .map(str::to_owned)
            .collect();
        (lines.len() == 2 && lines[0].contains("alertname=TryMe")).then_some(())
    });

    let [.., to] = acknowledge.as_slice() else {
        panic!("{acknowledge:?}")
    };
    let answer = program.send("POST", to.strip_prefix(&url).unwrap(), "", b"").ok();
    assert_eq!(answer["answers"][0]["state"], "acknowledged", "{answer}");
    program.end();
}

const LADDER: &str = "version: 1
policies:
  quick:
    steps:
      - {notify: [{receiver: pager}], escalate_after: 3s}
      - {notify: [{receiver: lead}], escalate_after: 1s}
    last_resort: [{receiver: noc}]
receivers:
  chat: {policy: quick}
";

#[test]
fn an_acknowledgement_silences_the_ladder_which_else_climbs_to_its_last_resort() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let names = ["chat", "pager", "lead", "noc"].map(|name| (name, receiver.url(name)));
    let route = "receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h";
    std::fs::write(folder.path().join("alertmanager.yml"), alertmanager_yml(route, &names)).unwrap();
    std::fs::write(folder.path().join("escalation.yml"), LADDER).unwrap();
    let program = Program::start(folder.path(), &[]);
    assert!(
        program.out().contains("alertmanager.yml and "),
        "both files are named: {}",
        program.out()
    );

    program.alerts(&json!([
        alert(&[("alertname", "Acked")]),
        alert(&[("alertname", "Left")])
    ]));
    let to = |name: &str, who: &str, heard: &[crate::receiver::Heard]| {
        heard
            .iter()
            .any(|heard| heard.path == format!("/{who}") && heard.is_of(name))
    };
    receiver.wait(secs(10), "the pager hears of both", |heard| {
        (to("Acked", "pager", heard) && to("Left", "pager", heard)).then_some(())
    });
    let path = format!("/api/v1/alerts/{}/acknowledge", fingerprint(&[("alertname", "Acked")]));
    let answer = program.post(&path, &json!({"by": "ada"})).ok();
    assert_eq!(answer["answers"][0]["accepted"], true, "{answer}");
    receiver.wait(secs(15), "the other one's last resort", |heard| {
        to("Left", "noc", heard).then_some(())
    });
    let heard = receiver.heard();
    assert!(to("Left", "lead", &heard), "the lead came before the last resort");
    assert!(
        !to("Acked", "lead", &heard) && !to("Acked", "noc", &heard),
        "acknowledged: {heard:#?}"
    );
    let incidents = program.get("/api/v1/incidents?state=acknowledged").ok();
    assert_eq!(incidents["incidents"][0]["acknowledgedBy"], "ada", "{incidents}");

    program.alerts(&json!([
        resolved(&[("alertname", "Acked")]),
        resolved(&[("alertname", "Left")])
    ]));
    let told = |name: &str, heard: &[crate::receiver::Heard], status: &str| {
        let mut told: Vec<String> = heard
            .iter()
            .filter(|one| one.status() == status && one.is_of(name))
            .map(|one| one.path.clone())
            .collect();
        told.sort();
        told.dedup();
        told
    };
    for name in ["Acked", "Left"] {
        receiver.wait(
            secs(10),
            "who was told hears that it is over, and nobody else",
            |heard| (told(name, heard, "resolved") == told(name, heard, "firing")).then_some(()),
        );
    }
    program.end();
}

/// The texts under a place of each item of a list.
fn each(list: &Value, place: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    let texts = items.map(|item| {
        item.pointer(place)
            .and_then(Value::as_str)
            .unwrap_or("nothing")
            .to_owned()
    });
    texts.collect()
}

/// One receiver named `chat` whose groups are told at once, in `am.yml`.
fn telling_at_once() -> (tempfile::TempDir, Receiver, Program) {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let route = "receiver: chat, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h";
    let receivers = [("chat", receiver.url("chat")), ("other", receiver.url("other"))];
    std::fs::write(folder.path().join("am.yml"), alertmanager_yml(route, &receivers)).unwrap();
    let program = Program::start(folder.path(), &["--config.file=am.yml"]);
    (folder, receiver, program)
}

/// Silences what is named `Quiet`; the silence's id.
fn silence_quiet(program: &Program) -> String {
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Quiet", "isRegex": false, "isEqual": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "ada", "comment": "known",
    });
    let answer = program.post("/api/v2/silences", &silence).ok();
    answer["silenceID"].as_str().unwrap().to_owned()
}

const LOUD: [(&str, &str); 2] = [("alertname", "Loud"), ("job", "a")];
const QUIET: [(&str, &str); 2] = [("alertname", "Quiet"), ("job", "b")];

#[test]
fn alertmanagers_clients_find_alerts_groups_receivers_and_status() {
    let (_folder, receiver, program) = telling_at_once();
    let id = silence_quiet(&program);
    program.alerts(&json!([alert(&LOUD), alert(&QUIET)]));
    let shown = program.get("/api/v2/alerts").ok();
    assert_eq!(
        each(&shown, "/labels/alertname").len(),
        2,
        "shown as soon as they are acknowledged: {shown}"
    );
    receiver.wait_for(secs(10), "firing", "Loud");
    let found = program.get("/api/v2/alerts?filter=alertname%3D%22Quiet%22").ok();
    let expected = json!({"inhibitedBy": [], "mutedBy": [], "silencedBy": [id], "state": "suppressed"});
    assert_eq!(found[0]["status"], expected);
    assert_eq!(found[0]["fingerprint"], fingerprint(&QUIET));
    let groups = program.get("/api/v2/alerts/groups").ok();
    assert_eq!(each(&groups, "/labels/alertname"), ["Loud", "Quiet"], "{groups}");
    assert_eq!(each(&program.get("/api/v2/receivers").ok(), "/name"), ["chat", "other"]);
    let about = program.get("/api/v2/status").ok();
    assert!(
        about["config"]["original"].as_str().unwrap().contains("receiver: chat"),
        "{about}"
    );
    assert!(
        !about.to_string().contains(&receiver.url("chat")),
        "an address may be a secret"
    );
    assert_eq!(program.get("/api/v2/no-such-thing").status, 404);
    program.end();
}

#[test]
fn a_silence_mutes_until_it_is_deleted() {
    let (_folder, receiver, program) = telling_at_once();
    let id = silence_quiet(&program);
    program.alerts(&json!([alert(&LOUD), alert(&QUIET)]));
    receiver.wait_for(secs(10), "firing", "Loud");
    let path = format!("/api/v2/silence/{id}");
    assert_eq!(program.get(&path).ok()["status"]["state"], "active");
    assert_eq!(each(&program.get("/api/v2/silences").ok(), "/id"), [id]);
    throughout(secs(2), "the silenced one is heard of by nobody", || {
        !receiver.heard().iter().any(|heard| heard.is_of("Quiet"))
    });
    program.send("DELETE", &path, "", b"").ok();
    assert_eq!(program.get(&path).ok()["status"]["state"], "expired");
    receiver.wait_for(secs(10), "firing", "Quiet");
    assert_eq!(
        program
            .get("/api/v2/silence/d7b4f3d0-0000-4000-8000-000000000000")
            .status,
        404
    );
    program.end();
}

/// Metrics that rules, dashboards and Alertmanager's mixin ask for.
const ASKED: [(&str, &str); 12] = [
    ("alertmanager_build_info", "version"),
    ("alertmanager_config_hash", ""),
    ("alertmanager_notifications_suppressed_total", "reason=\"silence\""),
    ("notify_possible_duplicates_total", ""),
    ("alertmanager_config_last_reload_successful", ""),
    ("alertmanager_alerts", "state=\"active\""),
    ("alertmanager_alerts_received_total", "version=\"v2\""),
    ("alertmanager_notifications_total", "integration=\"webhook\""),
    ("alertmanager_notifications_failed_total", "integration=\"webhook\""),
    (
        "alertmanager_notification_latency_seconds_count",
        "integration=\"webhook\"",
    ),
    ("ingest_receiving", ""),
    ("streams_lane_last_pass_timestamp_seconds", "stage=\"notify\""),
];

#[test]
fn a_bad_file_leaves_the_old_config_running_and_says_so() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let file = folder.path().join("alertmanager.yml");
    let write = |name: &str| {
        let route = format!("receiver: {name}, group_by: [alertname], group_wait: 0s, group_interval: 1s");
        std::fs::write(&file, alertmanager_yml(&route, &[(name, receiver.url(name))])).unwrap();
    };
    write("old");
    let program = Program::start(folder.path(), &[]);
    let send = |name: &str| {
        program.alerts(&json!([alert(&[("alertname", name)])]));
        receiver.wait_for(secs(10), "firing", name).path
    };
    assert_eq!(send("First"), "/old");
    for (name, labels) in ASKED {
        eventually(secs(10), &format!("{name}{{{labels}}}"), || {
            program.metric(name, labels)
        });
    }

    let hash = || program.metric("alertmanager_config_hash", "");
    let old = hash();

    std::fs::write(&file, "route:\n  receiver: nobody\n  group_wiat: 5s\n").unwrap();
    let answer = program.send("POST", "/-/reload", "", b"");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.body.contains("alertmanager.yml:3:3") && answer.body.contains("group_wiat"),
        "{answer:?}"
    );
    assert_eq!(
        program.metric("alertmanager_config_last_reload_successful", ""),
        Some(0.0)
    );
    let error = |status: &Value| status["configReloadError"].as_str().unwrap_or_default().to_owned();
    assert!(error(&program.get("/api/v2/status").ok()).contains("group_wiat"));
    assert_eq!(send("Second"), "/old", "the old config goes on");
    assert_eq!(hash(), old);

    write("new");
    program.send("POST", "/-/reload", "", b"").ok();
    assert_eq!(
        program.metric("alertmanager_config_last_reload_successful", ""),
        Some(1.0)
    );
    assert_eq!(error(&program.get("/api/v2/status").ok()), "");
    assert_eq!(send("Third"), "/new");
    assert_ne!(hash(), old);
    program.end();
}

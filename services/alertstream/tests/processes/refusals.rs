//! What keeps a process from starting is told on standard error, with the way out, and with exit code 1.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::program::{Program, alert};
use crate::waiting::secs;

#[track_caller]
fn check(folder: &Path, rows: &[(&[&str], &[&str])]) {
    for (args, expected) in rows {
        let said = Program::refused(folder, args);
        for text in *expected {
            assert!(said.contains(text), "{args:?}: {text:?} is not in {said:?}");
        }
    }
}

#[test]
fn a_command_that_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    check(
        folder.path(),
        &[
            (
                &["upp"],
                &[
                    "unknown command \"upp\"",
                    "up, ingest, correlate, route, notify, console",
                ],
            ),
            (
                &["ingest,notfy", "--kafka.brokers=127.0.0.1:1"],
                &["unknown command \"ingest,notfy\""],
            ),
            (
                &["correlate"],
                &["correlate needs a Kafka", "--kafka.brokers HOST:PORT"],
            ),
            (&["topics", "create"], &["topics create needs a Kafka"]),
            (&["--log.level=loud"], &["loud"]),
        ],
    );
    assert!(!folder.path().join("data").exists(), "nothing was touched");
}

#[test]
fn files_that_are_missing_or_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let good = "route: {receiver: a}\nreceivers:\n  - name: a\n";
    write("good.yml", good);
    write(
        "typo.yml",
        "route:\n  receiver: a\n  group_wiat: 5s\nreceivers:\n  - name: a\n",
    );
    write("yaml.yml", "route: {receiver: a\nreceivers: [\n");
    write("nobody.yml", "route: {receiver: b}\nreceivers:\n  - name: a\n");
    write("policy.yml", "version: 1\nreceivers:\n  a: {policy: none}\n");
    check(
        folder.path(),
        &[
            (
                &["--config.file=none.yml"],
                &["none.yml: ", "No such file", "--config.file"],
            ),
            (
                &["--config.file=good.yml", "--escalation.file=none.yml"],
                &["none.yml: ", "--escalation.file"],
            ),
            (&["--config.file=typo.yml"], &["typo.yml:3:3", "group_wiat"]),
            (&["--config.file=yaml.yml"], &["yaml.yml:"]),
            (&["--config.file=nobody.yml"], &["nobody.yml:1:", "\"b\""]),
            (
                &["--config.file=good.yml", "--escalation.file=policy.yml"],
                &["policy.yml:3:", "none"],
            ),
            (&["check-config", "--config.file=typo.yml"], &["typo.yml:3:3"]),
        ],
    );
    assert!(!folder.path().join("data").exists(), "nothing was touched");
}

#[test]
fn a_port_or_a_folder_that_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    check(
        folder.path(),
        &[(&[&listen], &[&port, "in use", "--web.listen-address"])],
    );

    let first = Program::start(folder.path(), &[]);
    check(
        folder.path(),
        &[(&[], &["in use by another process", "--storage.path"])],
    );
    assert_eq!(first.get("/-/healthy").status, 200, "the first one goes on");
}

#[test]
fn a_folder_that_is_no_log_or_another_releases() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("photos")).unwrap();
    std::fs::write(folder.path().join("photos/cat.jpg"), "cat").unwrap();
    check(
        folder.path(),
        &[(
            &["--storage.path=photos"],
            &["photos is not empty and holds no log", "--storage.path"],
        )],
    );

    drop(Program::start(folder.path(), &[]));
    std::fs::write(folder.path().join("data/layout"), "alertstream-log 99\n").unwrap();
    check(
        folder.path(),
        &[(&[], &["layout", "99", "start the release that wrote it"])],
    );
}

#[test]
fn a_damaged_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), &[]);
    for number in 0..20 {
        program.alerts(&json!([alert(&[("alertname", &format!("Alert{number}"))])]));
    }
    crate::waiting::eventually(secs(10), "state", || {
        (program.get("/api/v2/alerts").ok().as_array().map(Vec::len) == Some(20)).then_some(())
    });
    program.kill();
    let journal = folder.path().join("data/journal/0000000001.jnl");
    let bytes = std::fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::write(&journal, &bytes[..used / 2]).unwrap();
    check(
        folder.path(),
        &[(
            &[],
            &["is damaged", "Restore the folder from a backup, or move it away"],
        )],
    );
}

//! A real Prometheus: a rule that fires and clears, and an outage of ours longer than its `endsAt`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::accounting::one_group_each;
use crate::program::Program;
use crate::receiver::Receiver;
use crate::waiting::{secs, throughout};

/// Whether its absence is a failure.
const REQUIRED: &str = "ALERTSTREAM_REQUIRE_PROMETHEUS";

/// Serves one metric, `disk_full`, of the value it is given.
fn exporter(value: &Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let value = Arc::clone(value);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            if lines.any(|line| line.is_empty()) {
                let body = format!("disk_full{{disk=\"sda\"}} {}\n", value.load(Ordering::SeqCst));
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
                drop((&stream).write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()));
            }
        }
    });
    address
}

const RULES: &str = r#"groups:
  - name: disks
    rules:
      - alert: DiskFull
        expr: disk_full > 0
        labels: {severity: critical}
        annotations: {summary: "Disk {{ $labels.disk }} is full."}
"#;

/// Kills it at the end.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

/// Each second it scrapes, evaluates and sends, so that what it sends ends four seconds later.
fn prometheus(folder: &Path, scraped: SocketAddr, told: SocketAddr) -> Prometheus {
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{replica: a}}}}\n\
         rule_files: [rules.yml]\n\
         alerting:\n  alert_relabel_configs: [{{action: labeldrop, regex: replica}}]\n  \
         alertmanagers:\n    - static_configs: [{{targets: ['{told}']}}]\n\
         scrape_configs:\n  - job_name: disks\n    static_configs: [{{targets: ['{scraped}']}}]\n"
    );
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    std::fs::write(folder.join("rules.yml"), RULES).unwrap();
    let log = File::create(folder.join("log")).unwrap();
    let child = Command::new("prometheus")
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=tsdb",
            "--web.listen-address=127.0.0.1:0",
        ])
        .arg("--rules.alert.resend-delay=1s")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Prometheus(child.unwrap())
}

/// Whether there is one; says so if not.
fn is_there() -> bool {
    let asked = Command::new("prometheus")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let there = asked.is_ok_and(|status| status.success());
    if !there {
        assert!(
            std::env::var(REQUIRED).is_err(),
            "{REQUIRED} is set, and there is no program `prometheus`"
        );
        streams::kafka::broker::say_skipped("there is no program `prometheus`");
    }
    there
}

#[test]
fn a_rule_fires_through_our_outage_and_clears() {
    if !is_there() {
        return;
    }
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let program = Program::start(folder.path(), &[]);
    let value = Arc::new(AtomicU64::new(0));
    let theirs = tempfile::tempdir().unwrap();
    let address = program.address;
    let mut prometheus = prometheus(theirs.path(), exporter(&value), address);

    value.store(1, Ordering::SeqCst);
    let firing = receiver.wait_for(secs(30), "firing", "DiskFull");
    let alert = &firing.body["alerts"][0];
    assert_eq!(firing.labels("disk"), ["sda"]);
    assert_eq!(alert["annotations"]["summary"], "Disk sda is full.");
    assert!(alert["generatorURL"].as_str().unwrap().contains("disk_full"), "{alert}");
    let shown = program.get("/api/v2/alerts").ok();
    assert_eq!(shown[0]["labels"].get("replica"), None, "{shown}");
    throughout(secs(6), "re-sent alerts are told once", || receiver.heard().len() == 1);

    let told = program.get("/api/v2/alerts").ok()[0]["endsAt"]
        .as_str()
        .unwrap()
        .to_owned();
    program.end();
    throughout(secs(7), "while we are away nobody hears a thing", || {
        receiver.heard().len() == 1
    });
    let listen = format!("--web.listen-address={address}");
    let program = Program::start(folder.path(), &[&listen]);
    throughout(secs(8), "nobody hears resolved, nobody is told twice", || {
        receiver.heard().len() == 1
    });
    let shown = program.get("/api/v2/alerts").ok();
    assert!(
        shown[0]["endsAt"].as_str().unwrap() > told.as_str(),
        "Prometheus went on sending: {shown}"
    );

    value.store(0, Ordering::SeqCst);
    let resolved = receiver.wait_for(secs(30), "resolved", "DiskFull");
    assert_eq!(resolved.body["alerts"][0]["fingerprint"], alert["fingerprint"]);
    assert_eq!(receiver.heard().len(), 2);
    assert!(prometheus.0.try_wait().unwrap().is_none(), "Prometheus still runs");
    program.end();
}

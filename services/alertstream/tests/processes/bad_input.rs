//! What senders do wrong gets a precise answer, disturbs nobody else, and takes no memory for long.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::accounting::one_group_each;
use crate::program::{Program, alert};
use crate::receiver::Receiver;
use crate::waiting::secs;

/// What any of this may take in memory, at its peak: a few bodies of 10 MiB, and what an allocator keeps.
const MEMORY: u64 = 100 << 20;

/// A name, the body, the status, and what the answer says.
type Row = (&'static str, Vec<u8>, u16, &'static str);

/// An alert with so many labels of this value, in a body below the limit.
fn labels(count: usize, value: &str) -> Vec<u8> {
    let mut body = b"[{\"labels\":{\"alertname\":\"x\"".to_vec();
    for number in 0..count {
        write!(body, ",\"{}\":\"{value}\"", name(number)).unwrap();
    }
    body.extend(b"}}]");
    body
}

/// A label's name, as short as it can be.
fn name(mut number: usize) -> String {
    const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    let mut name = String::new();
    loop {
        name.push(char::from(FIRST[number % FIRST.len()]));
        number /= FIRST.len();
        if number == 0 {
            return name;
        }
    }
}

/// What is no list of alerts, or none that is right.
const TEXTS: [(&str, &str, u16, &str); 11] = [
    ("nothing", "", 422, "alerts in body is required"),
    ("no JSON", "{{{", 400, "parsing alerts body"),
    (
        "half of it",
        r#"[{"labels":{"alertname":"x"}"#,
        400,
        "parsing alerts body",
    ),
    ("no list", r#"{"labels":{}}"#, 400, "parsing alerts body"),
    ("no labels", "[{}]", 422, "labels in body is required"),
    (
        "empty labels",
        r#"[{"labels":{}}]"#,
        400,
        "at least one label pair required",
    ),
    ("a bad name", r#"[{"labels":{"":"x"}}]"#, 400, "invalid label set"),
    ("no text", r#"[{"labels":{"a":1}}]"#, 400, "parsing alerts body"),
    ("no date", r#"[{"labels":{"a":"b"},"startsAt":"soon"}]"#, 400, "soon"),
    (
        "an end before the start",
        ENDS_BEFORE_IT_STARTS,
        400,
        "start time must be before end time",
    ),
    (
        "the year 10000",
        r#"[{"labels":{"a":"b"},"endsAt":"10000-01-01T00:00:00Z"}]"#,
        400,
        "10000",
    ),
];
const ENDS_BEFORE_IT_STARTS: &str =
    r#"[{"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"}]"#;

fn rows() -> Vec<Row> {
    let long = format!("[{{\"labels\":{{\"a\":\"{}\"}}}}]", "x".repeat(5_000));
    let million = [b"[", "{},".repeat(999_999).as_bytes(), b"{}]"].concat();
    let spaces = [b"[", " ".repeat(11 << 20).as_bytes(), b"]"].concat();
    let large: [Row; 6] = [
        (
            "nested deeply",
            "[".repeat(1_000_000).into_bytes(),
            400,
            "parsing alerts body",
        ),
        ("a long value", long.into_bytes(), 400, "4096 bytes are taken"),
        ("900,000 labels", labels(900_000, "v"), 400, "at most 128"),
        ("a million empty labels, which are none", labels(1_000_000, ""), 200, ""),
        ("a million alerts", million, 413, "at most 10000 are taken"),
        ("10 MB and more", spaces, 413, "larger than 10485760 bytes"),
    ];
    let texts = TEXTS
        .iter()
        .map(|(what, body, status, says)| (*what, body.as_bytes().to_vec(), *status, *says));
    texts.chain(large).collect()
}

#[test]
fn each_gets_its_answer_and_the_next_alert_passes() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let program = Program::start(folder.path(), &[]);
    let good = |name: &str| {
        program.alerts(&json!([alert(&[("alertname", name)])]));
        receiver.wait_for(secs(5), "firing", name);
    };
    good("Before");
    let before = program.memory();
    for (number, (what, body, status, says)) in rows().into_iter().enumerate() {
        let answer = program.send("POST", "/api/v2/alerts", "Content-Type: application/json\r\n", &body);
        let text: String = answer.body.chars().take(400).collect();
        assert_eq!(answer.status, status, "{what}: {text}");
        assert!(answer.body.contains(says), "{what}: {says:?} is not in {text}");
        assert!(
            answer.body.len() < 64 << 10,
            "{what}: an answer of {} bytes",
            answer.body.len()
        );
        good(&format!("After{number}"));
    }
    let grown = program.peak_memory().saturating_sub(before);
    assert!(grown < MEMORY, "at its peak {} MiB more than before", grown >> 20);

    let neighbours = json!([{"labels": {"alertname": ""}}, alert(&[("alertname", "Neighbour")])]);
    assert_eq!(program.post("/api/v2/alerts", &neighbours).status, 400);
    receiver.wait_for(secs(5), "firing", "Neighbour");
    assert!(
        program
            .metric("alertmanager_alerts_invalid_total", "version=\"v2\"")
            .unwrap()
            >= 1.0
    );
    assert!(program.metric("ingest_requests_refused_total", "").unwrap() >= 1.0);
    assert!(
        !program.journal("alert.refused", "").is_empty(),
        "a refused alert is in the journal"
    );
    program.end();
}

/// What 16 of the worst at once may take, at the peak: their bodies alone are 150 MiB.
const MEMORY_AT_ONCE: u64 = 300 << 20;

#[test]
fn sixteen_of_the_worst_at_once_take_no_more_than_their_bodies() {
    let receiver = Receiver::start();
    let body = labels(900_000, "v");
    // A program for each, so that what the allocator still keeps of the one does not count for the other.
    for path in ["/api/v2/alerts", "/api/v1/events"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
        let program = Program::start(folder.path(), &[]);
        let before = program.memory();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let answer = program.send("POST", path, "Content-Type: application/json\r\n", &body);
                    assert_eq!(answer.status, 400, "{answer:?}");
                    assert!(answer.body.contains("900001 labels, at most 128"), "{answer:?}");
                });
            }
        });
        let grown = program.peak_memory().saturating_sub(before);
        assert!(grown < MEMORY_AT_ONCE, "{path}: {} MiB more than before", grown >> 20);
        let after = format!("After {path}");
        program.alerts(&json!([alert(&[("alertname", after.as_str())])]));
        receiver.wait_for(secs(5), "firing", &after);
        program.end();
    }
}

#[test]
fn far_dates_and_bytes_that_are_no_text_are_taken_as_alertmanager_takes_them() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let program = Program::start(folder.path(), &[]);
    let far = json!([
        {"labels": {"alertname": "Far"}, "startsAt": "9999-12-31T23:59:58Z", "endsAt": "9999-12-31T23:59:59Z"},
        {"labels": {"alertname": "Old"}, "startsAt": "0001-01-01T00:00:01Z", "endsAt": "9999-12-31T23:59:59Z"},
    ]);
    program.alerts(&far);
    program
        .send(
            "POST",
            "/api/v2/alerts",
            "Content-Type: application/json\r\n",
            b"[{\"labels\":{\"alertname\":\"Byte\xff\"}}]",
        )
        .ok();
    receiver.wait_for(secs(5), "firing", "Far");
    receiver.wait_for(secs(5), "firing", "Old");
    receiver.wait_for(secs(5), "firing", "Byte\u{fffd}");
    let shown = program.get("/api/v2/alerts").ok();
    assert_eq!(shown.as_array().map(Vec::len), Some(3), "{shown}");
    assert!(shown.to_string().contains("9999-12-31T23:59:59.000Z"), "{shown}");
    program.end();
}

#[test]
fn events_that_are_none_are_refused_one_by_one() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let program = Program::start(folder.path(), &[]);
    for (body, says) in [
        (&b"garbage"[..], "neither Avro (C3 01 in front) nor JSON"),
        (b"\xc3\x01garbage", "Avro, but"),
        (b"", "it is empty"),
        (b"{\"kind\":\"alert\"}", "labels are missing"),
        (b"{\"kind\":\"page\",\"labels\":{}}", "kind \"page\" is not supported"),
    ] {
        let answer = program.send("POST", "/api/v1/events", "", body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(
            answer.json().to_string().replace('\\', "").contains(says),
            "{says}: {answer:?}"
        );
    }
    let mixed = json!([{"kind": "alert", "labels": {"alertname": "Event"}}, {"kind": "alert", "labels": {}}]);
    let answer = program.post("/api/v1/events", &mixed);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("1: "), "the second is named: {answer:?}");
    receiver.wait_for(secs(5), "firing", "Event");
    program.end();
}

#[test]
fn senders_that_stand_still_hold_up_nobody() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    std::fs::write(folder.path().join("alertmanager.yml"), one_group_each(&receiver)).unwrap();
    let program = Program::start(folder.path(), &[]);
    let half =
        b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[";
    let still: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(program.address).unwrap();
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    program.alerts(&json!([alert(&[("alertname", "Quick")])]));
    receiver.wait_for(secs(3), "firing", "Quick");
    drop(still);
    program.end();
}

//! `POST /api/v2/alerts` as Alertmanager answers it, and what becomes of the alerts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, LazyLock};

use alert::Timestamp;
use config::{Config, Source};
use ingest_pipeline::{
    Batch, Current, MAX_ALERTS, MAX_BODY_BYTES, MAX_REFUSED_JOURNALED, PostRefused, Reason, journal_entries,
    post_alerts,
};
use schemas::{AlertUpdate, decode};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

static CURRENT: LazyLock<Current> = LazyLock::new(|| {
    let text = "route: {receiver: r}\nreceivers: [{name: r}]\n";
    Current {
        version: 1,
        config: Arc::new(Config::load(Source { name: "a.yml", text }, None).unwrap()),
    }
});

fn post(content_type: Option<&str>, body: &[u8]) -> Result<Batch<'static>, PostRefused> {
    let mut batch = Batch::new(&CURRENT, NOW);
    post_alerts(content_type, body, &mut batch).map(|()| batch)
}

fn take(body: &str) -> Batch<'static> {
    post(Some("application/json"), body.as_bytes()).unwrap()
}

/// The alerts that were taken.
fn taken(batch: &Batch<'_>) -> Vec<AlertUpdate> {
    batch.records.iter().map(|(_, bytes)| decode(bytes).unwrap()).collect()
}

/// Content type, body; status, code, the message or its beginning.
const REFUSED: [(Option<&str>, &str, u16, u16, &str); 17] = [
    (Some("application/json"), "", 422, 602, "alerts in body is required"),
    (Some("text/plain"), "", 422, 602, "alerts in body is required"),
    (Some("application/json"), " \n", 422, 602, "alerts in body is required"),
    (
        Some("text/plain"),
        "[]",
        415,
        415,
        "unsupported media type \"text/plain\", only [application/json] are allowed",
    ),
    (
        None,
        "[]",
        415,
        415,
        "unsupported media type \"application/octet-stream\", only [application/json] are allowed",
    ),
    (
        Some("application/json"),
        "{",
        400,
        400,
        "parsing alerts body from \"\" failed, because ",
    ),
    (
        Some("application/json"),
        "[{",
        400,
        400,
        "parsing alerts body from \"\" failed, because ",
    ),
    (
        Some("application/json"),
        "{}",
        400,
        400,
        "parsing alerts body from \"\" failed, because ",
    ),
    (
        Some("application/json"),
        r#"[{"labels":{"a":1}}]"#,
        400,
        400,
        "parsing alerts body from \"\" failed, because ",
    ),
    (
        Some("application/json"),
        r#"[{"labels":{"a":"b"},"startsAt":"soon"}]"#,
        400,
        400,
        "parsing alerts body from \"\" failed, because ",
    ),
    (
        Some("application/json"),
        "[{}]",
        422,
        602,
        "0.labels in body is required",
    ),
    (
        Some("application/json"),
        "[null]",
        422,
        602,
        "0.labels in body is required",
    ),
    (
        Some("application/json"),
        r#"[{"labels":{"a":"b"}},{"labels":null}]"#,
        422,
        602,
        "1.labels in body is required",
    ),
    (
        Some("application/json"),
        r#"[{"labels":{"a":"b"},"generatorURL":"no uri"}]"#,
        422,
        601,
        "0.generatorURL in body must be of type uri: \"no uri\"",
    ),
    (
        Some("application/json"),
        r#"[{"generatorURL":"no uri"}]"#,
        422,
        601,
        "0.generatorURL in body must be of type uri: \"no uri\"",
    ),
    (
        Some("APPLICATION/JSON; charset=utf-8"),
        "[{}]",
        422,
        602,
        "0.labels in body is required",
    ),
    (
        Some("application/jsonp"),
        "[]",
        415,
        415,
        "unsupported media type \"application/jsonp\", only [application/json] are allowed",
    ),
];

#[test]
fn what_is_refused_whole_is_refused_in_alertmanagers_words() {
    for (content_type, body, status, code, message) in REFUSED {
        let refused = post(content_type, body.as_bytes()).unwrap_err();
        assert_eq!(
            (refused.status, refused.code),
            (status, code),
            "{content_type:?} {body}"
        );
        assert!(
            refused.message.starts_with(message),
            "{content_type:?} {body}: {}",
            refused.message
        );
    }
}

/// A large alert is refused by what it is, and names what it has.
#[test]
fn an_alert_of_many_labels_is_counted_and_refused() {
    let labels = |value: &str| {
        let labels: Vec<String> = (0..50_000).map(|n| format!(r#""l{n}":"{value}""#)).collect();
        labels.join(",")
    };
    let batch = take(&format!(r#"[{{"labels":{{"alertname":"A",{}}}}}]"#, labels("v")));
    assert_eq!(batch.refused[0].reason, Reason::TooManyLabels);
    let message = &batch.refused[0].message;
    assert!(message.ends_with(": 50001 labels, at most 128 are taken"), "{message}");
    let (_, entry) = &journal_entries(&batch.refused, NOW, &[])[0];
    assert_eq!(entry.fields.value("labels"), "50001");

    let batch = take(&format!(
        r#"[{{"labels":{{"a":"b"}},"annotations":{{{}}}}}]"#,
        labels("")
    ));
    let message = &batch.refused[0].message;
    assert!(
        message.ends_with(": 50000 annotations, at most 256 are taken"),
        "{message}"
    );

    let batch = take(&format!(r#"[{{"labels":{{{},"alertname":"A"}}}}]"#, labels("")));
    assert_eq!(taken(&batch)[0].body.labels.len(), 1, "labels without a value are none");
}

#[test]
fn the_first_alert_that_breaks_the_specification_is_named_and_bad_json_after_it_comes_first() {
    let refused = |body: &str| post(Some("application/json"), body.as_bytes()).unwrap_err();
    let body = r#"[{"labels":{"a":"b"}},{},{"labels":{"a":"b"},"generatorURL":"no uri"},{"labels":{}}]"#;
    assert_eq!(refused(body).message, "1.labels in body is required");
    assert_eq!(refused(&body.replace(r#"{"labels":{}}]"#, "7]")).status, 400);
}

#[test]
fn a_request_is_bounded() {
    let many = format!("[{}]", vec![r#"{"labels":{"a":"b"}}"#; MAX_ALERTS + 1].join(","));
    let refused = post(Some("application/json"), many.as_bytes()).unwrap_err();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (413, "10001 alerts in one request, at most 10000 are taken")
    );
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    assert_eq!(post(Some("application/json"), &large).unwrap_err().status, 413);
}

/// The fields of one alert; `startsAt` and `endsAt` in seconds from now, whether `endsAt` is ours, whether it is resolved.
const TIMES: [(&str, i64, i64, bool, bool); 10] = [
    ("", 0, 300, true, false),
    (r#","startsAt":null,"endsAt":null"#, 0, 300, true, false),
    (
        r#","startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00.000Z""#,
        0,
        300,
        true,
        false,
    ),
    (r#","startsAt":"1970-01-12T13:45:00Z""#, -100, 300, true, false),
    (r#","endsAt":"1970-01-12T13:46:30Z""#, -10, -10, false, true),
    (
        r#","startsAt":"1970-01-12T13:46:00+00:00","endsAt":"1970-01-12T13:46:40Z""#,
        -40,
        0,
        false,
        true,
    ),
    (
        r#","startsAt":"1970-01-12T13:46:00","endsAt":"1970-01-12T13:46:41Z""#,
        -40,
        1,
        false,
        false,
    ),
    (
        r#","endsAt":"9999-12-31T23:59:59Z""#,
        253_401_300_799,
        253_401_300_799,
        false,
        false,
    ),
    (r#","endsAt":"""#, -1_000_000, -1_000_000, false, true),
    (
        r#","STARTSAT":"1970-01-12T13:46:00Z","startsat":"1970-01-12T13:45:00Z","unknown":[{}]"#,
        -100,
        300,
        true,
        false,
    ),
];

#[test]
fn times_are_filled_in_as_alertmanager_does() {
    for (fields, starts, ends, timeout, resolved) in TIMES {
        let batch = take(&format!(r#"[{{"labels":{{"alertname":"A"}}{fields}}}]"#));
        let [alert] = &taken(&batch)[..] else {
            panic!("{fields}: {:?}", batch.refused)
        };
        let from_now = |at: Timestamp| (at.millis() - NOW.millis()) / 1_000;
        assert_eq!(
            (from_now(alert.starts_at), from_now(alert.ends_at)),
            (starts, ends),
            "{fields}"
        );
        assert_eq!(
            (alert.timeout, alert.resolved, alert.received_at),
            (timeout, resolved, NOW),
            "{fields}"
        );
        assert_eq!(
            (batch.firing, batch.resolved),
            (u64::from(!resolved), u64::from(resolved)),
            "{fields}"
        );
    }
}

#[test]
fn bad_alerts_are_refused_and_their_neighbours_kept() {
    let long = "x".repeat(5_000);
    let labels: Vec<String> = (0..200).map(|n| format!(r#""l{n}":"x""#)).collect();
    let huge = "y".repeat(300 * 1024);
    // The alert, the rule, the message or its beginning.
    let rows = [
        (
            r#"{"labels":{}}"#.to_owned(),
            Reason::Invalid,
            "at least one label pair required",
        ),
        (
            r#"{"labels":{"a":"","b":null}}"#.to_owned(),
            Reason::Invalid,
            "at least one label pair required",
        ),
        (
            r#"{"labels":{"":"x"}}"#.to_owned(),
            Reason::Invalid,
            "invalid label set: invalid name \"\"",
        ),
        (
            r#"{"labels":{"a":"b"},"annotations":{"":"x"}}"#.to_owned(),
            Reason::Invalid,
            "invalid annotations: invalid name \"\"",
        ),
        (
            r#"{"labels":{"a":"b"},"startsAt":"2000-01-01T00:00:00Z","endsAt":"1999-01-01T00:00:00Z"}"#.to_owned(),
            Reason::Invalid,
            "start time must be before end time",
        ),
        (
            format!("{{\"labels\":{{{}}}}}", labels.join(",")),
            Reason::TooManyLabels,
            "alert \"\" (",
        ),
        (
            format!(r#"{{"labels":{{"alertname":"A","a":"{long}"}}}}"#),
            Reason::TooLong,
            "alert \"A\" (",
        ),
        (
            format!(r#"{{"labels":{{"a":"b"}},"annotations":{{"text":"{huge}"}}}}"#),
            Reason::TooLarge,
            "alert \"\" (",
        ),
    ];
    for (bad, reason, message) in rows {
        let good =
            |name: &str| format!(r#"{{"labels":{{"alertname":"{name}","empty":""}},"annotations":{{"kept":""}}}}"#);
        let batch = take(&format!("[{},{bad},{}]", good("first"), good("last")));
        let kept = taken(&batch);
        let names: Vec<&str> = kept.iter().map(|alert| alert.body.labels.value("alertname")).collect();
        assert_eq!((names, batch.refused.len()), (vec!["first", "last"], 1), "{message}");
        let refused = &batch.refused[0];
        assert_eq!((refused.index, refused.reason), (1, reason), "{message}");
        assert!(refused.message.starts_with(message), "{message}: {}", refused.message);
        let body = &kept[0].body;
        assert!(!body.labels.contains("empty") && body.annotations.contains("kept"));
    }
}

#[test]
fn the_journal_names_the_refused_within_bounds() {
    let value = "v".repeat(4_000);
    let labels: Vec<String> = (0..200).map(|n| format!(r#""l{n}":"{value}""#)).collect();
    let bad = format!("{{\"labels\":{{{}}}}}", labels.join(","));
    let entries = journal_entries(
        &take(&format!("[{bad}]")).refused,
        NOW,
        &[("by", "/api/v2/alerts".to_owned())],
    );
    let [(key, entry)] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (entry.kind.as_str(), entry.fingerprint.as_ref(), entry.at),
        ("alert.refused", Some(key), NOW)
    );
    assert_eq!(entry.labels.len(), 32);
    assert!(entry.labels.iter().all(|(_, text)| text.len() <= 260));
    assert_eq!(entry.fields.value("labels"), "200");
    assert_eq!(
        (entry.fields.value("rule"), entry.fields.value("by")),
        ("too_many_labels", "/api/v2/alerts")
    );
    let flood = take(&format!("[{}]", vec![r#"{"labels":{}}"#; 500].join(",")));
    let entries = journal_entries(&flood.refused, NOW, &[]);
    assert_eq!(
        (entries.len(), entries[99].1.fields.value("more")),
        (MAX_REFUSED_JOURNALED, "400")
    );
}

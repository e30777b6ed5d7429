//! `POST /api/v2/alerts` as Alertmanager answers it, and what becomes of the alerts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use alert::{PromDuration, Timestamp};
use ingest_pipeline::{
    Batch, MAX_ALERTS, MAX_BODY_BYTES, MAX_REFUSED_JOURNALED, Reason, accept, journal_entries, post_alerts,
};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const RESOLVE_TIMEOUT: PromDuration = PromDuration::from_mins(5);

fn take(body: &str) -> Batch {
    accept(
        post_alerts(Some("application/json"), body.as_bytes()).unwrap(),
        NOW,
        RESOLVE_TIMEOUT,
    )
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
        let refused = post_alerts(content_type, body.as_bytes()).unwrap_err();
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

#[test]
fn a_request_is_bounded() {
    let many = format!("[{}]", vec![r#"{"labels":{"a":"b"}}"#; MAX_ALERTS + 1].join(","));
    let refused = post_alerts(Some("application/json"), many.as_bytes()).unwrap_err();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (413, "10001 alerts in one request, at most 10000 are taken")
    );
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    assert_eq!(post_alerts(Some("application/json"), &large).unwrap_err().status, 413);
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
        let [(0, alert)] = &batch.alerts[..] else {
            panic!("{fields}: {:?}", batch.refused)
        };
        let from_now = |at: Timestamp| (at.millis() - NOW.millis()) / 1_000;
        assert_eq!(
            (from_now(alert.starts_at), from_now(alert.ends_at)),
            (starts, ends),
            "{fields}"
        );
        assert_eq!(
            (alert.timeout, alert.resolved_at(NOW), alert.updated_at),
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
        let good = r#"{"labels":{"alertname":"good","empty":""},"annotations":{"kept":""}}"#;
        let batch = take(&format!("[{good},{bad},{good}]"));
        let kept: Vec<usize> = batch.alerts.iter().map(|(index, _)| *index).collect();
        assert_eq!((kept, batch.refused.len()), (vec![0, 2], 1), "{message}");
        let refused = &batch.refused[0];
        assert_eq!((refused.index, refused.reason), (1, reason), "{message}");
        assert!(refused.message.starts_with(message), "{message}: {}", refused.message);
        let alert = &batch.alerts[0].1;
        assert!(!alert.labels.contains("empty") && alert.annotations.contains("kept"));
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
    assert!(entry.labels.values().all(|text| text.len() <= 260));
    assert_eq!(entry.fields["labels"], "200");
    assert_eq!(
        (entry.fields["rule"].as_str(), entry.fields["by"].as_str()),
        ("too_many_labels", "/api/v2/alerts")
    );
    let flood = take(&format!("[{}]", vec![r#"{"labels":{}}"#; 500].join(",")));
    let entries = journal_entries(&flood.refused, NOW, &[]);
    assert_eq!(
        (entries.len(), entries[99].1.fields["more"].as_str()),
        (MAX_REFUSED_JOURNALED, "400")
    );
}

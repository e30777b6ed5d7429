//! The body against what Go's `encoding/json` wrote for the same values.

use alert::{Fingerprint, LabelSet};
use schemas::AlertBody;

use super::*;

fn map(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn alert(resolved: bool, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> FlushAlert {
    FlushAlert {
        fingerprint: Fingerprint(255),
        resolved,
        starts_at: Timestamp::parse("2026-01-02T03:04:05.67Z").unwrap(),
        ends_at: Timestamp::parse("2026-01-02T03:09:00Z").unwrap(),
        updated_at: Timestamp::ZERO,
        body: AlertBody {
            labels: map(labels),
            annotations: map(annotations),
            ..AlertBody::default()
        },
    }
}

fn body(alerts: &[FlushAlert], max_alerts: u64) -> serde_json::Value {
    let alerts: Vec<_> = alerts.iter().collect();
    let (receiver, reason, group_key, external_url) = ("r", "first notification", "{}:{}", "");
    let group_labels = LabelSet::new();
    let message = Message {
        receiver,
        reason,
        group_key,
        group_labels: &group_labels,
        external_url,
        alerts: &alerts,
        max_alerts,
    };
    serde_json::from_slice(&webhook(&message)).unwrap()
}

#[test]
fn the_body_is_what_go_writes() {
    let name = "Disk<full>&\"q\"";
    let mut firing = alert(
        false,
        &[("alertname", name), ("job", "a\\b")],
        &[
            ("summary", "line\u{2028}sep\u{2029} \u{1}\u{8}\u{c}\n\r\t\u{7f} é 😀"),
            ("empty", ""),
        ],
    );
    firing.body.generator_url = "http://p/graph?g0.expr=a%3Cb&tab=1".to_owned();
    let mut resolved = alert(true, &[("alertname", name), ("job", "c")], &[]);
    resolved.fingerprint = Fingerprint(0x8000_0000_0000_0001);
    let message = Message {
        receiver: "team.a+(x)-y^$|{z}[0]?*\\ü",
        reason: "new alerts added",
        group_key: "{}/{a=\"b\"}:{alertname=\"Disk<full>&\\\"q\\\"\"}",
        group_labels: &map(&[("alertname", name)]),
        external_url: "http://am:9093",
        alerts: &[&firing, &resolved],
        max_alerts: 0,
    };
    let golden = include_str!("webhook_v4.golden.json");
    assert_eq!(String::from_utf8(webhook(&message)).unwrap(), golden);
}

#[test]
fn alerts_are_cut_before_anything_is_computed() {
    let alerts = [
        alert(true, &[("a", "1"), ("b", "1")], &[]),
        alert(true, &[("a", "1"), ("b", "2")], &[]),
        alert(false, &[("a", "2")], &[]),
    ];
    for (max, shown, status, common) in [
        (0, 3, "firing", serde_json::json!({})),
        (3, 3, "firing", serde_json::json!({})),
        (2, 2, "resolved", serde_json::json!({"a": "1"})),
        (1, 1, "resolved", serde_json::json!({"a": "1", "b": "1"})),
    ] {
        let body = body(&alerts, max);
        assert_eq!(body["alerts"].as_array().unwrap().len(), shown, "max_alerts {max}");
        assert_eq!(body["truncatedAlerts"], 3 - shown, "max_alerts {max}");
        assert_eq!(body["status"], status, "max_alerts {max}");
        assert_eq!(body["commonLabels"], common, "max_alerts {max}");
    }
}

#[test]
fn only_a_resolved_alert_shows_its_end() {
    let body = body(&[alert(false, &[], &[]), alert(true, &[], &[])], 0);
    assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(body["alerts"][1]["endsAt"], "2026-01-02T03:09:00Z");
    assert_eq!(body["alerts"][1]["startsAt"], "2026-01-02T03:04:05.67Z");
}

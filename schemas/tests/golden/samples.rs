//! One record of each kind that flows, with every field filled.

use alert::{Fingerprint, SilenceMatcher, Timestamp};
use schemas::{
    AlertBody, AlertEvent, AlertUpdate, Command, CommandAction, ConfigVersion, DeadLetter, EventKind, Flush,
    FlushAlert, FlushSettled, GenerationRaised, GroupFiring, GroupMoved, GroupQuiet, Instance, JournalEntry,
    LaneStanding, Link, Look, NotificationRequest, Outcome, OutcomeKind, RequestKind, SilenceRecord,
};

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn texts<M: FromIterator<(String, String)>>(pairs: &[(&str, &str)]) -> M {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(crate) fn body() -> AlertBody {
    AlertBody {
        labels: texts(&[("alertname", "HighLatency"), ("service", "zahlung-ä")]),
        annotations: texts(&[("summary", "p99 über 2 s")]),
        generator_url: "http://prometheus.example/graph?g0.expr=up".into(),
        expr: Some("latency > 2".into()),
        value: Some(2.5),
        for_ms: Some(300_000),
        source: Some("prometheus-a".into()),
    }
}

pub(crate) fn flush_alert() -> FlushAlert {
    FlushAlert {
        // the highest bit is set: a negative `long`
        fingerprint: Fingerprint(0xF0E1_D2C3_B4A5_9687),
        resolved: true,
        starts_at: at(1_700_000_000_000),
        ends_at: at(1_700_000_300_000),
        updated_at: at(1_700_000_200_000),
        body: body(),
    }
}

pub(crate) fn alert_update() -> AlertUpdate {
    AlertUpdate {
        fingerprint: Fingerprint(0x0123_4567_89AB_CDEF),
        content_hash: -42,
        starts_at: at(1_700_000_000_000),
        ends_at: at(1_700_000_300_000),
        received_at: at(1_700_000_001_000),
        timeout: true,
        resolved: false,
        config_version: 7,
        hops: 1,
        copy: 1,
        copies: 2,
        route: "0.1".into(),
        group_labels: texts(&[("alertname", "HighLatency")]),
        moved_from: Some("{team=\"pay\"}:{alertname=\"HighLatency\"}".into()),
        body: body(),
    }
}

pub(crate) fn flush_settled() -> FlushSettled {
    FlushSettled {
        flush: 3,
        keep: true,
        again_at: Some(at(1_700_000_600_000)),
    }
}

pub(crate) fn look() -> Look {
    Look {
        at: at(-62_135_596_800_000),
    }
}

pub(crate) fn flush() -> Flush {
    Flush {
        flush: 3,
        part: 1,
        parts: 2,
        tick: at(1_700_000_300_000),
        route: "0.1".into(),
        group_key: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        group_labels: texts(&[("alertname", "HighLatency")]),
        incident_id: "pay-1700000000000".into(),
        opened_at: at(1_700_000_000_000),
        config_version: 7,
        alerts: vec![
            flush_alert(),
            FlushAlert {
                resolved: false,
                fingerprint: Fingerprint(1),
                ..flush_alert()
            },
        ],
    }
}

pub(crate) fn group_quiet() -> GroupQuiet {
    GroupQuiet {
        incident_id: "pay-1700000000000".into(),
        at: at(1_700_000_301_000),
    }
}

pub(crate) fn group_firing() -> GroupFiring {
    GroupFiring {
        incident_id: "pay-1700000000000".into(),
        at: at(1_700_000_302_000),
    }
}

pub(crate) fn group_moved() -> GroupMoved {
    GroupMoved {
        incident_id: "pay-1700000000000".into(),
        at: at(1_700_000_303_000),
        config_version: 8,
    }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        receiver: "pay-pager".into(),
        integration: "webhook".into(),
        index: 1,
        sequence: 12,
        kind: OutcomeKind::Void,
        heard: vec!["pay-pager".into(), "ops".into()],
        reason: "silenced".into(),
        tables: [("config".to_owned(), 7), ("silences".to_owned(), i64::MAX)].into(),
        attempts: 3,
        at: at(1_700_000_310_000),
    }
}

pub(crate) fn command() -> Command {
    Command {
        id: "01HF-command".into(),
        incident_id: "pay-1700000000000".into(),
        action: CommandAction::Unacknowledge,
        by: "ana".into(),
        generation: 2,
        at: at(1_700_000_320_000),
        comment: "not mine".into(),
    }
}

pub(crate) fn notification_request() -> NotificationRequest {
    NotificationRequest {
        receiver: "pay-pager".into(),
        integration: "webhook".into(),
        index: 1,
        sequence: 12,
        part: 1,
        parts: 2,
        idempotency_key: "9f86d081884c7d65".into(),
        kind: RequestKind::Reminder,
        reason: "new alerts in group".into(),
        incident_id: "pay-1700000000000".into(),
        generation: Some(2),
        policy: Some("payments".into()),
        step: Some(1),
        round: Some(2),
        flush: 3,
        tick: at(1_700_000_300_000),
        give_up_at: at(1_700_003_900_000),
        chain: vec![Link {
            receiver: "pay-pager".into(),
            try_for_ms: 60_000,
        }],
        only: vec!["ops".into()],
        route: "0.1".into(),
        group_key: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        group_labels: texts(&[("alertname", "HighLatency")]),
        acknowledged_by: Some("ana".into()),
        acknowledged_at: Some(at(1_700_000_200_000)),
        config_version: 7,
        alerts: vec![flush_alert()],
    }
}

pub(crate) fn generation_raised() -> GenerationRaised {
    GenerationRaised {
        incident_id: "pay-1700000000000".into(),
        generation: 3,
        everything: true,
        reason: "moved by config version 8".into(),
    }
}

pub(crate) fn alert_event() -> AlertEvent {
    AlertEvent {
        id: Some("01J-event".into()),
        source: Some("vector/payments-7".into()),
        kind: EventKind::Resolve,
        labels: body().labels,
        annotations: body().annotations,
        starts_at: Some(at(1_700_000_000_000)),
        ends_at: Some(at(1_700_000_300_000)),
        generator_url: Some("http://prometheus.example/graph".into()),
        expr: Some("latency > 2".into()),
        value: Some(-0.125),
        for_ms: Some(120_000),
    }
}

pub(crate) fn journal_entry() -> JournalEntry {
    JournalEntry {
        kind: "notification.delivered".into(),
        at: at(1_700_000_310_000),
        group_key: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        incident_id: Some("pay-1700000000000".into()),
        fingerprint: Some("f0e1d2c3b4a59687".into()),
        receiver: Some("pay-pager".into()),
        reason: "accepted by the first link".into(),
        labels: texts(&[("alertname", "HighLatency")]),
        fields: texts(&[("attempt", "1"), ("status", "200")]),
    }
}

pub(crate) fn dead_letter() -> DeadLetter {
    DeadLetter {
        stage: "ingest".into(),
        reason: "malformed".into(),
        error: "no labels".into(),
        topic: "alert-events".into(),
        partition: 15,
        offset: 1_234_567_890_123,
        appended: at(1_700_000_000_500),
        // no UTF-8
        value: vec![0x00, 0xFF, 0xC3, 0x28],
        headers: texts(&[("content-type", "application/json")]),
    }
}

pub(crate) fn config_version() -> ConfigVersion {
    ConfigVersion {
        alertmanager: "route:\n  receiver: ops\n".into(),
        alertmanager_file: "alertmanager.yml".into(),
        escalation: Some("policies: 1\n".into()),
        escalation_file: Some("escalation.yml".into()),
        published_by: "all-1".into(),
        at: at(1_700_000_000_000),
    }
}

pub(crate) fn silence_record() -> SilenceRecord {
    SilenceRecord {
        id: "0b0a4a3c-6b7e-4b7e-9a55-1f0f6f0a2c11".into(),
        matchers: vec![
            SilenceMatcher {
                name: "team".into(),
                value: "pay|ops".into(),
                is_regex: true,
                is_equal: false,
            },
            SilenceMatcher {
                name: "alertname".into(),
                value: "HighLatency".into(),
                is_regex: false,
                is_equal: true,
            },
        ],
        starts_at: at(1_700_000_000_000),
        ends_at: at(1_700_003_600_000),
        updated_at: at(1_700_000_000_000),
        created_by: "ana".into(),
        comment: "deploy".into(),
        annotations: texts(&[("ticket", "OPS-1")]),
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        id: "all-1".into(),
        services: vec!["ingest".into(), "correlate".into()],
        started_at: at(1_700_000_000_000),
        receiving_since: Some(at(1_700_000_001_000)),
        at: at(1_700_000_005_000),
        lanes: vec![LaneStanding {
            lane: "all-1-route-0".into(),
            stage: "route".into(),
            partitions: 8,
            restoring: 2,
            keys: 1_000_000,
            timers: 7,
            late_ms: 1_500,
            looked_at: at(1_700_000_004_990),
            not_ready: Some("route: restoring 2 of 8 partitions".into()),
        }],
    }
}

pub(crate) fn instance_v1() -> Instance {
    Instance {
        lanes: Vec::new(),
        ..instance()
    }
}

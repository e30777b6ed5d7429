//! One record of each kind that stands in a changelog, with every field filled.

use schemas::{
    AlertPhase, CorrelateAlert, CorrelateGroup, GroupPhase, IncidentStatus, LadderIntegration, LadderPhase,
    LadderPosition, LadderReceiver, LadderStep, Link, LogEntry, NotifyAlerts, NotifyDoubt, NotifyLeg, NotifyLegState,
    NotifyProgress, NotifyRun, NotifyTally, QueuedRung, RequestKind, RouteCommand, RouteIncident, RouteLadder,
    RouteMute, RouteSlot, SlotFailure, SlotRequest,
};

use crate::samples::{at, body, flush_alert, notification_request, texts};

pub(crate) fn correlate_alert() -> CorrelateAlert {
    CorrelateAlert {
        phase: AlertPhase::Resolved,
        content_hash: -42,
        starts_at: at(1_700_000_000_000),
        ends_at: at(1_700_000_300_000),
        expires_at: at(1_700_000_330_000),
        received_at: at(1_700_000_001_000),
        heard_at: at(1_700_000_000_900),
        timeout: true,
        since: at(1_700_000_300_000),
        next_flush: 4,
        body: body(),
    }
}

pub(crate) fn correlate_group() -> CorrelateGroup {
    CorrelateGroup {
        phase: GroupPhase::Quiet,
        group_id: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        route: "0.1".into(),
        group_labels: texts(&[("alertname", "HighLatency")]),
        incident_id: "pay-1700000000000".into(),
        opened_at: at(1_700_000_000_000),
        config_version: 7,
        flushes: 3,
        origin: Some(at(1_700_000_030_000)),
        alerts: 2,
        firing: 1,
        changed: true,
        moving: true,
        group_derived: true,
    }
}

pub(crate) fn correlate_group_v1() -> CorrelateGroup {
    CorrelateGroup {
        group_derived: false,
        ..correlate_group()
    }
}

fn ladder_position() -> LadderPosition {
    LadderPosition {
        phase: LadderPhase::Held,
        round: 1,
        step: 2,
        last_resort: true,
        due: Some(at(1_700_000_900_000)),
        remaining_ms: Some(42_000),
        since: at(1_700_000_030_000),
        fired_at: Some(at(1_700_000_600_000)),
        last_resort_heard: true,
    }
}

pub(crate) fn route_incident() -> RouteIncident {
    RouteIncident {
        group: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        group_labels: texts(&[("alertname", "HighLatency")]),
        route: "0.1".into(),
        receiver: "pay-pager".into(),
        incident_id: "pay-1700000000000".into(),
        opened_at: at(1_700_000_000_000),
        status: IncidentStatus::Acknowledged,
        generation: 2,
        acknowledged_by: Some("ana".into()),
        acknowledged_at: Some(at(1_700_000_200_000)),
        quiet: true,
        muted: true,
        team: Some("pay".into()),
        severity: Some("critical".into()),
        policy: Some("payments".into()),
        policy_version: Some(7),
        ladder: Some(ladder_position()),
        flush: 3,
        tick: at(1_700_000_300_000),
        settled: true,
        failed: true,
        voided: true,
        content: -7,
        firing: 2,
        firing_muted: 1,
        muted_by: vec!["0b0a4a3c-6b7e-4b7e-9a55-1f0f6f0a2c11".into()],
        muted_until: Some(at(1_700_003_600_000)),
        again_at: Some(at(1_700_003_600_001)),
        forget_at: Some(at(1_700_010_000_000)),
        group_derived: true,
        answer_owed: false,
    }
}

pub(crate) fn route_incident_v1() -> RouteIncident {
    RouteIncident {
        group_derived: false,
        ..route_incident_v2()
    }
}

pub(crate) fn route_incident_v2() -> RouteIncident {
    RouteIncident {
        answer_owed: true,
        ..route_incident()
    }
}

pub(crate) fn route_ladder() -> RouteLadder {
    RouteLadder {
        incident_id: "pay-1700000000000".into(),
        policy: "payments".into(),
        version: 7,
        steps: vec![LadderStep {
            notify: vec!["pay-pager".into()],
            escalate_after_ms: 300_000,
        }],
        repeat_times: 2,
        last_resort: vec!["ops".into()],
        receivers: vec![LadderReceiver {
            receiver: "pay-pager".into(),
            integrations: vec![LadderIntegration {
                integration: "webhook".into(),
                index: 1,
                send_resolved: true,
            }],
            chain: vec![Link {
                receiver: "pay-pager".into(),
                try_for_ms: 60_000,
            }],
        }],
        repeat_interval_ms: 14_400_000,
    }
}

pub(crate) fn route_slot() -> RouteSlot {
    RouteSlot {
        receiver: "pay-pager".into(),
        integration: "webhook".into(),
        index: 1,
        sequence: 12,
        waits: true,
        entry: Some(LogEntry {
            firing: vec![1, -2],
            resolved: vec![i64::MIN, i64::MAX],
            timestamp: at(1_700_000_310_000),
            heard: vec!["pay-pager".into()],
            expires_at: at(1_700_029_000_000),
        }),
        pending: Some(SlotRequest {
            sequence: 12,
            kind: RequestKind::Joined,
            flush: 3,
            round: Some(1),
            step: Some(2),
            requested_at: at(1_700_000_300_000),
            give_up_at: at(1_700_003_900_000),
            generation: 2,
            acknowledged_at: Some(at(1_700_000_200_000)),
            firing: vec![1],
            resolved: vec![-2],
            content: -7,
            lifetime_ms: 28_800_000,
        }),
        failed: Some(SlotFailure {
            content: -8,
            sequence: 11,
        }),
        queued: Some(QueuedRung {
            round: 1,
            step: 2,
            last_resort: true,
        }),
        told_by_ladder: true,
        reminded: Some(at(1_700_000_200_000)),
        void_tables: Some([("silences".to_owned(), 9)].into()),
        recheck_at: Some(at(1_700_000_400_000)),
    }
}

pub(crate) fn route_command() -> RouteCommand {
    RouteCommand {
        id: "01HF-command".into(),
        kind: "incident.acknowledged".into(),
        reason: "acknowledged by ana".into(),
        fields: texts(&[("by", "ana")]),
    }
}

pub(crate) fn route_mute() -> RouteMute {
    RouteMute {
        silence: "0b0a4a3c-6b7e-4b7e-9a55-1f0f6f0a2c11".into(),
        group: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        ends_at: at(1_700_003_600_000),
    }
}

pub(crate) fn notify_run() -> NotifyRun {
    NotifyRun {
        request: notification_request(),
        progress: notify_progress(),
        alerts: vec![0xC3, 1, 0, 255],
    }
}

pub(crate) fn notify_progress() -> NotifyProgress {
    NotifyProgress {
        group_id: "{team=\"pay\"}:{alertname=\"HighLatency\"}".into(),
        run: 991,
        parts: 2,
        links: 1,
        link_started: at(1_700_000_301_000),
        legs: vec![NotifyLeg {
            link: 1,
            receiver: "ops".into(),
            integration: "webhook".into(),
            index: 1,
            state: NotifyLegState::InFlight,
            at: at(1_700_000_311_000),
            attempts: 3,
            doubt: true,
        }],
        void: Some("silenced".into()),
        void_tables: [("silences".to_owned(), 9)].into(),
    }
}

pub(crate) fn notify_alerts() -> NotifyAlerts {
    NotifyAlerts {
        alerts: vec![flush_alert()],
    }
}

pub(crate) fn notify_doubt() -> NotifyDoubt {
    NotifyDoubt {
        sequence: 12,
        legs: vec!["ops/webhook/1".into()],
    }
}

pub(crate) fn notify_tally() -> NotifyTally {
    NotifyTally { possible_duplicates: 3 }
}

//! What the view keeps of a group: whole when it is shown, small while it is not.

use super::*;
use alert::{GroupHash, LabelSet, Timestamp};
use schemas::{AlertBody, AlertPhase, GroupPhase, IncidentStatus};

#[test]
fn alerts_are_a_map_however_many_there_are() {
    let mut alerts = Alerts::default();
    let list = |alerts: &Alerts| {
        alerts
            .iter()
            .map(|(id, bytes)| (id, bytes.to_vec()))
            .collect::<Vec<_>>()
    };
    alerts.set(2, b"b");
    alerts.set(2, b"c");
    assert_eq!(list(&alerts), [(2, b"c".to_vec())]);
    alerts.set(1, b"a");
    alerts.set(3, b"d");
    assert_eq!(
        list(&alerts),
        [(1, b"a".to_vec()), (2, b"c".to_vec()), (3, b"d".to_vec())]
    );
    for (remove, left) in [(9, 3), (2, 2), (1, 1), (1, 1), (3, 0)] {
        alerts.remove(remove);
        assert_eq!((list(&alerts).len(), alerts.get(remove)), (left, None), "{remove}");
    }
    assert!(matches!(alerts, Alerts::None));
}

const ROUTE: &str = "{}/{team=\"payments\"}";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn labels() -> LabelSet {
    LabelSet::from([
        ("alertname", "KubePodCrashLooping"),
        ("cluster", "eu-west-1-prod"),
        ("namespace", "payments"),
        ("pod", "checkout-7c9d8f6b5-x2x4z"),
        ("severity", "critical"),
        ("team", "payments"),
    ])
}

fn group_labels() -> LabelSet {
    labels().only(["alertname", "cluster", "namespace"])
}

fn group_id() -> String {
    format!("{ROUTE}:{}", group_labels())
}

fn alert() -> CorrelateAlert {
    let annotations = LabelSet::from([(
        "summary",
        "Pod payments/checkout-7c9d8f6b5-x2x4z restarts 5 times in 10 minutes",
    )]);
    let body = AlertBody {
        labels: labels().into_map(),
        annotations: annotations.into_map(),
        generator_url: "http://prometheus.eu/graph?g0.expr=rate(kube_pod_restarts%5B10m%5D)&g0.tab=1".to_owned(),
        ..AlertBody::default()
    };
    CorrelateAlert {
        phase: AlertPhase::Firing,
        content_hash: i64::MAX,
        starts_at: NOW,
        ends_at: NOW,
        expires_at: NOW,
        received_at: NOW,
        heard_at: NOW,
        timeout: false,
        since: NOW,
        next_flush: 1,
        body,
    }
}

fn group() -> CorrelateGroup {
    CorrelateGroup {
        phase: GroupPhase::Firing,
        group_id: group_id(),
        route: ROUTE.to_owned(),
        group_labels: group_labels().into_map(),
        incident_id: "0123456789abcdef".to_owned(),
        opened_at: NOW,
        config_version: 1,
        flushes: 1,
        origin: Some(NOW),
        alerts: 1,
        firing: 1,
        changed: false,
        moving: false,
    }
}

fn incident() -> RouteIncident {
    RouteIncident {
        group: group_id(),
        group_labels: group_labels().into_map(),
        route: ROUTE.to_owned(),
        receiver: "payments-critical".to_owned(),
        incident_id: group().incident_id,
        opened_at: NOW,
        status: IncidentStatus::Firing,
        generation: 1,
        acknowledged_by: None,
        acknowledged_at: None,
        quiet: false,
        muted: false,
        team: Some("payments".to_owned()),
        severity: Some("critical".to_owned()),
        policy: None,
        policy_version: None,
        ladder: None,
        flush: 1,
        tick: NOW,
        settled: true,
        failed: false,
        voided: false,
        content: i64::MAX,
        firing: 1,
        firing_muted: 0,
        muted_by: Vec::new(),
        muted_until: None,
        again_at: None,
        forget_at: None,
    }
}

/// Design 5.7: 0.9 KiB for an alert in its own group.
#[test]
fn an_alert_in_its_own_group_is_within_its_budget() {
    const BUDGET: usize = 922;
    /// What a map's slot and the allocator cost beside the bytes: 16 for each of four allocations, 1/7 of the slot.
    const OVERHEAD: usize = 4 * 16 + (size_of::<GroupHash>() + size_of::<Held>()) / 7;
    let mut held = Held::default();
    held.alerts.set(1, &schemas::encode(&alert()).unwrap());
    held.set_incident(Some(incident())).unwrap();
    held.set_group(Some(group()));
    assert_eq!(held.incident(), Some(incident()), "what is held once is shown whole");
    let Alerts::One(_, alert) = &held.alerts else {
        panic!("one alert")
    };
    let heap = alert.len() + held.incident.as_ref().unwrap().len() + held.texts.as_ref().unwrap().len();
    let index = size_of::<(u64, GroupHash)>();
    let whole = heap + size_of::<GroupHash>() + size_of::<Held>() + index + OVERHEAD;
    assert!(whole <= BUDGET, "{whole} bytes, {heap} of them on the heap");
}

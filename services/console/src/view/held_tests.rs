//! What the view keeps of a group: whole when it is shown, small while it is not.

use super::*;
use alert::{GroupId, LabelSet, Timestamp};
use schemas::{AlertBody, AlertPhase, GroupPhase, IncidentStatus};

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
        labels: labels(),
        annotations,
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
        group_labels: group_labels(),
        incident_id: "0123456789abcdef".to_owned(),
        opened_at: NOW,
        config_version: 1,
        flushes: 1,
        origin: Some(NOW),
        alerts: 1,
        firing: 1,
        changed: false,
        moving: false,
        group_derived: true,
    }
}

fn incident() -> RouteIncident {
    RouteIncident {
        group: group_id(),
        group_labels: group_labels(),
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
        group_derived: true,
        answer_owed: false,
    }
}

fn fill(groups: &Groups, hash: GroupHash) {
    groups.change(hash, |held| {
        held.set_alert(Fingerprint(1), Some(&schemas::encode(&alert()).unwrap()));
        held.set_incident(Some(&schemas::encode(&incident().shortened()).unwrap()));
        held.set_group(Some(&schemas::encode(&group().shortened()).unwrap()));
    });
}

fn hash_of(number: u64) -> GroupHash {
    GroupId(number.to_string()).hash()
}

#[test]
fn what_is_held_once_is_shown_whole() {
    let groups = Groups::new();
    let shown = |hash: GroupHash| {
        groups.with(&hash, |held| {
            let alerts: Vec<_> = held.alerts().collect();
            (
                alerts,
                held.incident(),
                held.texts().map(|texts| texts.id),
                held.in_correlate(),
            )
        })
    };
    let (one, other) = (hash_of(1), hash_of(2));
    fill(&groups, one);
    let alerts = vec![(Fingerprint(1), alert())];
    assert_eq!(shown(one), Some((alerts, Some(incident()), Some(group_id()), true)));
    assert_eq!(shown(other), None);
    // An id that route and labels do not give is kept as it is.
    let named = RouteIncident {
        group: "another".to_owned(),
        group_derived: false,
        ..incident()
    };
    let bytes = schemas::encode(&named.clone().shortened()).unwrap();
    groups.change(other, |held| held.set_incident(Some(&bytes)));
    assert_eq!(
        shown(other),
        Some((Vec::new(), Some(named), Some("another".to_owned()), false))
    );
}

#[test]
fn what_correlate_knows_and_what_fires_is_counted_in_one_walk() {
    let groups = Groups::new();
    assert_eq!(groups.count(), (0, 0));
    let resolved = CorrelateAlert {
        phase: AlertPhase::Resolved,
        ..alert()
    };
    for number in 1..=3 {
        fill(&groups, hash_of(number));
    }
    groups.change(hash_of(1), |held| {
        held.set_alert(Fingerprint(2), Some(&schemas::encode(&alert()).unwrap()));
        held.set_alert(Fingerprint(3), Some(&schemas::encode(&resolved).unwrap()));
    });
    groups.change(hash_of(2), |held| held.set_group(None));
    assert_eq!(groups.count(), (2, 4));
}

/// In any order of what correlate and route say, and of its ends.
#[test]
fn a_group_is_known_as_long_as_a_stage_knows_it() {
    let record = schemas::encode(&group().shortened()).unwrap();
    let incident = schemas::encode(&incident().shortened()).unwrap();
    for script in [
        "gi GI", "ig GI", "gi IG", "ig IG", "giIgG", "iggII G", "gIiIG", "ii giG I",
    ] {
        let (groups, hash) = (Groups::new(), hash_of(1));
        groups.change(hash, |held| held.set_alert(Fingerprint(1), Some(b"some")));
        let (mut in_correlate, mut in_route) = (false, false);
        for step in script.chars() {
            groups.change(hash, |held| match step {
                'g' => held.set_group(Some(&record)),
                'G' => held.set_group(None),
                'i' => held.set_incident(Some(&incident)),
                'I' => held.set_incident(None),
                _ => {}
            });
            in_correlate = (in_correlate || step == 'g') && step != 'G';
            in_route = (in_route || step == 'i') && step != 'I';
            let shown = groups.with(&hash, |held| (held.in_correlate(), held.texts().map(|texts| texts.id)));
            let id = (in_correlate || in_route).then(group_id);
            assert_eq!(shown, Some((in_correlate, id)), "{script} at {step}");
        }
        groups.change(hash, |held| held.set_alert(Fingerprint(1), None));
        assert_eq!(groups.with(&hash, |_| ()), None, "{script}");
    }
}

#[test]
fn every_group_is_shown_once() {
    let groups = Groups::new();
    let hashes: Vec<_> = (0..2_000).map(hash_of).collect();
    for hash in &hashes {
        fill(&groups, *hash);
    }
    let mut seen = Vec::new();
    groups.each(|held| seen.push(held.group));
    assert_eq!(seen.len(), hashes.len());
    seen.sort();
    assert!(hashes.iter().all(|hash| seen.binary_search(hash).is_ok()));
}

/// Design 5.7: 0.9 KiB for an alert in its own group.
#[test]
fn an_alert_in_its_own_group_is_within_its_budget() {
    const BUDGET: usize = 922;
    /// In percent of the bytes: what is around them, as `gates size` shows it.
    const AROUND: usize = 15;
    let groups = Groups::new();
    fill(&groups, hash_of(1));
    let bytes: usize = groups.parts.iter().map(|part| part.bytes()).sum();
    let index = size_of::<(u64, GroupHash)>() * 2;
    let whole = bytes * (100 + AROUND) / 100 + index;
    assert!(whole <= BUDGET, "{whole} bytes, {bytes} of them keys and values");
}

//! Incidents and the journal.

use alert::Timestamp;
use schemas::{
    IncidentStatus, NotificationRequest, NotifyLeg, NotifyLegState, NotifyProgress, NotifyRun, RequestKind, topics,
};
use serde_json::json;

use crate::world::{Group, World, at};

fn group(name: &str) -> Group {
    Group::new("{}/{team=\"db\"}", &[("alertname", name)], &format!("id-{name}"))
}

fn world() -> World {
    let world = World::new();
    let rows = [
        ("a", IncidentStatus::Firing, "payments", 1),
        ("b", IncidentStatus::Acknowledged, "payments", 2),
    ];
    for (name, status, team, opened) in rows.into_iter().chain([("c", IncidentStatus::Resolved, "infra", 3)]) {
        world.incident(&group(name), |incident| {
            incident.status = status;
            incident.team = Some(team.to_owned());
            incident.opened_at = at(opened);
        });
    }
    world
}

#[tokio::test]
async fn incidents_are_listed_newest_first() {
    let world = world().start().await;
    let rows: &[(&str, &[&str], u64)] = &[
        ("", &["id-c", "id-b", "id-a"], 3),
        ("?state=firing", &["id-a"], 1),
        ("?state=firing&state=acknowledged", &["id-b", "id-a"], 2),
        ("?team=infra", &["id-c"], 1),
        ("?team=payments&limit=1", &["id-b"], 2),
        ("?limit=0", &["id-c"], 3),
        ("?team=none", &[], 0),
    ];
    for (query, expected, total) in rows {
        let answer = world.get(&format!("/api/v1/incidents{query}")).await.json();
        let ids: Vec<_> = answer["incidents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["id"].as_str().unwrap())
            .collect();
        assert_eq!(
            (ids, answer["total"].as_u64()),
            (expected.to_vec(), Some(*total)),
            "{query}"
        );
    }
    assert_eq!(world.get("/api/v1/incidents?limit=many").await.status, 400);
    assert_eq!(world.get("/api/v1/incidents/none").await.status, 404);
}

fn request(group: &Group) -> NotificationRequest {
    NotificationRequest {
        receiver: "db".to_owned(),
        integration: "webhook".to_owned(),
        index: 0,
        sequence: 4,
        part: 0,
        parts: 1,
        idempotency_key: "k".to_owned(),
        kind: RequestKind::Step,
        reason: "escalation step".to_owned(),
        incident_id: group.incident.clone(),
        generation: Some(1),
        policy: Some("payments".to_owned()),
        step: Some(0),
        round: Some(0),
        flush: 1,
        tick: at(0),
        give_up_at: at(300),
        chain: Vec::new(),
        only: Vec::new(),
        route: String::new(),
        group_key: group.id.0.clone(),
        group_labels: alert::LabelSet::new(),
        acknowledged_by: None,
        acknowledged_at: None,
        config_version: 1,
        alerts: Vec::new(),
    }
}

fn progress(group: &Group) -> NotifyProgress {
    let leg = NotifyLeg {
        link: 0,
        receiver: "db".to_owned(),
        integration: "webhook".to_owned(),
        index: 0,
        state: NotifyLegState::InFlight,
        at: at(30),
        attempts: 2,
        doubt: false,
    };
    NotifyProgress {
        group_id: group.id.0.clone(),
        run: 0,
        parts: 1,
        links: 1,
        link_started: at(0),
        legs: vec![leg],
        void: None,
        void_tables: [].into(),
    }
}

#[tokio::test]
async fn one_incident_has_everything_about_it() {
    let world = World::new();
    let group = group("a");
    world.incident(&group, |_| {});
    world.firing(&group, &[("alertname", "a"), ("team", "db")]);
    let run = NotifyRun {
        request: request(&group),
        progress: progress(&group),
        alerts: Vec::new(),
    };
    world.state(topics::NOTIFY_CHANGELOG, &group.id, 3, b"slot", Some(&run));
    world.journal(&group, "incident.opened", "its first alert", &[]);
    world.journal(&group, "escalation.step", "nobody answered", &[("step", "0")]);
    let world = world.start().await;
    let answer = world.get("/api/v1/incidents/id-a").await.json();
    let expected = json!({"id": "id-a", "state": "firing", "generation": 1, "team": "payments", "severity": "critical",
        "policy": "payments", "policyVersion": 1, "receiver": "db", "route": "{}/{team=\"db\"}",
        "group": group.id.hash().to_string(), "groupKey": group.id.0, "groupLabels": {"alertname": "a"},
        "openedAt": at(-60).to_string(), "acknowledgedBy": null, "acknowledgedAt": null, "firing": 1, "muted": false,
        "mutedBy": [], "mutedUntil": null, "alertsCut": false, "journalCut": false,
        "ladder": {"phase": "climbing", "round": 0, "step": 1, "lastResort": false, "due": at(270).to_string(),
            "remainingMs": null, "firedAt": at(-30).to_string()}});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(answer[name], *value, "{name}");
    }
    assert_eq!(answer["alerts"][0]["labels"], json!({"alertname": "a", "team": "db"}));
    let leg = json!({"receiver": "db", "integration": "webhook", "index": 0, "state": "in flight", "at": at(30).to_string(), "attempts": 2});
    assert_eq!(answer["requests"][0]["kind"], "step");
    assert_eq!(answer["requests"][0]["legs"], json!([leg]));
    let kinds: Vec<_> = answer["journal"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["escalation.step", "incident.opened"], "the newest first");
}

#[tokio::test]
async fn what_the_stages_forget_is_forgotten() {
    let world = World::new();
    let group = group("a");
    world.incident(&group, |_| {});
    let world = world.start().await;
    world.incident(&group, |incident| "id-new".clone_into(&mut incident.incident_id));
    let seen = async |id: &str, status: u16| loop {
        // The view follows the log on its own thread.
        if world.get(&format!("/api/v1/incidents/{id}")).await.status == status {
            break;
        }
    };
    seen("id-new", 200).await;
    assert_eq!(
        world.get("/api/v1/incidents/id-a").await.status,
        404,
        "another incident of the same group"
    );
    world.state::<schemas::RouteIncident>(
        topics::ROUTE_CHANGELOG,
        &group.id,
        schemas::route_keys::INCIDENT,
        &[],
        None,
    );
    seen("id-new", 404).await;
    assert_eq!(world.get("/api/v1/incidents").await.json()["total"], 0);
}

#[tokio::test]
async fn the_journal_is_filtered() {
    let world = World::new();
    for (name, kind, reason) in [
        ("a", "alert.opened", "1"),
        ("b", "alert.opened", "2"),
        ("a", "alert.resolved", "3"),
    ] {
        world.journal(&group(name), kind, reason, &[]);
        world.advance(10);
    }
    let world = world.start().await;
    let hash = group("a").id.hash();
    let since = |secs: i64| format!("?since={}", at(secs));
    let rows = [
        (String::new(), vec!["3", "2", "1"], true),
        ("?incident=id-a".to_owned(), vec!["3", "1"], true),
        (
            "?group=%7B%7D%2F%7Bteam%3D%22db%22%7D%3A%7Balertname%3D%22b%22%7D".to_owned(),
            vec!["2"],
            true,
        ),
        (format!("?group={hash}"), vec![], true),
        (since(10), vec!["3", "2"], true),
        ("?limit=2".to_owned(), vec!["3", "2"], false),
    ];
    for (query, expected, complete) in rows {
        let answer = world.get(&format!("/api/v1/journal{query}")).await.json();
        let reasons: Vec<_> = answer["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["reason"].as_str().unwrap())
            .collect();
        assert_eq!(reasons, expected, "{query}");
        assert_eq!(answer["complete"], complete, "{query}");
    }
    assert_eq!(world.get("/api/v1/journal?since=yesterday").await.status, 400);
}

#[tokio::test]
async fn entries_older_than_memory_are_read_from_the_log() {
    let world = World::new();
    let old = group("old");
    world.incident(&old, |incident| incident.opened_at = Timestamp::ZERO);
    world.journal(&old, "incident.opened", "long ago", &[]);
    // The same partition of the journal, so that the old entry is pushed out of what the view reads at its start.
    let many = 2_600;
    for _ in 0..many {
        world.journal(
            &Group {
                incident: "other".to_owned(),
                ..group("old")
            },
            "alert.changed",
            "noise",
            &[],
        );
    }
    let world = world.start().await;
    let answer = world.get("/api/v1/incidents/id-old").await.json();
    assert_eq!(answer["journal"][0]["reason"], "long ago");
    assert_eq!(
        (answer["journal"].as_array().unwrap().len(), &answer["journalCut"]),
        (1, &json!(false))
    );
    let answer = world.get("/api/v1/journal").await.json();
    assert_eq!(answer["complete"], false, "without a group only what is in memory");
}

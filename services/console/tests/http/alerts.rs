//! `GET /api/v2/alerts` and `/api/v2/alerts/groups`.

use alert::{LabelSet, SilenceMatcher};
use schemas::{AlertPhase, SilenceRecord, topics};

use crate::world::{Group, World, at};

const ROOT: &str = "{}";
const DB: &str = "{}/{team=\"db\"}";

fn silence(id: &str, name: &str, value: &str) -> SilenceRecord {
    SilenceRecord {
        id: id.to_owned(),
        matchers: vec![SilenceMatcher {
            name: name.to_owned(),
            value: value.to_owned(),
            is_regex: false,
            is_equal: true,
        }],
        starts_at: at(-10),
        ends_at: at(3_600),
        updated_at: at(-10),
        created_by: "ada".to_owned(),
        comment: "upgrade".to_owned(),
        annotations: [].into(),
    }
}

/// Two alerts of team db, each in the group of db and in that of the rest; one of nobody; one that is resolved.
fn world() -> World {
    let world = World::new();
    for name in ["Slow", "Down"] {
        for route in [DB, "{}/{}"] {
            let group = Group::new(route, &[("alertname", name)], &format!("{route}{name}"));
            world.firing(&group, &[("alertname", name), ("team", "db"), ("instance", "a")]);
        }
    }
    let lone = Group::new("{}/{}", &[("alertname", "Lone")], "lone");
    world.firing(&lone, &[("alertname", "Lone")]);
    world.alert(
        &lone,
        &LabelSet::from([("alertname", "Lone"), ("instance", "gone")]),
        AlertPhase::Resolved,
    );
    let silenced = silence("11111111-1111-4111-8111-111111111111", "alertname", "Slow");
    world.append(
        topics::SILENCES,
        silenced.id.as_bytes(),
        Some(schemas::encode(&silenced).unwrap()),
    );
    world
}

fn names(answer: &serde_json::Value) -> Vec<&str> {
    let mut names: Vec<_> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["labels"]["alertname"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn an_alert_is_written_as_alertmanager_writes_it() {
    let world = World::new();
    world.firing(&Group::new(ROOT, &[], "i"), &[("alertname", "Down")]);
    let answer = world.start().await.get("/api/v2/alerts").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"[{"annotations":{"summary":"\u003cb\u003e\u0026"},"endsAt":"2026-01-02T03:08:05.678Z","#,
            r#""fingerprint":"6accfd3d0992a914","receivers":[{"name":"all"}],"startsAt":"2026-01-02T03:03:05.678Z","#,
            r#""status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"#,
            r#""updatedAt":"2026-01-02T03:04:04.678Z","generatorURL":"http://prometheus/graph?a=b\u0026c","#,
            r#""labels":{"alertname":"Down"}}]"#,
            "\n"
        )
    );
    assert_eq!((answer.status, answer.stale()), (200, None));
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn alerts_are_filtered() {
    let world = world().start().await;
    let rows: &[(&str, &[&str])] = &[
        ("", &["Down", "Lone", "Slow"]),
        ("?receiver=", &["Down", "Lone", "Slow"]),
        ("?active=false", &["Slow"]),
        ("?silenced=false", &["Down", "Lone"]),
        ("?silenced=0&active=maybe", &[]),
        ("?inhibited=false&unprocessed=false", &["Down", "Lone", "Slow"]),
        ("?filter=team%3D%22db%22", &["Down", "Slow"]),
        ("?filter=team%3D%22db%22&filter=alertname!%3DSlow", &["Down"]),
        ("?filter=team%3D%22%22", &["Lone"]),
        ("?receiver=db", &["Down", "Slow"]),
        ("?receiver=d", &[]),
        ("?receiver=d.*%7Call", &["Down", "Lone", "Slow"]),
        ("?receiver_matchers=name%3D~%22d.%22", &["Down", "Slow"]),
    ];
    for (query, expected) in rows {
        let answer = world.get(&format!("/api/v2/alerts{query}")).await;
        assert_eq!(
            (answer.status, names(&answer.json())),
            (200, expected.to_vec()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_alert_of_two_groups_is_listed_once_by_fingerprint_with_both_receivers() {
    let answer = world().start().await.get("/api/v2/alerts").await.json();
    let alerts = answer.as_array().unwrap();
    let prints: Vec<_> = alerts
        .iter()
        .map(|alert| alert["fingerprint"].as_str().unwrap())
        .collect();
    assert!(prints.is_sorted(), "{prints:?}");
    let slow = alerts
        .iter()
        .find(|alert| alert["labels"]["alertname"] == "Slow")
        .unwrap();
    assert_eq!(slow["receivers"], serde_json::json!([{"name": "db"}, {"name": "all"}]));
    assert_eq!(slow["status"]["state"], "suppressed");
    assert_eq!(
        slow["status"]["silencedBy"],
        serde_json::json!(["11111111-1111-4111-8111-111111111111"])
    );
}

#[tokio::test]
async fn groups_are_ordered_and_filtered() {
    let world = world().start().await;
    let rows: &[(&str, &[&str])] = &[
        ("", &["Down/all", "Down/db", "Lone/all", "Slow/all", "Slow/db"]),
        ("?silenced=false", &["Down/all", "Down/db", "Lone/all"]),
        ("?active=false", &["Slow/all", "Slow/db"]),
        ("?receiver=db", &["Down/db", "Slow/db"]),
        (
            "?muted=false",
            &["Down/all", "Down/db", "Lone/all", "Slow/all", "Slow/db"],
        ),
        ("?filter=instance%3Dgone", &[]),
    ];
    for (query, expected) in rows {
        let answer = world.get(&format!("/api/v2/alerts/groups{query}")).await;
        let groups = answer.json();
        let shown: Vec<_> = groups
            .as_array()
            .unwrap()
            .iter()
            .map(|group| {
                let (name, receiver) = (&group["labels"]["alertname"], &group["receiver"]["name"]);
                format!("{}/{}", name.as_str().unwrap(), receiver.as_str().unwrap())
            })
            .collect();
        assert_eq!(shown, *expected, "{query}");
    }
    let group = &world
        .get("/api/v2/alerts/groups?receiver=db&silenced=false")
        .await
        .json()[0];
    assert_eq!(
        group["alerts"][0]["receivers"],
        serde_json::json!([{"name": "db"}]),
        "only of the groups shown"
    );
    let group = &world.get("/api/v2/alerts/groups?silenced=false").await.json()[0];
    assert_eq!(
        group["alerts"][0]["receivers"],
        serde_json::json!([{"name": "all"}, {"name": "db"}]),
        "sorted"
    );
}

#[tokio::test]
async fn a_bad_query_is_told_in_alertmanagers_words() {
    let world = world().start().await;
    let rows = [
        ("/api/v2/alerts?filter=bad", "\"bad matcher format: bad\"\n"),
        ("/api/v2/alerts/groups?filter=bad", "\"bad matcher format: bad\"\n"),
        ("/api/v2/alerts?receiver_matchers=bad", "\"bad matcher format: bad\"\n"),
        ("/api/v2/silences?filter=bad", "\"bad matcher format: bad\"\n"),
    ];
    for (path, expected) in rows {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, expected), "{path}");
    }
    let answer = world.get("/api/v2/alerts?receiver=%28").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .starts_with("\"failed to parse receiver param: error parsing regexp: "),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_read_waits_for_correlate_and_says_when_it_waited_in_vain() {
    let world = World::new();
    world.firing(&Group::new(ROOT, &[], "i"), &[("alertname", "Down")]);
    let world = world.start().await;
    assert_eq!(
        world.get("/api/v2/alerts").await.stale(),
        None,
        "nothing was ever acknowledged"
    );
    world.append(topics::ALERTS, b"group", Some(b"an update".to_vec()));
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups"] {
        let behind = world.get(path).await;
        assert_eq!(
            behind.stale(),
            Some("correlate or the view is behind the topic alerts"),
            "{path}"
        );
        assert_eq!(
            (behind.status, behind.json().as_array().unwrap().len()),
            (200, 1),
            "{path}: what there is"
        );
    }
    world.correlate_commits();
    assert_eq!(world.get("/api/v2/alerts").await.stale(), None);
    world.log.hold(&[topics::CORRELATE_CHANGELOG]);
    world.firing(&Group::new(ROOT, &[("alertname", "New")], "j"), &[("alertname", "New")]);
    assert!(
        world.get("/api/v2/alerts").await.stale().is_some(),
        "the view is behind"
    );
    world.log.let_go();
    let answer = world.get("/api/v2/alerts").await;
    assert_eq!((answer.stale(), names(&answer.json())), (None, vec!["Down", "New"]));
}

//! What the dashboard asks beside its feed: counts, one incident, history, previews, routing, the pipeline.

use std::collections::BTreeMap;

use schemas::{DeadLetter, IncidentStatus, JournalEntry, topics};
use serde_json::{Value, json};

use crate::world::{Group, World, at, encoded};

const ROUTE: &str = "{}/{team=\"db\"}";

fn group(name: &str) -> Group {
    Group::new(ROUTE, &[("alertname", name)], &format!("id-{name}"))
}

/// Two incidents of two teams, the first with two alerts.
fn world() -> World {
    let world = World::new();
    for (name, team) in [("a", "payments"), ("b", "infra")] {
        world.firing(&group(name), &[("alertname", name), ("zone", "one")]);
        world.incident(&group(name), |incident| incident.team = Some(team.to_owned()));
    }
    world.firing(&group("a"), &[("alertname", "a"), ("zone", "two")]);
    world
}

#[tokio::test]
async fn facets_count_incidents_not_alerts() {
    let world = world().start().await;
    let facets = world.get("/api/ui/v1/facets").await.json();
    let of = |name: &str| -> BTreeMap<String, u64> {
        let facet = facets["facets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|facet| facet["name"] == name)
            .unwrap();
        let values = facet["values"].as_array().unwrap().iter();
        values
            .map(|one| {
                (
                    one["value"].as_str().unwrap().to_owned(),
                    one["count"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let counts = |rows: &[(&str, u64)]| {
        rows.iter()
            .map(|(value, count)| ((*value).to_owned(), *count))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(facets["total"], 2);
    assert_eq!(of("@team"), counts(&[("payments", 1), ("infra", 1)]));
    assert_eq!(of("@state"), counts(&[("firing", 2)]));
    assert_eq!(of("zone"), counts(&[("one", 2), ("two", 1)]));
    let filtered = world
        .get(&format!("/api/ui/v1/facets?filter={}", encoded("zone=\"two\"")))
        .await
        .json();
    assert_eq!(filtered["total"], 1);
}

#[tokio::test]
async fn an_incident_is_told_with_all_that_is_known_and_nothing_guessed() {
    let world = world();
    world.journal(&group("a"), "escalation.step", "step 1 of round 1", &[("step", "0")]);
    let world = world.start().await;
    let detail = world.get("/api/ui/v1/incidents/id-a").await.json();
    assert_eq!(detail["row"]["name"], "a");
    assert_eq!(detail["alerts"].as_array().unwrap().len(), 2);
    let alert = &detail["alerts"][0];
    assert_eq!(alert["annotations"]["summary"], "<b>&");
    assert_eq!(alert["generatorUrl"], "http://prometheus/graph?a=b&c");
    for unknown in ["expr", "value", "forMs", "source"] {
        assert_eq!(alert[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(detail["journal"][0]["kind"], "escalation.step");
    assert_eq!(world.get("/api/ui/v1/incidents/none").await.status, 404);
}

#[tokio::test]
async fn an_incident_that_is_forgotten_is_found_by_its_group() {
    let world = World::new();
    world.journal(&group("old"), "incident.resolved", "nothing fires", &[]);
    let world = world.start().await;
    assert_eq!(world.get("/api/ui/v1/incidents/id-old").await.status, 404);
    let id = encoded(group("old").id.as_str());
    let detail = world
        .get(&format!("/api/ui/v1/incidents/id-old?group={id}"))
        .await
        .json();
    assert_eq!(
        (&detail["row"], &detail["journal"][0]["kind"]),
        (&Value::Null, &"incident.resolved".into())
    );
}

/// An alert's own entry, which alone carries all its labels.
fn opened(world: &World, group: &Group, labels: &[(&str, &str)]) {
    let entry = JournalEntry {
        kind: "alert.opened".to_owned(),
        at: at(0),
        group_key: group.id.group_key().0,
        incident_id: Some(group.incident.clone()),
        fingerprint: Some("00".to_owned()),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..JournalEntry::default()
    };
    let bytes = schemas::encode(&entry).unwrap();
    world.append(topics::JOURNAL, group.id.as_str().as_bytes(), Some(bytes));
}

#[tokio::test]
async fn history_tells_why_nobody_was_told_by_any_label_of_the_alert() {
    let world = World::new();
    opened(&world, &group("night"), &[("alertname", "night"), ("severity", "page")]);
    opened(&world, &group("other"), &[("alertname", "other"), ("severity", "info")]);
    world.advance(60);
    for name in ["night", "other"] {
        world.journal(&group(name), "group.muted", "silenced by 12", &[]);
        world.journal(&group(name), "notification.unsaid", "everything is muted", &[]);
    }
    world.advance(3_600);
    world.journal(&group("night"), "incident.resolved", "", &[]);
    let world = world.start().await;
    let ask = async |query: &str| {
        let answer = world.get(&format!("/api/ui/v1/history?{query}")).await.json();
        let entries = answer["entries"].as_array().unwrap().iter();
        let told: Vec<_> = entries
            .map(|entry| {
                format!(
                    "{} {}",
                    entry["incident"].as_str().unwrap(),
                    entry["kind"].as_str().unwrap()
                )
            })
            .collect();
        (told, answer["next"].clone())
    };
    let page = encoded("severity=\"page\"");
    let night = [
        "id-night incident.resolved",
        "id-night notification.unsaid",
        "id-night group.muted",
        "id-night alert.opened",
    ];
    assert_eq!(
        ask(&format!("filter={page}")).await,
        (night.map(str::to_owned).to_vec(), Value::Null)
    );
    let (muted, _) = ask(&format!("filter={page}&kind=group.muted")).await;
    assert_eq!(
        muted,
        ["id-night group.muted"],
        "the alert's own entry decides, though it is not asked for"
    );
    let (until, since) = (at(100).millis(), at(1).millis());
    let (told, _) = ask(&format!("since={since}&until={until}&kind=notification.")).await;
    assert_eq!(told.len(), 2, "{told:?}");
    // In pages: each entry once.
    let (mut pages, mut next) = (Vec::new(), Value::Null);
    loop {
        let before = next.as_str().map(|text| format!("&before={text}")).unwrap_or_default();
        let (page, more) = ask(&format!("limit=2{before}")).await;
        assert!(page.len() <= 2);
        pages.extend(page);
        next = more;
        if next.is_null() {
            break;
        }
    }
    pages.sort();
    pages.dedup();
    assert_eq!(pages.len(), 7, "{pages:?}");
    assert_eq!(world.get("/api/ui/v1/history?since=yesterday").await.status, 400);
    assert_eq!(world.get("/api/ui/v1/history?before=x").await.status, 400);
}

#[tokio::test]
async fn a_silence_shows_what_goes_quiet_before_it_is_made() {
    let world = world();
    world.firing(&group("over"), &[("alertname", "over"), ("zone", "one")]);
    world.incident(&group("over"), |incident| incident.status = IncidentStatus::Resolved);
    let world = world.start().await;
    let preview = async |name: &str, value: &str, regex: bool| {
        let body = json!({"matchers": [{"name": name, "value": value, "isRegex": regex, "isEqual": true}]});
        world.post("/api/ui/v1/silences/preview", &body.to_string()).await
    };
    let one = preview("zone", "two", false).await.json();
    assert_eq!(
        (&one["alerts"], &one["incidents"], &one["of"]),
        (&1.into(), &1.into(), &3.into())
    );
    assert_eq!(one["ladders"], 0, "the incident's other alert still fires");
    assert_eq!(one["teams"], json!([{"team": "payments", "incidents": 1}]));
    let all = preview("alertname", "a|b", true).await.json();
    assert_eq!((&all["alerts"], &all["ladders"]), (&3.into(), &2.into()));
    assert_eq!(preview("zone", "(", true).await.status, 400);
    let none = world
        .post("/api/ui/v1/silences/preview", "{\"matchers\":[]}")
        .await
        .json();
    assert_eq!(none["alerts"], 0, "no matchers mute nothing");
    assert_eq!(world.post("/api/ui/v1/silences/preview", "{").await.status, 400);
}

#[tokio::test]
async fn routing_is_told_by_the_code_that_routes() {
    let world = world().start().await;
    let tree = world.get("/api/ui/v1/routing").await.json();
    assert_eq!(
        (&tree["configVersion"], &tree["root"]["receiver"]),
        (&1.into(), &"all".into())
    );
    assert_eq!(tree["root"]["routes"][0]["incidents"], 2);
    let asked = json!({"labels": {"alertname": "x", "team": "db"}});
    let told = world.post("/api/ui/v1/routing/where", &asked.to_string()).await.json();
    let receivers: Vec<_> = told["placements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["receiver"].as_str().unwrap())
        .collect();
    assert_eq!(receivers, ["db", "all"], "the first route continues");
    assert_eq!(told["placements"][0]["path"], json!(["{}", ROUTE]));
    assert_eq!(told["placements"][0]["integrations"], json!(["webhook"]));
    assert_eq!(told["placements"][0]["groupLabels"], json!({"alertname": "x"}));
    assert_eq!(
        world
            .post("/api/ui/v1/routing/where", "{\"labels\":{\"\":\"x\"}}")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_pipeline_shows_dead_letters_with_their_reason_and_content() {
    let world = World::new();
    let letter = DeadLetter {
        stage: "ingest".to_owned(),
        reason: "malformed".to_owned(),
        error: "expected value at line 1".to_owned(),
        topic: "alert-events".to_owned(),
        partition: 1,
        offset: 7,
        appended: at(0),
        value: b"rubb\xff".to_vec(),
        headers: BTreeMap::new(),
    };
    world.append(topics::DEAD_LETTERS, b"k", Some(schemas::encode(&letter).unwrap()));
    let world = world.start().await;
    let pipeline = world.get("/api/ui/v1/pipeline").await.json();
    assert_eq!(pipeline["deadLetterCount"], 1);
    let shown = &pipeline["deadLetters"][0];
    assert_eq!(
        (&shown["reason"], &shown["value"], &shown["key"]),
        (&"malformed".into(), &"rubb\u{fffd}".into(), &"k".into())
    );
    let stages: Vec<_> = pipeline["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["ingest", "correlate", "route", "notify"]);
    assert_eq!(pipeline["config"]["version"], 1);
}

#[tokio::test]
async fn matchers_are_read_by_the_parser_of_the_config() {
    let world = World::new().start().await;
    let read = async |text: &str| {
        world
            .get(&format!("/api/ui/v1/matchers?text={}", encoded(text)))
            .await
            .json()
    };
    let good = read("{a=\"b\",c!~\"d\"}").await;
    assert_eq!(
        good["matchers"][1],
        json!({"name": "c", "value": "d", "isRegex": true, "isEqual": false})
    );
    let bad = read("a=\"b\",oops").await;
    assert_eq!(
        (&bad["error"]["at"], &bad["error"]["message"]),
        (&6.into(), &"bad matcher format: oops".into())
    );
}

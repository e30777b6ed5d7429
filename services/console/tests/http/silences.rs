//! Silences over HTTP.

use alert::SilenceMatcher;
use schemas::{SilenceRecord, topics};
use streams::Log;

use crate::world::{World, at};

const UNKNOWN: &str = "22222222-2222-4222-8222-222222222222";

fn body(id: &str, value: &str, from: i64, to: i64) -> String {
    let (from, to) = (at(from), at(to));
    format!(
        r#"{{"id":"{id}","matchers":[{{"name":"alertname","value":"{value}","isRegex":false}}],"startsAt":"{from}","endsAt":"{to}","createdBy":"ada","comment":"a <b>"}}"#
    )
}

async fn create(world: &World, body: &str) -> String {
    let answer = world.post("/api/v2/silences", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["silenceID"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_silence_is_there_when_its_post_is_answered() {
    let world = World::new().start().await;
    let id = create(&world, &body("", "Down", -100, 3_600)).await;
    let one = world.get(&format!("/api/v2/silence/{id}")).await;
    let expected = format!(
        "{{\"id\":\"{id}\",\"status\":{{\"state\":\"active\"}},\"updatedAt\":\"2026-01-02T03:04:05.678Z\",\
         \"comment\":\"a \\u003cb\\u003e\",\"createdBy\":\"ada\",\"endsAt\":\"2026-01-02T04:04:05.678Z\",\
         \"matchers\":[{{\"isEqual\":true,\"isRegex\":false,\"name\":\"alertname\",\"value\":\"Down\"}}],\
         \"startsAt\":\"2026-01-02T03:04:05.678Z\"}}\n"
    );
    assert_eq!(
        (one.status, one.body.as_str()),
        (200, expected.as_str()),
        "a past start is now"
    );
    let all = world.get("/api/v2/silences").await;
    assert_eq!(all.body, format!("[{}]\n", expected.trim_end()));
}

#[tokio::test]
async fn an_update_keeps_the_id_only_where_alertmanager_does() {
    let world = World::new().start().await;
    let id = create(&world, &body("", "Down", 0, 3_600)).await;
    world.advance(10);
    assert_eq!(create(&world, &body(&id, "Down", 0, 7_200)).await, id, "longer");
    let other = create(&world, &body(&id, "Slow", 0, 7_200)).await;
    assert_ne!(other, id, "other matchers");
    let state = async |id: &str| world.get(&format!("/api/v2/silence/{id}")).await.json();
    assert_eq!(
        state(&id).await["status"]["state"],
        "active",
        "the end is inclusive: over a millisecond later"
    );
    assert_eq!(state(&id).await["endsAt"], at(10).to_string());
    world.advance(1);
    assert_eq!(state(&id).await["status"]["state"], "expired");
    assert_eq!(state(&other).await["startsAt"], at(10).to_string());
    assert_ne!(
        create(&world, &body(&id, "Down", 20, 7_200)).await,
        id,
        "an expired one stays over"
    );
}

#[tokio::test]
async fn a_deleted_silence_is_expired_and_still_listed() {
    let world = World::new().start().await;
    let active = create(&world, &body("", "Down", 0, 3_600)).await;
    let pending = create(&world, &body("", "Slow", 600, 3_600)).await;
    world.advance(5);
    for id in [&active, &pending, &active] {
        let deleted = world.request("DELETE", &format!("/api/v2/silence/{id}"), &[], "").await;
        assert_eq!((deleted.status, deleted.body.as_str()), (200, ""));
    }
    world.advance(1);
    let all = world.get("/api/v2/silences").await.json();
    for silence in all.as_array().unwrap() {
        assert_eq!(
            (silence["status"]["state"].as_str(), silence["endsAt"].as_str()),
            (Some("expired"), Some(at(5).to_string().as_str()))
        );
    }
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn silences_are_ordered_and_filtered() {
    let world = World::new().start().await;
    for (value, from, to) in [
        ("long", 0, 7_200),
        ("late", 600, 700),
        ("short", 0, 60),
        ("soon", 300, 9_000),
        ("brief", 0, 30),
    ] {
        create(&world, &body("", value, from, to)).await;
    }
    world.advance(61);
    let rows: &[(&str, &[&str])] = &[
        ("", &["long", "soon", "late", "short", "brief"]),
        ("?expired=false", &["long", "soon", "late"]),
        ("?active=false&pending=0", &["short", "brief"]),
        ("?filter=alertname%3Dsoon", &["soon"]),
        ("?filter=alertname%3D~%22s.*%22", &[]),
        ("?filter=alertname!%3Dsoon", &[]),
    ];
    for (query, expected) in rows {
        let answer = world.get(&format!("/api/v2/silences{query}")).await.json();
        let values: Vec<_> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["matchers"][0]["value"].as_str().unwrap())
            .collect();
        assert_eq!(values, *expected, "{query}");
    }
}

#[tokio::test]
async fn bad_silences_are_refused_in_alertmanagers_words() {
    let world = World::new().start().await;
    let unknown = body(UNKNOWN, "Down", 0, 60);
    let times = |from: &str, to: &str| {
        format!(
            r#"{{"matchers":[{{"name":"a","value":"b","isRegex":false}}],"startsAt":"{from}","endsAt":"{to}","createdBy":"","comment":""}}"#
        )
    };
    let matchers = |matchers: &str| {
        format!(
            r#"{{"matchers":{matchers},"startsAt":"{}","endsAt":"{}","createdBy":"","comment":""}}"#,
            at(0),
            at(60)
        )
    };
    let coded = |code: u16, message: &str| format!(r#"{{"code":{code},"message":"{message}"}}"#);
    let rows = [
        (String::new(), 422, coded(602, "silence in body is required")),
        ("{}".to_owned(), 422, coded(602, "comment in body is required")),
        (
            r#"{"comment":""}"#.to_owned(),
            422,
            coded(602, "createdBy in body is required"),
        ),
        (
            r#"{"comment":"","createdBy":""}"#.to_owned(),
            422,
            coded(602, "endsAt in body is required"),
        ),
        (
            matchers("[]"),
            422,
            coded(612, "matchers in body should have at least 1 items"),
        ),
        (
            matchers(r#"[{"name":"a","value":"b"}]"#),
            422,
            coded(602, "matchers.0.isRegex in body is required"),
        ),
        (
            matchers(r#"[{"name":"a","isRegex":true}]"#),
            422,
            coded(602, "matchers.0.value in body is required"),
        ),
        (
            matchers(r#"[{"name":"a","value":"","isRegex":false}]"#),
            400,
            "\"invalid silence: matcher set 0: at least one matcher must not match the empty string\"\n".to_owned(),
        ),
        (
            times("2026-01-02T04:00:00Z", "2026-01-02T03:59:00Z"),
            400,
            "\"Failed to create silence: start time must be before end time\"\n".to_owned(),
        ),
        (
            times("2025-01-02", "2025-01-03"),
            400,
            "\"Failed to create silence: end time can't be in the past\"\n".to_owned(),
        ),
        (unknown, 404, "\"silence not found\"\n".to_owned()),
    ];
    for (body, status, expected) in rows {
        let answer = world.post("/api/v2/silences", &body).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, expected.as_str()),
            "{body}"
        );
    }
    assert_eq!(world.log.committed_records(topics::SILENCES), [], "nothing was written");
}

#[tokio::test]
async fn a_body_that_is_no_silence_is_refused_before_it_is_one() {
    let world = World::new().start().await;
    let coded = |code: u16, message: &str| format!(r#"{{"code":{code},"message":"{message}"}}"#);
    for body in ["[", "[]", r#"{"matchers":3}"#, r#"{"endsAt":"tomorrow"}"#] {
        let answer = world.post("/api/v2/silences", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer
                .body
                .starts_with("{\"code\":400,\"message\":\"parsing silence body from \\\"\\\" failed, because "),
            "{}",
            answer.body
        );
    }
    let plain = world
        .request("POST", "/api/v2/silences", &[("content-type", "text/plain")], "{}")
        .await;
    let message = r#"unsupported media type \"text/plain\", only [application/json] are allowed"#;
    assert_eq!((plain.status, plain.body), (415, coded(415, message)));
    let large = world.post("/api/v2/silences", &"x".repeat(2 * 1024 * 1024)).await;
    assert_eq!(large.status, 413);
    assert_eq!(world.log.committed_records(topics::SILENCES), [], "nothing was written");
}

#[tokio::test]
async fn a_silence_is_looked_up_by_uuid() {
    let world = World::new().start().await;
    for method in ["GET", "DELETE"] {
        let bad = world.request(method, "/api/v2/silence/notauuid", &[], "").await;
        let expected = r#"{"code":601,"message":"silenceID in path must be of type uuid: \"notauuid\""}"#;
        assert_eq!((bad.status, bad.body.as_str()), (422, expected), "{method}");
        let unknown = world
            .request(method, &format!("/api/v2/silence/{UNKNOWN}"), &[], "")
            .await;
        assert_eq!((unknown.status, unknown.body.as_str()), (404, ""), "{method}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let world = World::new().with(|settings| settings.max_silences = 1).start().await;
    create(&world, &body("", "Down", 0, 60)).await;
    let answer = world.post("/api/v2/silences", &body("", "Slow", 0, 60)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "\"exceeded maximum number of silences: 1 (limit: 1)\"\n")
    );
    let world = World::new()
        .with(|settings| settings.max_silence_bytes = 100)
        .start()
        .await;
    let answer = world.post("/api/v2/silences", &body("", &"x".repeat(100), 0, 60)).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.starts_with("\"silence exceeded maximum size: "),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_silence_the_view_does_not_have_in_time_is_answered_and_marked() {
    let world = World::new()
        .with(|settings| settings.write_wait = std::time::Duration::from_millis(20))
        .start()
        .await;
    world.log.hold(&[topics::SILENCES]);
    let answer = world.post("/api/v2/silences", &body("", "Down", 0, 60)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.stale(), Some("the view is behind: silences/0 at 0 of 1"));
    assert_eq!(world.log.watermarks(topics::SILENCES, 0).unwrap().high, 1);
}

#[tokio::test]
async fn a_silence_that_is_long_over_is_removed() {
    let world = World::new();
    let hours = |hours: i64| at(-hours * 3_600);
    for (id, end) in [("old", hours(121)), ("kept", hours(119))] {
        let silence = alert::Silence {
            id: id.to_owned(),
            matchers: vec![SilenceMatcher {
                name: "a".to_owned(),
                value: "b".to_owned(),
                is_regex: false,
                is_equal: true,
            }],
            starts_at: hours(200),
            ends_at: end,
            ..alert::Silence::default()
        };
        let value = schemas::encode(&SilenceRecord::from(silence)).unwrap();
        world.append(topics::SILENCES, id.as_bytes(), Some(value));
    }
    let world = world.start().await;
    let tombstones = loop {
        let records = world.log.committed_records(topics::SILENCES);
        if records.len() > 2 {
            break records[2..]
                .iter()
                .map(|record| (record.key.clone(), record.value.clone()))
                .collect::<Vec<_>>();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(tombstones, [(b"old".to_vec(), None)]);
}

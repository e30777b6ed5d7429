//! The dashboard's page and its live feed.

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use schemas::{IncidentStatus, RouteIncident, route_keys, topics};
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{Group, World, encoded};

fn group(name: &str) -> Group {
    Group::new("{}/{team=\"db\"}", &[("alertname", name)], &format!("id-{name}"))
}

/// One incident that fires, one acknowledged, one muted, one over; and a group whose first flush is still to come.
fn world() -> World {
    let world = World::new();
    let rows = [
        ("a", IncidentStatus::Firing, "payments"),
        ("b", IncidentStatus::Acknowledged, "payments"),
        ("c", IncidentStatus::Firing, "infra"),
        ("d", IncidentStatus::Resolved, "infra"),
    ];
    for (name, status, team) in rows {
        world.firing(&group(name), &[("alertname", name), ("zone", &format!("z-{name}"))]);
        world.incident(&group(name), |incident| {
            incident.status = status;
            incident.team = Some(team.to_owned());
            incident.muted = name == "c";
        });
    }
    world.firing(&group("w"), &[("alertname", "w")]);
    world
}

/// The names of a snapshot's rows, in its order.
fn names(snapshot: &Value) -> Vec<String> {
    let rows = &snapshot["rows"];
    let text = |place: &Value| {
        rows["texts"][usize::try_from(place.as_i64().unwrap()).unwrap()]
            .as_str()
            .unwrap()
            .to_owned()
    };
    rows["name"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn a_snapshot_has_the_rows_that_meet_the_filter_the_most_urgent_first() {
    let world = world().start().await;
    let rows: [(&[&str], &[&str]); 10] = [
        (&[], &["a", "w", "c", "b"]),
        (&["@state=\"firing\""], &["a", "c"]),
        (&["@state=\"muted\""], &["c"]),
        (&["@state!=\"muted\""], &["a", "w", "b", "d"]),
        (&["@state=~\"resolved|acknowledged\""], &["b", "d"]),
        (&["@team=\"payments\"", "alertname!=\"a\""], &["b"]),
        (&["zone=\"z-b\""], &["b"]),
        (&["{alertname=~\"a|b\",zone!=\"z-b\"}"], &["a"]),
        (&["@receiver=\"db\"", "@severity=\"critical\""], &["a", "c", "b"]),
        (&["alertname=\"none\""], &[]),
    ];
    for (filter, expected) in rows {
        let query: Vec<String> = filter.iter().map(|one| format!("filter={}", encoded(one))).collect();
        let answer = world.get(&format!("/api/ui/v1/snapshot?{}", query.join("&"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let snapshot = answer.json();
        let mut found = names(&snapshot);
        let mut wanted: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(found.first(), wanted.first(), "{filter:?}: the most urgent one");
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{filter:?}");
        assert_eq!(snapshot["matching"], expected.len(), "{filter:?}");
        assert_eq!(snapshot["cut"], false);
    }
    let totals = &world.get("/api/ui/v1/snapshot").await.json()["heartbeat"]["totals"];
    assert_eq!(
        (
            &totals["needsHuman"],
            &totals["firing"],
            &totals["muted"],
            &totals["acknowledged"],
            &totals["waiting"]
        ),
        (&1.into(), &2.into(), &1.into(), &1.into(), &1.into())
    );
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_with_what_there_is() {
    let world = World::new().start().await;
    for (filter, expected) in [
        ("nonsense", "bad matcher format: nonsense"),
        ("a=~\"(\"", "error parsing regexp"),
        ("@nobody=\"x\"", "there are @state, @team, @severity, @receiver"),
    ] {
        let answer = world
            .get(&format!("/api/ui/v1/snapshot?filter={}", encoded(filter)))
            .await;
        assert_eq!(answer.status, 400, "{filter}");
        assert!(answer.body.contains(expected), "{filter}: {}", answer.body);
    }
}

/// Asks until there is something to tell.
async fn told(world: &World, cursor: &str, filter: &str) -> Value {
    loop {
        let path = format!("/api/ui/v1/changes?cursor={cursor}&filter={}", encoded(filter));
        let answer = world.get(&path).await.json();
        let delta = &answer["delta"];
        if delta.is_null() || delta["cursor"] != cursor {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn changes_are_told_from_the_cursor_on() {
    let world = world().start().await;
    let cursor = world.get("/api/ui/v1/snapshot").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    world.incident(&group("a"), |incident| incident.status = IncidentStatus::Acknowledged);
    let answer = told(&world, &cursor, "").await;
    assert_eq!(answer["delta"]["up"][0]["id"], "id-a");
    assert_eq!(answer["delta"]["up"][0]["state"], "acknowledged");
    let all = answer["delta"]["up"].as_array().unwrap().len();
    assert_eq!((all, answer["delta"]["gone"].as_array().unwrap().len()), (1, 0));
    // To who asks only for what fires it is gone.
    let answer = told(&world, &cursor, "@state=\"firing\"").await;
    assert_eq!(answer["delta"]["gone"][0], group("a").id.hash().to_string());
    let next = answer["delta"]["cursor"].as_str().unwrap().to_owned();
    world.state::<RouteIncident>(topics::ROUTE_CHANGELOG, &group("d").id, route_keys::INCIDENT, &[], None);
    let answer = told(&world, &next, "@state=\"resolved\"").await;
    assert_eq!(answer["delta"]["gone"][0], group("d").id.hash().to_string());
}

#[tokio::test]
async fn a_cursor_of_another_console_is_told_to_begin_anew() {
    let (one, other) = (World::new().start().await, World::new().start().await);
    let cursor = other.get("/api/ui/v1/snapshot").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = one.get(&format!("/api/ui/v1/changes?cursor={cursor}")).await.json();
    assert!(answer["delta"].is_null());
    assert!(answer["reset"].as_str().unwrap().contains("does not know the cursor"));
    for cursor in ["", "x", "1:"] {
        let answer = one.get(&format!("/api/ui/v1/changes?cursor={cursor}")).await;
        assert_eq!(answer.status, 400, "{cursor}");
        assert!(answer.body.contains("take a new snapshot"), "{}", answer.body);
    }
}

/// Reads a stream until an event of that name has come; returns its text.
async fn until(stream: &mut axum::body::BodyDataStream, name: &str) -> String {
    let mut text = String::new();
    while let Some(piece) = stream.next().await {
        text += std::str::from_utf8(&piece.unwrap()).unwrap();
        let event = text
            .split("\n\n")
            .find(|event| event.lines().any(|line| line == format!("event: {name}")));
        if let Some(event) = event.filter(|_| text.ends_with("\n\n")) {
            return event.to_owned();
        }
    }
    panic!("the stream ended without {name}: {text}");
}

#[tokio::test]
async fn a_stream_tells_changes_as_they_come_and_ends_with_the_process() {
    let shutdown = runtime::Shutdown::default();
    let world = world()
        .with(|settings| settings.shutdown = shutdown.clone())
        .start()
        .await;
    let cursor = world.get("/api/ui/v1/snapshot").await.json()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let open = async |path: String, headers: &[(&str, &str)]| {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("accept-encoding", "gzip").body(Body::empty()).unwrap();
        world.app().oneshot(request).await.unwrap()
    };
    let response = open(format!("/api/ui/v1/stream?cursor={cursor}"), &[]).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(
        !response.headers().contains_key("content-encoding"),
        "a compressed stream is a late one"
    );
    let mut stream = response.into_body().into_data_stream();
    assert!(until(&mut stream, "heartbeat").await.contains("\"needsHuman\":1"));
    world.incident(&group("a"), |incident| incident.generation = 7);
    let delta = until(&mut stream, "delta").await;
    assert!(delta.contains("\"generation\":7"), "{delta}");
    let id = delta.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    // A browser that reconnects by itself brings the id, whatever stands in the address.
    let again = open(format!("/api/ui/v1/stream?cursor={cursor}"), &[("last-event-id", id)]).await;
    let mut again = again.into_body().into_data_stream();
    until(&mut again, "heartbeat").await;
    world.incident(&group("b"), |incident| incident.generation = 8);
    let delta = until(&mut again, "delta").await;
    assert!(
        delta.contains("\"generation\":8") && !delta.contains("\"generation\":7"),
        "{delta}"
    );
    let strange = open("/api/ui/v1/stream?cursor=1:2".to_owned(), &[]).await;
    let mut strange = strange.into_body().into_data_stream();
    assert!(until(&mut strange, "reset").await.contains("does not know"));
    assert!(strange.next().await.is_none(), "nothing comes after a reset");
    shutdown.tell();
    while stream.next().await.is_some() {}
}

#[tokio::test]
async fn the_page_knows_its_prefix_and_lets_nothing_foreign_run() {
    let world = World::new()
        .with(|settings| settings.external_url = "https://ops.example/alerts/".to_owned())
        .start()
        .await;
    for path in [
        "/",
        "/incidents/ab",
        "/history",
        "/silences",
        "/silences/new",
        "/silences/ab",
        "/routing",
        "/pipeline",
    ] {
        let page = world.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("<base href=\"/alerts/\">"), "{path}: {}", page.body);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let tag = page.headers["etag"].to_str().unwrap().to_owned();
        let again = world.request("GET", path, &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
    }
    let page = world.get("/").await.body;
    let script = page
        .split("src=\"./")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let script = world.request("GET", &format!("/{script}"), &[], "").await;
    assert_eq!(script.status, 200);
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(script.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(world.get("/assets/none.js").await.status, 404);
    assert_eq!(world.get("/favicon.svg").await.headers["content-type"], "image/svg+xml");
}

#[tokio::test]
async fn a_page_beyond_loopback_warns_who_need_not_say_who_they_are() {
    let world = World::new().with(|settings| settings.exposed = true).start().await;
    let boot = world.get("/api/ui/v1/boot").await.json();
    assert_eq!((&boot["exposed"], &boot["user"]), (&true.into(), &Value::Null));
    let behind_a_proxy = world
        .request("GET", "/api/ui/v1/boot", &[("x-forwarded-user", "ana")], "")
        .await
        .json();
    assert_eq!(
        (&behind_a_proxy["exposed"], &behind_a_proxy["user"]),
        (&false.into(), &"ana".into())
    );
}

//! What is answered where, and how errors look.

use schemas::{Instance, topics};

use crate::world::{World, at};

#[tokio::test]
async fn paths_and_methods_are_alertmanagers() {
    let world = World::new().start().await;
    let gone = "The Alertmanager v1 API was deprecated";
    let rows = [
        (
            "GET",
            "/api/v2/nope",
            404,
            r#"{"code":404,"message":"path /api/v2/nope was not found"}"#,
        ),
        (
            "PUT",
            "/api/v2/silences",
            405,
            r#"{"code":405,"message":"method PUT is not allowed, but [GET,POST] are"}"#,
        ),
        (
            "GET",
            "/-/reload",
            405,
            r#"{"code":405,"message":"method GET is not allowed, but [POST] are"}"#,
        ),
        ("GET", "/api/v1/alerts", 410, gone),
        ("GET", "/api/v1/silence/x", 410, gone),
        ("GET", "/-/ready", 200, "OK"),
        ("GET", "/alertmanager/api/v2/status", 404, "was not found"),
    ];
    for (method, path, status, part) in rows {
        let answer = world.request(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.body.contains(part), "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn who_takes_no_json_gets_none() {
    let world = World::new().start().await;
    let rows = [
        ("text/html", 406),
        ("text/html, */*;q=0.1", 200),
        ("application/json", 200),
        ("Application/*", 200),
    ];
    for (accept, status) in rows {
        let answer = world.request("GET", "/api/v2/status", &[("accept", accept)], "").await;
        assert_eq!(answer.status, status, "{accept}");
    }
}

#[tokio::test]
async fn receivers_are_in_the_order_of_the_file() {
    let world = World::new().start().await;
    let rows = [
        (
            "",
            "[{\"name\":\"all\",\"labels\":{\"name\":\"all\"}},{\"name\":\"db\",\"labels\":{\"name\":\"db\"}}]\n",
        ),
        (
            "?receiver_matchers=name%3Ddb",
            "[{\"name\":\"db\",\"labels\":{\"name\":\"db\"}}]\n",
        ),
        ("?receiver_matchers=name%3Dx", "[]\n"),
    ];
    for (query, expected) in rows {
        assert_eq!(
            world.get(&format!("/api/v2/receivers{query}")).await.body,
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_status_is_what_amtool_reads() {
    let world = World::new().start().await;
    let status = world.get("/api/v2/status").await.json();
    assert_eq!(
        status["cluster"],
        serde_json::json!({"peers": [], "status": "disabled"})
    );
    assert_eq!(status["uptime"], at(0).to_string());
    assert_eq!(status["versionInfo"]["version"], "0.34.0");
    assert_eq!(status["configVersion"], 1);
    let original = status["config"]["original"].as_str().unwrap();
    assert!(
        original.contains("<secret>") && !original.contains("example.com"),
        "{original}"
    );
    for field in ["branch", "buildDate", "buildUser", "goVersion", "revision"] {
        assert!(status["versionInfo"][field].is_string(), "{field} is required");
    }
}

#[tokio::test]
async fn processes_that_live_are_the_peers() {
    let world = World::new();
    for (id, secs) in [("two", -2), ("one", -14), ("dead", -16)] {
        let instance = Instance {
            id: id.to_owned(),
            services: Vec::new(),
            started_at: at(-60),
            receiving_since: None,
            at: at(secs),
            lanes: Vec::new(),
        };
        world.append(
            topics::INSTANCES,
            id.as_bytes(),
            Some(schemas::encode(&instance).unwrap()),
        );
    }
    let cluster = &world.start().await.get("/api/v2/status").await.json()["cluster"];
    let peers = serde_json::json!([{"address": "one", "name": "one"}, {"address": "two", "name": "two"}]);
    assert_eq!(
        *cluster,
        serde_json::json!({"name": "one", "peers": peers, "status": "ready"})
    );
}

#[tokio::test]
async fn nothing_is_told_before_the_view_is_complete() {
    let world = World::new();
    world.log.hold(&[topics::CONFIG]);
    let log = world.log.clone();
    let health = runtime::Health::default();
    let settings = console::Settings::new("one", std::sync::Arc::new(|| Err("none".to_owned())));
    let service = console::Service::start(log.clone(), settings, &health).unwrap();
    let app = runtime::Web {
        health: health.clone(),
        metrics: None,
        prefix: runtime::Prefix::default(),
        get_concurrency: 8,
    };
    let app = app.app(service.router());
    let ask = async |path: &str| {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(app.clone(), request)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let paths = [
        "/-/ready",
        "/api/ui/v1/snapshot",
        "/api/ui/v1/facets",
        "/api/v2/alerts",
        "/api/v2/silences",
        "/api/v2/status",
        "/api/v1/incidents",
        "/api/v1/journal",
    ];
    for path in paths {
        assert_eq!(ask(path).await, 503, "{path}");
    }
    assert_eq!(health.not_ready(), ["console: the console is still reading the log"]);
    log.let_go();
    service.caught_up().await;
    for path in paths {
        assert_eq!(ask(path).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_record_of_a_newer_release_turns_readiness_off() {
    let world = World::new();
    let state = processor::Stored::encode(&processor::Timers::none(), &[0xC3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let key = processor::StateKey::new(alert::GroupId("g".to_owned()).hash(), 1);
    world.append(topics::CORRELATE_CHANGELOG, key.as_bytes(), Some(state.into_vec()));
    let world = world.start().await;
    assert_eq!(world.get("/-/ready").await.status, 503);
    assert_eq!(
        world.get("/api/v2/alerts").await.status,
        503,
        "half an answer looks like a whole one"
    );
}

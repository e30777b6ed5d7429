//! What a process answers beside its services, as a client sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use axum::routing::{get, post};
use runtime::{BindError, Health, Prefix, Shutdown, Web, bind, serve};
use tower::ServiceExt;

/// Method, path, asked with; status, allowed origin, cache control.
type CorsRow<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    u16,
    Option<&'a str>,
    Option<&'a str>,
);

fn services() -> Router {
    Router::new()
        .route("/api/v2/alerts", get(|| async { "[]" }).post(|| async { "" }))
        .route("/api/v1/events", post(|| async { "" }))
}

fn web(prefix: &str) -> Web {
    Web {
        health: Health::default(),
        metrics: None,
        prefix: Prefix::new(prefix),
        get_concurrency: 8,
    }
}

async fn ask(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

const GONE: &str = "{\"status\":\"deprecated\",\"error\":\"The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - please use the equivalent route in the v2 API\"}\n";

/// Prefix, method, path; status, body.
const PATHS: [(&str, &str, &str, u16, &str); 18] = [
    ("/", "GET", "/-/healthy", 200, "OK"),
    ("/", "HEAD", "/-/healthy", 200, ""),
    ("/", "GET", "/-/ready", 200, "OK"),
    ("/", "GET", "/api/v2/alerts", 200, "[]"),
    (
        "/",
        "GET",
        "/api/v2/nope",
        404,
        r#"{"code":404,"message":"path /api/v2/nope was not found"}"#,
    ),
    (
        "/",
        "GET",
        "/nope?a=b",
        404,
        r#"{"code":404,"message":"path /nope was not found"}"#,
    ),
    (
        "/",
        "PUT",
        "/api/v2/alerts",
        405,
        r#"{"code":405,"message":"method PUT is not allowed, but [GET,POST] are"}"#,
    ),
    (
        "/",
        "GET",
        "/api/v1/events",
        405,
        r#"{"code":405,"message":"method GET is not allowed, but [POST] are"}"#,
    ),
    (
        "/",
        "OPTIONS",
        "/api/v1/events",
        405,
        r#"{"code":405,"message":"method OPTIONS is not allowed, but [POST] are"}"#,
    ),
    ("/", "GET", "/api/v1/alerts", 410, GONE),
    ("/", "POST", "/api/v1/alerts", 410, GONE),
    ("/", "DELETE", "/api/v1/silence/x", 410, GONE),
    ("/am/", "GET", "/am/-/healthy", 200, "OK"),
    (
        "/am",
        "GET",
        "/am/api/v2/nope",
        404,
        r#"{"code":404,"message":"path /api/v2/nope was not found"}"#,
    ),
    ("/am", "GET", "/", 302, ""),
    (
        "/am",
        "GET",
        "/am",
        404,
        r#"{"code":404,"message":"path / was not found"}"#,
    ),
    (
        "/am",
        "GET",
        "/-/healthy",
        404,
        r#"{"code":404,"message":"path /-/healthy was not found"}"#,
    ),
    (
        "/am",
        "GET",
        "/amx/-/healthy",
        404,
        r#"{"code":404,"message":"path /amx/-/healthy was not found"}"#,
    ),
];

#[tokio::test]
async fn every_path_is_answered_as_alertmanager_answers_it() {
    for (prefix, method, path, status, body) in PATHS {
        let response = ask(&web(prefix).app(services()), method, path, &[]).await;
        let got = response.status().as_u16();
        assert_eq!(
            (got, text(response).await.as_str()),
            (status, body),
            "{method} {path} under {prefix}"
        );
    }
}

#[tokio::test]
async fn the_api_carries_alertmanagers_headers() {
    let origin = ("origin", "http://karma");
    let wants = |method| ("access-control-request-method", method);
    let rows: [CorsRow; 8] = [
        ("GET", "/api/v2/alerts", &[origin], 200, Some("*"), Some("no-store")),
        ("GET", "/api/v2/alerts", &[], 200, None, Some("no-store")),
        ("GET", "/api/v2/nope", &[origin], 404, Some("*"), Some("no-store")),
        ("GET", "/-/healthy", &[origin], 200, None, None),
        (
            "OPTIONS",
            "/api/v2/alerts",
            &[origin, wants("POST")],
            204,
            Some("*"),
            Some("no-store"),
        ),
        (
            "OPTIONS",
            "/api/v2/alerts",
            &[origin, wants("DELETE")],
            204,
            None,
            Some("no-store"),
        ),
        (
            "OPTIONS",
            "/api/v2/alerts",
            &[
                origin,
                wants("POST"),
                ("access-control-request-headers", "content-type"),
            ],
            204,
            Some("*"),
            Some("no-store"),
        ),
        (
            "OPTIONS",
            "/api/v2/alerts",
            &[origin, wants("POST"), ("access-control-request-headers", "x-own")],
            204,
            None,
            Some("no-store"),
        ),
    ];
    for (method, path, asked, status, origin, cache) in rows {
        let response = ask(&web("").app(services()), method, path, asked).await;
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(response.status().as_u16(), status, "{method} {path} {asked:?}");
        assert_eq!(
            header("access-control-allow-origin"),
            origin,
            "{method} {path} {asked:?}"
        );
        assert_eq!(header("cache-control"), cache, "{method} {path} {asked:?}");
    }
}

#[tokio::test]
async fn not_ready_says_why_one_a_line() {
    let web = web("");
    let restored = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&restored);
    web.health.register("correlate", move || {
        (!seen.load(Ordering::Relaxed)).then(|| "restoring 3 of 8 partitions".to_owned())
    });
    web.health.register("ingest", || Some("no config yet".to_owned()));
    let app = web.app(services());
    let response = ask(&app, "GET", "/-/ready", &[]).await;
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(
        text(response).await,
        "correlate: restoring 3 of 8 partitions\ningest: no config yet\n"
    );
    restored.store(true, Ordering::Relaxed);
    assert_eq!(
        text(ask(&app, "GET", "/-/ready", &[]).await).await,
        "ingest: no config yet\n"
    );
    assert_eq!(ask(&app, "GET", "/-/healthy", &[]).await.status().as_u16(), 200);
}

#[tokio::test]
async fn too_many_gets_are_refused() {
    let full = Web {
        get_concurrency: 0,
        ..web("")
    };
    let response = ask(&full.app(services()), "GET", "/api/v2/alerts", &[]).await;
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(
        text(response).await,
        "Limit of concurrent GET requests reached (0), try again later.\n"
    );
    assert_eq!(
        ask(&full.app(services()), "POST", "/api/v2/alerts", &[])
            .await
            .status()
            .as_u16(),
        200
    );
}

#[tokio::test]
async fn metrics_are_served_with_their_names() {
    let metrics = runtime::metrics::Metrics::install().unwrap();
    runtime::metrics::create_notification_counters();
    runtime::metrics::build_info("0.1.0", "abc");
    let app = Web {
        metrics: Some(metrics),
        ..web("")
    }
    .app(services());
    ask(&app, "GET", "/api/v2/alerts", &[]).await;
    let text = text(ask(&app, "GET", "/metrics", &[]).await).await;
    for line in [
        "# TYPE alertmanager_notifications_failed_total counter",
        "alertmanager_notifications_total{integration=\"webhook\"} 0",
        "alertmanager_http_request_duration_seconds_count{handler=\"/api/v2/alerts\",method=\"get\",code=\"200\"}",
        "version=\"0.1.0\"",
        "process_start_time_seconds ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let first = bind("127.0.0.1:0").await.unwrap();
    let taken = first.local_addr().unwrap().to_string();
    let error = bind(&taken).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("port in use: {taken} is taken by another process; choose another with --web.listen-address")
    );
    assert!(
        bind("nowhere")
            .await
            .unwrap_err()
            .to_string()
            .ends_with("is host:port or :port")
    );
}

#[tokio::test]
async fn a_server_ends_when_told() {
    let shutdown = Shutdown::default();
    assert!(!shutdown.is_told());
    let listener = bind(":0").await.unwrap();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { serve(listener, web("").app(services()), &shutdown).await }
    });
    shutdown.tell();
    serving.await.unwrap().unwrap();
    assert!(shutdown.is_told());
}

#[test]
fn a_prefix_is_a_path_without_a_slash_at_its_end() {
    for (url, want) in [
        ("http://am.example:9093", ""),
        ("http://am.example/", ""),
        ("https://am.example/alerts/", "/alerts"),
        ("https://am.example/a/b?c#d", "/a/b"),
    ] {
        assert_eq!(Prefix::of_url(url).as_str(), want, "{url}");
    }
}

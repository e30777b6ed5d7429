//! The paths of a process: the services' routes, what every process answers, and what is said where nobody answers.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, VARY,
};
use axum::http::{Method, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::any;

use crate::answer;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::requests::{GetLimit, around};

const ALLOW_ORIGIN: HeaderName = HeaderName::from_static("access-control-allow-origin");
const ALLOW_METHODS: HeaderName = HeaderName::from_static("access-control-allow-methods");
const ALLOW_HEADERS: HeaderName = HeaderName::from_static("access-control-allow-headers");
const REQUEST_METHOD: HeaderName = HeaderName::from_static("access-control-request-method");
const REQUEST_HEADERS: HeaderName = HeaderName::from_static("access-control-request-headers");

/// What other origins' pages may do: Alertmanager's (rs/cors' defaults). Nothing that deletes.
const CORS_METHODS: [&str; 3] = ["GET", "POST", "HEAD"];
/// The request headers other origins' pages may send.
const CORS_HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];

/// What is left of Alertmanager's first API.
const GONE: &str = "{\"status\":\"deprecated\",\"error\":\"The Alertmanager v1 API was deprecated in version 0.16.0 and is \
removed as of version 0.27.0 - please use the equivalent route in the v2 API\"}\n";
const GONE_PATHS: [&str; 5] = [
    "/api/v1/status",
    "/api/v1/receivers",
    "/api/v1/alerts",
    "/api/v1/silences",
    "/api/v1/silence/{sid}",
];

/// The path in front of every path: empty, or `/` and more, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix(String);

impl Prefix {
    /// `--web.route-prefix`: slashes at its ends do not matter.
    pub fn new(path: &str) -> Self {
        match path.trim_matches('/') {
            "" => Self::default(),
            inner => Self(format!("/{inner}")),
        }
    }

    /// The path of `--web.external-url`.
    pub fn of_url(url: &str) -> Self {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
        Self::new(path.split(['?', '#']).next().unwrap_or_default())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI without the prefix; none where it does not begin with it.
    fn strip(&self, uri: &Uri) -> Option<Uri> {
        let rest = uri.path().strip_prefix(&self.0)?;
        let path = match rest.chars().next() {
            None => "/",
            Some('/') => rest,
            Some(_) => return None,
        };
        let text = uri
            .query()
            .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        text.parse().ok()
    }
}

/// What every process answers beside its services.
#[derive(Debug, Clone)]
pub struct Web {
    /// For `/-/ready`.
    pub health: Health,
    /// For `/metrics`; a test may go without.
    pub metrics: Option<Metrics>,
    /// In front of every path.
    pub prefix: Prefix,
    /// `--web.get-concurrency`: how many GETs are answered at once.
    pub get_concurrency: usize,
}

impl Web {
    /// Everything this process answers: the services' routes (which have no fallback of their own and none of the paths
    /// `/-/healthy`, `/-/ready`, `/metrics`), and the rest.
    pub fn app(&self, services: Router) -> Router {
        let gone = || async { answer::json(StatusCode::GONE, GONE.to_owned()) };
        let mut routes = services.merge(self.health.routes());
        for path in GONE_PATHS {
            routes = routes.route(path, any(gone));
        }
        if let Some(metrics) = &self.metrics {
            routes = routes.merge(metrics.routes());
        }
        let limit = GetLimit::new(self.get_concurrency);
        let routes = routes.fallback(unknown_path).layer(from_fn_with_state(limit, around));
        // The routes as a service of an outer router: only from outside is the `Allow` header of a 405 to be seen, and
        // only a path changed before routing is routed by what it was changed to.
        Router::new()
            .fallback_service(routes)
            .layer(from_fn_with_state(self.prefix.clone(), frame))
    }
}

async fn unknown_path(uri: Uri) -> Response<Body> {
    answer::refused(StatusCode::NOT_FOUND, &format!("path {} was not found", uri.path()))
}

/// Takes the prefix off; gives the API's answers the headers, and refused methods the body, that Alertmanager's have.
async fn frame(State(prefix): State<Prefix>, mut request: Request, next: Next) -> Response<Body> {
    let Some(stripped) = prefix.strip(request.uri()) else {
        return if request.uri().path() == "/" {
            moved_to(&prefix)
        } else {
            unknown_path(request.uri().clone()).await
        };
    };
    let of_api = stripped.path().starts_with("/api/");
    *request.uri_mut() = stripped;
    let (method, asked) = (request.method().clone(), request.headers().clone());
    if of_api && method == Method::OPTIONS && asked.contains_key(REQUEST_METHOD) {
        return preflight(&asked);
    }
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(CONTENT_TYPE) {
        response = method_not_allowed(&method, response.headers());
    }
    if of_api {
        let headers = response.headers_mut();
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if asked.contains_key(ORIGIN) && CORS_METHODS.contains(&method.as_str()) {
            headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    response
}

fn moved_to(prefix: &Prefix) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(place) = HeaderValue::from_str(prefix.as_str()) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The allowed methods as go-openapi lists them: it knows no HEAD.
fn method_not_allowed(method: &Method, headers: &HeaderMap) -> Response<Body> {
    let allow = headers
        .get(ALLOW)
        .and_then(|allow| allow.to_str().ok())
        .unwrap_or_default();
    let mut allowed: Vec<&str> = allow
        .split(',')
        .filter(|one| !one.is_empty() && *one != "HEAD")
        .collect();
    allowed.sort_unstable();
    let message = format!("method {method} is not allowed, but [{}] are", allowed.join(","));
    let mut response = answer::refused(StatusCode::METHOD_NOT_ALLOWED, &message);
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(",")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// What a browser asks before it lets a page of another origin send: allowed is what is echoed.
fn preflight(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    headers.insert(VARY, HeaderValue::from_static(vary));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let text = |name: &HeaderName| {
        asked
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let wanted: Vec<String> = text(&REQUEST_HEADERS)
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let headers_fine = wanted.iter().all(|name| CORS_HEADERS.contains(&name.as_str()));
    if asked.contains_key(ORIGIN) && CORS_METHODS.contains(&text(&REQUEST_METHOD)) && headers_fine {
        headers.insert(ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.extend(asked.get(&REQUEST_METHOD).map(|method| (ALLOW_METHODS, method.clone())));
        headers.extend(asked.get(&REQUEST_HEADERS).map(|names| (ALLOW_HEADERS, names.clone())));
    }
    response
}

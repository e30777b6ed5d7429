//! What is done around every request that a route answers: it is counted and timed, and too many GETs at once are
//! refused.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::Next;
use tokio::sync::Semaphore;

use crate::names;

/// How many GETs may be answered at once.
#[derive(Debug, Clone)]
pub(crate) struct GetLimit {
    room: Arc<Semaphore>,
    limit: usize,
}

impl GetLimit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }
}

pub(crate) async fn around(State(limit): State<GetLimit>, request: Request, next: Next) -> Response<Body> {
    let handler = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unknown", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    let began = Instant::now();
    let response = if method == Method::GET {
        limited(&limit, request, next).await
    } else {
        next.run(request).await
    };
    metrics::histogram!(
        names::HTTP_REQUEST_DURATION,
        "handler" => handler, "method" => method_label(&method), "code" => response.status().as_u16().to_string(),
    )
    .record(began.elapsed());
    response
}

/// A GET; probes and metrics are as GETs of people, since a process that cannot answer them in time is overloaded.
async fn limited(limit: &GetLimit, request: Request, next: Next) -> Response<Body> {
    let Ok(_place) = limit.room.try_acquire() else {
        metrics::counter!(names::HTTP_CONCURRENCY_LIMIT_EXCEEDED, "method" => "get").increment(1);
        let text = format!(
            "Limit of concurrent GET requests reached ({}), try again later.\n",
            limit.limit
        );
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let in_flight = metrics::gauge!(names::HTTP_REQUESTS_IN_FLIGHT, "method" => "get");
    in_flight.increment(1.0);
    let response = next.run(request).await;
    in_flight.decrement(1.0);
    response
}

/// A client chooses the method's text, so what is not known is one label.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "PUT" => "put",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        _ => "other",
    }
}

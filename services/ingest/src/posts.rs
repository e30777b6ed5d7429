//! The two routes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use alert::Timestamp;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use ingest_pipeline::{Batch, Current, MAX_BODY_BYTES, PostRefused, Tally, events, journal_entries, post_alerts};
use runtime::{answer, names};
use streams::NewRecord;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::append::Appender;
use crate::config_feed::SharedConfig;
use crate::counters::{V2, count, count_events};

/// How many requests are worked on at once; the others wait. A request holds its body, one alert of it, and the records it
/// came to so far, so this bounds the memory that senders can take.
const REQUESTS_AT_ONCE: usize = 16;

/// How much may be arriving at once, by what the senders say they send: as much as the largest requests at once. A sender
/// that stands still in the middle of its request so holds no turn, and no more room than its request is large.
const ARRIVING_BYTES: usize = REQUESTS_AT_ONCE * MAX_BODY_BYTES;
/// What a request takes of it beside its body: a connection's buffers.
const REQUEST_BYTES: usize = 16 * 1024;

/// How long a request's body may take to arrive, and how long a request may wait for room and for its turn.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body larger than this is worked on apart from the threads that serve others.
const LARGE_BODY: usize = 256 * 1024;

/// When to come back after a 503, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// What the routes share.
#[derive(Debug, Clone)]
pub(crate) struct Posts {
    pub(crate) config: SharedConfig,
    pub(crate) appender: Appender,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// What a request came to: what is appended, and what is said of the alerts that were refused.
struct Decided {
    records: Vec<NewRecord>,
    refused: Vec<String>,
}

type Answer = Response<Body>;

/// An answer that ends a request early.
struct Failed(Box<Answer>);

impl From<Answer> for Failed {
    fn from(answer: Answer) -> Self {
        Self(Box::new(answer))
    }
}

impl Posts {
    pub(crate) fn new(config: SharedConfig, appender: Appender) -> Self {
        Self {
            config,
            appender,
            room: Arc::new(Semaphore::new(ARRIVING_BYTES)),
            turns: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
        }
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/api/v2/alerts", post(alerts))
            .route("/api/v1/events", post(take_events))
            .with_state(self)
    }

    /// The config, and the time the request was received at.
    fn begin(&self) -> Result<(Arc<Current>, Timestamp), Failed> {
        let current = self.config.load_full();
        let current = current.ok_or_else(|| self.unavailable("no config has been published yet"))?;
        Ok((current, self.appender.now()))
    }

    fn unavailable(&self, why: &str) -> Failed {
        self.appender.refused();
        metrics::counter!(names::INGEST_REQUESTS_REFUSED, "reason" => "unavailable").increment(1);
        tracing::warn!(why, "a request was answered 503");
        let mut response = answer::text(StatusCode::SERVICE_UNAVAILABLE, why);
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        response.into()
    }

    /// Appends; 200 with no body, or 400 with what was refused, once all of it is acknowledged.
    async fn finish(&self, decided: Decided) -> Result<Answer, Failed> {
        self.appender
            .append(decided.records)
            .await
            .map_err(|why| self.unavailable(&why))?;
        if decided.refused.is_empty() {
            return Ok(Response::new(Body::empty()));
        }
        Ok(answer::text(StatusCode::BAD_REQUEST, &decided.refused.join("\n")))
    }

    /// The records of a batch. Refused alerts are journaled, `by` saying which route refused them.
    fn records(&self, batch: &mut Batch<'_>, version: u64, now: Timestamp, by: &str) -> Vec<NewRecord> {
        let taken = std::mem::take(&mut batch.records);
        let mut records: Vec<_> = taken
            .into_iter()
            .map(|(group, bytes)| self.appender.alert(group.0, bytes, now, version))
            .collect();
        for (key, entry) in journal_entries(&batch.refused, now, &[("by", by.to_owned())]) {
            match schemas::encode(&entry) {
                Ok(bytes) => records.push(self.appender.journal(key, bytes, now, version)),
                Err(error) => tracing::error!(%error, "a refused alert is not in the journal"),
            }
        }
        records
    }

    fn decide_alerts(&self, content_type: Option<&str>, body: &[u8]) -> Result<Decided, Failed> {
        let (current, now) = self.begin()?;
        let mut batch = Batch::new(&current, now);
        post_alerts(content_type, body, &mut batch).map_err(|refused| refuse_whole(&refused))?;
        let records = self.records(&mut batch, current.version, now, "/api/v2/alerts");
        count(&Tally::of(&batch), V2);
        let refused = batch.refused.into_iter().map(|refused| refused.message).collect();
        Ok(Decided { records, refused })
    }

    fn decide_events(&self, headers: &[(String, Vec<u8>)], body: &[u8]) -> Result<Decided, Failed> {
        let (current, now) = self.begin()?;
        let mut batch = Batch::new(&current, now);
        events(headers, body, &mut batch).map_err(|why| {
            metrics::counter!(names::INGEST_REQUESTS_REFUSED, "reason" => "unknown_format").increment(1);
            Failed::from(answer::refused(StatusCode::BAD_REQUEST, &why))
        })?;
        let records = self.records(&mut batch, current.version, now, "/api/v1/events");
        count_events(&Tally::of(&batch));
        let refused = batch
            .refused
            .iter()
            .map(|refused| format!("{}: {}", refused.index, refused.message))
            .collect();
        Ok(Decided { records, refused })
    }
}

async fn alerts(State(posts): State<Posts>, request: Request) -> Answer {
    let answered = async {
        acceptable(request.headers())?;
        let content_type = text(request.headers(), &CONTENT_TYPE).map(str::to_owned);
        let (body, _room) = body_of(&posts, request).await?;
        let _turn = turn(&posts, &posts.turns, 1).await?;
        let deciding = posts.clone();
        let decided = apart(body.len(), move || {
            deciding.decide_alerts(content_type.as_deref(), &body)
        })
        .await?;
        posts.finish(decided).await
    };
    answered.await.unwrap_or_else(|failed| *failed.0)
}

async fn take_events(State(posts): State<Posts>, request: Request) -> Answer {
    let answered = async {
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        let (body, _room) = body_of(&posts, request).await?;
        let _turn = turn(&posts, &posts.turns, 1).await?;
        let deciding = posts.clone();
        let decided = apart(body.len(), move || deciding.decide_events(&headers, &body)).await?;
        posts.finish(decided).await
    };
    answered.await.unwrap_or_else(|failed| *failed.0)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// go-openapi answers only who takes JSON.
fn acceptable(headers: &HeaderMap) -> Result<(), Failed> {
    let Some(accept) = text(headers, &ACCEPT).filter(|accept| !accept.trim().is_empty()) else {
        return Ok(());
    };
    let media = |one: &str| one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if accept
        .split(',')
        .any(|one| ["application/json", "application/*", "*/*"].contains(&media(one).as_str()))
    {
        return Ok(());
    }
    let message = "unsupported media type requested, only [application/json] are available";
    Err(answer::refused(StatusCode::NOT_ACCEPTABLE, message).into())
}

/// So many permits, in the order of asking.
async fn turn(posts: &Posts, of: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, Failed> {
    match tokio::time::timeout(BODY_TIMEOUT, Arc::clone(of).acquire_many_owned(permits)).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(posts.unavailable("too many requests at once")),
    }
}

/// The whole body and the room it takes; 413 if it is too large, 408 if it does not arrive in time.
async fn body_of(posts: &Posts, request: Request) -> Result<(Vec<u8>, OwnedSemaphorePermit), Failed> {
    let said = text(request.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let bytes = said.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES) + REQUEST_BYTES;
    let room = turn(posts, &posts.room, u32::try_from(bytes).unwrap_or(u32::MAX)).await?;
    match tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body(), said.unwrap_or_default())).await {
        Ok(Some(body)) => Ok((body, room)),
        // The only other failure is a connection that broke, and then nobody reads the answer.
        Ok(None) => Err(refuse_whole(&PostRefused::too_large())),
        Err(_) => {
            let message = "the request body did not arrive in time";
            Err(answer::refused(StatusCode::REQUEST_TIMEOUT, message).into())
        }
    }
}

/// The bytes of a body into one piece of memory, that large from the start as its sender says it is: pieces that are put
/// together at the end are there twice for a moment. None where it is too large, or breaks off.
async fn collect(mut body: Body, said: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if said <= MAX_BODY_BYTES {
        bytes.reserve_exact(said);
    }
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if data.len() > MAX_BODY_BYTES - bytes.len() {
            return None;
        }
        bytes.extend_from_slice(&data);
    }
    Some(bytes)
}

fn refuse_whole(refused: &PostRefused) -> Failed {
    metrics::counter!(names::INGEST_REQUESTS_REFUSED, "reason" => refused.reason).increment(1);
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    answer::coded(status, refused.code, &refused.message).into()
}

/// Large bodies are worked on where they hold up nobody else.
async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    if bytes <= LARGE_BODY {
        return work();
    }
    let failed = || {
        Failed::from(answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request could not be worked on",
        ))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| failed())?
}

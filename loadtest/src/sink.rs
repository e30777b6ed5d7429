//! The webhook receiver: takes every message, records it, answers as its schedule says.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use alert::Timestamp;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::answers::Answers;
use crate::error::Error;

/// The largest message taken: a group of 10,000 alerts is some ten megabytes.
const MESSAGE_BYTES: usize = 64 << 20;
/// How many bytes of messages are kept; the oldest go first. 100,000 messages of one alert are some 100 MB.
const KEPT_BYTES: usize = 512 << 20;
/// How many messages an answer holds where nobody says otherwise.
const PAGE: usize = 1_000;

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number, from 1.
    pub seq: u64,
    /// When its last byte was there.
    pub received: Timestamp,
    /// The same, to count durations from.
    pub at: Instant,
    /// Where it was sent.
    pub path: String,
    /// `Idempotency-Key` and `X-Alertstream-*`, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What it was answered.
    pub answered: u16,
    /// What it says.
    pub body: String,
}

impl Message {
    /// Whether the sender was told that it is delivered.
    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.answered)
    }

    /// Its JSON form, as `GET /messages` shows it and as it is written a line each.
    pub fn to_json(&self) -> Value {
        let body = serde_json::from_str(&self.body).unwrap_or_else(|_| Value::String(self.body.clone()));
        json!({
            "seq": self.seq,
            "received": self.received.to_string(),
            "path": self.path,
            "headers": self.headers,
            "answered": self.answered,
            "body": body,
        })
    }
}

/// What is kept.
#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    seq: u64,
}

/// Where messages are written as they come, a line of JSON each.
pub type Lines = Box<dyn Write + Send>;

struct Shared {
    kept: Mutex<Kept>,
    answers: Answers,
    lines: Option<Mutex<Lines>>,
    arrived: watch::Sender<u64>,
}

/// The receiver. It ends when it is dropped.
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Sink {
    /// Listens, and takes messages at once. `lines` also gets each of them as it comes.
    ///
    /// # Errors
    /// It cannot listen there.
    pub async fn start(listen: SocketAddr, answers: Answers, lines: Option<Lines>) -> Result<Self, Error> {
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Error::of(format!("listening on {listen}"), error))?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::of("the receiver's address", error))?;
        let shared = Arc::new(Shared {
            kept: Mutex::default(),
            answers,
            lines: lines.map(Mutex::new),
            arrived: watch::Sender::new(0),
        });
        let app = Router::new()
            .route("/messages", get(list))
            .route("/-/healthy", get(|| async { "OK" }))
            .fallback(receive)
            .layer(DefaultBodyLimit::max(MESSAGE_BYTES))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            shared,
            address,
            serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// At most `limit` of the messages after that number that are kept.
    pub fn after(&self, seq: u64, limit: usize) -> Vec<Arc<Message>> {
        self.shared.after(seq, limit)
    }

    /// The number of the newest message; changes with each.
    pub fn arrived(&self) -> watch::Receiver<u64> {
        self.shared.arrived.subscribe()
    }

    /// Serves until the listener is of no more use.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn wait(mut self) -> Result<(), Error> {
        match (&mut self.serving).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::of("the receiver", error)),
            Err(error) => Err(Error::of("the receiver", error)),
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, seq: u64, limit: usize) -> Vec<Arc<Message>> {
        let kept = self.kept();
        let first = kept.messages.partition_point(|message| message.seq <= seq);
        kept.messages.range(first..).take(limit).map(Arc::clone).collect()
    }

    /// Keeps a message and says what it is answered.
    fn take(
        &self,
        path: String,
        headers: BTreeMap<String, String>,
        body: String,
    ) -> (Arc<Message>, std::time::Duration) {
        let mut kept = self.kept();
        let answer = self.answers.to(kept.seq);
        kept.seq += 1;
        kept.bytes += body.len();
        let message = Arc::new(Message {
            seq: kept.seq,
            received: wall_clock(),
            at: Instant::now(),
            path,
            headers,
            answered: answer.status,
            body,
        });
        kept.messages.push_back(Arc::clone(&message));
        while kept.bytes > KEPT_BYTES
            && kept.messages.len() > 1
            && let Some(oldest) = kept.messages.pop_front()
        {
            kept.bytes = kept.bytes.saturating_sub(oldest.body.len());
        }
        self.arrived.send_replace(kept.seq);
        (message, answer.delay)
    }

    fn write_line(&self, message: &Message) {
        let Some(lines) = &self.lines else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(lines, "{}", message.to_json()).and_then(|()| lines.flush());
        if let Err(error) = written {
            eprintln!("message {} is not recorded: {error}", message.seq);
        }
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if method != Method::POST && method != Method::PUT {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let ours = headers
        .iter()
        .filter(|(name, _)| *name == "idempotency-key" || name.as_str().starts_with("x-alertstream"));
    let ours = ours.map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let (message, delay) = shared.take(
        uri.path().to_owned(),
        ours.collect(),
        String::from_utf8_lossy(&body).into_owned(),
    );
    shared.write_line(&message);
    tokio::time::sleep(delay).await;
    StatusCode::from_u16(message.answered).unwrap_or(StatusCode::OK)
}

/// Which messages are asked for.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn list(State(shared): State<Arc<Shared>>, Query(page): Query<Page>) -> impl IntoResponse {
    let messages = shared.after(page.after, page.limit.unwrap_or(PAGE));
    let messages: Vec<_> = messages.iter().map(|message| message.to_json()).collect();
    (
        [(header::CONTENT_TYPE, "application/json")],
        Value::Array(messages).to_string(),
    )
}

/// This machine's clock.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

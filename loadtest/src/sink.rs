//! The webhook receiver: takes every message, records it, answers as its schedule says.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alert::Timestamp;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::answers::{Behaviour, HANG};
use crate::error::Error;
use crate::generator::cpu_time;
use crate::ledger::{Ledger, micros};

/// The largest message taken: a group of 10,000 alerts is some ten megabytes.
const MESSAGE_BYTES: usize = 64 << 20;
/// How many bytes of messages are kept; the oldest go first. 100,000 messages of one alert are some 100 MB.
const KEPT_BYTES: usize = 512 << 20;
/// How many messages an answer holds where nobody says otherwise.
const PAGE: usize = 1_000;
/// What a 429 asks for, in seconds.
const RETRY_AFTER: &str = "1";
/// How often the receiver notes what it has taken of a CPU.
const NOTE: Duration = Duration::from_millis(100);

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

/// What becomes of the messages.
pub enum Keep {
    /// They are kept to be shown, and written as lines where wanted.
    Messages(Option<Lines>),
    /// What they say is taken down, and no more of them.
    Words(Arc<Ledger>),
}

impl std::fmt::Debug for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Messages(_) => "Messages",
            Self::Words(_) => "Words",
        })
    }
}

struct Shared {
    kept: Mutex<Kept>,
    answers: Behaviour,
    lines: Option<Mutex<Lines>>,
    ledger: Option<Arc<Ledger>>,
    /// When the answers' own time began.
    began: OnceLock<Instant>,
    count: AtomicU64,
    cpu: AtomicU64,
    arrived: watch::Sender<u64>,
}

/// The receiver: one thread. It ends when this is dropped.
pub struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<std::io::Result<()>>>,
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
        // Its other end learns of it.
        drop(self.stop.take());
        drop(self.serving.take().map(JoinHandle::join));
    }
}

impl Sink {
    /// Listens, and takes messages at once.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn start(listen: SocketAddr, answers: Behaviour, keep: Keep) -> Result<Self, Error> {
        let failed = |error| Error::of(format!("listening on {listen}"), error);
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (lines, ledger) = match keep {
            Keep::Messages(lines) => (lines, None),
            Keep::Words(ledger) => (None, Some(ledger)),
        };
        let shared = Arc::new(Shared {
            kept: Mutex::default(),
            answers,
            lines: lines.map(Mutex::new),
            began: OnceLock::new(),
            ledger,
            count: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
            arrived: watch::Sender::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("receiver".to_owned());
            thread
                .spawn(move || serve(listener, &shared, stopped))
                .map_err(failed)?
        };
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            serving: Some(serving),
        })
    }

    /// From now on the answers' time runs; before, and where this is called a second time, it does as before.
    pub fn begin(&self, now: Instant) {
        self.shared.began.get_or_init(|| now);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// At most `limit` of the messages after that number that are kept.
    pub fn after(&self, seq: u64, limit: usize) -> Vec<Arc<Message>> {
        self.shared.after(seq, limit)
    }

    /// The number of the newest message that is kept; changes with each.
    pub fn arrived(&self) -> watch::Receiver<u64> {
        self.shared.arrived.subscribe()
    }

    /// What it has taken of a CPU, up to a moment ago.
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.shared.cpu.load(Ordering::Relaxed))
    }

    /// Serves until the listener is of no more use.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn wait(mut self) -> Result<(), Error> {
        let serving = self.serving.take();
        let ended = tokio::task::spawn_blocking(move || serving.map(JoinHandle::join)).await;
        match ended.map_err(|error| Error::of("the receiver", error))? {
            Some(Ok(Err(error))) => Err(Error::of("the receiver", error)),
            Some(Err(_)) => Err(Error::new("the receiver panicked")),
            Some(Ok(Ok(()))) | None => Ok(()),
        }
    }
}

/// The receiver's thread.
fn serve(listener: std::net::TcpListener, shared: &Arc<Shared>, stop: oneshot::Receiver<()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let app = Router::new()
            .route("/messages", get(list))
            .route("/-/healthy", get(|| async { "OK" }))
            .fallback(receive)
            .layer(DefaultBodyLimit::max(MESSAGE_BYTES))
            .with_state(Arc::clone(shared));
        let mut note = tokio::time::interval(NOTE);
        let noting = async {
            loop {
                note.tick().await;
                shared.cpu.store(micros(cpu_time()), Ordering::Relaxed);
            }
        };
        tokio::select! {
            served = axum::serve(listener, app) => served,
            () = noting => Ok(()),
            _ = stop => Ok(()),
        }
    })
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
    fn take(&self, path: String, headers: BTreeMap<String, String>, body: String) -> (Arc<Message>, Duration) {
        let mut kept = self.kept();
        let answer = self.answers.to(kept.seq, self.elapsed());
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

    fn elapsed(&self) -> Duration {
        self.began.get().map(Instant::elapsed).unwrap_or_default()
    }

    /// Keeps a message with the headers that mean something to us; its answer.
    fn keep(&self, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> (u16, Duration) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ours = headers
            .iter()
            .filter(|(name, _)| *name == "idempotency-key" || name.as_str().starts_with("x-alertstream"))
            .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
        let (message, delay) = self.take(uri.path().to_owned(), ours.collect(), text(body));
        self.write_line(&message);
        (message.answered, delay)
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
) -> Response {
    let at = Instant::now();
    if method != Method::POST && method != Method::PUT {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (status, delay) = if let Some(ledger) = &shared.ledger {
        let answer = shared
            .answers
            .to(shared.count.fetch_add(1, Ordering::Relaxed), shared.elapsed());
        if answer.accepts() {
            let key = headers.get("idempotency-key").map(HeaderValue::as_bytes);
            ledger.hear(at, ledger.receiver(uri.path()), key, &body);
        }
        (answer.status, answer.delay)
    } else {
        shared.keep(&uri, &headers, &body)
    };
    if status == HANG {
        return std::future::pending().await;
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return (status, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response();
    }
    status.into_response()
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

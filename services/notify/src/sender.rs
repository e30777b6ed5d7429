//! Carries out attempts: each in a task of its own, so that a slow receiver delays only itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alert::Timestamp;
use arc_swap::ArcSwap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};
use metrics::{Counter, Histogram};
use notify_pipeline::{Attempt, AttemptDone, AttemptResult, NotStarted};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout};

use crate::client::{Client, NoAnswer, Target};
use crate::destinations::{Address, Destinations, NoAddress, Place, read};
use crate::retry_after::retry_after;

/// How many messages one integration is sent at once: enough that a receiver of 100 ms takes 640 a second, few enough that
/// one that hangs holds no more than as many connections.
const AT_ONCE: usize = 64;
/// How much of an answer is read: what the journal keeps of an error.
const ANSWER_BYTES: usize = 512;
/// How long an answer's body is waited for once its status is there: the status is what counts.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What the error begins with of an attempt that took too long.
pub(crate) const NO_ANSWER: &str = "no answer within";

/// The log's time, as deadlines are written in it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why there is no sender.
#[derive(Debug)]
pub struct SenderError(rustls::Error);

impl std::fmt::Display for SenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot make an HTTP client: {}", self.0)
    }
}

impl std::error::Error for SenderError {}

/// Sends what the stage asks for. Cheap to clone; all clones are one sender.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    handle: Handle,
}

struct Shared {
    client: Client,
    destinations: Arc<ArcSwap<Destinations>>,
    ways: Mutex<BTreeMap<Place, Arc<Way>>>,
    clock: Clock,
}

/// What all sends to one integration share.
struct Way {
    turns: Semaphore,
    /// Alertmanager's counters of requests to receivers, and how long they took.
    requests: Counter,
    failed: Counter,
    latency: Histogram,
}

impl Way {
    fn new(integration: &str) -> Self {
        let kind = || integration.to_owned();
        Self {
            turns: Semaphore::new(AT_ONCE),
            requests: metrics::counter!("alertmanager_notification_requests_total", "integration" => kind()),
            failed: metrics::counter!("alertmanager_notification_requests_failed_total", "integration" => kind()),
            latency: metrics::histogram!("alertmanager_notification_latency_seconds", "integration" => kind()),
        }
    }

    fn count(&self, result: &AttemptResult, took: Duration) {
        self.requests.increment(1);
        if !matches!(result, AttemptResult::Accepted { .. }) {
            self.failed.increment(1);
        }
        self.latency.record(took.as_secs_f64());
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender whose tasks run on `handle`. It looks addresses up in `destinations` at each attempt.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(handle: Handle, destinations: Arc<ArcSwap<Destinations>>, clock: Clock) -> Result<Self, SenderError> {
        let shared = Shared {
            client: Client::new().map_err(SenderError)?,
            destinations,
            ways: Mutex::default(),
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
            handle,
        })
    }

    /// Carries out an attempt and reports its result, once. May be called from any thread; returns at once. Once `stop`
    /// holds true, or its sender is gone, the attempt is not started any more; one that runs goes on.
    pub fn send(
        &self,
        mut attempt: Attempt,
        stop: watch::Receiver<bool>,
        report: impl FnOnce(AttemptDone) + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        self.handle.spawn(async move {
            let result = shared.carry_out(&mut attempt, stop).await;
            report(AttemptDone { id: attempt.id, result });
        });
    }
}

impl Shared {
    async fn carry_out(&self, attempt: &mut Attempt, stop: watch::Receiver<bool>) -> AttemptResult {
        let (link, integration) = (&mut attempt.link, &mut attempt.integration);
        let place = (std::mem::take(link), std::mem::take(integration), attempt.index);
        let target = match self.target(&place).await {
            Ok(target) => target,
            Err(NoAddress(why)) => return not_started(NotStarted::NoDestination(why)),
        };
        // Held until the answer is there.
        let way = self.way(place);
        let _turn = match self.turn(&way, attempt.deadline, stop).await {
            Ok(turn) => turn,
            Err(reason) => return not_started(reason),
        };
        let Some(left) = self.left(attempt.deadline) else {
            return not_started(NotStarted::DeadlinePassed);
        };
        let started = Instant::now();
        let result = timeout(left, self.exchange(attempt, target, started))
            .await
            .unwrap_or_else(|_| {
                let error = format!("{NO_ANSWER} {} ms", left.as_millis());
                unanswered(error, true, true, started)
            });
        way.count(&result, started.elapsed());
        result
    }

    async fn target(&self, place: &Place) -> Result<Arc<Target>, NoAddress> {
        let path = match self.destinations.load().find(place)? {
            Address::Known(target) => return target,
            Address::File(path) => path,
        };
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        read.unwrap_or_else(|error| Err(NoAddress(format!("its file was not read: {error}"))))
    }

    fn way(&self, place: Place) -> Arc<Way> {
        let mut all = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = all.get(&place) {
            return Arc::clone(way);
        }
        let way = Arc::new(Way::new(&place.1));
        all.insert(place, Arc::clone(&way));
        way
    }

    /// Waits for one of the integration's turns, until the deadline, or until nothing starts any more.
    async fn turn<'a>(
        &self,
        way: &'a Way,
        deadline: Timestamp,
        mut stop: watch::Receiver<bool>,
    ) -> Result<SemaphorePermit<'a>, NotStarted> {
        let left = self.left(deadline).ok_or(NotStarted::DeadlinePassed)?;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(NotStarted::ShuttingDown),
            turn = timeout(left, way.turns.acquire()) => match turn {
                Ok(Ok(turn)) => Ok(turn),
                // The semaphore is never closed.
                Ok(Err(_)) => Err(NotStarted::ShuttingDown),
                Err(_) => Err(NotStarted::DeadlinePassed),
            },
        }
    }

    fn left(&self, deadline: Timestamp) -> Option<Duration> {
        let left = deadline.saturating_since((self.clock)());
        (!left.is_zero()).then(|| left.as_std())
    }

    async fn exchange(&self, attempt: &mut Attempt, target: Arc<Target>, started: Instant) -> AttemptResult {
        let body = std::mem::take(&mut attempt.body);
        let posted = self
            .client
            .post(target, &attempt.headers, body, attempt.follow_redirects)
            .await;
        match posted {
            Ok(response) => self.answered(response, started).await,
            Err(NoAnswer {
                error,
                written,
                retryable,
            }) => unanswered(error, retryable, written, started),
        }
    }

    async fn answered(&self, response: Response<Incoming>, started: Instant) -> AttemptResult {
        let status = response.status();
        let retry_after_ms = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, (self.clock)()));
        // Also after a success: an answer that was read to its end leaves the connection for the next message.
        let answer = beginning(response.into_body()).await;
        let duration_ms = millis(started.elapsed());
        if status.is_success() {
            return AttemptResult::Accepted {
                status: status.as_u16(),
                duration_ms,
            };
        }
        AttemptResult::Failed {
            status: Some(status.as_u16()),
            retryable: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
            retry_after_ms,
            error: refusal(status, &answer),
            duration_ms,
            request_written: true,
        }
    }
}

/// Alertmanager's words for a status that is no success, and what the receiver said.
fn refusal(status: StatusCode, answer: &str) -> String {
    let code = status.as_u16();
    match (status.is_redirection(), answer.is_empty()) {
        (true, _) => {
            format!("unexpected status code {code}: a redirect that was not followed, as it would lose the message")
        }
        (false, true) => format!("unexpected status code {code}"),
        (false, false) => format!("unexpected status code {code}: {answer}"),
    }
}

/// The first bytes of an answer's body, as far as they come soon.
async fn beginning(mut body: Incoming) -> String {
    if body.is_end_stream() {
        return String::new();
    }
    let mut read = Vec::new();
    let reading = async {
        while read.len() < ANSWER_BYTES {
            let Some(Ok(frame)) = body.frame().await else { break };
            let room = ANSWER_BYTES - read.len();
            read.extend(frame.data_ref().into_iter().flatten().take(room));
        }
    };
    let in_time = timeout(ANSWER_WITHIN, reading).await;
    drop(in_time);
    String::from_utf8_lossy(&read).trim().to_owned()
}

fn unanswered(error: String, retryable: bool, request_written: bool, started: Instant) -> AttemptResult {
    let duration_ms = millis(started.elapsed());
    AttemptResult::Failed {
        status: None,
        retryable,
        retry_after_ms: None,
        error,
        duration_ms,
        request_written,
    }
}

fn not_started(reason: NotStarted) -> AttemptResult {
    AttemptResult::NotStarted { reason }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Sends what a plan says, when it says so: one thread a connection, each with its share of the bodies, so that what is
//! said of an alert goes out in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alert::PromDuration;
use rustix::time::{ClockId, clock_gettime};
use streams::{Appended, LogError};

use crate::body::Said;
use crate::client::{Endpoints, PostError};
use crate::error::Error;
use crate::http::{Connection, Place};
use crate::ledger::{Ledger, Sent, Word, micros};
use crate::oracle::Status;
use crate::topic::{Answered, Published, Topic};
use crate::traffic::{Plan, Request};

/// Before a request is sent again that was not acknowledged.
const AGAIN: Duration = Duration::from_millis(250);
/// The longest sleep at a time: how late a generator ends that is told to.
const DOZE: Duration = Duration::from_millis(100);

/// A running generator. It goes on to the end of its plan, or until it is told to end.
#[derive(Debug)]
pub struct Generator {
    running: Vec<JoinHandle<Duration>>,
    left: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

/// What the threads share.
#[derive(Debug, Clone)]
struct Shared {
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    way: Way,
    start: Instant,
    /// Requests that are not answered yet, but for those that only keep alive.
    left: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

/// How requests get to the system.
#[derive(Debug, Clone)]
pub enum Way {
    /// As posts to API v2.
    Post(Endpoints),
    /// As records of a Kafka topic.
    Publish(Topic),
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.close();
    }
}

impl Generator {
    /// Begins to send a plan, its times counted from `start`, over so many connections; what is published goes over one.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(
        plan: &Arc<Plan>,
        ledger: &Arc<Ledger>,
        way: &Way,
        connections: usize,
        start: Instant,
    ) -> Result<Self, Error> {
        let closing = Arc::new(AtomicBool::new(false));
        let left = plan.requests.iter().filter(|request| !request.is_tail).count();
        let left = Arc::new(AtomicUsize::new(left));
        let connections = match way {
            Way::Post(_) => connections.max(1),
            Way::Publish(_) => 1,
        };
        let mut running = Vec::with_capacity(connections);
        for number in 0..connections {
            let shared = Shared {
                plan: Arc::clone(plan),
                ledger: Arc::clone(ledger),
                way: way.clone(),
                start,
                left: Arc::clone(&left),
                closing: Arc::clone(&closing),
            };
            let thread = std::thread::Builder::new().name(format!("generator-{number}"));
            let spawned = thread.spawn(move || match &shared.way {
                Way::Post(endpoints) => post_share(&shared, endpoints, number, connections),
                Way::Publish(topic) => publish_all(&shared, topic),
            });
            running.push(spawned.map_err(|error| Error::of("a thread of the generator", error))?);
        }
        Ok(Self { running, left, closing })
    }

    /// Whether everything was sent and answered; what keeps alive goes on until this is dropped or told to end.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0 || self.running.iter().all(JoinHandle::is_finished)
    }

    /// From now on nothing is sent, nor tried again.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Waits for its end; the CPU time it took.
    ///
    /// # Errors
    /// One of its threads panicked.
    pub fn join(mut self) -> Result<Duration, Error> {
        std::mem::take(&mut self.running)
            .into_iter()
            .try_fold(Duration::ZERO, |sum, thread| {
                let took = thread
                    .join()
                    .map_err(|_| Error::new("a thread of the generator panicked"))?;
                Ok(sum + took)
            })
    }
}

/// One connection, to one of several endpoints in turn.
struct Poster<'a> {
    endpoints: &'a Endpoints,
    connection: Connection,
}

/// What one thread does; the CPU time it took.
fn post_share(shared: &Shared, endpoints: &Endpoints, number: usize, connections: usize) -> Duration {
    let mut poster = Poster {
        endpoints,
        connection: Connection::default(),
    };
    let mut bytes = Vec::new();
    let mut words = Vec::new();
    for request in &shared.plan.requests {
        if request.connection as usize % connections != number {
            continue;
        }
        if !wait_until(shared, shared.start + request.due) {
            break;
        }
        let due = shared.ledger.micros(shared.start + request.due);
        let mut sent = Sent {
            due,
            sent: shared.ledger.micros(Instant::now()),
            acknowledged: None,
            alerts: 0,
            failed: 0,
        };
        words.clear();
        insist(shared, request, &mut poster, &mut bytes, &mut sent, &mut words);
        for word in &mut words {
            word.acknowledged = sent.acknowledged;
        }
        shared.ledger.answered(sent, &words);
        if !request.is_tail {
            shared.left.fetch_sub(1, Ordering::Relaxed);
        }
    }
    cpu_time()
}

/// Posts until acknowledged, or refused, or told to end; what says nothing new is not tried again.
fn insist(
    shared: &Shared,
    request: &Request,
    poster: &mut Poster<'_>,
    bytes: &mut Vec<u8>,
    sent: &mut Sent,
    words: &mut Vec<Word>,
) {
    loop {
        sent.alerts = write(shared, request, sent.due, bytes, words);
        let answered = match poster.endpoints.next().map(|url| Place::of(&url)) {
            Some(Ok(place)) => {
                let head = place.head("/api/v2/alerts", bytes.len());
                bytes.splice(..0, head.into_bytes());
                poster.connection.post(&place, bytes)
            }
            Some(Err(error)) => Err(error),
            None => Err(PostError::NotNow("nowhere to post".to_owned())),
        };
        match answered {
            Ok(()) => {
                sent.acknowledged = Some(shared.ledger.micros(Instant::now()));
                return;
            }
            Err(error) => {
                sent.failed += 1;
                let refused = matches!(error, PostError::Refused(..));
                shared.ledger.failed(&error);
                let is_news = request.is_news || !words.is_empty();
                if refused || !is_news || !wait_until(shared, Instant::now() + AGAIN) {
                    return;
                }
            }
        }
    }
}

/// Publishes every request as a record when it is due, whatever became of those before it; the CPU time that took. Waits at
/// the end until each was answered, and publishes again what Kafka had no room for.
fn publish_all(shared: &Shared, topic: &Topic) -> Duration {
    let (answer, answers) = mpsc::channel();
    let mut waiting = 0_usize;
    let mut bytes = Vec::new();
    for request in &shared.plan.requests {
        if !wait_until(shared, shared.start + request.due) {
            break;
        }
        let mut published = Published {
            sent: Sent {
                due: shared.ledger.micros(shared.start + request.due),
                sent: shared.ledger.micros(Instant::now()),
                acknowledged: None,
                alerts: 0,
                failed: 0,
            },
            words: Vec::new(),
            record: Vec::new(),
            is_tail: request.is_tail,
            first: shared.plan.first(request),
        };
        published.sent.alerts = write(shared, request, published.sent.due, &mut bytes, &mut published.words);
        published.record.clone_from(&bytes);
        topic.publish(published, &answer);
        waiting += 1;
        while let Ok((published, appended)) = answers.try_recv() {
            waiting -= usize::from(settle(shared, topic, &answer, published, appended));
        }
    }
    while waiting > 0 && !shared.closing.load(Ordering::Relaxed) {
        if let Ok((published, appended)) = answers.recv_timeout(DOZE) {
            waiting -= usize::from(settle(shared, topic, &answer, published, appended));
        }
    }
    cpu_time()
}

/// Takes down what became of a record; whether that is the end of it.
fn settle(
    shared: &Shared,
    topic: &Topic,
    answer: &mpsc::Sender<Answered>,
    mut published: Published,
    appended: Appended,
) -> bool {
    match appended {
        Ok(_) => published.sent.acknowledged = Some(shared.ledger.micros(Instant::now())),
        Err(error) => {
            published.sent.failed += 1;
            shared.ledger.failed(&PostError::NotNow(error.to_string()));
            let again = matches!(error, LogError::Busy(_)) && wait_until(shared, Instant::now() + AGAIN);
            if again {
                topic.publish(published, answer);
                return false;
            }
        }
    }
    for word in &mut published.words {
        word.acknowledged = published.sent.acknowledged;
    }
    shared.ledger.answered(published.sent, &published.words);
    if !published.is_tail {
        shared.left.fetch_sub(1, Ordering::Relaxed);
    }
    true
}

/// Writes a request's body, and notes what is new in it; how many alerts it carries.
fn write(shared: &Shared, request: &Request, due: u64, bytes: &mut Vec<u8>, words: &mut Vec<Word>) -> u32 {
    bytes.clear();
    let Some(body) = shared.plan.bodies.get(request.body as usize) else {
        return 0;
    };
    let at = shared.ledger.micros(Instant::now());
    let now = shared.ledger.wall(at);
    let ends = now + PromDuration::from_millis(micros(request.lifetime) / 1_000);
    let mut resolved = request.resolved.iter().peekable();
    body.write(bytes, |place| {
        let over = resolved.next_if(|next| usize::from(**next) == place).is_some();
        let status = if over { Status::Resolved } else { Status::Firing };
        let alert = body.alerts.get(place).copied().unwrap_or_default();
        let (starts, is_new) = shared.ledger.say(alert, status, due, at);
        if is_new {
            words.push(Word {
                alert,
                status,
                due,
                acknowledged: None,
            });
        }
        Said {
            starts,
            ends: if over { now } else { ends },
            firing: !over,
        }
    });
    u32::try_from(body.alerts.len()).unwrap_or(u32::MAX)
}

/// Sleeps until then; false when told to end meanwhile.
fn wait_until(shared: &Shared, due: Instant) -> bool {
    loop {
        if shared.closing.load(Ordering::Relaxed) {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(DOZE));
    }
}

/// What the calling thread has taken of a CPU.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

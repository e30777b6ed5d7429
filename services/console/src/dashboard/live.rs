//! The live feed: a snapshot of the rows that a browser asks for, then what changes, told as fast as it takes it.
//!
//! A browser is a cursor and a filter, nothing else. It is told what changed since its cursor when its connection has room,
//! so that one that is slow is told less often and of more at once, and one that is stuck is told nothing and costs nothing.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::columns::Columns;
use super::filter::Filter;
use super::pulse::{EVERY, Heartbeat};
use super::row::{Row, Rows, Urgency, complete};
use crate::app::App;
use crate::json::{self, Refusal};
use crate::params::Params;
use crate::view::{Cursor, Since};

/// The most rows of a snapshot: more than anybody looks at, and some 2 MiB compressed. The most urgent ones come.
const MAX_ROWS: usize = 20_000;
/// The most changes told at once: looking them up takes a few tens of milliseconds.
const MAX_TOLD: usize = 2_000;
/// How long changes are gathered before they are told: faster than an eye, and one answer for what one flush changes.
const GATHER: Duration = Duration::from_millis(50);
/// What a proxy is told: pass each event on at once.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Where a browser's own reconnect says how far it was told.
const LAST_EVENT: &str = "last-event-id";

/// The rows that a browser asked for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Snapshot {
    cursor: String,
    rows: Columns,
    /// How many rows meet the filter; more than are in `rows` where `cut`.
    matching: usize,
    cut: bool,
    heartbeat: Heartbeat,
}

/// What changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Delta {
    cursor: String,
    /// New and changed rows.
    up: Vec<Row>,
    /// Groups that do not meet the filter any more, or are gone.
    gone: Vec<String>,
}

/// What `changes` answers: one of `delta` and `reset`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(super) struct Changes {
    delta: Option<Delta>,
    /// Why the client has to take a new snapshot.
    reset: Option<&'static str>,
    heartbeat: Heartbeat,
}

/// `GET snapshot?filter=…`.
pub(super) async fn snapshot(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let filter = Filter::of(&params)?;
    // Before the rows are looked at: what changes while they are is told again, never left out.
    let cursor = app.view.changes.cursor();
    let (answer, heartbeat) = tokio::join!(
        app.blocking(move |app| rows(app, &filter, MAX_ROWS).map(Columns::of)),
        app.pulse.look(&app),
    );
    let Selected { rows, shown, matching } = answer?;
    let snapshot = Snapshot {
        cursor: cursor.to_string(),
        cut: matching > shown,
        rows,
        matching,
        heartbeat,
    };
    Ok(json::ok(&snapshot))
}

/// What meets a filter.
struct Selected<T> {
    rows: T,
    /// How many rows those are.
    shown: usize,
    /// How many there would be.
    matching: usize,
}

impl<T> Selected<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Selected<U> {
        Selected {
            rows: change(self.rows),
            shown: self.shown,
            matching: self.matching,
        }
    }
}

/// A row in the order of urgency.
struct Ranked(Urgency, [u8; 16], Row);

impl Ranked {
    const fn rank(&self) -> (&Urgency, &[u8; 16]) {
        (&self.0, &self.1)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ranked {}

/// The most urgent rows that are asked for, at most `max`, the most urgent first.
fn rows(app: &App, filter: &Filter, max: usize) -> Selected<Vec<Row>> {
    let made = Rows::of(&app.view);
    let (mut most_urgent, mut matching) = (BinaryHeap::<Ranked>::new(), 0);
    app.view.each_group(|held| {
        let Some(mut row) = made.bare(held).filter(|row| filter.takes(row, held)) else {
            return;
        };
        matching += 1;
        let rank = (row.urgency(), held.hash().0);
        if most_urgent.len() >= max {
            if most_urgent.peek().is_none_or(|last| (&rank.0, &rank.1) >= last.rank()) {
                return;
            }
            most_urgent.pop();
        }
        complete(&mut row, held);
        most_urgent.push(Ranked(rank.0, rank.1, row));
    });
    let rows: Vec<Row> = most_urgent
        .into_sorted_vec()
        .into_iter()
        .map(|Ranked(_, _, row)| row)
        .collect();
    Selected {
        shown: rows.len(),
        rows,
        matching,
    }
}

/// What is to be told from a cursor on.
enum Told {
    Delta(Delta, Cursor),
    Nothing,
    Reset(&'static str),
}

fn told(app: &App, filter: &Filter, cursor: Cursor) -> Told {
    let (groups, next) = match app.view.changes.since(cursor, MAX_TOLD) {
        Since::Reset(why) => return Told::Reset(why),
        Since::Groups { groups, .. } if groups.is_empty() => return Told::Nothing,
        Since::Groups { groups, next } => (groups, next),
    };
    let made = Rows::of(&app.view);
    let mut delta = Delta {
        cursor: next.to_string(),
        up: Vec::new(),
        gone: Vec::new(),
    };
    for group in groups {
        let row = app.view.group(&group, |held| {
            let mut row = made.bare(&held).filter(|row| filter.takes(row, &held))?;
            complete(&mut row, &held);
            Some(row)
        });
        match row.flatten() {
            Some(row) => delta.up.push(row),
            None => delta.gone.push(group.to_string()),
        }
    }
    Told::Delta(delta, next)
}

/// `GET changes?cursor=…&filter=…`: for who cannot have a stream.
pub(super) async fn changes(State(app): State<Arc<App>>, params: Params) -> Result<Response<Body>, Refusal> {
    let filter = Filter::of(&params)?;
    let cursor: Cursor = params
        .text("cursor")
        .unwrap_or_default()
        .parse()
        .map_err(|error| Refusal::bad(format!("{error}")))?;
    let told = app.blocking(move |app| told(app, &filter, cursor)).await?;
    let (delta, reset) = match told {
        Told::Delta(delta, _) => (Some(delta), None),
        Told::Nothing => (
            Some(Delta {
                cursor: cursor.to_string(),
                up: Vec::new(),
                gone: Vec::new(),
            }),
            None,
        ),
        Told::Reset(why) => (None, Some(why)),
    };
    Ok(json::ok(&Changes {
        delta,
        reset,
        heartbeat: app.pulse.look(&app).await,
    }))
}

/// One browser.
struct Browser {
    app: Arc<App>,
    filter: Filter,
    cursor: Cursor,
    moved: watch::Receiver<()>,
    /// When the next heartbeat is due.
    beat: Instant,
    /// It was told to begin anew: nothing more comes.
    over: bool,
}

/// `GET stream?cursor=…&filter=…`: events `delta`, `heartbeat` and `reset`.
pub(super) async fn stream(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response<Body>, Refusal> {
    let filter = Filter::of(&params)?;
    let again = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok());
    let text = again.or_else(|| params.text("cursor")).unwrap_or_default();
    let cursor: Cursor = text.parse().map_err(|error| Refusal::bad(format!("{error}")))?;
    let browser = Browser {
        moved: app.view.moved(),
        app,
        filter,
        cursor,
        beat: Instant::now(),
        over: false,
    };
    let events = stream::unfold(browser, |mut browser| async move {
        let event = browser.next().await?;
        Some((Ok::<_, Infallible>(event), browser))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(NO_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

impl Browser {
    /// What there is to tell just now.
    async fn told(&self) -> Option<Told> {
        let (filter, cursor) = (self.filter.clone(), self.cursor);
        // The view reads on many times a second, and mostly nothing of it is a group.
        if self.app.view.changes.cursor() == cursor {
            return Some(Told::Nothing);
        }
        self.app.blocking(move |app| told(app, &filter, cursor)).await.ok()
    }

    /// The next event, asked for once the connection has taken the one before. None once the process stops, or nothing
    /// more is to come.
    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.app.settings.shutdown.clone();
        loop {
            if self.over || shutdown.is_told() {
                return None;
            }
            self.moved.borrow_and_update();
            if Instant::now() >= self.beat {
                self.beat = Instant::now() + EVERY;
                let heartbeat = self.app.pulse.look(&self.app).await;
                return Some(event("heartbeat", None, &heartbeat));
            }
            match self.told().await? {
                Told::Delta(delta, next) => {
                    self.cursor = next;
                    return Some(event("delta", Some(next), &delta));
                }
                Told::Reset(why) => {
                    self.over = true;
                    return Some(event("reset", None, &serde_json::json!({ "why": why })));
                }
                Told::Nothing => {}
            }
            tokio::select! {
                moved = self.moved.changed() => {
                    moved.ok()?;
                    sleep(GATHER).await;
                }
                () = sleep_until(self.beat) => {}
                () = shutdown.wait() => {}
            }
        }
    }
}

fn event(name: &str, id: Option<Cursor>, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    let event = Event::default().event(name).data(text);
    match id {
        Some(cursor) => event.id(cursor.to_string()),
        None => event,
    }
}

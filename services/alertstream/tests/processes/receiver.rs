//! A webhook receiver: hears every message, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

impl Heard {
    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(given, _)| given == name)
            .map_or("", |(_, value)| value)
    }

    /// The idempotency key; every message has one.
    #[track_caller]
    pub(crate) fn key(&self) -> &str {
        let key = self.header("idempotency-key");
        assert!(!key.is_empty(), "no key: {self:?}");
        key
    }

    /// firing or resolved.
    pub(crate) fn status(&self) -> &str {
        self.body["status"].as_str().unwrap_or_default()
    }

    /// The value of a label of each of its alerts.
    pub(crate) fn labels(&self, name: &str) -> Vec<String> {
        let alerts = self.body["alerts"].as_array().into_iter().flatten();
        alerts
            .filter_map(|alert| alert["labels"][name].as_str().map(str::to_owned))
            .collect()
    }

    /// Whether any of its alerts has this name.
    pub(crate) fn is_of(&self, alertname: &str) -> bool {
        self.labels("alertname").iter().any(|name| name == alertname)
    }
}

#[derive(Default)]
struct State {
    heard: Vec<Heard>,
    /// While set, messages are heard and not answered.
    held: bool,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// The receiver; it ends with the test.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that waits for a connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::listen(|stream, shared| serve(stream, shared).unwrap_or_default())
    }

    /// One that speaks TLS.
    pub(crate) fn start_tls(config: Arc<rustls::ServerConfig>) -> Self {
        Self::listen(move |stream, shared| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(rustls::StreamOwned::new(connection, stream), shared).unwrap_or_default();
        })
    }

    fn listen(serve: impl Fn(TcpStream, &Shared) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.state().ended {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&serving)) else {
                    continue;
                };
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where a receiver of that name is to send, without TLS.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The same, with TLS.
    pub(crate) fn https_url(&self, name: &str) -> String {
        format!("https://{}/{name}", self.address)
    }

    /// Everything so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.state().heard.clone()
    }

    /// Hears messages without answering them, or answers again, those that wait as well.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.state().held = held;
        self.shared.changed.notify_all();
    }

    /// Waits until what was heard is enough, at most so long; fails with `what` was waited for.
    #[track_caller]
    pub(crate) fn wait<T>(&self, at_most: Duration, what: &str, mut enough: impl FnMut(&[Heard]) -> Option<T>) -> T {
        let deadline = Instant::now() + at_most;
        let mut state = self.shared.state();
        loop {
            if let Some(found) = enough(&state.heard) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let heard: Vec<String> = state
                    .heard
                    .iter()
                    .rev()
                    .take(5)
                    .map(|heard| format!("{heard:.300?}"))
                    .collect();
                let count = state.heard.len();
                drop(state);
                panic!("not within {at_most:?}: {what}; heard {count}, the newest: {heard:#?}");
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for a message of that status that has an alert of this name.
    #[track_caller]
    pub(crate) fn wait_for(&self, at_most: Duration, status: &str, alertname: &str) -> Heard {
        let is_it = |heard: &&Heard| heard.status() == status && heard.is_of(alertname);
        self.wait(at_most, &format!("{status} {alertname}"), |heard| {
            heard.iter().find(is_it).cloned()
        })
    }
}

/// Answers the requests of one connection.
fn serve(stream: impl Read + Write, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let heard = request(&mut reader)?;
        let mut state = shared.state();
        state.heard.push(heard);
        shared.changed.notify_all();
        while state.held && !state.ended {
            state = shared.changed.wait(state).ok()?;
        }
        drop(state);
        let writer = reader.get_mut();
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
        writer.flush().ok()?;
    }
}

fn request(reader: &mut impl BufRead) -> Option<Heard> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")?
        .1
        .parse()
        .ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Heard {
        path,
        headers,
        body,
        at: Instant::now(),
    })
}

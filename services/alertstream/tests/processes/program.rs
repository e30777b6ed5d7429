//! The program as a process: started, asked, killed; never left behind.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::waiting::{eventually, secs};

/// How long it may take to listen: a restore, on a machine that is busy.
const STARTED: std::time::Duration = secs(30);
/// How long it may take from there until it is ready; on Kafka a takeover waits for a session timeout of 10 s.
const READY: std::time::Duration = secs(45);

/// What it printed, on both streams.
type Lines = Arc<Mutex<String>>;

/// A process of ours, killed at the end.
pub(crate) struct Program {
    child: Child,
    out: Lines,
    err: Lines,
    pub(crate) address: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.address, self.err());
        }
    }
}

/// The command; it listens where the system has a port, unless the arguments say otherwise.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alertstream"));
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !args.iter().any(|arg| arg.starts_with("--web.listen-address")) {
        command.arg("--web.listen-address=127.0.0.1:0");
    }
    command
}

fn collect(stream: impl std::io::Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let to = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut to = to.lock().unwrap();
            to.push_str(&line);
            to.push('\n');
        }
    });
    lines
}

impl Program {
    /// Starts it in a folder and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        let program = Self::listening(folder, args);
        program.wait_until_ready();
        program
    }

    /// Starts it in a folder and waits until it listens.
    #[track_caller]
    pub(crate) fn listening(folder: &Path, args: &[&str]) -> Self {
        Self::listens(command(folder, args))
    }

    /// Starts it with the certificates of this file for those its system trusts, and waits until it is ready.
    #[track_caller]
    pub(crate) fn trusting(certificates: &Path, folder: &Path, args: &[&str]) -> Self {
        let mut command = command(folder, args);
        command.env("SSL_CERT_FILE", certificates);
        let program = Self::listens(command);
        program.wait_until_ready();
        program
    }

    #[track_caller]
    fn listens(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = collect(child.stdout.take().unwrap());
        let err = collect(child.stderr.take().unwrap());
        let mut program = Self {
            child,
            out,
            err,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        program.address = eventually(STARTED, &format!("{command:?} listens"), || {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}\n{}", program.err());
            let err = program.err();
            let listening = err.lines().find(|line| line.contains("msg=listening"))?;
            listening.split(" address=").nth(1)?.split(' ').next()?.parse().ok()
        });
        program
    }

    /// Waits for `/-/ready`.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        eventually(READY, &format!("{} is ready", self.address), || {
            self.try_send("GET", "/-/ready", "", b"")
                .filter(|answer| answer.status == 200)
        });
    }

    /// Starts it where it must refuse; what it said on standard error.
    #[track_caller]
    pub(crate) fn refused(folder: &Path, args: &[&str]) -> String {
        let mut child = command(folder, args).spawn().unwrap();
        let (out, err) = (
            collect(child.stdout.take().unwrap()),
            collect(child.stderr.take().unwrap()),
        );
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(STARTED, &format!("{args:?} refuses"), || child.try_wait().unwrap())
        }));
        if waited.is_err() {
            drop(child.kill().and_then(|()| child.wait()));
        }
        let text = || format!("{}{}", out.lock().unwrap(), err.lock().unwrap());
        let status = waited.unwrap_or_else(|_| panic!("{args:?} runs:\n{}", text()));
        // The pipes are read to their ends a moment after the process is gone.
        eventually(secs(5), "its last words", || text().ends_with('\n').then_some(()));
        assert_eq!(status.code(), Some(1), "{args:?}: {}", text());
        assert_eq!(*out.lock().unwrap(), "", "a refusal goes to standard error");
        text()
    }

    /// Standard output so far.
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }

    /// SIGTERM, as an orchestrator ends it; it must end in order.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        let status = eventually(secs(20), "it ends on SIGTERM", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", self.err());
    }

    /// Its resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory it ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// A size in what the system says of it.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends a request; none if no answer came.
    pub(crate) fn try_send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<Answer> {
        http::try_send(self.address, method, path, headers, body)
    }

    /// Sends a request.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let answer = self.try_send(method, path, headers, body);
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            "Content-Type: application/json\r\n",
            body.to_string().as_bytes(),
        )
    }

    /// Posts alerts that must be taken.
    #[track_caller]
    pub(crate) fn alerts(&self, alerts: &Value) {
        self.post("/api/v2/alerts", alerts).ok();
    }

    /// The journal's entries of one kind, the newest first; those that were asked for in `query` only.
    #[track_caller]
    pub(crate) fn journal(&self, kind: &str, query: &str) -> Vec<Value> {
        let entries = self.get(&format!("/api/v1/journal?limit=1000&{query}")).ok();
        let entries = entries["entries"].as_array().cloned().unwrap();
        entries.into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    /// The value of a metric, summed over its labels; none where it is absent.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let values = text
            .lines()
            .filter(|line| line.split([' ', '{']).next() == Some(name) && line.contains(labels));
        let values: Vec<f64> = values
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// An alert that only has labels, as it is posted.
pub(crate) fn alert(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({"labels": labels})
}

/// The same, over since long ago: it resolves what fires.
pub(crate) fn resolved(labels: &[(&str, &str)]) -> Value {
    let mut alert = alert(labels);
    alert["startsAt"] = json!("2020-01-01T00:00:00Z");
    alert["endsAt"] = json!("2020-01-01T00:00:01Z");
    alert
}

/// Text for `alertmanager.yml`: a route's settings, and a webhook for each name, given up after 3 s.
pub(crate) fn alertmanager_yml(route: &str, receivers: &[(&str, String)]) -> String {
    use std::fmt::Write as _;
    let mut text = format!("route: {{{route}}}\nreceivers:\n");
    for (name, url) in receivers {
        writeln!(
            text,
            "  - {{name: {name}, webhook_configs: [{{url: '{url}', timeout: 3s}}]}}"
        )
        .unwrap();
    }
    text
}

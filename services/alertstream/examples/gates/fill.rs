//! Fills a system with one-alert groups and prints what each alert costs, beside the design's budget.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadtest::answers::Behaviour;
use loadtest::client::Client;
use loadtest::sink::{Keep, Sink, wall_clock};
use schemas::topics::{CORRELATE_CHANGELOG, NOTIFY_CHANGELOG, ROUTE_CHANGELOG};
use serde_json::{Value, json};

use super::measure::{Measured, measure, rss};
use super::{Failure, program, runtime};

/// Alerts in one request: Prometheus's own batches are at most 256.
const BATCH: u64 = 250;
/// How long anything of it may take.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
/// Nothing came for this long: everything is said.
const QUIET: Duration = Duration::from_secs(2);
/// The budget for one alert in its own group, in bytes: correlate, route, with a policy, notify at rest, console.
const CORRELATE: u64 = 1_024;
const ROUTE: u64 = 410;
const ROUTE_WITH_POLICY: u64 = 410 + 717;
const CONSOLE: u64 = 922;
/// Engine and caches, in MiB.
const ENGINE_MIB: u64 = 400;

/// The process; killed when it is dropped.
struct Up {
    child: Child,
    url: String,
    client: Client,
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Up {
    /// Starts it, and waits until it is ready; how long that took.
    async fn start(folder: &Path) -> Result<(Self, Duration), Failure> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let began = Instant::now();
        let child = Command::new(program()?)
            .args([
                "up",
                &format!("--web.listen-address={port}"),
                "--storage.path=data",
                "--log.level=warn",
            ])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let up = Self {
            child,
            url: format!("http://{port}"),
            client: Client::new()?,
        };
        while !up.client.is_ready(&up.url).await {
            past(began)?;
            tokio::time::sleep(LOOK).await;
        }
        Ok((up, began.elapsed()))
    }

    fn rss(&self) -> Result<u64, Failure> {
        rss(self.child.id())
    }

    /// Posts the alerts, each a group of its own, and waits until each was heard and nothing more comes.
    async fn fill(&self, alerts: u64, sink: &Sink) -> Result<(), Failure> {
        let began = Instant::now();
        let mut first = 0;
        let mut size = 0;
        while first < alerts {
            let batch: Vec<Value> = (first..alerts.min(first + BATCH)).map(alert).collect();
            size = batch.first().map_or(0, |alert| alert.to_string().len());
            while let Err(error) = self.client.post_alerts(&self.url, &batch).await {
                past(began).map_err(|late| format!("{late}: {error}"))?;
                tokio::time::sleep(LOOK).await;
            }
            first += BATCH;
        }
        let posted = began.elapsed();
        while *sink.arrived().borrow() < alerts {
            past(began)?;
            tokio::time::sleep(LOOK).await;
        }
        let heard = began.elapsed();
        println!(
            "{alerts} alerts of {size} bytes as posted: acknowledged in {:.1} s, all heard after {:.1} s",
            posted.as_secs_f64(),
            heard.as_secs_f64()
        );
        // A policy's first step, outcomes and settlements follow the last message within moments.
        let mut seen = 0;
        while seen < *sink.arrived().borrow() {
            past(began)?;
            seen = *sink.arrived().borrow();
            tokio::time::sleep(QUIET).await;
        }
        Ok(())
    }

    /// Tells it to end, and waits until it has.
    async fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            past(began)?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

fn past(began: Instant) -> Result<(), Failure> {
    if began.elapsed() > PATIENCE {
        Err(format!("not done within {} s", PATIENCE.as_secs()).into())
    } else {
        Ok(())
    }
}

/// An alert as a rule of Prometheus's own mixins makes it.
fn alert(number: u64) -> Value {
    let now = wall_clock();
    json!({
        "labels": {
            "alertname": "KubePodCrashLooping", "cluster": "eu-west-1", "namespace": format!("team-{}", number % 50),
            "pod": format!("checkout-{number:06}-5d8f7c9b4-x2x7k"), "container": "app", "job": "kube-state-metrics",
            "severity": "warning",
        },
        "annotations": {
            "summary": "Pod is crash looping.",
            "description": format!("Pod checkout-{number:06} (app) is in waiting state (reason: CrashLoopBackOff)."),
        },
        "generatorURL": "http://prometheus:9090/graph?g0.expr=kube_pod_container_status_waiting_reason&g0.tab=1",
        "startsAt": now.to_string(),
        "endsAt": (now + alert::PromDuration::from_hours(6)).to_string(),
    })
}

fn files(folder: &Path, sink: SocketAddr, policy: bool) -> Result<(), Failure> {
    let config = format!(
        "route:\n  receiver: sink\n  group_by: [alertname, pod]\n  group_wait: 0s\n  group_interval: 5m\n  repeat_interval: 24h\n\
         receivers:\n  - name: sink\n    webhook_configs: [{{url: 'http://{sink}/'}}]\n  - name: later\n    webhook_configs: \
         [{{url: 'http://{sink}/'}}]\n"
    );
    std::fs::write(folder.join("alertmanager.yml"), config)?;
    if policy {
        let text = "version: 1\npolicies:\n  two:\n    steps:\n      - notify: [{receiver: later}]\n        escalate_after: 6h\n    \
                    last_resort: [{receiver: later}]\nreceivers:\n  sink: {policy: two}\n";
        std::fs::write(folder.join("escalation.yml"), text)?;
    }
    Ok(())
}

/// Fills, measures and prints; whether everything is within the budget.
pub(crate) fn run(alerts: u64, policy: bool) -> Result<bool, Failure> {
    let with = if policy { "with" } else { "without" };
    println!("== {alerts} one-alert groups, {with} a policy");
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (empty, filled, restored) = runtime()?.block_on(async {
        let sink = Sink::start(
            (Ipv4Addr::LOCALHOST, 0).into(),
            Behaviour::default(),
            Keep::Messages(None),
        )?;
        files(folder, sink.address(), policy)?;
        let (up, _) = Up::start(folder).await?;
        let empty = up.rss()?;
        up.fill(alerts, &sink).await?;
        let filled = up.rss()?;
        up.stop().await?;
        let (up, took) = Up::start(folder).await?;
        println!("started again, ready after {:.1} s", took.as_secs_f64());
        let restored = up.rss()?;
        up.stop().await?;
        Ok::<_, Failure>((empty, filled, restored))
    })?;
    let found = table(&folder.join("data"), alerts, policy)?;
    let rest = filled.saturating_sub(found.held) >> 20;
    println!(
        "the process: {} MiB empty, {} MiB filled, {} MiB started again; all but the above: {rest} MiB (budget {ENGINE_MIB})",
        empty >> 20,
        filled >> 20,
        restored >> 20
    );
    println!("on disk: {} bytes an alert", size_of(&folder.join("data"))? / alerts);
    Ok(found.within && rest <= ENGINE_MIB)
}

struct Found {
    held: u64,
    within: bool,
}

fn table(data: &Path, alerts: u64, policy: bool) -> Result<Found, Failure> {
    println!(
        "{:<12}{:>10}{:>14}{:>12}{:>10}{:>16}",
        "bytes/alert", "records", "keys+values", "resident", "budget", "restore rec/s"
    );
    let mut found = Found { held: 0, within: true };
    let route = if policy { ROUTE_WITH_POLICY } else { ROUTE };
    for (name, what, budget) in [
        ("correlate", CORRELATE_CHANGELOG, CORRELATE),
        ("route", ROUTE_CHANGELOG, route),
        ("notify", NOTIFY_CHANGELOG, 0),
        ("console", "console", CONSOLE),
    ] {
        let base = if what == "console" {
            "-all".to_owned()
        } else {
            format!("-{what}")
        };
        let (without, with) = (measure(data, &base)?, measure(data, what)?);
        let Measured {
            records, bytes, took, ..
        } = with;
        let resident = with.rss.saturating_sub(without.rss);
        let rate = u128::from(records) * 1_000 / took.as_millis().max(1);
        let of = |bytes: u64| bytes.checked_div(alerts).unwrap_or(0);
        println!(
            "{name:<12}{records:>10}{:>14}{:>12}{budget:>10}{rate:>16}",
            of(bytes),
            of(resident)
        );
        found.held += resident;
        found.within &= of(resident) <= budget;
    }
    Ok(found)
}

fn size_of(folder: &Path) -> Result<u64, Failure> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() {
            size_of(&entry.path())?
        } else {
            allocated(&entry.metadata()?)
        };
    }
    Ok(size)
}

/// What a file takes of the disk; files that were made longer in advance are not what they seem.
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

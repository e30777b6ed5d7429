//! A whole system of processes of ours: started with a config of its own in a temporary folder, hurt, and ended.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::broker::Broker;
use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::observe::Faults;
use crate::oracle::Outage;
use crate::poster::millis;
use crate::process::{Process, Spec};
use crate::schedule::{Action, Fault};

/// How long a process may take until it is ready: a takeover (session timeout and a rebalance), a restore, and a machine
/// that does all of it at once on two cores.
const READY: Duration = Duration::from_secs(90);
/// How long a process that was told to end may take: what orchestrators give it.
const STOP: Duration = Duration::from_secs(30);
/// How often processes are looked after between two faults.
const LOOK: Duration = Duration::from_millis(100);
/// The config's file name.
const CONFIG_FILE: &str = "alertmanager.yml";

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// `alertstream up` on the embedded log.
    Embedded,
    /// A process for each service, on this Kafka.
    Kafka {
        /// Its bootstrap servers.
        brokers: String,
        /// Stands before all topics.
        prefix: String,
    },
}

impl Form {
    /// The processes' commands; the first is the one that alerts are posted to and that is asked.
    fn commands(&self) -> &'static [&'static str] {
        match self {
            Self::Embedded => &["up"],
            Self::Kafka { .. } => &["ingest,console", "correlate", "route", "notify"],
        }
    }
}

/// The times of the system's config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) group_wait: Duration,
    pub(crate) group_interval: Duration,
}

/// Each numbered alert is a group; nothing is repeated within a run.
pub(crate) fn config_text(timing: Timing, sink: SocketAddr) -> String {
    let Timing {
        group_wait,
        group_interval,
    } = timing;
    format!(
        "route:\n  receiver: sink\n  group_by: [alertname, run, n]\n  group_wait: {}ms\n  group_interval: {}ms\n  \
         repeat_interval: 24h\nreceivers:\n  - name: sink\n    webhook_configs:\n      - url: http://{sink}/webhook\n        \
         send_resolved: true\n",
        group_wait.as_millis(),
        group_interval.as_millis()
    )
}

struct Service {
    command: &'static str,
    running: Vec<Process>,
}

/// The system. All its processes end when it is dropped.
pub(crate) struct System {
    form: Form,
    program: PathBuf,
    folder: TempDir,
    services: Vec<Service>,
    client: Client,
    endpoints: Endpoints,
    broker: Option<Broker>,
    started: usize,
    faults: Faults,
}

impl System {
    /// Writes the config, makes the topics, starts one process of each service, and waits until all are ready.
    pub(crate) async fn start(
        form: Form,
        program: &Path,
        config: &str,
        broker: Option<Broker>,
        client: Client,
    ) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("alertstream-loadtest-").tempdir();
        let folder = folder.map_err(|error| Error::of("a temporary folder", error))?;
        std::fs::write(folder.path().join(CONFIG_FILE), config).map_err(|error| Error::of(CONFIG_FILE, error))?;
        let services = form
            .commands()
            .iter()
            .map(|command| Service {
                command,
                running: Vec::new(),
            })
            .collect();
        let program = program
            .canonicalize()
            .map_err(|error| Error::of(program.display(), error))?;
        let mut system = Self {
            form,
            program,
            folder,
            services,
            client,
            endpoints: Endpoints::default(),
            broker,
            started: 0,
            faults: Faults::default(),
        };
        system.create_topics().await?;
        for service in 0..system.services.len() {
            system.add(service)?;
        }
        for service in 0..system.services.len() {
            system.ready(service).await?;
        }
        system.publish_endpoints();
        Ok(system)
    }

    /// Where alerts are posted.
    pub(crate) fn endpoints(&self) -> Endpoints {
        self.endpoints.clone()
    }

    /// How many services there are to do something to.
    pub(crate) fn services(&self) -> usize {
        self.services.len()
    }

    pub(crate) fn owns_broker(&self) -> bool {
        self.broker.is_some()
    }

    async fn create_topics(&self) -> Result<(), Error> {
        let Form::Kafka { brokers, prefix } = &self.form else {
            return Ok(());
        };
        let mut command = Command::new(&self.program);
        command.args(["topics", "create", "--kafka.brokers", brokers, "--topic-prefix", prefix]);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        let output = ran.map_err(|error| Error::of("topics create", error))?;
        let output = output.map_err(|error| Error::of("topics create", error))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::of(
            "topics create",
            format!("{}: {}", output.status, text.trim()),
        ))
    }

    fn spec(&mut self, command: &str) -> Result<Spec, Error> {
        let address = free_address()?;
        self.started += 1;
        let name = format!("{command}#{}", self.started);
        let mut args = vec![command.to_owned(), format!("--web.listen-address={address}")];
        args.push(format!(
            "--config.file={}",
            self.folder.path().join(CONFIG_FILE).display()
        ));
        match &self.form {
            Form::Embedded => args.push(format!("--storage.path={}", self.folder.path().join("data").display())),
            Form::Kafka { brokers, prefix } => {
                args.extend([format!("--kafka.brokers={brokers}"), format!("--topic-prefix={prefix}")]);
            }
        }
        let folder = self.folder.path().to_owned();
        let log = folder.join(format!("{name}.log"));
        Ok(Spec {
            name,
            program: self.program.clone(),
            args,
            folder,
            log,
            url: format!("http://{address}"),
        })
    }

    fn service(&mut self, index: usize) -> Result<&mut Service, Error> {
        self.services
            .get_mut(index)
            .ok_or_else(|| Error::new(format!("no service {index}")))
    }

    /// One more process of a service.
    fn add(&mut self, service: usize) -> Result<(), Error> {
        let command = self.service(service)?.command;
        let spec = self.spec(command)?;
        let process = Process::start(&spec)?;
        self.service(service)?.running.push(process);
        Ok(())
    }

    async fn ready(&mut self, service: usize) -> Result<(), Error> {
        let client = self.client.clone();
        for process in &mut self.service(service)?.running {
            process.ready(&client, READY).await?;
        }
        Ok(())
    }

    fn publish_endpoints(&self) {
        let first = self
            .services
            .first()
            .map(|service| service.running.as_slice())
            .unwrap_or_default();
        self.endpoints
            .set(first.iter().map(|process| process.spec().url.clone()));
    }

    /// Does what the schedule says until the time is over.
    pub(crate) async fn suffer(&mut self, faults: impl Iterator<Item = Fault>, began: Instant, lasting: Duration) {
        for fault in faults {
            let due = Instant::now() + fault.pause;
            if due >= began + lasting {
                break;
            }
            let done = async {
                self.look_after(began, due).await?;
                self.apply(fault, began).await
            };
            if let Err(error) = done.await {
                self.faults.log().failures.push(format!("THE SYSTEM FAILED: {error}"));
                return;
            }
        }
    }

    /// What was done so far, and will be.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    async fn apply(&mut self, fault: Fault, began: Instant) -> Result<(), Error> {
        let from = millis(began.elapsed());
        let name = match fault.action {
            Action::RestartBroker => "kafka",
            Action::Kill { .. } | Action::Freeze { .. } | Action::Scale { .. } => self.service(fault.service)?.command,
        };
        let done = match fault.action {
            Action::Kill { away } => self.kill(fault.service, away).await,
            Action::Freeze { still } => self.freeze(fault.service, still).await,
            Action::Scale { three, left } => self.scale(fault.service, three, left).await,
            Action::RestartBroker => self.restart_broker().await,
        };
        let until = millis(began.elapsed());
        self.faults.log().outages.push(Outage { from, until });
        self.faults
            .log()
            .notes
            .push(format!("{from:>7}..{until} ms  {name}: {}", fault.action));
        done
    }

    async fn kill(&mut self, service: usize, away: Duration) -> Result<(), Error> {
        let client = self.client.clone();
        let process = self
            .service(service)?
            .running
            .first_mut()
            .ok_or_else(|| Error::new("nothing to kill"))?;
        process.kill()?;
        tokio::time::sleep(away).await;
        *process = Process::start(process.spec())?;
        process.ready(&client, READY).await
    }

    async fn freeze(&mut self, service: usize, still: Duration) -> Result<(), Error> {
        let process = self
            .service(service)?
            .running
            .first_mut()
            .ok_or_else(|| Error::new("nothing to freeze"))?;
        process.freeze()?;
        tokio::time::sleep(still).await;
        process.thaw()
    }

    async fn scale(&mut self, service: usize, three: Duration, left: usize) -> Result<(), Error> {
        self.add(service)?;
        self.add(service)?;
        self.ready(service).await?;
        self.publish_endpoints();
        tokio::time::sleep(three).await;
        let all = &mut self.service(service)?.running;
        let stays = all.remove(left.min(all.len().saturating_sub(1)));
        let going = std::mem::replace(all, vec![stays]);
        self.publish_endpoints();
        for mut process in going {
            if process.stop(STOP).await?.is_none() {
                let name = process.spec().name.clone();
                self.faults.log().notes.push(format!(
                    "  {name} did not end within {} s of SIGTERM and was killed",
                    STOP.as_secs()
                ));
            }
        }
        Ok(())
    }

    async fn restart_broker(&mut self) -> Result<(), Error> {
        let Some(mut broker) = self.broker.take() else {
            return Err(Error::new("no broker of ours"));
        };
        let restarted = tokio::task::spawn_blocking(move || broker.restart().map(|()| broker)).await;
        self.broker = Some(restarted.map_err(|error| Error::of("restarting the broker", error))??);
        Ok(())
    }

    /// Starts again what ended by itself, as a supervisor does, until `until`.
    async fn look_after(&mut self, began: Instant, until: Instant) -> Result<(), Error> {
        while Instant::now() < until {
            self.look_once(began).await?;
            tokio::time::sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    /// Looks after the processes for ever, whenever nobody does something to them.
    pub(crate) async fn supervise(system: &Mutex<Self>, began: Instant) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut system = system.lock().await;
            if let Err(error) = system.look_once(began).await {
                let text = format!("THE SYSTEM FAILED: {error}");
                let mut log = system.faults.log();
                if !log.failures.contains(&text) {
                    log.failures.push(text);
                }
            }
        }
    }

    async fn look_once(&mut self, began: Instant) -> Result<(), Error> {
        let client = self.client.clone();
        for process in self.services.iter_mut().flat_map(|service| &mut service.running) {
            let Some(status) = process.ended()? else { continue };
            let from = millis(began.elapsed());
            let words = process.last_words();
            self.faults.log().notes.push(format!(
                "{from:>7} ms  {} ended by itself: {status}{words}",
                process.spec().name
            ));
            *process = Process::start(process.spec())?;
            process.ready(&client, READY).await?;
            self.faults.log().outages.push(Outage {
                from,
                until: millis(began.elapsed()),
            });
        }
        Ok(())
    }

    /// The lines of all logs that tell of a panic, with the process's name.
    pub(crate) fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = std::fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            found.extend(
                text.lines()
                    .filter(|line| line.contains("panicked at"))
                    .map(|line| format!("PANIC: {name}: {line}")),
            );
        }
        found
    }

    /// Ends every process; the folder stays if asked, and its path is returned.
    pub(crate) fn end(mut self, keep: bool) -> Option<PathBuf> {
        self.services.clear();
        keep.then(|| self.folder.keep())
    }

    /// The processes, for the report.
    pub(crate) fn describe(&self) -> String {
        let processes = self.services.iter().flat_map(|service| &service.running);
        let lines: Vec<_> = processes
            .map(|process| format!("  {} at {}", process.spec().name, process.spec().url))
            .collect();
        lines.join("\n")
    }
}

/// An address of this machine that was free a moment ago.
fn free_address() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| Error::of("a free port", error))?;
    listener.local_addr().map_err(|error| Error::of("a free port", error))
}

#[cfg(test)]
mod tests {
    use super::{Timing, config_text};
    use config::{Config, Source};
    use std::net::SocketAddr;
    use std::time::Duration;

    #[test]
    fn the_config_is_one_that_the_system_takes() {
        for wait in [0, 1_000] {
            let timing = Timing {
                group_wait: Duration::from_millis(wait),
                group_interval: Duration::from_secs(5),
            };
            let text = config_text(timing, SocketAddr::from(([127, 0, 0, 1], 9999)));
            let config = Config::load(
                Source {
                    name: "alertmanager.yml",
                    text: &text,
                },
                None,
            )
            .unwrap();
            assert_eq!(config.route.timing.group_wait.millis(), wait);
            assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        }
    }
}

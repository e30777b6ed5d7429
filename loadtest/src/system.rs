//! A whole system of processes of ours: started with a config of its own in a temporary folder, hurt, and ended.

mod hurt;

pub(crate) use hurt::Times;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::Kafka;
use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::faults::Faults;
use crate::process::{Process, Spec};
use crate::sink::wall_clock;
use crate::target::{Processes, Target};

/// How long a process may take until it is ready: a takeover (session timeout and a rebalance), a restore, and a machine
/// that does all of it at once on two cores.
const READY: Duration = Duration::from_secs(90);
/// A process that ends so often before it is ready will not get there.
const STARTS: u32 = 3;
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
        /// How many partitions they are made with, where the program is not to choose.
        partitions: Option<u32>,
    },
    /// Alertmanager, alone.
    Alertmanager,
    /// What a shell command starts, and serves there.
    Command {
        /// The command.
        command: String,
        /// Where it takes alerts.
        url: String,
    },
    /// What runs already.
    Running {
        /// Where it takes alerts.
        url: String,
        /// Its processes.
        pids: Vec<u32>,
    },
}

impl Form {
    /// The processes' commands; the first is the one that alerts are posted to and that is asked.
    fn commands(&self) -> &'static [&'static str] {
        match self {
            Self::Embedded => &["up"],
            Self::Kafka { .. } => &["ingest,console", "correlate", "route", "notify"],
            Self::Alertmanager => &["alertmanager"],
            Self::Command { .. } => &["target"],
            Self::Running { .. } => &[],
        }
    }
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
    processes: Processes,
    kafka: Option<Kafka>,
    started: usize,
    faults: Faults,
}

impl System {
    /// Writes the config, makes the topics, starts one process of each service, and waits until all are ready.
    pub(crate) async fn start(
        form: Form,
        program: &Path,
        config: &str,
        kafka: Option<Kafka>,
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
        let program = program_at(program)?;
        let mut system = Self {
            form,
            program,
            folder,
            services,
            client,
            endpoints: Endpoints::default(),
            processes: Processes::default(),
            kafka,
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
        system.publish();
        Ok(system)
    }

    /// Its processes, as they come and go.
    pub(crate) fn processes(&self) -> Processes {
        self.processes.clone()
    }

    /// The system of a target: started, where it does not run yet.
    pub(crate) async fn of(
        target: &Target,
        kafka: Option<&Kafka>,
        partitions: Option<u32>,
        config: &str,
        client: Client,
    ) -> Result<Self, Error> {
        let ours = || {
            std::env::current_exe()
                .map(|here| here.with_file_name("alertstream"))
                .unwrap_or_default()
        };
        let (form, program) = match target {
            Target::Up(program) => (Form::Embedded, program.clone().unwrap_or_else(ours)),
            Target::Services(program) => {
                let kafka = kafka.ok_or_else(|| Error::new("the target services needs --kafka.brokers"))?;
                let form = Form::Kafka {
                    brokers: kafka.brokers(),
                    prefix: format!("loadtest-{:x}-", wall_clock().millis()),
                    partitions,
                };
                (form, program.clone().unwrap_or_else(ours))
            }
            Target::Alertmanager(program) => {
                let program = program.clone().or_else(Target::alertmanager_program);
                (
                    Form::Alertmanager,
                    program.ok_or_else(|| Error::new("there is no alertmanager on the path"))?,
                )
            }
            Target::Running {
                url,
                command: Some(command),
                ..
            } => {
                let form = Form::Command {
                    command: command.clone(),
                    url: url.clone(),
                };
                (form, PathBuf::from("/bin/sh"))
            }
            Target::Running { url, pids, .. } => {
                let form = Form::Running {
                    url: url.clone(),
                    pids: pids.clone(),
                };
                (form, PathBuf::from("/bin/true"))
            }
        };
        let kafka = kafka.filter(|_| matches!(form, Form::Kafka { .. })).cloned();
        Self::start(form, &program, config, kafka, client).await
    }

    /// Where alerts are posted.
    pub(crate) fn endpoints(&self) -> Endpoints {
        self.endpoints.clone()
    }

    /// The services that something can be done to, by their commands.
    pub(crate) fn services(&self) -> &'static [&'static str] {
        self.form.commands()
    }

    /// Its Kafka, and what stands before its topics there.
    pub(crate) fn kafka(&self) -> Option<(String, String)> {
        match &self.form {
            Form::Kafka { brokers, prefix, .. } => Some((brokers.clone(), prefix.clone())),
            Form::Embedded | Form::Alertmanager | Form::Command { .. } | Form::Running { .. } => None,
        }
    }

    /// Whether a service can run several times at once.
    pub(crate) fn scales(&self) -> bool {
        matches!(self.form, Form::Kafka { .. })
    }

    pub(crate) fn owns_broker(&self) -> bool {
        self.kafka.as_ref().is_some_and(Kafka::is_ours)
    }

    async fn create_topics(&self) -> Result<(), Error> {
        let Form::Kafka {
            brokers,
            prefix,
            partitions,
        } = &self.form
        else {
            return Ok(());
        };
        let mut command = Command::new(&self.program);
        command.args(["topics", "create", "--kafka.brokers", brokers, "--topic-prefix", prefix]);
        command.args(partitions.map(|count| format!("--partitions={count}")));
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
        let mut url = format!("http://{address}");
        let place = |name: &str| self.folder.path().join(name).display().to_string();
        let mut args = vec![
            format!("--web.listen-address={address}"),
            format!("--config.file={}", place(CONFIG_FILE)),
        ];
        match &self.form {
            Form::Embedded => {
                args.insert(0, command.to_owned());
                args.push(format!("--storage.path={}", place("data")));
            }
            Form::Kafka { brokers, prefix, .. } => {
                args.insert(0, command.to_owned());
                args.extend([format!("--kafka.brokers={brokers}"), format!("--topic-prefix={prefix}")]);
            }
            Form::Alertmanager => {
                args.push(format!("--storage.path={}", place("data")));
                args.push("--cluster.listen-address=".to_owned());
            }
            Form::Command { command, url: theirs } => {
                let command = command.replace("{config}", &place(CONFIG_FILE));
                args = vec!["-c".to_owned(), format!("exec {command}")];
                url.clone_from(theirs);
            }
            Form::Running { .. } => {}
        }
        let folder = self.folder.path().to_owned();
        let log = folder.join(format!("{name}.log"));
        Ok(Spec {
            name,
            program: self.program.clone(),
            args,
            folder,
            log,
            url,
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

    /// Waits for a service's processes. One that ends instead is started again, as a supervisor does, and that is said.
    async fn ready(&mut self, service: usize) -> Result<(), Error> {
        let client = self.client.clone();
        for process in &mut self.service(service)?.running {
            let mut starts = 1;
            while let Err(error) = process.ready(&client, READY).await {
                if starts >= STARTS || process.ended()?.is_none() {
                    return Err(error);
                }
                starts += 1;
                eprintln!("{error}; it is started again");
                *process = Process::start(process.spec())?;
            }
        }
        Ok(())
    }

    /// Tells who posts and who measures which processes there are.
    fn publish(&self) {
        let running = self.services.iter().flat_map(|service| &service.running);
        let mut processes: Vec<_> = running
            .map(|process| (process.spec().name.clone(), process.id()))
            .collect();
        if let Form::Running { url, pids } = &self.form {
            self.endpoints.set([url.clone()]);
            processes.extend(pids.iter().map(|pid| (format!("pid {pid}"), *pid)));
        } else {
            let first = self.services.first().map_or(&[][..], |service| &service.running);
            self.endpoints
                .set(first.iter().map(|process| process.spec().url.clone()));
        }
        self.processes.set(processes);
    }

    /// What was done so far, and will be.
    pub(crate) fn faults(&self) -> Faults {
        self.faults.clone()
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

    /// Ends every process, and lets the folder stay: its path.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.services.clear();
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// The program's place; a bare name is looked for on the path when it is started.
fn program_at(program: &Path) -> Result<PathBuf, Error> {
    if program.components().count() == 1 && !program.exists() {
        return Ok(program.to_owned());
    }
    program
        .canonicalize()
        .map_err(|error| Error::of(program.display(), error))
}

/// An address of this machine that was free a moment ago.
fn free_address() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| Error::of("a free port", error))?;
    listener.local_addr().map_err(|error| Error::of("a free port", error))
}

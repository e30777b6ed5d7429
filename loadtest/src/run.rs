//! Carries a scenario out against one target.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{Config, Source};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::broker::Kafka;
use crate::client::{Client, Endpoints};
use crate::error::Error;
use crate::generator::{Generator, Way};
use crate::journal::read_records;
use crate::lag::Lag;
use crate::ledger::{Heard, Ledger, Sent, micros};
use crate::monitor::Monitor;
use crate::oracle::{Evidence, Outage, judge};
use crate::outcome::{Counts, Mark, PhaseOutcome, TargetOutcome};
use crate::percentile::Spread;
use crate::population::Population;
use crate::scenario::{Entry, Faults, PROBE, Phase, Scenario, Step, Until};
use crate::schedule::{Fault, Possible, Schedule};
use crate::sink::{Keep, Sink, wall_clock};
use crate::system::{System, Times};
use crate::target::{Processes, Target};
use crate::topic::Topic;
use crate::traffic::Plan;
use crate::usage::Usage;

/// Between two looks at what is owed, and at what the target takes.
const LOOK: Duration = Duration::from_millis(20);
/// A target that takes less than [`REST_CPU`] for so long has come to rest.
const REST: Duration = Duration::from_millis(500);
/// A twentieth of one CPU: heartbeats and the like.
const REST_CPU: Duration = Duration::from_millis(25);
/// What is sent again and again ends this far ahead.
const PROBE_LIFE: alert::PromDuration = alert::PromDuration::from_hours(1);

/// A scenario with its requests built, to be carried out against one target or several.
#[derive(Debug)]
pub struct Prepared {
    scenario: Scenario,
    plans: Vec<Option<Arc<Plan>>>,
}

impl Prepared {
    /// Builds every request.
    pub fn new(scenario: Scenario) -> Self {
        let plan = |phase: &Phase| match &phase.step {
            Step::Send { traffic, batch, .. } => {
                let batch = batch.unwrap_or(scenario.batch);
                let form = scenario.entry.form();
                Some(Arc::new(traffic.plan(&scenario.population, form, batch, scenario.seed)))
            }
            Step::Restart { .. } => None,
        };
        let plans = scenario.phases.iter().map(plan).collect();
        Self { scenario, plans }
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// How many requests it makes.
    pub fn requests(&self) -> usize {
        self.plans.iter().flatten().map(|plan| plan.requests.len()).sum()
    }
}

/// What a run needs beside its scenario.
#[derive(Debug)]
pub struct Place<'a> {
    /// The target.
    pub target: &'a Target,
    /// Where to receive its webhooks.
    pub listen: SocketAddr,
    /// The Kafka for the target `services`.
    pub kafka: Option<&'a Kafka>,
    /// What stands before the topics of a target that runs already.
    pub topic_prefix: &'a str,
    /// Partitions of the topics that are made for the target `services`; none: the program's own number.
    pub partitions: Option<u32>,
    /// The target's `alertmanager.yml`, where it is not the scenario's.
    pub config: Option<&'a str>,
    /// Whether the folder of a target that was started stays when something is wrong.
    pub keep: bool,
}

impl Place<'_> {
    /// How requests get to the system.
    async fn way(&self, entry: Entry, system: &System) -> Result<Way, Error> {
        let Some(encoding) = entry.encoding() else {
            return Ok(Way::Post(system.endpoints()));
        };
        let there = self.kafka.map(|kafka| (kafka.brokers(), self.topic_prefix.to_owned()));
        let (brokers, prefix) = system
            .kafka()
            .or(there)
            .ok_or_else(|| Error::new("there is no Kafka to publish to"))?;
        blocking(move || Topic::connect(&brokers, &prefix, encoding))
            .await
            .map(Way::Publish)
    }
}

/// Does what blocks where that is no harm.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::of("a blocking call", error))?
}

/// One run in progress.
struct Run<'a> {
    scenario: &'a Scenario,
    ledger: Arc<Ledger>,
    sink: Sink,
    system: Arc<Mutex<System>>,
    endpoints: Endpoints,
    way: Way,
    processes: Processes,
    client: Client,
    marks: Vec<Mark>,
    findings: Vec<String>,
    /// When the first phase that counts began: the receiver's times count from there.
    counted_from: Option<u64>,
}

impl Prepared {
    /// Starts the target where it is to be started, carries out every phase, and ends what was started.
    ///
    /// # Errors
    /// The run could not begin, or not go on.
    pub async fn run(&self, place: &Place<'_>) -> Result<TargetOutcome, Error> {
        let scenario = &self.scenario;
        let ledger = Arc::new(Ledger::new(&scenario.population));
        let sink = Sink::start(place.listen, scenario.answers.clone(), Keep::Words(Arc::clone(&ledger)))?;
        let client = Client::new()?;
        let ours = || scenario.routing.yaml(sink.address());
        let yaml = place.config.map_or_else(ours, ToOwned::to_owned);
        let system = System::of(place.target, place.kafka, place.partitions, &yaml, client.clone()).await?;
        let processes = system.processes();
        let lag = match system.kafka() {
            Some((brokers, prefix)) => Some(blocking(move || Lag::watch(&brokers, &prefix)).await?),
            None => None,
        };
        let monitor = Monitor::start(Arc::clone(&ledger), processes.clone(), lag);
        let mut run = Run {
            scenario,
            ledger,
            sink,
            endpoints: system.endpoints(),
            way: place.way(scenario.entry, &system).await?,
            system: Arc::new(Mutex::new(system)),
            processes,
            client,
            marks: Vec::new(),
            findings: Vec::new(),
            counted_from: None,
        };
        let mut phases = Vec::with_capacity(scenario.phases.len());
        for (phase, plan) in scenario.phases.iter().zip(&self.plans) {
            phases.push(run.phase(phase, plan.as_ref()).await?);
        }
        sleep(scenario.linger).await;
        let series = monitor.end();
        let verdict = run.judge(place.target, &yaml).await?;
        let mut system = run.system.lock().await;
        run.findings.extend(system.panics());
        // Its data and logs are what shows why.
        if place.keep && !run.findings.is_empty() {
            let folder = system.keep();
            run.findings
                .push(format!("the processes' logs and data are in {}", folder.display()));
        }
        Ok(TargetOutcome {
            name: place.target.name(),
            phases,
            series,
            marks: run.marks,
            errors: run.ledger.errors(),
            strange_messages: run.ledger.strange(),
            verdict,
            findings: run.findings,
        })
    }
}

impl Run<'_> {
    async fn phase(&mut self, phase: &Phase, plan: Option<&Arc<Plan>>) -> Result<PhaseOutcome, Error> {
        let at = self.ledger.began().elapsed().as_secs_f64();
        self.marks.push(Mark {
            at,
            until: None,
            text: phase.name.to_owned(),
        });
        match (&phase.step, plan) {
            (Step::Send { until, connections, .. }, Some(plan)) => {
                let connections = connections.unwrap_or(self.scenario.connections);
                self.send(phase, plan, connections, *until).await
            }
            (Step::Restart { probe }, _) => self.restart(phase, *probe).await,
            (Step::Send { .. }, None) => Err(Error::of(phase.name, "nothing was built to send")),
        }
    }

    async fn send(
        &mut self,
        phase: &Phase,
        plan: &Arc<Plan>,
        connections: usize,
        until: Until,
    ) -> Result<PhaseOutcome, Error> {
        let before = Before::look(self);
        let start = Instant::now();
        let deadline = start + plan.lasts() + phase.patience;
        let generator = Generator::start(plan, &self.ledger, &self.way, connections, start)?;
        let suffering = if phase.is_counted {
            self.counted_from.get_or_insert(self.ledger.micros(start));
            self.sink.begin(start);
            Some(self.suffer(start, plan.lasts()).await?)
        } else {
            None
        };
        while !generator.is_done() && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        if let Some(suffering) = suffering {
            suffering.await.map_err(|error| Error::of("the faults", error))?;
        }
        let accepting = self.processes.usage();
        if !generator.is_done() {
            self.findings
                .push(format!("{}: not every request was acknowledged in time", phase.name));
        }
        while until == Until::Heard && self.ledger.owed() > 0 && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        generator.close();
        let generator_cpu = blocking(move || generator.join()).await?;
        self.rest().await;
        Ok(before.since(self, phase, start, accepting, generator_cpu))
    }

    /// Begins to do to the system what the scenario says.
    async fn suffer(&self, start: Instant, lasting: Duration) -> Result<JoinHandle<()>, Error> {
        let times = Times {
            began: self.ledger.began(),
            start,
            lasting,
        };
        let system = Arc::clone(&self.system);
        let faults: Box<dyn Iterator<Item = Fault> + Send> = {
            let system = system.lock().await;
            match &self.scenario.faults {
                Faults::Timetable(table) => Box::new(table.faults(system.services()).map_err(Error::new)?.into_iter()),
                Faults::Random { session_timeout } => {
                    let possible = Possible {
                        services: system.services().len(),
                        scales: system.scales(),
                        broker: system.owns_broker(),
                        session_timeout: *session_timeout,
                    };
                    Box::new(Schedule::new(self.scenario.seed, possible))
                }
            }
        };
        Ok(tokio::spawn(
            async move { system.lock().await.suffer(faults, times).await },
        ))
    }

    /// What the oracle says.
    async fn judge(&mut self, target: &Target, yaml: &str) -> Result<Counts, Error> {
        let source = Source {
            name: "alertmanager.yml",
            text: yaml,
        };
        let config = Config::load(source, None).map_err(|errors| Error::of("the config under test", errors))?;
        let log = self.system.lock().await.faults().log().clone();
        self.marks.extend(log.marks);
        self.findings.extend(
            log.failures
                .iter()
                .map(|failure| format!("THE SYSTEM FAILED: {failure}")),
        );
        let from = self.counted_from.unwrap_or(0);
        let trouble = |(begin, end)| Outage {
            from: from + micros(begin),
            until: from.saturating_add(micros(end)),
        };
        let mut outages = log.outages;
        outages.extend(self.scenario.answers.troubles().into_iter().map(trouble));
        outages.sort_by_key(|outage| outage.from);
        let refused = self.ledger.refused();
        if refused > 0 {
            self.findings.push(format!("REFUSED: {refused} requests, for good"));
        }
        let heard = self.ledger.heard(0);
        let mut evidence = Evidence {
            config: &config,
            population: &self.scenario.population,
            words: self.ledger.words(0),
            has_keys: target.is_ours() || heard.iter().any(|heard| heard.key != 0),
            heard,
            receivers: self.ledger.receivers(),
            silences: log.silences,
            outages,
            records: HashMap::new(),
            slack: micros(self.scenario.slack + target.takeover()),
            end: self.ledger.micros(Instant::now()),
        };
        if evidence.has_keys {
            let within = self.scenario.record_shown;
            let read = read_records(&self.client, &self.endpoints, &mut evidence, within).await;
            self.findings
                .extend(read.err().map(|error| format!("NO JOURNAL: {error}")));
        }
        let verdict = judge(&evidence);
        self.findings.extend(verdict.violations.iter().map(ToString::to_string));
        Ok(Counts {
            words: verdict.words,
            acknowledged: verdict.acknowledged,
            notified: verdict.notified,
            excused: verdict.excused,
            undecided: verdict.undecided,
            repeats_explained: verdict.repeats_explained,
            possible_duplicates: evidence.records.values().map(|count| *count as u64).sum(),
            violations: verdict.violations.len() as u64,
        })
    }

    /// Waits until the target does next to nothing, at most so long.
    async fn rest(&self) {
        let deadline = Instant::now() + self.scenario.rest;
        let mut usage = self.processes.usage().unwrap_or_default();
        while Instant::now() < deadline {
            let messages = self.ledger.messages();
            sleep(REST).await;
            let now = self.processes.usage().unwrap_or_default();
            if now.cpu_since(&usage) <= REST_CPU && messages == self.ledger.messages() {
                return;
            }
            usage = now;
        }
    }

    async fn restart(&mut self, phase: &Phase, probe: u32) -> Result<PhaseOutcome, Error> {
        let before = Before::look(self);
        let start = Instant::now();
        self.post_probe(probe).await?;
        let messages = self.ledger.messages();
        // A timer may fire long before all is restored: it is waited for from the start, not from when all is ready.
        let heard = async {
            while self.ledger.messages() == messages {
                sleep(LOOK).await;
            }
            Instant::now()
        };
        let restarting = async { self.system.lock().await.restart().await };
        tokio::pin!(heard, restarting);
        let mut first = None;
        let (began, ready) = loop {
            tokio::select! {
                restarted = &mut restarting => break restarted?,
                at = &mut heard, if first.is_none() => first = Some(at),
            }
        };
        if first.is_none() {
            first = tokio::time::timeout_at((began + phase.patience).into(), heard)
                .await
                .ok();
        }
        let never = first.is_none();
        let first = first.unwrap_or_else(Instant::now).saturating_duration_since(began);
        if never {
            self.findings.push(format!("{}: the timer never fired", phase.name));
        }
        self.rest().await;
        let mut outcome = before.since(self, phase, start, None, Duration::ZERO);
        let figures = &mut outcome.figures;
        figures.insert("start to ready, s".to_owned(), ready.as_secs_f64());
        figures.insert("start to first due timer, s".to_owned(), first.as_secs_f64());
        Ok(outcome)
    }

    /// One alert in the group that waits; its timer is due while nobody runs.
    async fn post_probe(&self, probe: u32) -> Result<(), Error> {
        let Population::Made(_) = &self.scenario.population else {
            return Err(Error::new("only alerts that are made up can be a probe"));
        };
        let mut labels = self.scenario.population.labels(probe);
        labels.insert(PROBE, "yes");
        let now = wall_clock();
        let alert: Value = json!({
            "labels": labels,
            "startsAt": now.to_string(),
            "endsAt": (now + PROBE_LIFE).to_string(),
        });
        let url = self.endpoints.next().ok_or_else(|| Error::new("nowhere to post"))?;
        let posted = self.client.post_alerts(&url, &[alert]).await;
        posted.map_err(|error| Error::of("the probe", error))
    }
}

/// What was there before a phase.
struct Before {
    usage: Option<Usage>,
    receiver_cpu: Duration,
    messages: u64,
    sent: usize,
    words: usize,
    heard: usize,
}

impl Before {
    fn look(run: &Run<'_>) -> Self {
        Self {
            usage: run.processes.usage(),
            receiver_cpu: run.sink.cpu(),
            messages: run.ledger.messages(),
            sent: run.ledger.sent(0).len(),
            words: run.ledger.words(0).len(),
            heard: run.ledger.heard(0).len(),
        }
    }

    /// What the phase showed.
    fn since(
        &self,
        run: &Run<'_>,
        phase: &Phase,
        start: Instant,
        accepting: Option<Usage>,
        generator_cpu: Duration,
    ) -> PhaseOutcome {
        let after = run.processes.usage();
        let start = run.ledger.micros(start);
        let (sent, words, heard) = (
            run.ledger.sent(self.sent),
            run.ledger.words(self.words),
            run.ledger.heard(self.heard),
        );
        let acknowledged = |sent: &&Sent| sent.acknowledged.is_some();
        let first: Vec<&Heard> = heard
            .iter()
            .filter(|heard| heard.due.is_some_and(|due| due >= start))
            .collect();
        let last = first.iter().map(|heard| heard.at).max();
        let cpu = |now: Option<Usage>| Some(micros(now?.cpu_since(&self.usage?)));
        PhaseOutcome {
            name: phase.name.to_owned(),
            is_counted: phase.is_counted,
            alerts: sent.iter().map(|sent| u64::from(sent.alerts)).sum(),
            acknowledged: sent
                .iter()
                .filter(acknowledged)
                .map(|sent| u64::from(sent.alerts))
                .sum(),
            requests: sent.len() as u64,
            failed_tries: sent.iter().map(|sent| u64::from(sent.failed)).sum(),
            words: words.len() as u64,
            heard: first.len() as u64,
            messages: run.ledger.messages() - self.messages,
            accept_seconds: seconds(start, sent.iter().filter_map(|sent| sent.acknowledged).max()).unwrap_or(0.0),
            notify_seconds: seconds(start, last),
            cpu: cpu(after),
            cpu_accepting: cpu(accepting),
            before: self.usage.unwrap_or_default(),
            after: after.unwrap_or_default(),
            lateness: Spread::of(sent.iter().map(|sent| sent.sent.saturating_sub(sent.due)).collect()),
            accept: Spread::of(
                sent.iter()
                    .filter_map(|sent| Some(sent.acknowledged?.saturating_sub(sent.due)))
                    .collect(),
            ),
            notify: Spread::of(
                first
                    .iter()
                    .filter_map(|heard| Some(heard.at.saturating_sub(heard.due?)))
                    .collect(),
            ),
            generator_cpu: micros(generator_cpu),
            receiver_cpu: micros(run.sink.cpu().saturating_sub(self.receiver_cpu)),
            figures: std::collections::BTreeMap::new(),
        }
    }
}

fn seconds(start: u64, end: Option<u64>) -> Option<f64> {
    Some(Duration::from_micros(end?.saturating_sub(start)).as_secs_f64())
}

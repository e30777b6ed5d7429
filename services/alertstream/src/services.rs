//! Starts the services this process runs, keeps them until it is told to stop, and stops them in order.

use std::sync::{Arc, OnceLock};

use alert::PromDuration;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use ingest::OtherLanes;
use notify::{Destinations, Sender};
use notify_pipeline::NotifySettings;
use runtime::metrics::Metrics;
use runtime::{Hangups, Health, Prefix, Shutdown, Web};
use streams::{LaneThread, Log};
use tokio::task::spawn_blocking;

use crate::Refusal;
use crate::banner::{banner, reach};
use crate::cli::{Cli, ServiceName};
use crate::files::Files;
use crate::inbox::Inbox;
use crate::{announce, demo, layout, log};

/// How far the clocks of two owners of a partition may differ on Kafka: a wall clock further off is warned of.
const CLOCK_TOLERANCE: PromDuration = PromDuration::from_millis(2_000);
/// GETs answered at once, at least; more where there are more cores, as in Alertmanager.
const GETS_AT_ONCE: usize = 8;

/// Notify's own view of the files: the addresses to send to.
type Addresses = Arc<arc_swap::ArcSwap<Destinations>>;

/// What is under way.
#[derive(Default)]
struct Running {
    ingest: Option<ingest::Service>,
    console: Option<console::Service>,
    lanes: Vec<LaneThread>,
    routes: Router,
}

/// Runs the services until SIGTERM or SIGINT.
pub(crate) async fn run(cli: Arc<Cli>, list: Vec<ServiceName>) -> Result<(), Refusal> {
    let shutdown = Shutdown::on_signals()?;
    let hangups = Hangups::listen()?;
    let metrics = Metrics::install()?;
    runtime::metrics::build_info(env!("CARGO_PKG_VERSION"), "");
    // First of all the port: a second process on the same machine ends before it touches anything.
    let listener = runtime::bind(&cli.web_listen_address.to_string()).await?;
    let address = listener.local_addr()?;
    let external = external_url(&cli, address);
    let prefix = Prefix::of_url(&external);
    let inbox = format!("http://{}{}/inbox", reach(address), prefix.as_str());
    let files = Arc::new(Files::choose(&cli, &std::env::current_dir()?, inbox));
    let needs_files = list.contains(&ServiceName::Notify) || list.contains(&ServiceName::Console);
    let loaded = if needs_files { Some(files.load()?) } else { None };
    for warning in loaded.iter().flat_map(|loaded| &loaded.config.warnings) {
        tracing::warn!("{warning}");
    }
    let log = open(&cli, &list).await?;
    let addresses: Addresses = Arc::default();
    if let Some(loaded) = &loaded {
        addresses.store(Arc::new(Destinations::of(&loaded.config)));
    }
    let (health, start) = (
        Health::default(),
        Start {
            cli: Arc::clone(&cli),
            log,
            files: Arc::clone(&files),
            addresses,
            shutdown: shutdown.clone(),
        },
    );
    let mut running = start.services(&list, loaded.as_ref(), address, &health).await?;
    let web = Web {
        health,
        metrics: Some(metrics.clone()),
        prefix: prefix.clone(),
        get_concurrency: std::thread::available_parallelism()
            .map_or(GETS_AT_ONCE, usize::from)
            .max(GETS_AT_ONCE),
    };
    let app = web.app(std::mem::take(&mut running.routes));
    if list.len() == ServiceName::ALL.len() {
        print!("{}", banner(&files, address, prefix.as_str(), &log::describe(&cli)));
    }
    tracing::info!(address = %address, services = ?list, "listening");
    let reloads = tokio::spawn(reload_on_hangup(hangups, start.clone(), running.console.take()));
    if cli.demo {
        tokio::spawn(demo::run(
            app.clone(),
            prefix.as_str().to_owned(),
            Arc::clone(&start.log),
        ));
    }
    metrics.keep_up();
    let served = runtime::serve(listener, app, &shutdown).await;
    reloads.abort();
    stop(running).await;
    Ok(served?)
}

async fn open(cli: &Arc<Cli>, list: &[ServiceName]) -> Result<Arc<dyn Log>, Refusal> {
    let (cli, everything) = (Arc::clone(cli), list.len() == ServiceName::ALL.len());
    spawn_blocking(move || {
        let log = log::open(&cli)?;
        // `up` brings its own topics; a single service joins a system that somebody laid out.
        // Where somebody laid it out before, that layout stands.
        let there = log.partitions(schemas::topics::ALERTS)?;
        if everything {
            layout::create(&log, there.unwrap_or(cli.partitions))
        } else {
            layout::check(&log)
        }?;
        Ok(log)
    })
    .await?
}

/// What every service is started from.
#[derive(Clone)]
struct Start {
    cli: Arc<Cli>,
    log: Arc<dyn Log>,
    files: Arc<Files>,
    addresses: Addresses,
    shutdown: Shutdown,
}

impl Start {
    async fn services(
        &self,
        list: &[ServiceName],
        loaded: Option<&crate::files::Loaded>,
        address: std::net::SocketAddr,
        health: &Health,
    ) -> Result<Running, Refusal> {
        let mut running = Running {
            routes: Router::new(),
            ..Running::default()
        };
        let instance = self.cli.instance.clone().unwrap_or_else(fresh_instance);
        let lanes = Arc::new(OnceLock::new());
        if list.contains(&ServiceName::Console)
            && let Some(loaded) = loaded
        {
            self.publish(loaded, &instance).await?;
            let console = self.console(loaded, &instance, address, health, &lanes).await?;
            running.routes = std::mem::take(&mut running.routes).merge(console.router());
            running.console = Some(console);
        }
        if list.contains(&ServiceName::Notify) {
            running.lanes.extend(self.notify(&instance, address)?);
            if !list.contains(&ServiceName::Console) {
                running.routes = std::mem::take(&mut running.routes).merge(self.clone().reload_route());
            }
        }
        for service in list {
            match service {
                ServiceName::Correlate => running
                    .lanes
                    .extend(correlate::start(&self.log, &instance, self.lanes())?),
                ServiceName::Route => running.lanes.extend(route::start(&self.log, &instance, self.lanes())?),
                ServiceName::Ingest | ServiceName::Notify | ServiceName::Console => {}
            }
        }
        for status in running.lanes.iter().map(LaneThread::status) {
            let part = status.lane().to_owned();
            health.register(&part, move || status.not_ready());
        }
        let others = OtherLanes(running.lanes.iter().map(LaneThread::status).collect());
        drop(lanes.set(others.clone()));
        if list.contains(&ServiceName::Ingest) {
            let ingest = self.ingest(list, &instance, others, health).await?;
            running.routes = std::mem::take(&mut running.routes).merge(ingest.router());
            running.ingest = Some(ingest);
        } else {
            let services = list.iter().map(|service| service.as_str().to_owned()).collect();
            tokio::spawn(announce::for_ever(Arc::clone(&self.log), instance, services, others));
        }
        if self.files.is_built_in() && list.len() == ServiceName::ALL.len() {
            running.routes = std::mem::take(&mut running.routes).merge(Inbox::default().router());
        }
        Ok(running)
    }

    fn lanes(&self) -> usize {
        self.cli.lanes.max(1)
    }

    async fn publish(&self, loaded: &crate::files::Loaded, instance: &str) -> Result<(), Refusal> {
        let files = console::ConfigFiles {
            alertmanager: loaded.alertmanager_file.clone(),
            escalation: loaded.escalation_file.clone(),
        };
        let (log, config, by) = (Arc::clone(&self.log), loaded.config.clone(), instance.to_owned());
        let version = spawn_blocking(move || console::publish_config(log.as_ref(), &config, &files, &by)).await??;
        tracing::info!(version, "config in force");
        Ok(())
    }

    async fn console(
        &self,
        loaded: &crate::files::Loaded,
        instance: &str,
        address: std::net::SocketAddr,
        health: &Health,
        lanes: &Arc<OnceLock<OtherLanes>>,
    ) -> Result<console::Service, Refusal> {
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "the dashboard and the API are reachable from other machines, and ask nobody who they are: put an \
                 authenticating proxy in front, or listen on 127.0.0.1"
            );
        }
        let start = self.clone();
        let load = Arc::new(move || start.load().map_err(|error| error.to_string()));
        let settings = console::Settings {
            config_file: loaded.alertmanager_file.clone(),
            escalation_file: loaded.escalation_file.clone(),
            external_url: external_url(&self.cli, address),
            exposed: !address.ip().is_loopback(),
            may_begin: self.once_restored(Arc::clone(lanes)),
            shutdown: self.shutdown.clone(),
            ..console::Settings::new(instance, load)
        };
        let (log, health) = (Arc::clone(&self.log), health.clone());
        Ok(spawn_blocking(move || console::Service::start(log, settings, &health)).await??)
    }

    /// On the embedded log, whose lanes are all here and have their partitions at once: when none restores any more.
    fn once_restored(&self, lanes: Arc<OnceLock<OtherLanes>>) -> console::MayBegin {
        let waits = self.cli.is_embedded();
        Arc::new(move || !waits || lanes.get().is_some_and(OtherLanes::have_restored))
    }

    fn notify(&self, instance: &str, address: std::net::SocketAddr) -> Result<Vec<LaneThread>, Refusal> {
        runtime::metrics::create_notification_counters();
        let clock = {
            let log = Arc::clone(&self.log);
            Arc::new(move || log.now())
        };
        let sender = Sender::new(tokio::runtime::Handle::current(), Arc::clone(&self.addresses), clock)?;
        let settings = NotifySettings {
            external_url: external_url(&self.cli, address),
            clock_tolerance: (!self.cli.is_embedded()).then_some(CLOCK_TOLERANCE),
        };
        Ok(notify::start(&self.log, instance, self.lanes(), &settings, &sender)?)
    }

    async fn ingest(
        &self,
        list: &[ServiceName],
        instance: &str,
        others: OtherLanes,
        health: &Health,
    ) -> Result<ingest::Service, Refusal> {
        let topics = self
            .cli
            .event_topics
            .split(',')
            .map(str::trim)
            .filter(|topic| !topic.is_empty());
        let settings = ingest::Settings {
            instance: instance.to_owned(),
            services: list.iter().map(|service| service.as_str().to_owned()).collect(),
            event_topics: topics.map(str::to_owned).collect(),
            lanes: self.lanes(),
            others,
        };
        let (log, health) = (Arc::clone(&self.log), health.clone());
        Ok(spawn_blocking(move || ingest::Service::start(&log, settings, &health)).await??)
    }

    /// Reads the files; notify's addresses are the new ones from then on.
    fn load(&self) -> Result<config::Config, crate::files::FilesError> {
        let loaded = self.files.load()?;
        self.addresses.store(Arc::new(Destinations::of(&loaded.config)));
        Ok(loaded.config)
    }

    /// For a process without console: its secrets are read anew.
    fn reload_route(self) -> Router {
        let reload = move || {
            let start = self.clone();
            async move {
                match start.load() {
                    Ok(_) => (StatusCode::OK, String::new()),
                    Err(error) => (
                        StatusCode::INTERNAL_SERVER_ERROR,
                        format!("failed to reload config: {error}\n"),
                    ),
                }
            }
        };
        Router::new().route("/-/reload", post(reload))
    }
}

async fn reload_on_hangup(mut hangups: Hangups, start: Start, console: Option<console::Service>) {
    loop {
        hangups.next().await;
        match &console {
            // It says itself how it went.
            Some(console) => drop(console.reload().await),
            None => drop(start.load().inspect_err(|error| {
                tracing::error!(%error, "the addresses were not reloaded: the old ones go on");
            })),
        }
    }
}

/// Nothing new comes in, what runs ends within its budget, the partitions are given up.
async fn stop(running: Running) {
    let stopped = spawn_blocking(move || {
        if let Some(ingest) = running.ingest
            && let Err(error) = ingest.stop()
        {
            tracing::error!(%error, "ingest did not end in order");
        }
        running.lanes.iter().for_each(LaneThread::ask_to_stop);
        for lane in running.lanes {
            if let Err(error) = lane.stop() {
                tracing::error!(%error, "a lane did not end in order");
            }
        }
        drop(running.console);
    });
    if let Err(error) = stopped.await {
        tracing::error!(%error, "the services did not end in order");
    }
}

fn external_url(cli: &Cli, address: std::net::SocketAddr) -> String {
    let own = format!("http://{}", reach(address));
    cli.web_external_url
        .as_deref()
        .map_or(own, |url| url.trim_end_matches('/').to_owned())
}

/// A name no process had before: time and process id, hashed.
fn fresh_instance() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let seed = [
        now.to_be_bytes().as_slice(),
        std::process::id().to_be_bytes().as_slice(),
    ]
    .concat();
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&seed))
}

//! What every handler has at hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use axum::http::{HeaderName, HeaderValue, Response};
use config::Config;
use runtime::Shutdown;
use streams::Log;

use crate::dashboard::Pulse;
use crate::fresh::Freshness;
use crate::json::Refusal;
use crate::reload::Reload;
use crate::view::View;

/// Says that an answer may lack what was acknowledged before the request, and why.
const STALE: HeaderName = HeaderName::from_static("x-alertstream-stale");

/// Reads and validates the operator's files; the error is what to tell them.
pub type LoadConfig = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// Whether something may begin.
pub type MayBegin = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the console has to be told.
#[derive(Clone)]
pub struct Settings {
    /// This process's id, as in the table `instances`: who publishes a config, and the name in `/api/v2/status`.
    pub instance: String,
    /// The names of the two files, for messages.
    pub config_file: String,
    /// None where the process has no such file.
    pub escalation_file: Option<String>,
    /// `--silences.max-silences`, expired ones included; 0 = no limit.
    pub max_silences: usize,
    /// `--silences.max-silence-size-bytes`; 0 = no limit but a record's own.
    pub max_silence_bytes: usize,
    /// `--data.retention`: how long an expired silence is kept. 120 h.
    pub retention: PromDuration,
    /// The longest `GET /alerts` waits for the view. 1 s.
    pub read_wait: Duration,
    /// The longest a write waits for the view or for route's answer. 5 s.
    pub write_wait: Duration,
    /// What a reload calls; it may block.
    pub load_config: LoadConfig,
    /// The address under which people reach the page: its path is the prefix of the page's own paths.
    pub external_url: String,
    /// Whether others than this machine can reach it: the page then warns those who need not say who they are.
    pub exposed: bool,
    /// Whether the view may begin to read: beside lanes that restore it waits, for people are told before they look.
    pub may_begin: MayBegin,
    /// Ends what would go on for ever: the streams to browsers.
    pub shutdown: Shutdown,
}

impl Settings {
    /// The defaults for a process of that id whose files `load_config` reads.
    pub fn new(instance: impl Into<String>, load_config: LoadConfig) -> Self {
        Self {
            instance: instance.into(),
            config_file: "alertmanager.yml".to_owned(),
            escalation_file: None,
            max_silences: 0,
            max_silence_bytes: 0,
            retention: PromDuration::from_hours(120),
            read_wait: Duration::from_secs(1),
            write_wait: Duration::from_secs(5),
            load_config,
            external_url: String::new(),
            exposed: false,
            may_begin: Arc::new(|| true),
            shutdown: Shutdown::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// What every handler has at hand.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) view: Arc<View>,
    pub(crate) settings: Settings,
    pub(crate) fresh: Freshness,
    pub(crate) reload: Reload,
    pub(crate) started_at: Timestamp,
    /// How it stands with the data, for every browser.
    pub(crate) pulse: Pulse,
}

impl App {
    pub(crate) fn new(log: Arc<dyn Log>, view: Arc<View>, settings: Settings) -> Arc<Self> {
        let started_at = log.now();
        Arc::new(Self {
            log,
            view,
            settings,
            fresh: Freshness::default(),
            reload: Reload::default(),
            started_at,
            pulse: Pulse::default(),
        })
    }

    /// The time, by the log's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// Runs what may take long, or may block, beside the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let app = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&app))
            .await
            .map_err(Refusal::internal)
    }
}

/// Marks an answer as possibly incomplete, if there is a reason.
pub(crate) fn mark_if_stale<B>(response: &mut Response<B>, why: Option<String>) {
    let Some(why) = why else { return };
    metrics::counter!("console_stale_answers_total").increment(1);
    if let Ok(value) = HeaderValue::from_str(&why) {
        response.headers_mut().insert(STALE, value);
    }
}

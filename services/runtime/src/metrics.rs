//! The process's metrics: where they are collected, and `/metrics`.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::names;

/// How often histograms' samples are folded into buckets: between two folds they are held one by one.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The text format's content type.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is collected. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Why nothing can be collected.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A histogram's buckets are refused, or another recorder is installed in this process.
    #[error("metrics: {0}")]
    Recorder(String),
}

impl Metrics {
    /// Collects what the process counts from now on, each metric described; later calls return the same.
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLED: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            let handle = recorder().map_err(|error| error.to_string())?;
            names::describe();
            metrics::gauge!(names::PROCESS_START_TIME).set(since_epoch());
            Ok(handle)
        });
        installed
            .clone()
            .map(|handle| Self { handle })
            .map_err(MetricsError::Recorder)
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps histograms small until the process ends. Needs a tokio runtime.
    pub fn keep_up(&self) {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(UPKEEP_EVERY);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        });
    }

    pub(crate) fn routes(&self) -> Router {
        let metrics = self.clone();
        Router::new().route(
            "/metrics",
            get(move || {
                let text = metrics.render();
                async move { ([(CONTENT_TYPE, TEXT_FORMAT)], text) }
            }),
        )
    }
}

fn recorder() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in names::METRICS {
        if let names::Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    builder.install_recorder()
}

fn since_epoch() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// Says which build runs, as `alertmanager_build_info`; what is Go's there is empty here.
pub fn build_info(version: &'static str, revision: &'static str) {
    metrics::gauge!(
        names::BUILD_INFO,
        "version" => version, "revision" => revision, "branch" => "", "goversion" => "", "tags" => "",
        "goos" => std::env::consts::OS, "goarch" => std::env::consts::ARCH,
    )
    .set(1.0);
}

/// The integrations Alertmanager counts for, whether they are used or not.
const INTEGRATIONS: [&str; 18] = [
    "email",
    "msteams",
    "msteamsv2",
    "pagerduty",
    "wechat",
    "pushover",
    "slack",
    "opsgenie",
    "webhook",
    "victorops",
    "sns",
    "telegram",
    "discord",
    "webex",
    "jira",
    "rocketchat",
    "mattermost",
    "incidentio",
];

/// Why a notification can have failed, in Alertmanager's words.
const FAILURES: [&str; 7] = [
    "authError",
    "clientError",
    "serverError",
    "contextCanceled",
    "contextDeadlineExceeded",
    "rateLimited",
    "other",
];

/// Makes the notification counters exist at 0, as Alertmanager does: an alert on their rate needs the first zero.
pub fn create_notification_counters() {
    for integration in INTEGRATIONS {
        metrics::counter!(names::NOTIFICATIONS, "integration" => integration).absolute(0);
        for reason in FAILURES {
            metrics::counter!(names::NOTIFICATIONS_FAILED, "integration" => integration, "reason" => reason)
                .absolute(0);
        }
    }
}

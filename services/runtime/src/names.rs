//! The name of every metric, once. What Alertmanager has keeps its name, so that dashboards and its mixin go on working;
//! ours are `<stage>_<noun>_<unit>`, counters with `_total`.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts into buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in the order of the documentation.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Upper bounds for what answers within a request: `prometheus/client_golang`'s default.
const REQUEST_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds for a commit: a local disk's sync, a broker's answer, librdkafka's 20 ms and 100 ms steps, a broker that
/// is away.
const COMMIT_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0,
];
/// Upper bounds for a notification: Alertmanager's.
const NOTIFICATION_SECONDS: &[f64] = &[1.0, 5.0, 10.0, 15.0, 20.0];

/// The constants and the table of them, so that neither can lack what the other has.
macro_rules! metrics_named {
    ($($(#[doc = $help:literal])+ $constant:ident = $name:literal, $kind:expr, [$($label:literal),*];)+) => {
        $($(#[doc = $help])+ pub const $constant: &str = $name;)+

        /// Every metric there is.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: $kind,
            labels: &[$($label),*],
            help: concat!($($help),+),
        }),+];
    };
}

metrics_named! {
    /// Which build this is.
    BUILD_INFO = "alertmanager_build_info", Kind::Gauge, ["branch", "goarch", "goos", "goversion", "revision", "tags", "version"];
    /// When the process started, in seconds since the epoch.
    PROCESS_START_TIME = "process_start_time_seconds", Kind::Gauge, [];
    /// Alerts by state.
    ALERTS = "alertmanager_alerts", Kind::Gauge, ["state"];
    /// Alerts received, before they were checked.
    ALERTS_RECEIVED = "alertmanager_alerts_received_total", Kind::Counter, ["status", "version"];
    /// Alerts received and refused.
    ALERTS_INVALID = "alertmanager_alerts_invalid_total", Kind::Counter, ["version"];
    /// Notifications attempted; the ones that failed are among them.
    NOTIFICATIONS = "alertmanager_notifications_total", Kind::Counter, ["integration"];
    /// Notifications that failed.
    NOTIFICATIONS_FAILED = "alertmanager_notifications_failed_total", Kind::Counter, ["integration", "reason"];
    /// Requests sent to receivers.
    NOTIFICATION_REQUESTS = "alertmanager_notification_requests_total", Kind::Counter, ["integration"];
    /// Requests to receivers that failed.
    NOTIFICATION_REQUESTS_FAILED = "alertmanager_notification_requests_failed_total", Kind::Counter, ["integration"];
    /// Notifications that something muted.
    NOTIFICATIONS_SUPPRESSED = "alertmanager_notifications_suppressed_total", Kind::Counter, ["reason"];
    /// How long a notification took.
    NOTIFICATION_LATENCY = "alertmanager_notification_latency_seconds", Kind::Histogram(NOTIFICATION_SECONDS), ["integration"];
    /// Silences by state.
    SILENCES = "alertmanager_silences", Kind::Gauge, ["state"];
    /// Groups that exist.
    AGGREGATION_GROUPS = "alertmanager_dispatcher_aggregation_groups", Kind::Gauge, [];
    /// Hash of the loaded config.
    CONFIG_HASH = "alertmanager_config_hash", Kind::Gauge, [];
    /// Whether the last attempt to load the config succeeded.
    CONFIG_LAST_RELOAD_SUCCESSFUL = "alertmanager_config_last_reload_successful", Kind::Gauge, [];
    /// When the config was last loaded, in seconds since the epoch.
    CONFIG_LAST_RELOAD_SUCCESS = "alertmanager_config_last_reload_success_timestamp_seconds", Kind::Gauge, [];
    /// Receivers in the config.
    RECEIVERS = "alertmanager_receivers", Kind::Gauge, [];
    /// Integrations in the config.
    INTEGRATIONS = "alertmanager_integrations", Kind::Gauge, [];
    /// Processes that live.
    CLUSTER_MEMBERS = "alertmanager_cluster_members", Kind::Gauge, [];
    /// How long requests took.
    HTTP_REQUEST_DURATION = "alertmanager_http_request_duration_seconds", Kind::Histogram(REQUEST_SECONDS), ["handler", "method", "code"];
    /// Requests being answered.
    HTTP_REQUESTS_IN_FLIGHT = "alertmanager_http_requests_in_flight", Kind::Gauge, ["method"];
    /// Requests refused because too many were being answered.
    HTTP_CONCURRENCY_LIMIT_EXCEEDED = "alertmanager_http_concurrency_limit_exceeded_total", Kind::Counter, ["method"];

    /// Alerts and events refused, by the rule that refused them.
    INGEST_ALERTS_REFUSED = "ingest_alerts_refused_total", Kind::Counter, ["reason"];
    /// Requests refused whole.
    INGEST_REQUESTS_REFUSED = "ingest_requests_refused_total", Kind::Counter, ["reason"];
    /// Items received as events, by their format.
    INGEST_EVENTS_RECEIVED = "ingest_events_received_total", Kind::Counter, ["format"];
    /// Records acknowledged by the log for requests.
    INGEST_RECORDS_APPENDED = "ingest_records_appended_total", Kind::Counter, [];
    /// Whether this process receives: 0 while it refuses or lags, so that nothing expires for want of news.
    INGEST_RECEIVING = "ingest_receiving", Kind::Gauge, [];
    /// Config versions that this release could not take up.
    INGEST_CONFIG_VERSIONS_REFUSED = "ingest_config_versions_refused_total", Kind::Counter, [];

    /// Sends that may have been a second delivery: as many as the journal has had records of them. Console shows it, from
    /// notify's state, so that no crash loses one.
    NOTIFY_POSSIBLE_DUPLICATES = "notify_possible_duplicates_total", Kind::Counter, [];

    /// Times the console could not read the log and opened a new reader.
    CONSOLE_VIEW_ERRORS = "console_view_errors_total", Kind::Counter, [];
    /// Records that the console could not take up.
    CONSOLE_RECORDS_REFUSED = "console_records_refused_total", Kind::Counter, ["topic"];
    /// Answers that may lack what was acknowledged a moment before, and said so.
    CONSOLE_STALE_ANSWERS = "console_stale_answers_total", Kind::Counter, [];

    /// When a lane last made a pass, in seconds since the epoch: one that makes none is stuck.
    STREAMS_LANE_LAST_PASS = "streams_lane_last_pass_timestamp_seconds", Kind::Gauge, ["stage", "lane"];
    /// Partitions that a lane owns.
    STREAMS_LANE_PARTITIONS = "streams_lane_partitions", Kind::Gauge, ["stage", "lane"];
    /// Partitions that a lane owns and restores.
    STREAMS_LANE_PARTITIONS_RESTORING = "streams_lane_partitions_restoring", Kind::Gauge, ["stage", "lane"];
    /// State records that a lane holds.
    STREAMS_LANE_STATE_KEYS = "streams_lane_state_keys", Kind::Gauge, ["stage", "lane"];
    /// Timers that are armed in a lane.
    STREAMS_LANE_TIMERS_ARMED = "streams_lane_timers_armed", Kind::Gauge, ["stage", "lane"];
    /// Records applied in committed transactions.
    STREAMS_RECORDS_APPLIED = "streams_records_applied_total", Kind::Counter, ["stage"];
    /// Timers fired in committed transactions.
    STREAMS_TIMERS_FIRED = "streams_timers_fired_total", Kind::Counter, ["stage"];
    /// Transactions committed.
    STREAMS_COMMITS = "streams_commits_total", Kind::Counter, ["stage"];
    /// How long transactions took, from the first record written to the commit.
    STREAMS_COMMIT_DURATION = "streams_commit_duration_seconds", Kind::Histogram(COMMIT_SECONDS), ["stage"];
    /// Timers that fired though the inbox's end was not known in time.
    STREAMS_TIMERS_FIRED_BLIND = "streams_timers_fired_blind_total", Kind::Counter, ["stage"];
    /// Inputs refused because they ask for a record that is too large.
    STREAMS_RECORDS_TOO_LARGE = "streams_records_too_large_total", Kind::Counter, ["stage"];
    /// Inputs that could not be applied.
    STREAMS_DEAD_LETTERS = "streams_dead_letters_total", Kind::Counter, ["stage", "reason"];
    /// Records of a table that could not be taken up: what the table said before stays in force.
    STREAMS_TABLE_RECORDS_REFUSED = "streams_table_records_refused_total", Kind::Counter, ["stage", "table"];
    /// Transactions whose outcome was learnt later.
    STREAMS_TRANSACTIONS_UNKNOWN = "streams_transactions_unknown_total", Kind::Counter, ["stage"];
    /// Transactions aborted and applied again.
    STREAMS_TRANSACTIONS_ABORTED = "streams_transactions_aborted_total", Kind::Counter, ["stage"];
    /// Records that retention removed before a stage read them.
    STREAMS_TRIMMED_UNREAD = "streams_trimmed_unread_total", Kind::Counter, ["stage"];
    /// State records read at restores.
    STREAMS_RESTORED_RECORDS = "streams_restored_records_total", Kind::Counter, ["stage"];
    /// How far the wall clock is from the log's.
    STREAMS_CLOCK_SKEW = "streams_clock_skew_seconds", Kind::Gauge, [];
    /// Times the wall clock was found too far off.
    STREAMS_CLOCK_SKEWED = "streams_clock_skewed_total", Kind::Counter, [];
    /// Times the machine's clock was too far from the embedded log's to trim by age.
    STREAMS_LOG_CLOCK_OFF = "streams_log_clock_off_total", Kind::Counter, [];
    /// Errors a Kafka client reported.
    STREAMS_KAFKA_ERRORS = "streams_kafka_errors_total", Kind::Counter, ["client", "code"];
}

/// Tells the recorder what each metric says.
pub(crate) fn describe() {
    for metric in METRICS {
        let (unit, help) = (unit(metric.name), metric.help.trim());
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, unit, help),
            Kind::Gauge => describe_gauge!(metric.name, unit, help),
            Kind::Histogram(_) => describe_histogram!(metric.name, unit, help),
        }
    }
}

fn unit(name: &str) -> Unit {
    if name.ends_with("_seconds") {
        Unit::Seconds
    } else {
        Unit::Count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who may begin a name of ours.
    const STAGES: [&str; 7] = ["ingest", "correlate", "route", "notify", "slo", "console", "streams"];

    #[test]
    fn names_follow_one_pattern() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice");
        for metric in METRICS {
            let name = metric.name;
            let (stage, noun) = name.split_once('_').unwrap();
            assert!(
                ["alertmanager", "process"].contains(&stage) || STAGES.contains(&stage),
                "{name}: whose is it?"
            );
            assert!(
                !noun.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{name}"
            );
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}: counters end with _total"
            );
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(name.ends_with("_seconds") && buckets.is_sorted(), "{name}");
            }
            assert!(metric.help.trim().ends_with('.'), "{name}: help is a sentence");
        }
    }

    #[test]
    fn the_mixin_finds_its_metrics() {
        // What Alertmanager's own mixin and the usual dashboards ask for, with the labels they sum by.
        let asked: [(&str, &[&str]); 12] = [
            ("alertmanager_config_last_reload_successful", &[]),
            ("alertmanager_config_hash", &[]),
            ("alertmanager_cluster_members", &[]),
            ("alertmanager_notifications_total", &["integration"]),
            ("alertmanager_notifications_failed_total", &["integration", "reason"]),
            ("alertmanager_notification_latency_seconds", &["integration"]),
            ("alertmanager_alerts", &["state"]),
            ("alertmanager_alerts_received_total", &["status", "version"]),
            ("alertmanager_alerts_invalid_total", &["version"]),
            ("alertmanager_silences", &["state"]),
            ("alertmanager_build_info", &["version"]),
            ("process_start_time_seconds", &[]),
        ];
        for (name, labels) in asked {
            let metric = METRICS
                .iter()
                .find(|metric| metric.name == name)
                .unwrap_or_else(|| panic!("{name} is missing"));
            assert!(
                labels.iter().all(|label| metric.labels.contains(label)),
                "{name} lacks one of {labels:?}"
            );
        }
    }
}

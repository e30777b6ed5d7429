//! `up --demo`: a config of three teams and traffic for it, so that within a minute every screen has something to show.
//!
//! The traffic comes in as anybody's does: by requests to the paths of this very process.

use std::sync::Arc;
use std::time::Duration;

use alert::{PromDuration, Timestamp};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use streams::Log;
use tokio::time::interval;
use tower::ServiceExt;

/// The config, with [`INBOX`] where the built-in inbox's URL belongs.
pub(crate) const CONFIG: &str = include_str!("demo/alertmanager.yml");
/// Its policies.
pub(crate) const ESCALATION: &str = include_str!("demo/escalation.yml");
/// What stands in the config for the inbox.
pub(crate) const INBOX: &str = "INBOX";

/// How often every alert is sent again, as a Prometheus does.
const EVERY: Duration = Duration::from_secs(10);
/// The pause between two looks whether all is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long an alert lives without that.
const LIFE: PromDuration = PromDuration::from_secs(60);
/// The alert that comes and goes changes over after so many rounds.
const FLAP: u64 = 3;
/// The one that was mended is sent for so many rounds, and no longer.
const MENDED: u64 = 3;
/// The round in which somebody acknowledges.
const ACKNOWLEDGED: u64 = 2;

/// One kind of alert.
struct Sample {
    name: &'static str,
    team: &'static str,
    severity: &'static str,
    /// Of what: `label=value` pairs for each alert.
    of: &'static [&'static [(&'static str, &'static str)]],
    summary: &'static str,
    expr: &'static str,
    value: f64,
}

const SAMPLES: [Sample; 8] = [
    Sample {
        name: "CheckoutErrorBudgetBurn",
        team: "payments",
        severity: "critical",
        of: &[&[("cluster", "eu-1"), ("service", "checkout")]],
        summary: "Checkout burns its error budget 22 times too fast",
        expr: "job:slo_errors:ratio_rate5m{service=\"checkout\"} > 14.4 * 0.001",
        value: 0.0317,
    },
    Sample {
        name: "PaymentQueueStalled",
        team: "payments",
        severity: "critical",
        of: &[&[("cluster", "us-1"), ("service", "settlement")]],
        summary: "No settlement has left the queue for six minutes",
        expr: "rate(settlements_total[5m]) == 0 and queue_length > 0",
        value: 0.0,
    },
    Sample {
        name: "CardLatencyHigh",
        team: "payments",
        severity: "warning",
        of: &[
            &[("cluster", "eu-1"), ("instance", "cards-1:9100")],
            &[("cluster", "eu-1"), ("instance", "cards-2:9100")],
            &[("cluster", "eu-1"), ("instance", "cards-3:9100")],
        ],
        summary: "Card authorisation takes longer than 800 ms (p99)",
        expr: "histogram_quantile(0.99, rate(card_seconds_bucket[5m])) > 0.8",
        value: 1.23,
    },
    Sample {
        name: "NodeDiskFull",
        team: "platform",
        severity: "critical",
        of: &[&[("cluster", "eu-1"), ("instance", "node-7:9100")]],
        summary: "/var on node-7 is 97 % full and fills within the hour",
        expr: "node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.05",
        value: 0.029,
    },
    Sample {
        name: "KafkaUnderReplicated",
        team: "platform",
        severity: "warning",
        of: &[
            &[("cluster", "eu-1"), ("broker", "3")],
            &[("cluster", "us-1"), ("broker", "1")],
        ],
        summary: "A broker has partitions with too few replicas",
        expr: "kafka_under_replicated_partitions > 0",
        value: 12.0,
    },
    Sample {
        name: "BackupLate",
        team: "platform",
        severity: "info",
        of: &[&[("cluster", "eu-1"), ("job", "backup")]],
        summary: "The nightly backup has not finished",
        expr: "time() - backup_last_success_seconds > 36 * 3600",
        value: 131_000.0,
    },
    Sample {
        name: "IndexingBehind",
        team: "search",
        severity: "warning",
        of: &[
            &[("service", "indexer"), ("shard", "4")],
            &[("service", "indexer"), ("shard", "9")],
        ],
        summary: "Search results are more than ten minutes old",
        expr: "indexer_lag_seconds > 600",
        value: 834.0,
    },
    Sample {
        name: "CertificateExpires",
        team: "",
        severity: "warning",
        of: &[&[("cluster", "us-1"), ("host", "legacy.example")]],
        summary: "The certificate of legacy.example ends in three days",
        expr: "probe_ssl_earliest_cert_expiry - time() < 5 * 86400",
        value: 259_200.0,
    },
];

/// Comes and goes.
const FLAPPING: &str = "IndexingBehind";
/// Is mended after a while.
const IS_MENDED: &str = "KafkaUnderReplicated";
/// Somebody has it.
const IS_ACKNOWLEDGED: &str = "CardLatencyHigh";

/// Sends for ever, to the paths below `prefix` of `app`, once all of it is ready.
pub(crate) async fn run(app: Router, prefix: String, log: Arc<dyn Log>) {
    let mut looks = interval(LOOK_AGAIN);
    while !is_ready(&app, &prefix).await {
        looks.tick().await;
    }
    let (mut ticks, started_at) = (interval(EVERY), log.now());
    for round in 0.. {
        ticks.tick().await;
        let now = log.now();
        post(&app, &prefix, "/api/v2/alerts", &alerts(round, started_at, now)).await;
        if round == 0 {
            post(&app, &prefix, "/api/v2/silences", &silence(now)).await;
        }
        if round == ACKNOWLEDGED {
            // All of its alerts are in one group: one of them is enough.
            let sent = alerts(round, started_at, now);
            let named = |alert: &&Value| {
                alert
                    .pointer("/labels/alertname")
                    .is_some_and(|name| name == IS_ACKNOWLEDGED)
            };
            if let Some(alert) = sent.as_array().into_iter().flatten().find(named) {
                let path = format!("/api/v1/alerts/{}/acknowledge", fingerprint(alert));
                let body = json!({"by": "Ana", "comment": "looking at the card provider"});
                post(&app, &prefix, &path, &body).await;
            }
        }
    }
}

/// Every alert that is sent in a round.
fn alerts(round: u64, started_at: Timestamp, now: Timestamp) -> Value {
    let sent = SAMPLES.iter().filter(|sample| match sample.name {
        FLAPPING => (round / FLAP).is_multiple_of(2),
        IS_MENDED => round < MENDED,
        _ => true,
    });
    // What is not sent any more ends at once, as Prometheus says it.
    let ended = SAMPLES.iter().filter(|sample| match sample.name {
        FLAPPING => !(round / FLAP).is_multiple_of(2),
        IS_MENDED => round == MENDED,
        _ => false,
    });
    let alive = sent.flat_map(|sample| of(sample, started_at, now + LIFE));
    let over = ended.flat_map(|sample| of(sample, started_at, now));
    alive.chain(over).collect()
}

fn of(sample: &Sample, started_at: Timestamp, ends_at: Timestamp) -> impl Iterator<Item = Value> + '_ {
    sample.of.iter().map(move |of| {
        let mut labels: serde_json::Map<String, Value> = of
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        for (name, value) in [
            ("alertname", sample.name),
            ("team", sample.team),
            ("severity", sample.severity),
        ] {
            if !value.is_empty() {
                labels.insert(name.to_owned(), json!(value));
            }
        }
        let query = sample
            .expr
            .replace('%', "%25")
            .replace('+', "%2B")
            .replace('&', "%26")
            .replace('#', "%23");
        json!({
            "labels": labels,
            "annotations": {
                "summary": sample.summary,
                "description": format!("The rule's value is {}.", sample.value),
                "runbook_url": format!("https://runbooks.example/{}", sample.name),
            },
            "generatorURL": format!("http://prometheus.example:9090/graph?g0.expr={query}&g0.tab=1"),
            "startsAt": started_at.to_string(),
            "endsAt": ends_at.to_string(),
        })
    })
}

fn fingerprint(alert: &Value) -> alert::Fingerprint {
    let labels = alert
        .pointer("/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    alert::LabelSet::from(labels.collect::<std::collections::BTreeMap<_, _>>()).fingerprint()
}

fn silence(now: Timestamp) -> Value {
    json!({
        "matchers": [{"name": "alertname", "value": "BackupLate", "isRegex": false, "isEqual": true}],
        "startsAt": now.to_string(),
        "endsAt": (now + PromDuration::from_hours(2)).to_string(),
        "createdBy": "Bo",
        "comment": "the backup host is being moved",
    })
}

async fn is_ready(app: &Router, prefix: &str) -> bool {
    let Ok(request) = Request::get(format!("{prefix}/-/ready")).body(Body::empty()) else {
        return true;
    };
    let answer = app.clone().oneshot(request).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// A request as any client makes it; what goes wrong is told, and tried again in the next round.
async fn post(app: &Router, prefix: &str, path: &str, body: &Value) {
    let request = Request::post(format!("{prefix}{path}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()));
    let request = match request {
        Ok(request) => request,
        Err(error) => return tracing::warn!(%error, path, "the demo cannot ask that"),
    };
    match app.clone().oneshot(request).await {
        Ok(answer) if answer.status().is_success() => {}
        Ok(answer) => tracing::warn!(status = %answer.status(), path, "the demo was refused"),
        Err(error) => match error {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_ends_before_it_comes_again() {
        let now = Timestamp::from_secs(1_000_000);
        let count = |round, name: &str, alive: bool| {
            let all = alerts(round, now, now);
            let of_name = all
                .as_array()
                .unwrap()
                .iter()
                .filter(|alert| alert["labels"]["alertname"] == name);
            of_name
                .filter(|alert| (alert["endsAt"] != now.to_string()) == alive)
                .count()
        };
        let rows = [
            (0, FLAPPING, (2, 0)),
            (FLAP, FLAPPING, (0, 2)),
            (2 * FLAP, FLAPPING, (2, 0)),
            (MENDED - 1, IS_MENDED, (2, 0)),
            (MENDED, IS_MENDED, (0, 2)),
            (MENDED + 1, IS_MENDED, (0, 0)),
        ];
        for (round, name, expected) in rows {
            assert_eq!(
                (count(round, name, true), count(round, name, false)),
                expected,
                "{round} {name}"
            );
        }
    }
}

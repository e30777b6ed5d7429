//! The configs the histories run under, and the alerts that fire in them.

use alert::LabelSet;
use config::{Config, Source};
use schemas::ConfigVersion;

/// Receivers that escalation or fallback may reach, beside those of the routes.
pub(crate) const RECEIVERS: [&str; 7] = ["chat", "db", "pager", "sms", "lead", "noc", "other"];

const ESCALATION: &str = "version: 1
policies:
  db:
    steps:
      - notify: [{receiver: pager}]
        escalate_after: 60s
      - notify: [{receiver: lead}]
        escalate_after: 60s
    last_resort: [{receiver: noc}]
receivers:
  db: {policy: db}
  pager: {fallback: [{receiver: sms}], try_for: 10s}
";

/// Three versions: the second groups more finely, the third sends elsewhere.
fn alertmanager(version: usize) -> String {
    let (group_by, receiver) = match version % 3 {
        0 => ("[alertname]", "db"),
        1 => ("[alertname, instance]", "db"),
        _ => ("[alertname]", "other"),
    };
    let receivers =
        RECEIVERS.map(|name| format!("  - name: {name}\n    webhook_configs: [{{url: 'http://{name}.test/'}}]\n"));
    let receivers = receivers.concat();
    format!(
        "route:\n  receiver: chat\n  group_by: [alertname]\n  group_wait: 5s\n  group_interval: 30s\n  repeat_interval: 10m\n  \
         routes:\n    - matchers: ['team=\"db\"']\n      receiver: {receiver}\n      group_by: {group_by}\n      continue: true\n    \
         - matchers: ['severity=~\".+\"']\n      receiver: chat\nreceivers:\n{receivers}"
    )
}

pub(crate) fn config_version(version: usize) -> ConfigVersion {
    let config = load(version);
    let (alertmanager, escalation) = config.published();
    ConfigVersion {
        alertmanager,
        alertmanager_file: "alertmanager.yml".to_owned(),
        escalation,
        escalation_file: Some("escalation.yml".to_owned()),
        published_by: format!("simulation-{version}"),
        at: alert::Timestamp::ZERO,
    }
}

pub(crate) fn load(version: usize) -> Config {
    let text = alertmanager(version);
    let alertmanager = Source {
        name: "alertmanager.yml",
        text: &text,
    };
    let escalation = Source {
        name: "escalation.yml",
        text: ESCALATION,
    };
    Config::load(alertmanager, Some(escalation)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The alerts of a history: some of one group, some of two.
pub(crate) fn alerts() -> Vec<LabelSet> {
    let mut alerts = Vec::new();
    for name in ["Slow", "Down", "Full"] {
        for instance in ["a", "b"] {
            let team = if name == "Slow" { "web" } else { "db" };
            let severity = if name == "Full" { "" } else { "critical" };
            let labels = [
                ("alertname", name),
                ("instance", instance),
                ("team", team),
                ("severity", severity),
            ];
            let labels: LabelSet = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            alerts.push(labels);
        }
    }
    alerts
}

//! What a valid config comes to: defaults, inheritance, ids, nulls, warnings.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use alert::PromDuration;
use config::{Config, GroupBy, HttpConfig, IntegrationKind, Source, WebhookUrl};

fn load(text: &str) -> Config {
    Config::load(
        Source {
            name: "alertmanager.yml",
            text,
        },
        None,
    )
    .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn defaults_are_alertmanagers() {
    let config = load("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://h'}]}]");
    assert_eq!(config.global.resolve_timeout, PromDuration::from_mins(5));
    let timing = config.route.timing;
    assert_eq!(timing.group_wait, PromDuration::from_secs(30));
    assert_eq!(timing.group_interval, PromDuration::from_mins(5));
    assert_eq!(timing.repeat_interval, PromDuration::from_hours(4));
    assert_eq!(config.route.group_by, GroupBy::Labels([].into()));
    let receiver = config.receiver("a").unwrap();
    assert_eq!(receiver.labels, [("name".to_owned(), "a".to_owned())].into());
    let integration = &receiver.integrations[0];
    assert_eq!(
        (integration.log_key.as_str(), integration.send_resolved),
        ("a/webhook/0", true)
    );
    let IntegrationKind::Webhook(webhook) = &integration.kind;
    assert_eq!((webhook.max_alerts, webhook.timeout), (0, Duration::ZERO));
    assert_eq!(
        webhook.http,
        HttpConfig {
            follow_redirects: true,
            enable_http2: true
        }
    );
    assert!(config.warnings.is_empty() && config.escalation.is_none());
}

#[test]
fn routes_inherit_and_have_ids() {
    let config = load(
        "\
route:
  receiver: a
  group_by: [x]
  group_wait: 1s
  routes:
  - matchers: [team=\"db\"]
    group_by: ['...']
    continue: true
    routes:
    - match: {b: '1', a: '2'}
      match_re: {owner: team-(B|C)}
      group_by: []
      repeat_interval: 1h
  - matchers: [team=\"db\"]
    receiver: b
    routes:
    - {}
  - matchers: ['{team=\"db\"}']
    group_by: ~
receivers: [{name: a}, {name: b}]
",
    );
    // id, receiver, group_by, group_wait, repeat_interval
    let rows = [
        ("{}", "a", Some("x"), "1s", "4h"),
        ("{}/{team=\"db\"}", "a", None, "1s", "4h"),
        (
            "{}/{team=\"db\"}/{a=\"2\",b=\"1\",owner=~\"^(?:team-(B|C))$\"}",
            "a",
            Some(""),
            "1s",
            "1h",
        ),
        ("{}/{team=\"db\"}#1", "b", Some("x"), "1s", "4h"),
        ("{}/{team=\"db\"}/{}", "b", Some("x"), "1s", "4h"),
        ("{}/{team=\"db\"}#2", "a", Some("x"), "1s", "4h"),
    ];
    let routes: Vec<_> = config.route.walk().collect();
    assert_eq!(
        routes.iter().map(|route| route.id.as_str()).collect::<Vec<_>>(),
        rows.map(|row| row.0)
    );
    for (id, receiver, group_by, group_wait, repeat_interval) in rows {
        let route = config.route(id).unwrap();
        assert_eq!(route.id.as_str(), id);
        assert_eq!(route.receiver, receiver, "{id}");
        let expected = group_by.map_or(GroupBy::All, |names| {
            GroupBy::Labels(names.split_terminator(',').map(str::to_owned).collect())
        });
        assert_eq!(route.group_by, expected, "{id}");
        assert_eq!(route.timing.group_wait.to_string(), group_wait, "{id}");
        assert_eq!(route.timing.repeat_interval.to_string(), repeat_interval, "{id}");
    }
    assert!(config.route("{}#1").is_none());
    assert!(config.route.routes[0].continues);
}

#[test]
fn webhooks_take_their_own_http_config_or_the_global_one() {
    let config = load(
        "\
global: {resolve_timeout: 1m, http_config: {enable_http2: off}}
route: {receiver: a}
receivers:
- name: a
  webhook_configs:
  - url: http://user:pass@h:8080/x?y=z
    send_resolved: no
    max_alerts: 0x10
    timeout: 1m30s
  - url_file: /run/secrets/hook
    send_resolved:
    http_config: {follow_redirects: false}
  - url: <secret>
    http_config: ~
",
    );
    let rows: Vec<_> = config.receivers[0]
        .integrations
        .iter()
        .map(|integration| {
            let IntegrationKind::Webhook(webhook) = &integration.kind;
            let url = match &webhook.url {
                WebhookUrl::Inline(secret) => secret.expose(),
                WebhookUrl::File(path) => path,
            };
            let http = (webhook.http.follow_redirects, webhook.http.enable_http2);
            (
                integration.log_key.as_str(),
                url,
                integration.send_resolved,
                webhook.max_alerts,
                webhook.timeout,
                http,
            )
        })
        .collect();
    let expected = [
        (
            "a/webhook/0",
            "http://user:pass@h:8080/x?y=z",
            false,
            16,
            Duration::from_secs(90),
            (true, false),
        ),
        // A null is false, as Alertmanager has it.
        (
            "a/webhook/1",
            "/run/secrets/hook",
            false,
            0,
            Duration::ZERO,
            (false, true),
        ),
        ("a/webhook/2", "<secret>", true, 0, Duration::ZERO, (true, false)),
    ];
    assert_eq!(rows, expected);
    assert_eq!(config.secrets().len(), 1);
}

#[test]
fn anchors_and_merges_work() {
    let config = load(
        "\
route:
  receiver: a
  routes:
  - &db {matchers: [team=db], group_wait: 1s, receiver: a}
  - <<: *db
    matchers: [team=\"web\"]
receivers: [{name: a}]
",
    );
    let second = &config.route.routes[1];
    assert_eq!(
        (second.id.as_str(), second.timing.group_wait),
        ("{}/{team=\"web\"}", PromDuration::from_secs(1))
    );
}

#[test]
fn warnings_have_a_place() {
    let rows: [(&str, &[&str]); 4] = [
        (
            "route: {receiver: a, repeat_interval: 1m}",
            &["1:39: repeat_interval is less than group_interval."],
        ),
        (
            "route: {receiver: a, group_interval: 1d}",
            &["1:38: repeat_interval is less than group_interval."],
        ),
        (
            "route: {receiver: a, repeat_interval: 30d}",
            &["1:39: repeat_interval is greater than the data retention"],
        ),
        (
            "route: {receiver: a, routes: [{matchers: ['x=a\\d']}]}",
            &["1:43: Alertmanager is moving to a new parser"],
        ),
    ];
    for (text, expected) in rows {
        let config = load(&format!("{text}\nreceivers: [{{name: a}}]"));
        let found: Vec<_> = config
            .warnings
            .iter()
            .map(|warning| format!("{}:{}: {}", warning.line, warning.column, warning.message))
            .collect();
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(found, start)| found.starts_with(start)),
            "{text}: {found:?}"
        );
    }
}

//! What an operator reads, and what nobody may read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use config::{Config, Source};

fn errors(text: &str) -> String {
    Config::load(
        Source {
            name: "alertmanager.yml",
            text,
        },
        None,
    )
    .unwrap_err()
    .to_string()
}

#[test]
fn an_error_shows_the_place_and_what_to_do() {
    let text = "\
route:
  receiver: chat
  routes:
  - receiver: pagerdty
    matchers: [severity=\"critical\"]
receivers:
- name: chat
- name: pagerduty
  webhook_confgs: []
";
    let expected = "\
alertmanager.yml:4:15: undefined receiver \"pagerdty\" used in route
  4 |   - receiver: pagerdty
    |               ^
  hint: did you mean \"pagerduty\"?
alertmanager.yml:9:3: field webhook_confgs not found in type config.plain
  9 |   webhook_confgs: []
    |   ^
  hint: did you mean \"webhook_configs\"?";
    assert_eq!(errors(text), expected);
}

#[test]
fn no_error_shows_a_secret() {
    let rows = [
        "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: ftp://h/s3cr3t, max_alerts: x}]}]",
        "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: s3cr3t}]}]",
        "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: [s3cr3t]}]}]",
        "route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{api_url: s3cr3t}]}]",
        "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: http://h, http_config: {http_headers: {x: {values: [s3cr3t]}}}}]}]",
        "route: {receiver: a}\nglobal: {smtp_auth_password: s3cr3t, smpt_from: x}",
        "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://h/s3cr3t]}]",
        "route: {receiver: a}\nreceivers: [{name: a}, ] # was http://h/s3cr3t\nroutes: x",
        "route: {receiver: a, oops: x} # http://h/s3cr3t",
    ];
    for text in rows {
        let shown = errors(text);
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
    let fine = "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: http://h/s3cr3t}]}]";
    let config = Config::load(
        Source {
            name: "alertmanager.yml",
            text: fine,
        },
        None,
    )
    .unwrap();
    for shown in [format!("{config:?}"), config.redacted_yaml(), config.published().0] {
        assert!(!shown.contains("s3cr3t") && shown.contains("<secret>"), "{shown}");
    }
    let secrets: Vec<_> = config
        .secrets()
        .into_values()
        .map(|secret| secret.expose().to_owned())
        .collect();
    assert_eq!(secrets, ["http://h/s3cr3t"]);
}

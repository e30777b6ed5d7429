//! What travels on the `config` topic and what `/api/v2/status` shows loads again, and means the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test finds every example there is")]

use std::fs;
use std::path::PathBuf;

use config::{Config, Source};

fn load(alertmanager: &str, escalation: Option<&str>) -> Config {
    let alertmanager = Source {
        name: "alertmanager.yml",
        text: alertmanager,
    };
    let escalation = escalation.map(|text| Source {
        name: "escalation.yml",
        text,
    });
    Config::load(alertmanager, escalation).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Publishing is a fixed point, and loses nothing but secrets.
fn check_round_trip(config: &Config) {
    let (alertmanager, escalation) = config.published();
    let again = load(&alertmanager, escalation.as_deref());
    assert_eq!(again.published(), (alertmanager.clone(), escalation), "{alertmanager}");
    assert!(again.secrets().is_empty());
    let ids = |config: &Config| config.route.walk().map(|route| route.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(config));
    assert_eq!(again.route, config.route);
    assert_eq!(again.global, config.global);
    assert_eq!(again.escalation, config.escalation);
    // `Debug` hides secrets, so that this compares all else.
    assert_eq!(format!("{:?}", again.receivers), format!("{:?}", config.receivers));
}

#[test]
fn every_example_loads_and_survives_publishing() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut examples = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let alertmanager = fs::read_to_string(folder.join("alertmanager.yml")).unwrap();
        let escalation = fs::read_to_string(folder.join("escalation.yml")).unwrap();
        let config = load(&alertmanager, Some(&escalation));
        assert_eq!(config.warnings, [], "{}", folder.display());
        check_round_trip(&config);
        // The first file alone is a whole config: it stays portable.
        check_round_trip(&load(&alertmanager, None));
        examples += 1;
    }
    assert_eq!(examples, 3);
}

#[test]
fn awkward_texts_survive() {
    let config = load(
        r##"
global: {resolve_timeout: 1h30m}
route:
  receiver: "null"
  group_by: []
  routes:
  - {receiver: "#1: [x], {y}", matchers: ['"a b"="c\"d\\e"', 'x=~"^(a|b)\\d$"', 'f!=""', "g=' '"], group_by: ['...']}
  - {receiver: "it's", match: {a: "1", b: ~, c: "yes", d: "line\nbreak"}, match_re: {e: "x.*|:"}, group_wait: 0s}
  - {receiver: " spaced ", matchers: [], routes: [{}]}
  - {receiver: "é — ü", matchers: ["🙂=x"]}
  - {receiver: "- dash"}
receivers:
- {name: "null", labels: {"true": "1e3", x: ""}, webhook_configs: [{url: "http://h", timeout: 1.5s, max_alerts: 7}]}
- {name: "#1: [x], {y}", webhook_configs: [{url_file: "C:\\x y"}]}
- {name: "it's"}
- {name: " spaced "}
- {name: "é — ü"}
- {name: "- dash"}
"##,
        Some(
            r#"
version: 1
team_label: "on"
severity: {label: "1", order: ["2", "", "x: y"]}
teams: {"~": {title: "a # b"}, plain: }
receivers: {"it's": {team: "~", fallback: [{receiver: "null"}]}}
"#,
        ),
    );
    check_round_trip(&config);
}

#[test]
fn the_status_page_shows_alertmanagers_layout() {
    let config = load(
        "\
route: {receiver: chat, group_by: [alertname], routes: [{matchers: [team=db], continue: true}]}
receivers: [{name: chat, webhook_configs: [{url: 'http://h/x'}]}]
",
        None,
    );
    let expected = "\
global:
  resolve_timeout: 5m
  http_config:
    follow_redirects: true
    enable_http2: true
route:
  receiver: chat
  group_by:
  - alertname
  continue: false
  routes:
  - matchers:
    - team=\"db\"
    continue: true
receivers:
- name: chat
  webhook_configs:
  - send_resolved: true
    http_config:
      follow_redirects: true
      enable_http2: true
    url: <secret>
    url_file: \"\"
    max_alerts: 0
    timeout: 0s
templates: []
";
    assert_eq!(config.redacted_yaml(), expected);
}

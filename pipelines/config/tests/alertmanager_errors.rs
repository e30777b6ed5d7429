//! What is wrong with an `alertmanager.yml`, where, and in which words. Each row: the file, and every error it gives.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use config::{Config, Source};

fn errors(text: &str) -> Vec<String> {
    let result = Config::load(
        Source {
            name: "alertmanager.yml",
            text,
        },
        None,
    );
    let errors = result.err().map(|errors| errors.0).unwrap_or_default();
    errors
        .iter()
        .map(|error| format!("{}:{}: {}", error.line, error.column, error.message))
        .collect()
}

fn check(rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        assert_eq!(errors(text), *expected, "\n{text}\n");
    }
}

/// A valid receiver to put after a route.
macro_rules! with_receiver {
    ($text:literal) => {
        concat!($text, "\nreceivers: [{name: a}]\n")
    };
}

/// A valid route to put before receivers.
macro_rules! with_route {
    ($text:literal) => {
        concat!("route: {receiver: a}\nreceivers:\n- name: a\n", $text)
    };
}

#[test]
fn the_file_as_a_whole() {
    check(&[
        ("", &["0:0: no route provided in config"]),
        ("# nothing but words\n", &["0:0: no route provided in config"]),
        ("{}", &["0:0: no routes provided"]),
        ("route:\nreceivers: []", &["0:0: no routes provided"]),
        ("- a\n- b", &["1:1: cannot unmarshal !!seq into config.plain"]),
        (
            "just some words",
            &["1:1: cannot unmarshal !!str `just so...` into config.plain"],
        ),
        (
            with_receiver!("route: {receiver: a}\nroute: {receiver: a}"),
            &["2:1: field route already set in type config.plain"],
        ),
        (
            with_receiver!("rout: {receiver: a}"),
            &[
                "0:0: no routes provided",
                "1:1: field rout not found in type config.plain",
            ],
        ),
        (
            with_receiver!("route: {receiver: a}\nglobal:\n  resolve_timeouts: 5m"),
            &["3:3: field resolve_timeouts not found in type config.plain"],
        ),
        (
            with_receiver!("global: {resolve_timeout: 5}\nroute: {receiver: a}"),
            &["1:27: not a valid duration string: \"5\""],
        ),
    ]);
}

#[test]
fn broken_yaml_has_a_place() {
    for text in [
        "route: {receiver: a",
        "route:\n\treceiver: a",
        "a: *nothing",
        "a: [1, 2",
        "\"abc",
    ] {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(
            found
                .iter()
                .all(|error| error.contains(": yaml: ") && !error.starts_with("0:")),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    check(&[
        (
            with_receiver!("route: {receiver: a}\ninhibit_rules: [{equal: [x]}]"),
            &["2:1: inhibit_rules is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a}\ntemplates: ['*.tmpl']"),
            &["2:1: templates is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a}\ntime_intervals: [{name: x}]"),
            &["2:1: time_intervals is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a}\ntracing: {endpoint: x}"),
            &["2:1: tracing is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a}\nglobal: {smtp_from: x}"),
            &["2:10: smtp_from is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a}\nglobal: {http_config: {tls_config: {ca_file: x}}}"),
            &["2:24: tls_config is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a, labels: {x: y}}"),
            &["1:22: labels is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [{mute_time_intervals: [x]}]}"),
            &["1:32: mute_time_intervals is not supported yet"],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [{active_time_intervals: [x]}]}"),
            &["1:32: active_time_intervals is not supported yet"],
        ),
        (
            with_route!("  slack_configs: [{channel: x}]"),
            &["4:3: slack_configs is not supported yet"],
        ),
        (
            with_route!("  email_configs: [{to: x}]"),
            &["4:3: email_configs is not supported yet"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h', payload: {a: b}}]"),
            &["4:39: payload is not supported yet"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://{{ .X }}'}]"),
            &["4:27: a template in url is not supported yet"],
        ),
        // What says nothing asks for nothing.
        (
            with_receiver!(
                "route: {receiver: a, routes: [{mute_time_intervals: []}]}\ninhibit_rules: []\ntemplates: []\ntracing:"
            ),
            &[],
        ),
    ]);
}

#[test]
fn the_root_route() {
    check(&[
        (
            with_receiver!("route: {receiver: a, routes: [{receiver: b}]}"),
            &["1:42: undefined receiver \"b\" used in route"],
        ),
        (
            with_receiver!("route: {group_by: [x]}"),
            &["1:8: root route must specify a default receiver"],
        ),
        (
            with_receiver!("route: {receiver: ''}"),
            &["1:19: root route must specify a default receiver"],
        ),
        (
            with_receiver!("route: {receiver: a, match: {x: y}}"),
            &["1:22: root route must not have any matchers"],
        ),
        (
            with_receiver!("route: {receiver: a, match_re: {x: y}}"),
            &["1:22: root route must not have any matchers"],
        ),
        (
            with_receiver!("route: {receiver: a, matchers: [x=y]}"),
            &["1:22: root route must not have any matchers"],
        ),
        (
            with_receiver!("route: {receiver: a, continue: yes}"),
            &["1:22: cannot have continue in root route"],
        ),
    ]);
}

#[test]
fn grouping_and_timing() {
    check(&[
        (
            with_receiver!("route: {receiver: a, continue: maybe}"),
            &["1:32: cannot unmarshal !!str `maybe` into bool"],
        ),
        (
            with_receiver!("route: {receiver: a, group_by: x}"),
            &["1:32: cannot unmarshal !!str `x` into []string"],
        ),
        (
            with_receiver!("route: {receiver: a, group_by: ['']}"),
            &["1:33: invalid label name \"\" in group_by list"],
        ),
        (
            with_receiver!("route: {receiver: a, group_by: [x, y, x]}"),
            &["1:39: duplicated label \"x\" in group_by"],
        ),
        (
            with_receiver!("route: {receiver: a, group_by: ['...', x]}"),
            &["1:32: cannot have wildcard group_by (`...`) and other labels at the same time"],
        ),
        (
            with_receiver!("route: {receiver: a, group_interval: 0s}"),
            &["1:38: group_interval cannot be zero"],
        ),
        (
            with_receiver!("route: {receiver: a, repeat_interval: 0}"),
            &["1:39: repeat_interval cannot be zero"],
        ),
        (
            with_receiver!("route: {receiver: a, group_wait: 1.5s}"),
            &["1:34: not a valid duration string: \"1.5s\""],
        ),
        (with_receiver!("route: {receiver: a, group_wait: 0s}"), &[]),
    ]);
}

#[test]
fn matchers_and_subroutes() {
    check(&[
        (
            with_receiver!("route: {receiver: a, routes: [{match: {a-b: y}}]}"),
            &["1:40: invalid label name \"a-b\""],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [{match_re: {x: }}]}"),
            &["1:44: invalid regexp value for \"x\""],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [{matchers: ['=x']}]}"),
            &["1:43: bad matcher format: =x"],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [{match: {x: 1, x: 2}}]}"),
            &["1:46: key \"x\" already set in map"],
        ),
        (
            with_receiver!("route: {receiver: a, routes: [~]}"),
            &["1:31: missing route"],
        ),
        (
            with_receiver!("route: {receiver: a, routes: {receiver: a}}"),
            &["1:30: cannot unmarshal !!map into []*config.Route"],
        ),
    ]);
    let bad_regexp = errors(with_receiver!("route: {receiver: a, routes: [{match_re: {x: '('}}]}"));
    assert!(
        bad_regexp
            .iter()
            .any(|error| error.starts_with("1:46: error parsing regexp: ")),
        "{bad_regexp:?}"
    );
}

#[test]
fn receivers() {
    check(&[
        (
            "route: {receiver: a}\nreceivers: [{name: a}, {}]",
            &["2:24: missing name in receiver"],
        ),
        (
            "route: {receiver: a}\nreceivers: [{name: a}, {name: }]",
            &["2:24: missing name in receiver"],
        ),
        (
            "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]",
            &["2:31: notification config name \"a\" is not unique"],
        ),
        (
            with_route!("  labels: {name: b}"),
            &["4:18: receiver label \"name\" must match receiver name \"a\", got \"b\""],
        ),
        (with_route!("  webhook_configs: [~]"), &["4:21: missing webhook config"]),
        (
            with_route!("  webhook_configs: [{}]"),
            &["4:21: one of url or url_file must be configured"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h', url_file: f}]"),
            &["4:39: at most one of url & url_file must be configured"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'ftp://h'}]"),
            &["4:27: invalid URL: unsupported scheme \"ftp\" for URL"],
        ),
        (
            with_route!("  webhook_configs: [{url: hooks.example.com/x}]"),
            &["4:27: invalid URL: unsupported scheme \"\" for URL"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http:///x'}]"),
            &["4:27: invalid URL: missing host for URL"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h:p/x'}, {url: 'http://[::1]:80'}, {url: 'http://[::1]'}]"),
            &["4:27: invalid URL: invalid port after host"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h', timeout: 1d}]"),
            &["4:48: cannot unmarshal !!str `1d` into time.Duration"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h', max_alerts: -1}]"),
            &["4:51: cannot unmarshal !!int `-1` into uint64"],
        ),
        (
            with_route!("  webhook_configs: [{url: 'http://h', sendresolved: true}]"),
            &["4:39: field sendresolved not found in type webhook.plain"],
        ),
        (
            with_route!("  webhook_configs: {url: 'http://h'}"),
            &["4:20: cannot unmarshal !!map into []*webhook.WebhookConfig"],
        ),
        (
            with_route!("  webhooks_configs: []"),
            &["4:3: field webhooks_configs not found in type config.plain"],
        ),
    ]);
}

#[test]
fn all_errors_come_at_once_in_file_order() {
    let text = "\
global: {resolve_timeout: never}
route:
  receiver: b
  routes:
  - {match: {'a b': c}, group_interval: 0s}
receivers:
- name: a
  webhook_configs: [{}]
";
    let expected = [
        "1:27: not a valid duration string: \"never\"",
        "3:13: undefined receiver \"b\" used in route",
        "5:14: invalid label name \"a b\"",
        "5:41: group_interval cannot be zero",
        "8:21: one of url or url_file must be configured",
    ];
    assert_eq!(errors(text), expected);
}

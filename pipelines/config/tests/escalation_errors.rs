//! What is wrong with an `escalation.yml`, where, and in which words. Each row: the file, and every error it gives.

use config::{Config, Source};

/// `quiet` has no integration.
const ALERTMANAGER: &str = "\
route: {receiver: a}
receivers:
- {name: a, webhook_configs: [{url: 'http://h/a'}]}
- {name: b, webhook_configs: [{url: 'http://h/b'}]}
- {name: c, webhook_configs: [{url: 'http://h/c'}]}
- {name: quiet}
";

fn check(rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        let text = format!("version: 1\n{text}\n");
        assert_eq!(errors(&text), *expected, "\n{text}");
    }
}

fn errors(text: &str) -> Vec<String> {
    let alertmanager = Source {
        name: "alertmanager.yml",
        text: ALERTMANAGER,
    };
    let result = Config::load(
        alertmanager,
        Some(Source {
            name: "escalation.yml",
            text,
        }),
    );
    let errors = result.err().map(|errors| errors.0).unwrap_or_default();
    let with_hint = |hint: &Option<String>| hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let lines = errors.iter().map(|error| {
        format!(
            "{}:{}: {}{}",
            error.line,
            error.column,
            error.message,
            with_hint(&error.hint)
        )
    });
    lines.collect()
}

#[test]
fn the_file_as_a_whole() {
    let rows: [(&str, &[&str]); 5] = [
        ("", &[]),
        ("version: 1", &[]),
        (
            "version: 2",
            &["1:10: version \"2\" is not supported (write `version: 1`)"],
        ),
        ("teams: {}", &["1:1: missing version (write `version: 1`)"]),
        (
            "version: 1\nteems: {}",
            &["2:1: field teems not found in type escalation.plain (did you mean \"teams\"?)"],
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn reserved_keys_are_not_supported_yet() {
    let hint = "(remove it, or keep Alertmanager for now)";
    for key in [
        "people",
        "schedules",
        "correlate",
        "suspend",
        "flapping",
        "maintenance",
        "heartbeats",
        "slos",
    ] {
        let text = format!("version: 1\n{key}: {{x: y}}\n");
        assert_eq!(errors(&text), [format!("2:1: {key} is not supported yet {hint}")]);
    }
    for target in ["person", "schedule", "team", "policy"] {
        let text = format!("version: 1\nreceivers: {{a: {{fallback: [{{{target}: x}}]}}}}\n");
        assert_eq!(errors(&text), [format!("2:29: {target} is not supported yet {hint}")]);
    }
}

#[test]
fn policies() {
    let last_resort = "(add `last_resort: [{receiver: NAME}]`: who hears of it when nobody answered)";
    let no_last = format!("2:15: policy \"p\" has no last_resort {last_resort}");
    let no_steps = "2:15: policy \"p\" has no steps (add `steps: [{notify: [{receiver: NAME}], escalate_after: 5m}]`)";
    check(&[
        (
            "policies: {p: {steps: [{notify: [{receiver: a}], escalate_after: 5m}]}}",
            &[&no_last],
        ),
        ("policies: {p: {last_resort: [{receiver: a}]}}", &[no_steps]),
        (
            "policies: {p: {last_resort: [{receiver: a}], steps: [{escalate_after: 5m}]}}",
            &["2:54: a step of policy \"p\" notifies nobody (add `notify: [{receiver: NAME}]`)"],
        ),
        (
            "policies: {p: {last_resort: [{receiver: a}], steps: [{notify: [{receiver: a}]}]}}",
            &["2:54: a step of policy \"p\" has no escalate_after \
               (add `escalate_after: 5m`: from this step's start to the next)"],
        ),
        (
            "policies: {p: {last_resort: [{receiver: a}], steps: [{notify: [{receiver: a}], escalate_after: 0s}]}}",
            &["2:96: escalate_after cannot be zero (write it like 30s or 5m)"],
        ),
        (
            "policies: {p: {last_resort: [{receiver: aa}], steps: [{notify: [{receiver: zebra}], escalate_after: 1s}]}}",
            &[
                "2:41: undefined receiver \"aa\" used in policy \"p\" (did you mean \"a\"?)",
                "2:76: undefined receiver \"zebra\" used in policy \"p\" (receivers of alertmanager.yml: a, b, c, quiet)",
            ],
        ),
        (
            "policies: {p: {last_resort: [{receiver: quiet}], steps: [{notify: [{receiver: a}], escalate_after: 1s}]}}",
            &["2:41: receiver \"quiet\" used in policy \"p\" has no integrations \
               (give it webhook_configs in alertmanager.yml, or name another receiver)"],
        ),
        (
            "policies: {p: {last_resort: [a], steps: [{notify: [{receiver: a}], escalate_after: 1s}]}}",
            &["2:30: a target is a map (write `{receiver: a}`)"],
        ),
        (
            "policies: {p: {last_resort: [{}], steps: [{notify: [{receiver: a}], escalate_after: 1s}]}}",
            &["2:30: a target of policy \"p\" names nobody (write `{receiver: NAME}`)"],
        ),
        (
            "policies: {p: {repeat: {times: 101}, last_resort: [{receiver: a}], \
             steps: [{notify: [{receiver: a}], escalate_after: 1s}]}}",
            &["2:32: cannot unmarshal !!int `101` into a number from 0 to 100"],
        ),
    ]);
}

#[test]
fn receivers_teams_and_severity() {
    check(&[
        (
            "receivers: {d: {}}",
            &["2:13: undefined receiver \"d\" used in escalation (did you mean \"a\"?)"],
        ),
        (
            "receivers: {a: {team: x}}",
            &["2:23: undefined team \"x\" used in receiver \"a\""],
        ),
        (
            "teams: {payments: {}}\nreceivers: {a: {team: paymnets}}",
            &["3:23: undefined team \"paymnets\" used in receiver \"a\" (did you mean \"payments\"?)"],
        ),
        (
            "receivers: {a: {policy: x}}",
            &["2:25: undefined policy \"x\" used in receiver \"a\""],
        ),
        (
            "receivers: {a: {fallback: [{receiver: b}, {receiver: b}]}}",
            &["2:54: duplicated receiver \"b\" in the fallback of receiver \"a\" (remove one of the two)"],
        ),
        (
            "receivers: {a: {try_for: 0}}",
            &["2:26: try_for cannot be zero (write it like 30s or 5m)"],
        ),
        (
            "receivers: {a: {}, a: {}}",
            &["2:20: key \"a\" already set in map (remove one of the two)"],
        ),
        ("receivers: [a]", &["2:12: cannot unmarshal !!seq into a map of names"]),
        (
            "teams: {x: {members: [y]}}",
            &["2:13: members is not supported yet (remove it, or keep Alertmanager for now)"],
        ),
        (
            "severity: {order: [x, x]}",
            &["2:23: duplicated value \"x\" in severity order (remove one of the two)"],
        ),
        (
            "severity: {label: ''}",
            &["2:19: invalid label name \"\" in severity (name a label)"],
        ),
    ]);
}

#[test]
fn fallbacks_must_not_lead_back() {
    let hint = "(remove one of these links)";
    let long = format!("2:114: fallback cycle: a -> b -> c -> a {hint}");
    check(&[
        (
            "receivers: {a: {fallback: [{receiver: a}]}}",
            &[&format!("2:39: fallback cycle: a -> a {hint}")],
        ),
        (
            "receivers: {a: {fallback: [{receiver: b}]}, b: {fallback: [{receiver: c}]}, c: {team: t, fallback: [{receiver:   a}]}}\n\
             teams: {t: }",
            &[&long],
        ),
        // Two ways to one receiver are no circle.
        (
            "receivers: {a: {fallback: [{receiver: b}, {receiver: c}]}, b: {fallback: [{receiver: c}]}}",
            &[],
        ),
    ]);
}

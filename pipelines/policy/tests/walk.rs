//! Where alerts go. Each row: labels, and every (route id, receiver, group id) in order.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use alert::{GroupId, LabelSet};
use config::{Config, Source};
use policy::walk;

fn load(text: &str) -> Config {
    let source = Source {
        name: "alertmanager.yml",
        text,
    };
    Config::load(source, None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// `a=x b=y`
fn labels(text: &str) -> LabelSet {
    let mut labels = LabelSet::default();
    for (name, value) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
        labels.insert(name, value);
    }
    labels
}

fn check(config: &Config, rows: &[(&str, &[[&str; 3]])]) {
    for (text, expected) in rows {
        let found = walk(config, &labels(text));
        let found: Vec<_> = found
            .iter()
            .map(|place| {
                [
                    place.route_id.as_str(),
                    place.receiver.as_str(),
                    place.group_id.as_str(),
                ]
            })
            .collect();
        assert_eq!(found, *expected, "{text}");
    }
}

const TREE: &str = "\
route:
  receiver: root
  group_by: [alertname]
  routes:
  - matchers: [team=db]
    receiver: db
    group_by: [alertname, cluster]
    routes:
    - {matchers: [env=test], receiver: db-test, group_by: []}
    - {matchers: [severity=page], receiver: db-page, continue: true}
    - {matchers: [env=~\"prod|dev\"], receiver: db-all, group_by: ['...']}
  - {matchers: [team=db], receiver: never}
  - {match: {team: ''}, receiver: nobody}
receivers: [{name: root}, {name: db}, {name: db-test}, {name: db-page}, {name: db-all}, {name: never}, {name: nobody}]
";

#[test]
fn the_deepest_match_of_each_branch() {
    let config = load(TREE);
    check(
        &config,
        &[
            ("alertname=X team=web", &[["{}", "root", "{}:{alertname=\"X\"}"]]),
            // A label that is missing is the empty text to a matcher, and absent from the group.
            ("cluster=eu", &[["{}/{team=\"\"}", "nobody", "{}/{team=\"\"}:{}"]]),
            (
                "alertname=X team=db cluster=eu",
                &[[
                    "{}/{team=\"db\"}",
                    "db",
                    "{}/{team=\"db\"}:{alertname=\"X\", cluster=\"eu\"}",
                ]],
            ),
            (
                "alertname=X team=db",
                &[["{}/{team=\"db\"}", "db", "{}/{team=\"db\"}:{alertname=\"X\"}"]],
            ),
            (
                "alertname=X team=db env=test severity=page",
                &[[
                    "{}/{team=\"db\"}/{env=\"test\"}",
                    "db-test",
                    "{}/{team=\"db\"}/{env=\"test\"}:{}",
                ]],
            ),
            (
                "team=db severity=page env=prod",
                &[
                    [
                        "{}/{team=\"db\"}/{severity=\"page\"}",
                        "db-page",
                        "{}/{team=\"db\"}/{severity=\"page\"}:{}",
                    ],
                    [
                        "{}/{team=\"db\"}/{env=~\"prod|dev\"}",
                        "db-all",
                        "{}/{team=\"db\"}/{env=~\"prod|dev\"}:{env=\"prod\", severity=\"page\", team=\"db\"}",
                    ],
                ],
            ),
            // The child with `continue` matched, so its parent is no match of its own.
            (
                "team=db severity=page",
                &[[
                    "{}/{team=\"db\"}/{severity=\"page\"}",
                    "db-page",
                    "{}/{team=\"db\"}/{severity=\"page\"}:{}",
                ]],
            ),
        ],
    );
}

#[test]
fn siblings_with_equal_matchers_are_different_groups() {
    let config = load(
        "\
route:
  receiver: root
  routes:
  - {matchers: [a=b], receiver: one, continue: true}
  - {matchers: [a=b], receiver: two, continue: true}
  - {matchers: [a=b], receiver: one}
receivers: [{name: root}, {name: one}, {name: two}]
",
    );
    check(
        &config,
        &[(
            "a=b",
            &[
                ["{}/{a=\"b\"}", "one", "{}/{a=\"b\"}:{}"],
                ["{}/{a=\"b\"}#1", "two", "{}/{a=\"b\"}:{}#1"],
                ["{}/{a=\"b\"}#2", "one", "{}/{a=\"b\"}:{}#2"],
            ],
        )],
    );
    let keys = walk(&config, &labels("a=b"));
    assert!(keys.iter().all(|place| place.group_key.as_str() == "{}/{a=\"b\"}:{}"));
}

#[test]
fn vectors_of_the_reference() {
    let by_name = load("route: {receiver: a, group_by: [alertname]}\nreceivers: [{name: a}]");
    check(&by_name, &[("alertname=X", &[["{}", "a", "{}:{alertname=\"X\"}"]])]);
    let one_group = load("route: {receiver: a, group_by: []}\nreceivers: [{name: a}]");
    check(&one_group, &[("alertname=X", &[["{}", "a", "{}:{}"]])]);
}

/// Every alert lands somewhere, each placement's route exists, and its group labels are some of the alert's.
#[test]
fn a_walk_is_never_empty_and_never_invents_labels() {
    let config = load(include_str!("../../examples/many-teams/alertmanager.yml"));
    // Every combination of: team, severity, env, each missing or with one of its values.
    let values = [
        ["", "db", "web", "ops"],
        ["", "page", "critical", "info"],
        ["", "dev", "test", "prod"],
    ];
    for n in 0..64_usize {
        let mut labels = LabelSet::default();
        for (name, values, digit) in [
            ("team", values[0], n % 4),
            ("severity", values[1], n / 4 % 4),
            ("env", values[2], n / 16),
        ] {
            if digit > 0 {
                labels.insert(name, values[digit]);
            }
        }
        let places = walk(&config, &labels);
        assert!(!places.is_empty());
        for place in &places {
            assert!(
                config
                    .route(place.route_id.as_str())
                    .is_some_and(|route| route.receiver == place.receiver)
            );
            assert!(
                place
                    .group_labels
                    .iter()
                    .all(|(name, value)| labels.get(name) == Some(value))
            );
            assert_eq!(place.group_id.group_key(), place.group_key);
            assert_eq!(
                GroupId::of_route(place.route_id.as_str(), &place.group_labels),
                place.group_id
            );
        }
        let mut ids: Vec<_> = places.iter().map(|place| &place.group_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), places.len(), "{labels}");
    }
}

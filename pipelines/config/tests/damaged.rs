//! Damaged files: whatever is typed, a load ends in a config that survives publishing, or in errors with a place.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use config::{Config, Source};

const ALERTMANAGER: &str = include_str!("../../examples/many-teams/alertmanager.yml");
const ESCALATION: &str = include_str!("../../examples/on-call/escalation.yml");
const ON_CALL: &str = include_str!("../../examples/on-call/alertmanager.yml");

fn check(alertmanager: &str, escalation: &str) {
    let source = Source {
        name: "alertmanager.yml",
        text: alertmanager,
    };
    let extra = Source {
        name: "escalation.yml",
        text: escalation,
    };
    match Config::load(source, Some(extra)) {
        Ok(config) => {
            let (alertmanager, escalation) = config.published();
            let source = Source {
                name: "published",
                text: &alertmanager,
            };
            let extra = escalation.as_deref().map(|text| Source {
                name: "published too",
                text,
            });
            let again =
                Config::load(source, extra).unwrap_or_else(|errors| panic!("{errors}\n{alertmanager}\n{escalation:?}"));
            assert_eq!(again.published(), (alertmanager, escalation));
            assert_eq!(again.route, config.route);
        }
        Err(errors) => {
            assert!(!errors.0.is_empty());
            for error in errors.0 {
                let text = if error.file == source.name {
                    alertmanager
                } else {
                    escalation
                };
                let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
                assert!(error.line <= lines + 1, "{error}");
                assert!(!error.message.is_empty());
            }
        }
    }
}

/// Every text that `text` becomes by one small accident: a line lost, the end lost, a character changed.
fn accidents(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let without = |lost: usize| {
        let kept = lines
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != lost)
            .map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n")
    };
    let mut damaged: Vec<String> = (0..lines.len()).map(without).collect();
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for (n, at) in places.into_iter().enumerate() {
        let Some((head, tail)) = text.split_at_checked(at) else {
            continue;
        };
        damaged.push(head.to_owned());
        let rest: String = tail.chars().skip(1).collect();
        for c in [':', '[', '"', ' ', '~', '&', '0'].into_iter().skip(n % 7).take(1) {
            damaged.push(format!("{head}{c}{rest}"));
        }
    }
    damaged
}

#[test]
fn no_accident_goes_without_an_answer() {
    for text in accidents(ALERTMANAGER) {
        check(&text, "version: 1");
    }
    for text in accidents(ESCALATION) {
        check(ON_CALL, &text);
    }
}

#[test]
fn a_file_cannot_fill_the_memory() {
    // Each line lists the one before ten times.
    let tenfold = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    let once = |n: usize| format!("a{n}: &a{n} [*a{}]\n", n - 1);
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    let lines = |line: &dyn Fn(usize) -> String, count: usize| (1..count).map(line).collect::<Vec<_>>().concat();
    let bomb = format!("{first}{}", lines(&tenfold, 12));
    let chain = format!("{first}{}", lines(&once, 300));
    let deep = format!("route: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    for (text, expected) in [
        (bomb, "more than 500000 nodes"),
        (deep, "yaml: "),
        (chain, "nested deeper than 100"),
    ] {
        let errors = Config::load(
            Source {
                name: "alertmanager.yml",
                text: &text,
            },
            None,
        )
        .err();
        let shown = errors.map(|errors| errors.to_string()).unwrap_or_default();
        assert!(shown.contains(expected), "{shown}");
    }
}

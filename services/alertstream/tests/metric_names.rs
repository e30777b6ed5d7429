//! Every metric that a service counts stands in the one list of names, where it is described: a name that is spelt anew
//! somewhere would be one that nobody finds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

use runtime::names::METRICS;

/// Whose names begin how.
const BEGINNINGS: [&str; 7] = [
    "alertmanager_",
    "ingest_",
    "correlate_",
    "route_",
    "notify_",
    "console_",
    "streams_",
];
/// How names end that are not read by mistake for something else.
const ENDS: [&str; 3] = ["_total", "_seconds", "_bytes"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The string literals of a source that are names of metrics: given to a metric's macro, or of their form.
fn named(text: &str) -> Vec<String> {
    let name = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let macros = ["counter!(", "gauge!(", "histogram!("]
        .iter()
        .flat_map(|begin| text.split(begin).skip(1));
    let given = macros.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let formed = text.split('"').filter(|literal| {
        name(literal)
            && BEGINNINGS.iter().any(|begin| literal.starts_with(begin))
            && ENDS.iter().any(|end| literal.ends_with(end))
    });
    given.chain(formed).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_described() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for service in [
        "alertstream",
        "console",
        "correlate",
        "ingest",
        "notify",
        "route",
        "runtime",
        "streams",
    ] {
        sources(&services.join(service).join("src"), &mut found);
    }
    let mut count = 0;
    for path in found {
        for name in named(&std::fs::read_to_string(&path).unwrap()) {
            count += 1;
            assert!(
                METRICS.iter().any(|metric| metric.name == name),
                "{}: {name} is not in runtime::names",
                path.display()
            );
        }
    }
    assert!(count > METRICS.len(), "the names were not found in the sources");
}

#[test]
fn the_reader_of_sources_finds_names() {
    let text = r#"counter!("a_b_total", "stage" => x); metrics::gauge!(
        "c_d"); let name = "streams_lane_last_pass_timestamp_seconds"; "notify_x"; gauge!(names::SILENCES)"#;
    assert_eq!(
        named(text),
        ["a_b_total", "c_d", "streams_lane_last_pass_timestamp_seconds"]
    );
}

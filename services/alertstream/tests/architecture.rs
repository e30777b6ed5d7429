//! The architecture, checked: who may import whom, what stands at the top level, how large a file may grow.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crate, what it may import of ours, separated by spaces.
const MAY_IMPORT: [(&str, &str); 19] = [
    ("alert", ""),
    ("schemas", "alert"),
    ("processor", "alert"),
    ("config", "alert"),
    ("policy", "alert config"),
    ("ingest-pipeline", "alert schemas config policy processor"),
    ("correlate-pipeline", "alert schemas config policy processor"),
    ("route-pipeline", "alert schemas config policy processor"),
    ("notify-pipeline", "alert schemas config policy processor"),
    ("streams", "alert schemas processor"),
    ("runtime", "alert schemas processor"),
    (
        "ingest",
        "ingest-pipeline alert config policy schemas processor streams runtime",
    ),
    (
        "correlate",
        "correlate-pipeline alert config policy schemas processor streams runtime",
    ),
    (
        "route",
        "route-pipeline alert config policy schemas processor streams runtime",
    ),
    (
        "notify",
        "notify-pipeline alert config policy schemas processor streams runtime",
    ),
    ("console", "alert config policy schemas processor streams runtime"),
    ("loadtest", "alert config policy schemas streams"),
    ("alertstream", "*"),
    ("", ""),
];

/// What a person sees at the top.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "docker-compose.yml",
    "loadtest",
    "pipelines",
    "schemas",
    "services",
];

/// Never committed, and git ignores them.
const IGNORED: [&str; 2] = ["data", "target"];

/// A file is one idea: beyond this it is two.
const LINES_AT_MOST: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn metadata() -> Value {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    serde_json::from_slice(&cargo.stdout).unwrap()
}

/// Each of our crates with those of ours it imports, tests aside.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let normal = |package: &Value| -> BTreeSet<String> {
        let all = package["dependencies"].as_array().unwrap().iter();
        let normal = all.filter(|dependency| dependency["kind"].is_null());
        normal
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .filter(|n| ours.contains(n.as_str()))
            .collect()
    };
    packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), normal(package)))
        .collect()
}

#[test]
fn a_crate_imports_only_what_its_layer_may() {
    let rules: BTreeMap<&str, BTreeSet<&str>> = MAY_IMPORT
        .into_iter()
        .map(|(name, may)| (name, may.split(' ').collect()))
        .collect();
    for (name, imported) in imports() {
        let rule = rules
            .get(name.as_str())
            .unwrap_or_else(|| panic!("no rule for crate {name}: where does it belong?"));
        for other in imported {
            assert!(
                rule.contains("*") || rule.contains(other.as_str()),
                "{name} may not import {other}"
            );
        }
    }
}

#[test]
fn only_streams_imports_a_log() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let (name, of) = (package["name"].as_str().unwrap(), dependency["name"].as_str().unwrap());
            assert!(of != "rdkafka" || name == "streams", "{name} imports {of}");
        }
    }
}

#[test]
fn the_top_level_is_the_architecture() {
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()) || IGNORED.contains(&name.as_str());
        assert!(
            known,
            "{name} stands at the top level, but is not part of the architecture"
        );
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_file_is_one_idea() {
    let mut found = Vec::new();
    for folder in ["schemas", "pipelines", "services", "loadtest"] {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50);
    for path in found {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_AT_MOST, "{} has {lines} lines", path.display());
        assert!(
            !path.ends_with("mod.rs"),
            "{}: name the file after the module",
            path.display()
        );
    }
}

#[test]
fn the_pure_crates_have_no_clock_and_no_io() {
    const BANNED: [&str; 7] = [
        "SystemTime",
        "Instant::now",
        "tokio::",
        "std::fs::",
        "std::net::",
        "thread::",
        "async fn",
    ];
    let mut found = Vec::new();
    sources(&root().join("pipelines"), &mut found);
    for path in found
        .iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "src"))
    {
        for (number, line) in std::fs::read_to_string(path).unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for banned in BANNED {
                assert!(
                    !code.contains(banned),
                    "{}:{}: {banned} in a pure crate",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

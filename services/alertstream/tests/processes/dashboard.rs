//! The dashboard in a real browser: the scripts in `services/console/ui/browser` start the program and look at its page.

use std::path::{Path, PathBuf};
use std::process::Command;

use streams::kafka::broker::{Broker, say_skipped};

/// Makes it an error that there is no browser.
const REQUIRED: &str = "ALERTSTREAM_REQUIRE_BROWSER";
/// Where Chromium is, on the systems people have.
const CHROMIUM: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

fn ui() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/ui")
}

/// Whether a browser, Node and the page's libraries are there; says so if not.
fn is_there() -> bool {
    let browser = CHROMIUM.iter().any(|path| Path::new(path).exists()) || std::env::var_os("CHROMIUM").is_some();
    let node = Command::new("node").arg("--version").output().is_ok();
    let libraries = ui().join("node_modules/playwright-core").is_dir();
    let there = browser && node && libraries;
    if !there {
        let what = format!("Chromium: {browser}, node: {node}, node_modules: {libraries}");
        assert!(
            std::env::var(REQUIRED).is_err(),
            "{REQUIRED} is set, and something is missing: {what}"
        );
        say_skipped(&format!("no browser to look at the page with ({what})"));
    }
    there
}

/// Runs one script, with what it needs to know.
fn run(script: &str, told: &[(&str, &str)]) {
    let ran = Command::new("node")
        .args(["--test", script])
        .current_dir(ui())
        .env("ALERTSTREAM_BINARY", env!("CARGO_BIN_EXE_alertstream"))
        .envs(told.iter().copied())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn a_night_on_call_in_a_real_browser() {
    if is_there() {
        run("browser/embedded.test.mjs", &[]);
    }
}

#[test]
fn the_page_bears_whatever_labels_filters_and_clocks_say() {
    if is_there() {
        run("browser/bad_input.test.mjs", &[]);
    }
}

#[test]
fn every_screen_is_accessible_in_light_dark_and_on_a_phone() {
    if is_there() {
        run("browser/screens.test.mjs", &[]);
    }
}

#[test]
fn a_page_goes_on_at_another_replica() {
    let Some(broker) = Broker::shared().unwrap() else {
        return;
    };
    if is_there() {
        let address = broker.lock().unwrap().address().to_owned();
        run("browser/replicas.test.mjs", &[("ALERTSTREAM_BROKERS", &address)]);
    }
}

//! The program as its users run it: real processes, the embedded log and a real Kafka, a real Prometheus, receivers that
//! listen, and SIGKILL.
//!
//! Without a Kafka, a Prometheus or a browser their tests say SKIPPED; `ALERTSTREAM_REQUIRE_KAFKA=1`,
//! `ALERTSTREAM_REQUIRE_PROMETHEUS=1` and `ALERTSTREAM_REQUIRE_BROWSER=1` (CI) make that an error.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "processes/accounting.rs"]
mod accounting;
#[path = "processes/bad_input.rs"]
mod bad_input;
#[path = "processes/compose.rs"]
mod compose;
#[path = "processes/dashboard.rs"]
mod dashboard;
#[path = "processes/embedded.rs"]
mod embedded;
#[path = "processes/http.rs"]
mod http;
#[path = "processes/https.rs"]
mod https;
#[path = "processes/kafka.rs"]
mod kafka;
#[path = "processes/killed.rs"]
mod killed;
#[path = "processes/large_group.rs"]
mod large_group;
#[path = "processes/program.rs"]
mod program;
#[path = "processes/prometheus.rs"]
mod prometheus;
#[path = "processes/receiver.rs"]
mod receiver;
#[path = "processes/refusals.rs"]
mod refusals;
#[path = "processes/waiting.rs"]
mod waiting;

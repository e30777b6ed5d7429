//! The console over HTTP, on a simulated log with hand-written records of the stages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod alerts;
mod commands;
mod dashboard;
mod dashboard_questions;
mod incidents;
mod reload;
mod silences;
mod surface;
mod world;

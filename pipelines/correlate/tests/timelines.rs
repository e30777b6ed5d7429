//! The stage as timelines: what arrives, time passing, and every line it says. Each timeline runs twice, the second time
//! with a crash and a restore before every step: nothing may differ.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "timelines/config_changes.rs"]
mod config_changes;
#[path = "timelines/expiry.rs"]
mod expiry;
#[path = "timelines/history.rs"]
mod history;
#[path = "timelines/incidents.rs"]
mod incidents;
#[path = "timelines/inputs.rs"]
mod inputs;
#[path = "timelines/merging.rs"]
mod merging;
#[path = "timelines/resends.rs"]
mod resends;
#[path = "timelines/rules.rs"]
mod rules;
#[path = "timelines/windows.rs"]
mod windows;
#[path = "timelines/world.rs"]
mod world;

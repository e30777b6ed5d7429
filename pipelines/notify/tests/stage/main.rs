//! The notify stage on the timeline driver: every rule as a small history.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod chain;
mod fixture;
mod property;
mod restart;
mod retry;
mod rules;
mod wanted;

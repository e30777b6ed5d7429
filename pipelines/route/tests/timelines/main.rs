//! Histories of one group, told to the second: what is said to whom, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bench;
mod flushes;
mod ladders;
mod mutes;
mod people;
mod people_rules;
mod properties;
mod refusals;
mod rules;

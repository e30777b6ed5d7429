//! Load, and proof that nothing was lost under it.
//!
//! This crate decides what a client that posts alerts and receives webhooks must see, and says where a running system
//! failed at that. It speaks to the system only as such a client does: HTTP, Kafka, its own webhook receiver. It takes
//! nothing from the inside of a stage and deliberately knows no rule of grouping, routing or escalation beyond "an
//! acknowledged alert is notified, once, or again under the same key with a record that says so".
//!
//! What is decided ([`oracle`], [`schedule`], [`bgl`], [`percentile`], [`answers`]) is pure; the rest does as told.

pub mod answers;
pub mod bgl;
mod broker;
pub mod chaos;
pub mod cli;
pub mod client;
pub mod error;
pub mod fill;
pub mod journal;
pub mod latency;
pub mod observe;
pub mod oracle;
pub mod percentile;
pub mod poster;
mod process;
pub mod replay;
mod report;
pub mod rng;
pub mod schedule;
pub mod sink;
mod system;

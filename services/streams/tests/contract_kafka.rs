//! The contract of all logs, on a real Kafka. Without a broker every rule says so and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are one crate"
)]

#[path = "contract/kafka.rs"]
mod kafka;
#[macro_use]
#[path = "contract/list.rs"]
mod list;
#[path = "contract/rules.rs"]
mod rules;
#[path = "contract/stand.rs"]
mod stand;

contract_of!(kafka::Kafka::find());

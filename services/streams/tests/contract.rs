//! One contract, every log: the rules that stages rely on, run on each log there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are one crate"
)]

#[path = "contract/embedded.rs"]
mod embedded;
#[macro_use]
#[path = "contract/list.rs"]
mod list;
#[path = "contract/rules.rs"]
mod rules;
#[path = "contract/simulated.rs"]
mod simulated;
#[path = "contract/stand.rs"]
mod stand;

mod on_embedded {
    contract_of!(Some(crate::embedded::Embedded::new()));
}

mod on_simulated {
    contract_of!(Some(crate::simulated::Simulated::new()));
}

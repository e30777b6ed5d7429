//! The transactional log and the lane that runs a stage on it.
//!
//! This crate decides how records, state and offsets become one transaction, when a timer may fire, and how a partition
//! moves from one owner to the next. It decides nothing about alerts. It is the only crate that knows a log:
//! [`kafka`], [`embedded`] and [`simulated`] pass one contract suite.

pub mod embedded;
pub mod kafka;
mod lane;
mod log;
mod membership;
pub mod simulated;

pub use lane::{
    Completions, Effects, Lane, LaneConfig, LaneError, LaneStatus, LaneThread, NoEffects, Progress, Sabotage,
    spawn_lanes,
};
pub use log::{
    AppendDone, Appended, Committed, Event, From, Join, Log, LogError, Member, NewRecord, NewTopic, Patience, Read,
    Reader, Waker, Watermarks,
};

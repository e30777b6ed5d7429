//! Load, and proof that nothing was lost under it.
//!
//! This crate decides what a client that posts alerts and receives webhooks must see, says where a running system failed at
//! that, and measures what it costs. It speaks to the system only as such a client does: HTTP, Kafka, its own webhook
//! receiver; so it drives anything with Alertmanager's API v2. It takes nothing from the inside of a stage. Where an alert
//! goes by the config it asks the routing walk (`policy`), which its oracle therefore cannot test.
//!
//! The order to read in: a [`profile`] makes a [`scenario`]; its [`traffic`] becomes requests; [`run`] carries them out
//! against a [`target`] through the [`generator`] and the [`sink`], which write the [`ledger`]; the [`oracle`] judges it; the
//! [`outcome`] is shown by [`summary`], [`html`] and [`compare`].

pub mod answers;
pub mod bgl;
pub mod body;
pub mod broker;
pub mod cli;
pub mod client;
pub mod compare;
pub mod drive;
pub mod error;
pub mod faults;
pub mod generator;
pub mod html;
pub mod http;
pub mod journal;
pub mod lag;
pub mod ledger;
pub mod monitor;
pub mod oracle;
pub mod outcome;
pub mod percentile;
pub mod plan;
pub mod plot;
pub mod population;
mod process;
pub mod profile;
pub mod record;
pub mod recording;
pub mod replay;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod sink;
pub mod summary;
mod system;
pub mod table;
pub mod target;
pub mod timetable;
pub mod topic;
pub mod traffic;
pub mod usage;

//! What every process shares: its log lines, its metrics and their names, its health, its signals, and the HTTP server
//! that all services of a process stand behind.
//!
//! This crate decides how a process looks from outside: which path answers what when no service does, how an error body is
//! shaped, when the process counts as ready, how it stops. It deliberately knows nothing of alerts, of topics or of any
//! service: those hand in routes, reasons why they are not ready, and numbers.

pub mod answer;
mod health;
pub mod logging;
pub mod metrics;
pub mod names;
mod requests;
mod server;
mod signals;
mod web;

pub use health::Health;
pub use server::{BindError, bind, serve};
pub use signals::{Hangups, Shutdown};
pub use web::{Prefix, Web};

//! What people see and say: Alertmanager's API v2, our own API, the dashboard, and the topics `silences`, `incidents`
//! (commands) and `config` that they write to.
//!
//! This crate decides how the stages' state is shown and when an answer is fresh enough to be given. It decides nothing
//! about alerts: it only reads topics, in a process with all stages too; who is muted is asked of `policy`, what becomes of
//! a command is route's answer. `POST /api/v2/alerts` is ingest's.

mod api;
mod app;
mod append;
mod dashboard;
mod fresh;
mod gauges;
mod json;
mod params;
mod people;
mod publish;
mod ready;
mod reload;
mod service;
mod silences;
mod uuid;
mod view;

pub use app::{LoadConfig, MayBegin, Settings};
pub use publish::{ConfigFiles, PublishError, publish_config};
pub use service::{Reloader, Service, StartError};

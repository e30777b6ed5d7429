//! Decides what the operator's two files mean: `alertmanager.yml`, taken as Alertmanager takes it, and `escalation.yml`
//! beside it, become one validated [`Config`], or a list of errors that each name file, line, column and what to do.
//!
//! It deliberately reads no file and no environment (texts and file names are arguments; a `url_file` is named, never
//! opened), and it does not say where an alert goes: that is crate `policy`.

mod config;
mod diagnostic;
mod duration;
mod escalation;
mod read;
mod receiver;
mod report;
mod route;
mod scalar;
mod secret;
mod suggest;
mod write;
mod yaml;

pub use config::{Config, Global, SecretKey, Source};
pub use diagnostic::{ConfigErrors, Diagnostic};
pub use escalation::{Binding, Escalation, Policy, Severity, Step, Target, Team};
pub use receiver::{HttpConfig, Integration, IntegrationKind, Receiver, WebhookConfig, WebhookUrl};
pub use route::{GroupBy, Route, RouteId, Timing};
pub use secret::Secret;

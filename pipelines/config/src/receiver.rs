//! Receivers: who is notified, over which integrations.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::secret::Secret;

/// A receiver of `alertmanager.yml`. One without integrations is legal and swallows what reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Unique, not empty.
    pub name: String,
    /// The receiver's labels; `name` is always among them.
    pub labels: BTreeMap<String, String>,
    /// In Alertmanager's order: by kind, then as written.
    pub integrations: Vec<Integration>,
}

/// One way to reach a receiver: one entry of one `*_configs` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// `receiver/webhook/0`, as in the key of Alertmanager's notification log.
    pub log_key: String,
    /// What it speaks, with its settings.
    pub kind: IntegrationKind,
    /// Its position in its `*_configs` list, from 0.
    pub index: u32,
    /// Whether it is told when alerts resolve.
    pub send_resolved: bool,
}

/// The protocols we speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntegrationKind {
    /// An HTTP POST of Alertmanager's JSON.
    Webhook(WebhookConfig),
}

impl IntegrationKind {
    /// `webhook`, as in metrics and log keys.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
        }
    }
}

impl fmt::Display for IntegrationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A `webhook_configs` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where to POST.
    pub url: WebhookUrl,
    /// At most so many alerts in one message; 0 = all.
    pub max_alerts: u64,
    /// How long one attempt may take; zero = no own limit.
    pub timeout: Duration,
    /// The receiver's `http_config`, or the global one where it has none.
    pub http: HttpConfig,
}

/// Where a webhook's URL comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// Written in the file.
    Inline(Secret),
    /// The path of a file that holds it, to be read anew at every notification; relative to the process's directory.
    File(String),
}

/// The part of `http_config` that is built so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Whether a redirect is followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

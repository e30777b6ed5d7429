//! The two files as one value.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alert::PromDuration;

use crate::diagnostic::{ConfigErrors, Diagnostic};
use crate::escalation::{Binding, Escalation, Severity};
use crate::read;
use crate::receiver::{HttpConfig, IntegrationKind, Receiver, WebhookUrl};
use crate::route::{Route, RouteId};
use crate::secret::Secret;
use crate::write;

/// One file's text, and the name that errors show for it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// As the operator knows it: `alertmanager.yml`.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
}

/// A valid configuration: every name in it resolves, every default is filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `global`.
    pub global: Global,
    /// The root of the routing tree.
    pub route: Route,
    /// In file order.
    pub receivers: Vec<Receiver>,
    /// `escalation.yml`, where there is one.
    pub escalation: Option<Escalation>,
    /// What is legal and probably not meant, in file order.
    pub warnings: Vec<Diagnostic>,
    /// From a route's id to the child positions that lead to it.
    pub(crate) paths: BTreeMap<RouteId, Vec<usize>>,
}

/// The supported part of `global`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Global {
    /// How long an alert without `endsAt` is taken to fire. 5 min.
    pub resolve_timeout: PromDuration,
    /// For the receivers that have none of their own.
    pub http: HttpConfig,
}

/// Where a secret stands in the config: stable from load to load as long as the receiver's list keeps its order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey {
    /// The receiver's name.
    pub receiver: String,
    /// [`IntegrationKind::name`].
    pub kind: &'static str,
    /// [`crate::Integration::index`].
    pub index: u32,
}

impl Config {
    /// Reads both files. Errors are collected as far as that makes sense, and come in file order,
    /// `alertmanager.yml` first.
    pub fn load(alertmanager: Source<'_>, escalation: Option<Source<'_>>) -> Result<Self, ConfigErrors> {
        read::load(alertmanager, escalation)
    }

    /// The node with this id.
    pub fn route(&self, id: &str) -> Option<&Route> {
        let mut node = &self.route;
        for child in self.paths.get(id)? {
            node = node.routes.get(*child)?;
        }
        Some(node)
    }

    /// How severities rank.
    pub fn severity(&self) -> &Severity {
        static DEFAULT: LazyLock<Severity> = LazyLock::new(Severity::default);
        self.escalation
            .as_ref()
            .map_or(&DEFAULT, |escalation| &escalation.severity)
    }

    /// The receiver with this name.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }

    /// What `escalation.yml` says of the receiver with this name.
    pub fn binding(&self, receiver: &str) -> Option<&Binding> {
        self.escalation.as_ref()?.receivers.get(receiver)
    }

    /// `alertmanager.yml` written anew, with defaults filled in and secrets as `<secret>`: what `/api/v2/status` shows as
    /// `config.original`. Loads again.
    pub fn redacted_yaml(&self) -> String {
        write::alertmanager(self)
    }

    /// Both texts as they travel on the `config` topic: without comments, secrets as `<secret>`. [`Config::load`] of
    /// them gives this config again, minus secrets and warnings; two files that mean the same give the same texts.
    pub fn published(&self) -> (String, Option<String>) {
        (
            write::alertmanager(self),
            self.escalation.as_ref().map(write::escalation),
        )
    }

    /// The secrets that this config holds itself (not those it only refers to), for the service that sends.
    pub fn secrets(&self) -> BTreeMap<SecretKey, Secret> {
        let mut found = BTreeMap::new();
        for receiver in &self.receivers {
            for integration in &receiver.integrations {
                let IntegrationKind::Webhook(webhook) = &integration.kind;
                if let WebhookUrl::Inline(url) = &webhook.url
                    && !url.is_reference()
                {
                    let key = SecretKey {
                        receiver: receiver.name.clone(),
                        kind: integration.kind.name(),
                        index: integration.index,
                    };
                    found.insert(key, url.clone());
                }
            }
        }
        found
    }
}

/// The index behind [`Config::route`].
pub(crate) fn paths(root: &Route) -> BTreeMap<RouteId, Vec<usize>> {
    let mut paths = BTreeMap::new();
    let mut waiting = vec![(root, Vec::new())];
    while let Some((node, path)) = waiting.pop() {
        for (n, child) in node.routes.iter().enumerate() {
            let mut to_child = path.clone();
            to_child.push(n);
            waiting.push((child, to_child));
        }
        paths.insert(node.id.clone(), path);
    }
    paths
}

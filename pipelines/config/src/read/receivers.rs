//! `receivers` and their `webhook_configs`.

use std::collections::BTreeMap;
use std::time::Duration;

use alert::go_quote;

use super::{Block, Fields, fields, global, values};
use crate::receiver::{HttpConfig, Integration, IntegrationKind, Receiver, WebhookConfig, WebhookUrl};
use crate::report::Report;
use crate::secret::{REFERENCE, Secret};
use crate::yaml::{Node, Value};

const RECEIVER: Block = Block {
    type_name: "config.plain",
    known: &["name", "labels", "webhook_configs"],
    later: &[
        "email_configs",
        "slack_configs",
        "pagerduty_configs",
        "opsgenie_configs",
        "victorops_configs",
        "pushover_configs",
        "sns_configs",
        "telegram_configs",
        "discord_configs",
        "webex_configs",
        "msteams_configs",
        "msteamsv2_configs",
        "jira_configs",
        "rocketchat_configs",
        "mattermost_configs",
        "incidentio_configs",
        "wechat_configs",
    ],
};

const WEBHOOK: Block = Block {
    type_name: "webhook.plain",
    known: &[
        "url",
        "url_file",
        "send_resolved",
        "max_alerts",
        "timeout",
        "http_config",
    ],
    later: &["payload"],
};

/// The list of receivers; a broken one is reported and left out, but for its name, which routes may still use.
pub(super) fn read(report: &mut Report, node: &Node, http: HttpConfig) -> Vec<Receiver> {
    let mut receivers: Vec<Receiver> = Vec::new();
    for item in values::list(report, node, "[]config.Receiver").unwrap_or_default() {
        let Some(block) = fields(report, item, &RECEIVER) else {
            continue;
        };
        let Some(receiver) = read_receiver(report, &block, http) else {
            continue;
        };
        if receivers.iter().any(|other| other.name == receiver.name) {
            let message = format!("notification config name {} is not unique", go_quote(&receiver.name));
            report.error(
                block.at("name"),
                message,
                Some("give each receiver its own name".to_owned()),
            );
            continue;
        }
        receivers.push(receiver);
    }
    receivers
}

fn read_receiver(report: &mut Report, block: &Fields<'_>, http: HttpConfig) -> Option<Receiver> {
    let name = match block.get("name") {
        Some(node) => values::string(report, node)?,
        None => String::new(),
    };
    if name.is_empty() {
        report.error(
            block.at("name"),
            "missing name in receiver",
            Some("add `name: NAME`".to_owned()),
        );
        return None;
    }
    let labels = read_labels(report, block, &name);
    let mut integrations = Vec::new();
    let webhooks = match block.get("webhook_configs") {
        Some(node) => values::list(report, node, "[]*webhook.WebhookConfig").unwrap_or_default(),
        None => &[],
    };
    for (index, node) in (0_u32..).zip(webhooks) {
        if matches!(node.value, Value::Null) {
            report.error(
                node.at,
                "missing webhook config",
                Some("write `- url: …`, or remove the entry".to_owned()),
            );
        } else if let Some((webhook, send_resolved)) = read_webhook(report, node, http) {
            let kind = IntegrationKind::Webhook(webhook);
            let log_key = format!("{name}/{kind}/{index}");
            integrations.push(Integration {
                log_key,
                kind,
                index,
                send_resolved,
            });
        }
    }
    Some(Receiver {
        name,
        labels,
        integrations,
    })
}

fn read_labels(report: &mut Report, block: &Fields<'_>, name: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if let Some(node) = block.some("labels") {
        for entry in values::string_map(report, node).unwrap_or_default() {
            if entry.key == "name" && entry.value != name {
                let (want, got) = (go_quote(name), go_quote(&entry.value));
                let message = format!("receiver label \"name\" must match receiver name {want}, got {got}");
                report.error(
                    entry.value_at,
                    message,
                    Some("remove the label: it is always set".to_owned()),
                );
            }
            labels.insert(entry.key, entry.value);
        }
    }
    labels.insert("name".to_owned(), name.to_owned());
    labels
}

/// One `webhook_configs` entry and its `send_resolved`.
fn read_webhook(report: &mut Report, node: &Node, http: HttpConfig) -> Option<(WebhookConfig, bool)> {
    let block = fields(report, node, &WEBHOOK)?;
    let send_resolved = match block.get("send_resolved") {
        Some(node) => values::boolean(report, node).unwrap_or(true),
        None => true,
    };
    let max_alerts = match block.get("max_alerts") {
        Some(node) => values::unsigned(report, node, u64::MAX, "uint64").unwrap_or(0),
        None => 0,
    };
    let timeout = match block.get("timeout") {
        Some(node) => values::go_duration(report, node).unwrap_or(Duration::ZERO),
        None => Duration::ZERO,
    };
    let http = block
        .some("http_config")
        .map_or(http, |node| global::read_http(report, node));
    let url = read_url(report, &block)?;
    Some((
        WebhookConfig {
            url,
            max_alerts,
            timeout,
            http,
        },
        send_resolved,
    ))
}

fn read_url(report: &mut Report, block: &Fields<'_>) -> Option<WebhookUrl> {
    let url = match block.get("url") {
        Some(node) => values::string(report, node)?,
        None => String::new(),
    };
    let file = match block.get("url_file") {
        Some(node) => values::string(report, node)?,
        None => String::new(),
    };
    match (url.as_str(), file.as_str()) {
        ("", "") => {
            let hint = Some("add `url: http://…`, or `url_file:` with the path of a file that holds it".to_owned());
            report.error(block.at, "one of url or url_file must be configured", hint);
            None
        }
        (_, "") => match check_url(&url) {
            Ok(()) => Some(WebhookUrl::Inline(Secret::new(url))),
            Err((message, hint)) => {
                report.error(block.at("url"), message, Some(hint));
                None
            }
        },
        ("", _) => Some(WebhookUrl::File(file)),
        (_, _) => {
            let hint = Some("remove one of the two".to_owned());
            report.error(
                block.key_at("url_file"),
                "at most one of url & url_file must be configured",
                hint,
            );
            None
        }
    }
}

/// Checks a URL without ever repeating it. The error is Alertmanager's message and a hint.
fn check_url(url: &str) -> Result<(), (String, String)> {
    let whole = "write the whole URL: https://host/path".to_owned();
    if url == REFERENCE {
        return Ok(());
    }
    if url.contains("{{") {
        return Err((
            "a template in url is not supported yet".to_owned(),
            "write the URL out".to_owned(),
        ));
    }
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let scheme = if is_scheme {
        scheme.to_ascii_lowercase()
    } else {
        String::new()
    };
    if scheme != "http" && scheme != "https" {
        return Err((
            format!("invalid URL: unsupported scheme {} for URL", go_quote(&scheme)),
            whole,
        ));
    }
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() {
        return Err(("invalid URL: missing host for URL".to_owned(), whole));
    }
    // An IPv6 address has colons of its own, in brackets.
    let port = host
        .rsplit_once(']')
        .map_or(host, |(_, rest)| rest)
        .split_once(':')
        .map_or("", |(_, port)| port);
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return Err(("invalid URL: invalid port after host".to_owned(), whole));
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(("invalid URL: blank or control character in URL".to_owned(), whole));
    }
    Ok(())
}

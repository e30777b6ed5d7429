//! Writes a config as YAML again, in the layout of Alertmanager's own marshaller.

use std::fmt::Write as _;

use crate::config::Config;
use crate::duration;
use crate::escalation::{Escalation, Step, Target};
use crate::receiver::{HttpConfig, IntegrationKind, Receiver, WebhookConfig, WebhookUrl};
use crate::route::Route;
use crate::scalar;
use crate::secret::REFERENCE;

/// Lines of YAML, and how deep the next one is.
#[derive(Default)]
struct Lines {
    text: String,
    indent: usize,
    /// The next line opens a list item.
    dash: bool,
}

impl Lines {
    fn line(&mut self, content: &str) {
        let dash = std::mem::take(&mut self.dash);
        let indent = if dash {
            self.indent.saturating_sub(2)
        } else {
            self.indent
        };
        let mark = if dash { "- " } else { "" };
        let blank = "";
        // Writing to a String cannot fail.
        let _written = writeln!(self.text, "{blank:indent$}{mark}{content}");
    }

    fn pair(&mut self, key: &str, value: impl AsRef<str>) {
        self.line(&format!("{}: {}", quoted(key), value.as_ref()));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.pair(key, quoted(value));
    }

    /// Everything `inside` writes is one level deeper, under `key`.
    fn block(&mut self, key: &str, inside: impl FnOnce(&mut Self)) {
        self.line(&format!("{}:", quoted(key)));
        self.indent += 2;
        inside(self);
        self.indent -= 2;
    }

    /// `inside` writes one list item. Like Go's writer, a list is no deeper than its key.
    fn item(&mut self, inside: impl FnOnce(&mut Self)) {
        self.dash = true;
        self.indent += 2;
        inside(self);
        self.indent -= 2;
        if std::mem::take(&mut self.dash) {
            self.line("- {}");
        }
    }

    fn list<'a>(&mut self, key: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return self.pair(key, "[]");
        }
        self.line(&format!("{}:", quoted(key)));
        for value in values {
            self.line(&format!("- {}", quoted(value)));
        }
    }
}

/// `alertmanager.yml`, secrets as `<secret>`.
pub(crate) fn alertmanager(config: &Config) -> String {
    let mut out = Lines::default();
    out.block("global", |out| {
        out.pair("resolve_timeout", config.global.resolve_timeout.to_string());
        http(out, config.global.http);
    });
    out.block("route", |out| route(out, &config.route));
    if !config.receivers.is_empty() {
        out.line("receivers:");
        for one in &config.receivers {
            out.item(|out| receiver(out, one));
        }
    }
    out.pair("templates", "[]");
    out.text
}

fn http(out: &mut Lines, http: HttpConfig) {
    out.block("http_config", |out| {
        out.pair("follow_redirects", http.follow_redirects.to_string());
        out.pair("enable_http2", http.enable_http2.to_string());
    });
}

fn route(out: &mut Lines, route: &Route) {
    let written = &route.written;
    if let Some(receiver) = &written.receiver {
        out.text("receiver", receiver);
    }
    if let Some(labels) = &written.group_by {
        out.list("group_by", labels.iter().map(String::as_str));
    }
    for (key, map) in [("match", &written.equal), ("match_re", &written.regex)] {
        if !map.is_empty() {
            out.block(key, |out| {
                for (name, value) in map {
                    out.text(name, value);
                }
            });
        }
    }
    if !written.matchers.is_empty() {
        let matchers: Vec<String> = written.matchers.iter().map(ToString::to_string).collect();
        out.list("matchers", matchers.iter().map(String::as_str));
    }
    out.pair("continue", route.continues.to_string());
    if !route.routes.is_empty() {
        out.line("routes:");
        for child in &route.routes {
            out.item(|out| self::route(out, child));
        }
    }
    let durations = [
        ("group_wait", written.group_wait),
        ("group_interval", written.group_interval),
        ("repeat_interval", written.repeat_interval),
    ];
    for (key, duration) in durations {
        if let Some(duration) = duration {
            out.pair(key, duration.to_string());
        }
    }
}

fn receiver(out: &mut Lines, receiver: &Receiver) {
    out.text("name", &receiver.name);
    let own: Vec<_> = receiver.labels.iter().filter(|(name, _)| *name != "name").collect();
    if !own.is_empty() {
        out.block("labels", |out| {
            for (name, value) in &own {
                out.text(name, value);
            }
        });
    }
    if receiver.integrations.is_empty() {
        return;
    }
    out.line("webhook_configs:");
    for integration in &receiver.integrations {
        let IntegrationKind::Webhook(config) = &integration.kind;
        out.item(|out| webhook(out, config, integration.send_resolved));
    }
}

fn webhook(out: &mut Lines, webhook: &WebhookConfig, send_resolved: bool) {
    out.pair("send_resolved", send_resolved.to_string());
    http(out, webhook.http);
    match &webhook.url {
        WebhookUrl::Inline(_) => {
            out.pair("url", REFERENCE);
            out.pair("url_file", "\"\"");
        }
        WebhookUrl::File(path) => out.text("url_file", path),
    }
    out.pair("max_alerts", webhook.max_alerts.to_string());
    out.pair("timeout", duration::go_text(webhook.timeout));
}

/// `escalation.yml`.
pub(crate) fn escalation(file: &Escalation) -> String {
    let mut out = Lines::default();
    out.pair("version", "1");
    if let Some(label) = &file.team_label {
        out.text("team_label", label);
    }
    out.block("severity", |out| {
        out.text("label", &file.severity.label);
        out.list("order", file.severity.order.iter().map(String::as_str));
    });
    if !file.teams.is_empty() {
        out.block("teams", |out| {
            for (name, team) in &file.teams {
                out.block(name, |out| out.text("title", &team.title));
            }
        });
    }
    if !file.policies.is_empty() {
        out.block("policies", |out| {
            for (name, policy) in &file.policies {
                out.block(name, |out| {
                    out.line("steps:");
                    policy.steps.iter().for_each(|one| out.item(|out| step(out, one)));
                    out.pair("repeat", format!("{{times: {}}}", policy.repeat_times));
                    targets(out, "last_resort", &policy.last_resort);
                });
            }
        });
    }
    if !file.receivers.is_empty() {
        out.block("receivers", |out| bindings(out, file));
    }
    out.text
}

fn step(out: &mut Lines, step: &Step) {
    targets(out, "notify", &step.notify);
    out.pair("escalate_after", step.escalate_after.to_string());
}

fn targets(out: &mut Lines, key: &str, targets: &[Target]) {
    out.line(&format!("{key}:"));
    for Target::Receiver(name) in targets {
        out.item(|out| out.text("receiver", name));
    }
}

fn bindings(out: &mut Lines, file: &Escalation) {
    for (name, binding) in &file.receivers {
        out.block(name, |out| {
            if let Some(team) = &binding.team {
                out.text("team", team);
            }
            if let Some(policy) = &binding.policy {
                out.text("policy", policy);
            }
            if !binding.fallback.is_empty() {
                out.line("fallback:");
                binding
                    .fallback
                    .iter()
                    .for_each(|name| out.item(|out| out.text("receiver", name)));
            }
            out.pair("try_for", binding.try_for.to_string());
        });
    }
}

/// A text as a YAML scalar: bare where it reads back as itself, else quoted.
fn quoted(text: &str) -> String {
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
    {
        return double_quoted(text);
    }
    if scalar::is_null(text) || scalar::tag(text, true) != "!!str" || text.starts_with(|c: char| c.is_ascii_digit()) {
        return double_quoted(text);
    }
    let opens = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '<' | '^' | '('));
    let breaks = text.contains(": ") || text.contains(" #") || text.ends_with([' ', ':']);
    // Inside `[…]` and `{…}` these would end the scalar; quoting them everywhere is harmless.
    let flow = text.contains(['{', '}', '[', ']', ',']);
    if opens && !breaks && !flow && text != "<<" {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a String cannot fail.
                let _written = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

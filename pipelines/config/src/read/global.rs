//! `global` and `http_config`.

use alert::PromDuration;

use super::{Block, fields, values};
use crate::config::Global;
use crate::receiver::HttpConfig;
use crate::report::Report;
use crate::yaml::Node;

/// Alertmanager's default for alerts that come without `endsAt`.
const RESOLVE_TIMEOUT: PromDuration = PromDuration::from_mins(5);

const GLOBAL: Block = Block {
    type_name: "config.plain",
    known: &["resolve_timeout", "http_config"],
    later: &[
        "smtp_from",
        "smtp_hello",
        "smtp_smarthost",
        "smtp_auth_username",
        "smtp_auth_password",
        "smtp_auth_password_file",
        "smtp_auth_secret",
        "smtp_auth_secret_file",
        "smtp_auth_identity",
        "smtp_require_tls",
        "smtp_tls_config",
        "smtp_force_implicit_tls",
        "slack_api_url",
        "slack_api_url_file",
        "slack_app_token",
        "slack_app_token_file",
        "slack_app_url",
        "pagerduty_url",
        "opsgenie_api_url",
        "opsgenie_api_key",
        "opsgenie_api_key_file",
        "wechat_api_url",
        "wechat_api_secret",
        "wechat_api_secret_file",
        "wechat_api_corp_id",
        "victorops_api_url",
        "victorops_api_key",
        "victorops_api_key_file",
        "telegram_api_url",
        "telegram_bot_token",
        "telegram_bot_token_file",
        "webex_api_url",
        "rocketchat_api_url",
        "rocketchat_token",
        "rocketchat_token_file",
        "rocketchat_token_id",
        "rocketchat_token_id_file",
        "jira_api_url",
        "mattermost_webhook_url",
        "mattermost_webhook_url_file",
    ],
};

const HTTP: Block = Block {
    type_name: "config.plain",
    known: &["follow_redirects", "enable_http2"],
    later: &[
        "basic_auth",
        "authorization",
        "oauth2",
        "bearer_token",
        "bearer_token_file",
        "tls_config",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
        "http_headers",
    ],
};

/// What holds without a `global` block.
pub(super) fn default() -> Global {
    Global {
        resolve_timeout: RESOLVE_TIMEOUT,
        http: HttpConfig::default(),
    }
}

pub(super) fn read(report: &mut Report, node: &Node) -> Global {
    let mut global = default();
    let Some(block) = fields(report, node, &GLOBAL) else {
        return global;
    };
    if let Some(timeout) = block.some("resolve_timeout") {
        global.resolve_timeout = values::prom_duration(report, timeout).unwrap_or(RESOLVE_TIMEOUT);
    }
    if let Some(http) = block.some("http_config") {
        global.http = read_http(report, http);
    }
    global
}

/// An `http_config`; it replaces the inherited one whole, so what it does not say is the default.
pub(super) fn read_http(report: &mut Report, node: &Node) -> HttpConfig {
    let mut http = HttpConfig::default();
    let Some(block) = fields(report, node, &HTTP) else {
        return http;
    };
    if let Some(follow) = block.get("follow_redirects") {
        http.follow_redirects = values::boolean(report, follow).unwrap_or(http.follow_redirects);
    }
    if let Some(http2) = block.get("enable_http2") {
        http.enable_http2 = values::boolean(report, http2).unwrap_or(http.enable_http2);
    }
    http
}

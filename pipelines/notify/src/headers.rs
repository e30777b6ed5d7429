//! The headers of a message: Alertmanager's, and what its body has no place for.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderName;
use http::header::{CONTENT_TYPE, USER_AGENT as USER_AGENT_NAME};
use schemas::NotificationRequest;

/// What Alertmanager 0.34 says of itself; receivers were written for it, and some look.
pub const USER_AGENT: &str = "Alertmanager/0.34.0";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LINK: HeaderName = HeaderName::from_static("x-alertstream-link");
const INCIDENT: HeaderName = HeaderName::from_static("x-alertstream-incident");
const REASON: HeaderName = HeaderName::from_static("x-alertstream-reason");
const ATTEMPT: HeaderName = HeaderName::from_static("x-alertstream-attempt");
const STEP: HeaderName = HeaderName::from_static("x-alertstream-step");
const ACKNOWLEDGED_BY: HeaderName = HeaderName::from_static("x-alertstream-acknowledged-by");
const ACKNOWLEDGED_AT: HeaderName = HeaderName::from_static("x-alertstream-acknowledged-at");

/// The headers of one attempt. Values beyond ASCII are percent-encoded UTF-8.
pub(crate) fn headers(
    request: &NotificationRequest,
    external_url: &str,
    key: &str,
    attempt: i32,
) -> Vec<(HeaderName, Cow<'static, str>)> {
    let incident = ascii(&request.incident_id);
    let mut headers = vec![
        (USER_AGENT_NAME, USER_AGENT.into()),
        (CONTENT_TYPE, "application/json".into()),
        (IDEMPOTENCY_KEY, ascii(key).into()),
        (LINK, format!("{}/#/incidents/{incident}", url(external_url)).into()),
        (INCIDENT, incident.into()),
        (REASON, ascii(&request.reason).into()),
        (ATTEMPT, attempt.to_string().into()),
    ];
    if let Some(policy) = &request.policy {
        let (step, round) = (request.step.unwrap_or_default(), request.round.unwrap_or_default());
        headers.push((STEP, format!("{}/{step}/{round}", ascii(policy)).into()));
    }
    if let Some(by) = &request.acknowledged_by {
        headers.push((ACKNOWLEDGED_BY, ascii(by).into()));
    }
    if let Some(at) = request.acknowledged_at {
        headers.push((ACKNOWLEDGED_AT, at.to_string().into()));
    }
    headers
}

/// Text that may stand in a header. What is not visible ASCII or a space, and `%` itself, is percent-encoded.
fn ascii(text: &str) -> String {
    escaped(text, |byte| (b' '..=b'~').contains(&byte) && byte != b'%')
}

/// A URL's text, without the slash at its end; what is already percent-encoded stays as it is.
fn url(text: &str) -> String {
    escaped(text.trim_end_matches('/'), |byte| byte.is_ascii_graphic())
}

fn escaped(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{ascii, url};

    #[test]
    fn a_header_value_is_always_ascii() {
        for (text, expected) in [
            ("payments/0/1", "payments/0/1"),
            ("Jürgen", "J%C3%BCrgen"),
            ("100%", "100%25"),
            ("a\r\nX-Evil: 1", "a%0D%0AX-Evil: 1"),
        ] {
            assert_eq!(ascii(text), expected);
        }
        assert_eq!(url("http://am.example/a%20b ü/"), "http://am.example/a%20b%20%C3%BC");
    }
}

//! The headers of a message: Alertmanager's, and what its body has no place for.

use std::fmt::Write;

use schemas::NotificationRequest;

/// What Alertmanager 0.34 says of itself; receivers were written for it, and some look.
pub const USER_AGENT: &str = "Alertmanager/0.34.0";

/// The headers of one attempt. Values beyond ASCII are percent-encoded UTF-8.
pub(crate) fn headers(
    request: &NotificationRequest,
    external_url: &str,
    key: &str,
    attempt: i32,
) -> Vec<(&'static str, String)> {
    let incident = ascii(&request.incident_id);
    let mut headers = vec![
        ("User-Agent", USER_AGENT.to_owned()),
        ("Content-Type", "application/json".to_owned()),
        ("Idempotency-Key", ascii(key)),
        (
            "X-Alertstream-Link",
            format!("{}/#/incidents/{incident}", url(external_url)),
        ),
        ("X-Alertstream-Incident", incident),
        ("X-Alertstream-Reason", ascii(&request.reason)),
        ("X-Alertstream-Attempt", attempt.to_string()),
    ];
    if let Some(policy) = &request.policy {
        let (step, round) = (request.step.unwrap_or_default(), request.round.unwrap_or_default());
        headers.push(("X-Alertstream-Step", format!("{}/{step}/{round}", ascii(policy))));
    }
    if let Some(by) = &request.acknowledged_by {
        headers.push(("X-Alertstream-Acknowledged-By", ascii(by)));
    }
    if let Some(at) = request.acknowledged_at {
        headers.push(("X-Alertstream-Acknowledged-At", at.to_string()));
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

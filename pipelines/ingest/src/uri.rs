//! What go-openapi's format `uri` accepts: Go's `url.ParseRequestURI`.

/// Whether a text is a URI with a scheme, or an absolute path.
pub(crate) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return false;
    };
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        // Opaque, as `mailto:x`; without a scheme only `*` is a request URI.
        return scheme || text == "*";
    }
    match rest.strip_prefix("//").filter(|_| scheme) {
        None => escapes_fine(rest),
        Some(after) => {
            let (authority, path) = after
                .find('/')
                .and_then(|at| after.split_at_checked(at))
                .unwrap_or((after, ""));
            is_authority(authority) && escapes_fine(path)
        }
    }
}

/// Whether there is a scheme, and what follows it; none where a colon has nothing before it.
fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) if rest.starts_with(':') => None,
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Some(rest.strip_prefix(':').map_or((false, text), |after| (true, after)))
        }
        Some(_) | None => Some((false, text)),
    }
}

/// Every `%` is followed by two hexadecimal digits.
fn escapes_fine(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user_fine = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    user.chars().all(user_fine) && escapes_fine(user) && is_host(host)
}

fn is_host(host: &str) -> bool {
    let port = if host.starts_with('[') {
        let Some((_, port)) = host.rsplit_once(']') else {
            return false;
        };
        port
    } else {
        host.rfind(':').and_then(|at| host.get(at..)).unwrap_or_default()
    };
    let port_fine = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let host_fine = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    port_fine && host.chars().all(host_fine) && escapes_fine(host)
}

#[cfg(test)]
mod tests {
    use super::is_request_uri;

    #[test]
    fn a_uri_is_what_go_takes_for_one() {
        let rows = [
            ("http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1", true),
            ("https://user:pw@host/a%20b", true),
            ("http://[::1]:9090/", true),
            ("http://host", true),
            ("http://host:/", true),
            ("http://host/?q=%zz", true),
            ("http://höst/ä", true),
            ("/graph", true),
            ("mailto:someone", true),
            ("*", true),
            ("", false),
            ("graph", false),
            ("not a uri", false),
            (":foo", false),
            ("1http://x", false),
            ("http://host:port/", false),
            ("http://ho st/", false),
            ("http://[::1/", false),
            ("http://host/%zz", false),
            ("http://host/%", false),
            ("http://host/\n", false),
        ];
        for (text, want) in rows {
            assert_eq!(is_request_uri(text), want, "{text:?}");
        }
    }
}

//! What a newcomer reads first: the files in use, one alert to try, how to acknowledge it, and Prometheus's four lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use alert::LabelSet;

use crate::files::Files;

/// Where a client on this machine reaches what listens on an address: `host:port`, in brackets for IPv6.
pub(crate) fn reach(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The banner, for the address that is really listened on and the prefix of every path there.
pub(crate) fn banner(files: &Files, address: SocketAddr, prefix: &str, storage: &str) -> String {
    let target = reach(address);
    let url = format!("http://{target}{prefix}");
    let path = if prefix.is_empty() {
        String::new()
    } else {
        format!("       - path_prefix: {prefix}\n")
    };
    let first = if prefix.is_empty() { "- " } else { "  " };
    let labels: LabelSet = [("alertname", "TryMe"), ("severity", "critical")].into();
    let fingerprint = labels.fingerprint();
    let inbox = if files.is_built_in() {
        format!("   notifications: {url}/inbox\n")
    } else {
        String::new()
    };
    format!(
        "alertstream is up on {url}\n   dashboard: {url}/\n   config: {config}\n   log:    {storage}\n{inbox}\n\
         Try it (the alert lives an hour):\n   \
         curl -H 'Content-Type: application/json' {url}/api/v2/alerts -d '[{{\"labels\":{{\"alertname\":\"TryMe\",\"severity\":\"critical\"}},\
         \"startsAt\":\"'$(date -u +%FT%TZ)'\",\"endsAt\":\"'$(date -u -d +1hour +%FT%TZ 2>/dev/null || date -u -v+1H +%FT%TZ)'\"}}]'\n\
         Acknowledge it:\n   curl -X POST {url}/api/v1/alerts/{fingerprint}/acknowledge\n\
         In prometheus.yml:\n   alerting:\n     alertmanagers:\n{path}       {first}static_configs:\n           - targets: ['{target}']\n",
        config = files.describe(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_is_reached_on_this_machine() {
        for (listened, reached) in [
            ("0.0.0.0:9093", "127.0.0.1:9093"),
            ("[::]:9093", "[::1]:9093"),
            ("[::1]:1", "[::1]:1"),
            ("10.0.0.7:1", "10.0.0.7:1"),
        ] {
            assert_eq!(reach(listened.parse().unwrap()).to_string(), reached);
        }
    }
}

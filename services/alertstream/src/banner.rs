//! What a newcomer reads first: the files in use, one alert to try, how to acknowledge it, and Prometheus's four lines.

use std::net::SocketAddr;

use alert::LabelSet;

use crate::files::Files;

/// The banner, for the address that is really listened on.
pub fn banner(files: &Files, address: SocketAddr, storage: &str) -> String {
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    let url = format!("http://{host}:{}", address.port());
    let labels: LabelSet = [("alertname", "TryMe"), ("severity", "critical")].into();
    let fingerprint = labels.fingerprint();
    let inbox = if files.is_built_in() { format!("   notifications: {url}/inbox\n") } else { String::new() };
    format!(
        "alertstream is up on {url}\n   config: {config}\n   log:    {storage}\n{inbox}\n\
         Try it (the alert lives an hour):\n   \
         curl -H 'Content-Type: application/json' {url}/api/v2/alerts -d '[{{\"labels\":{{\"alertname\":\"TryMe\",\"severity\":\"critical\"}},\
         \"startsAt\":\"'$(date -u +%FT%TZ)'\",\"endsAt\":\"'$(date -u -d +1hour +%FT%TZ 2>/dev/null || date -u -v+1H +%FT%TZ)'\"}}]'\n\
         Acknowledge it:\n   curl -X POST {url}/api/v1/alerts/{fingerprint}/acknowledge\n\
         In prometheus.yml:\n   alerting:\n     alertmanagers:\n       - static_configs:\n           - targets: ['{host}:{port}']\n",
        config = files.describe(),
        port = address.port(),
    )
}

//! Apache Kafka in a container.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use super::{READY, RELEASE, free_ports, node_settings};

/// Whether an engine answers is asked for this long.
const PING: Duration = Duration::from_millis(500);
const SOCKET: &str = "/var/run/docker.sock";
/// Inside the container.
const CONTROLLER: &str = "localhost:9093";

#[derive(Debug)]
pub(super) struct KafkaContainer {
    container: Container<GenericImage>,
    port: u16,
}

impl KafkaContainer {
    pub(super) fn start() -> Result<Self, String> {
        ping()?;
        // The port must be known before: a client is told where to connect to, and a restart keeps it. It is the same
        // inside: the broker is its own client where it ends transactions, and is told the same address.
        let [port] = free_ports()?;
        let image = GenericImage::new("apache/kafka", RELEASE)
            .with_wait_for(WaitFor::message_on_stdout("Kafka Server started"));
        let mut request = image.with_mapped_port(port, port.tcp()).with_startup_timeout(READY);
        for (name, value) in node_settings(&format!(":{port}"), CONTROLLER, &format!("localhost:{port}")) {
            // The image takes settings as variables: KAFKA_ and the name in capitals.
            request = request.with_env_var(format!("KAFKA_{}", name.to_uppercase().replace('.', "_")), value);
        }
        let request = request.with_env_var("KAFKA_HEAP_OPTS", "-Xmx512m");
        let container = request
            .start()
            .map_err(|error| format!("apache/kafka:{RELEASE}: {error}"))?;
        Ok(Self { container, port })
    }

    pub(super) fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(super) fn stop(&self) -> Result<(), String> {
        self.container
            .stop_with_timeout(Some(0))
            .map_err(|error| error.to_string())
    }

    pub(super) fn start_again(&self) -> Result<(), String> {
        self.container.start().map_err(|error| error.to_string())
    }
}

/// Whether a Docker engine answers where `DOCKER_HOST` says, or at the usual socket.
fn ping() -> Result<(), String> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| format!("unix://{SOCKET}"));
    let answer = if let Some(path) = host.strip_prefix("unix://") {
        let stream = UnixStream::connect(path).map_err(|error| format!("{host}: {error}"))?;
        stream.set_read_timeout(Some(PING)).and_then(|()| ask(stream))
    } else if let Some(address) = host.strip_prefix("tcp://") {
        let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = found.ok_or_else(|| format!("{host}: no such host"))?;
        let stream = TcpStream::connect_timeout(&address, PING).map_err(|error| format!("{host}: {error}"))?;
        stream.set_read_timeout(Some(PING)).and_then(|()| ask(stream))
    } else {
        return Err(format!("DOCKER_HOST={host}: not asked"));
    };
    match answer {
        Ok(text) if text.contains(" 200 ") => Ok(()),
        Ok(text) => Err(format!("{host}: {}", text.lines().next().unwrap_or_default())),
        Err(error) => Err(format!("{host}: {error}")),
    }
}

fn ask(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = [0; 512];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
}

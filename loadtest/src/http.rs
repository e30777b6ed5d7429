//! One HTTP connection that posts bodies built beforehand: a blocking socket and no more, so that a request costs the
//! system calls and little else, and leaves when it is due.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::client::PostError;

/// Prometheus's own time for a request to an Alertmanager.
const REQUEST: Duration = Duration::from_secs(10);
/// Answers are short: a status, an error's text.
const MAX_ANSWER: usize = 1 << 20;

/// Where to post: an `http://` URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    address: SocketAddr,
    host: String,
    prefix: String,
}

impl Place {
    /// Of a URL.
    ///
    /// # Errors
    /// It is no `http://host[:port][/path]`, or its host has no address.
    pub fn of(url: &str) -> Result<Self, PostError> {
        let wrong = |why: &str| PostError::NotNow(format!("{url}: {why}"));
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("not an http:// URL"))?;
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let with_port = if host.rsplit_once(':').is_some() {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut addresses = with_port.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
        Ok(Self {
            address: addresses.next().ok_or_else(|| wrong("no address"))?,
            host: host.to_owned(),
            prefix: path.trim_end_matches('/').to_owned(),
        })
    }

    /// A request's head for a body of so many bytes.
    pub fn head(&self, path: &str, length: usize) -> String {
        format!(
            "POST {}{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            self.prefix, self.host
        )
    }
}

/// A connection; opened when it is used, and again after a failure.
#[derive(Debug, Default)]
pub struct Connection {
    stream: Option<(SocketAddr, TcpStream)>,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a whole request and waits for its answer.
    ///
    /// # Errors
    /// As [`crate::client::Client::post_alerts`].
    pub fn post(&mut self, place: &Place, request: &[u8]) -> Result<(), PostError> {
        let answered = self.exchange(place.address, request);
        let (status, text) = answered.map_err(|error| {
            self.stream = None;
            PostError::NotNow(error.to_string())
        })?;
        match status {
            200..=299 => Ok(()),
            429 | 500.. => Err(PostError::NotNow(format!("status {status}: {text}"))),
            _ => Err(PostError::Refused(status, text)),
        }
    }

    fn exchange(&mut self, address: SocketAddr, request: &[u8]) -> std::io::Result<(u16, String)> {
        if self.stream.as_ref().is_none_or(|(known, _)| *known != address) {
            let stream = TcpStream::connect_timeout(&address, REQUEST)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(REQUEST))?;
            stream.set_write_timeout(Some(REQUEST))?;
            self.stream = Some((address, stream));
        }
        let Some((_, stream)) = &mut self.stream else {
            return Err(ErrorKind::NotConnected.into());
        };
        stream.write_all(request)?;
        self.answer.clear();
        let mut piece = [0; 4096];
        loop {
            if let Some(answer) = whole(&self.answer)? {
                if answer.closes {
                    self.stream = None;
                }
                return Ok((answer.status, answer.text));
            }
            let read = stream.read(&mut piece)?;
            if read == 0 || self.answer.len() > MAX_ANSWER {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    text: String,
    /// Whether nothing more comes on this connection, or we cannot tell where the answer ends.
    closes: bool,
}

/// The answer, once all of it is there.
fn whole(bytes: &[u8]) -> std::io::Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = bytes.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::new(ErrorKind::InvalidData, "no HTTP answer"))?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let closes = length.is_none() || header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let text = body.get(..length.unwrap_or(body.len()));
    Ok(text.map(|text| Answer {
        status,
        text: String::from_utf8_lossy(text).trim().to_owned(),
        closes,
    }))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Place, whole};

    #[test]
    fn answers_are_read_to_their_end() {
        let answer = |status, text: &str, closes| {
            Some(Answer {
                status,
                text: text.to_owned(),
                closes,
            })
        };
        for (bytes, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Le", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", answer(200, "", false)),
            ("HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbus", None),
            (
                "HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy",
                answer(503, "busy", false),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                answer(200, "", true),
            ),
            ("HTTP/1.1 400 Bad\r\n\r\nwhy", answer(400, "why", true)),
        ] {
            assert_eq!(whole(bytes.as_bytes()).unwrap(), expected, "{bytes}");
        }
        assert!(whole(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn urls() {
        let place = Place::of("http://127.0.0.1:9093/am/").unwrap();
        let head = place.head("/api/v2/alerts", 12);
        assert!(
            head.starts_with("POST /am/api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1:9093\r\n"),
            "{head}"
        );
        assert!(head.contains("Content-Length: 12\r\n"));
        assert_eq!(Place::of("http://127.0.0.1").unwrap().address.port(), 80);
        assert!(Place::of("https://127.0.0.1").is_err());
    }
}

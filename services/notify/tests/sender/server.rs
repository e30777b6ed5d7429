//! A receiver that does what the test says: HTTP over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// One request as it arrived, and how the test answers it.
pub(crate) struct Asked {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
    /// Sends these bytes and closes; dropped, it just closes.
    pub(crate) answer: oneshot::Sender<Vec<u8>>,
}

impl Asked {
    /// Answers with a status, more headers (each with its line end) and a body.
    pub(crate) fn reply(self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
        self.answer.send(text.into_bytes()).unwrap();
    }
}

/// A server on a port of its own, and the requests it gets.
pub(crate) async fn server() -> (SocketAddr, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, asked.clone()));
        }
    });
    (address, requests)
}

async fn connection(mut stream: TcpStream, asked: mpsc::UnboundedSender<Asked>) {
    let mut read = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let (answer, answered) = oneshot::channel();
    if asked.send(Asked { head, body, answer }).is_ok()
        && let Ok(bytes) = answered.await
    {
        stream.write_all(&bytes).await.ok();
    }
}

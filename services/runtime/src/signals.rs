//! How a process is told to stop and to read its files again.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the process is to stop. Clones share it; once told, it stays told.
#[derive(Debug, Clone)]
pub struct Shutdown {
    told: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            told: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Shutdown {
    /// One that SIGTERM and SIGINT tell, from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system lets no handler be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = shutdown.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal = name, "stopping");
            told.tell();
        });
        Ok(shutdown)
    }

    /// Tells everyone who waits.
    pub fn tell(&self) {
        self.told.send_replace(true);
    }

    /// Whether it has been told.
    pub fn is_told(&self) -> bool {
        *self.told.borrow()
    }

    /// Returns once it is told; at once if it has been.
    pub async fn wait(&self) {
        let mut told = self.told.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        if told.wait_for(|told| *told).await.is_err() {
            tracing::debug!("shutdown sender gone");
        }
    }
}

/// SIGHUP: the files are to be read again.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Listens from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system lets no handler be installed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Returns at the next SIGHUP; several that came meanwhile count as one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

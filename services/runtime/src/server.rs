//! Listening and serving.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::signals::Shutdown;

/// How long running requests may go on after a shutdown was asked for: longer than an ingest answer may take (10 s), well
/// within the 30 s after which orchestrators kill.
const DRAIN: Duration = Duration::from_secs(15);

/// Why a process cannot listen, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("port in use: {0} is taken by another process; choose another with --web.listen-address")]
    InUse(String),
    /// Low ports are privileged.
    #[error("not permitted to listen on {0}; choose a port from 1024 on with --web.listen-address")]
    NotPermitted(String),
    /// The address is no address of this machine.
    #[error("{0} is no address of this machine; choose another with --web.listen-address")]
    NotOurs(String),
    /// Anything else.
    #[error("cannot listen on {address}: {error}; the form of --web.listen-address is host:port or :port")]
    Other {
        /// As given.
        address: String,
        /// The system's word.
        error: io::Error,
    },
}

/// Listens on `host:port`, or on `:port` of every address. Done first of all at a start, so that a second process on the
/// same machine ends before it touches anything.
///
/// # Errors
/// See [`BindError`].
pub async fn bind(address: &str) -> Result<TcpListener, BindError> {
    let bound = match address.strip_prefix(':') {
        None => TcpListener::bind(address).await,
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(NO_FAMILY) => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
    };
    bound.map_err(|error| {
        let address = address.to_owned();
        if error.kind() == io::ErrorKind::AddrInUse {
            BindError::InUse(address)
        } else if error.kind() == io::ErrorKind::PermissionDenied {
            BindError::NotPermitted(address)
        } else if error.kind() == io::ErrorKind::AddrNotAvailable {
            BindError::NotOurs(address)
        } else {
            BindError::Other { address, error }
        }
    })
}

/// Linux' `EAFNOSUPPORT`: the kernel has no such address family.
const NO_FAMILY: i32 = 97;

/// Answers requests until a shutdown is told, then lets the running ones end, 15 s at most.
///
/// # Errors
/// The listener is of no more use.
pub async fn serve(listener: TcpListener, app: Router, shutdown: &Shutdown) -> io::Result<()> {
    let told = shutdown.clone();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async move { told.wait().await });
    let overdue = async {
        shutdown.wait().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = serving => ended,
        () = overdue => {
            tracing::warn!("requests still running 15 s after the shutdown began are cut off");
            Ok(())
        }
    }
}

//! Whether the process is ready, and why not.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// Says why one part is not ready; none when it is.
type Check = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// What the parts of a process say of themselves. Clones share it.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<Vec<(String, Check)>>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("not_ready", &self.not_ready()).finish()
    }
}

impl Health {
    /// Adds a part by name. `check` is called at every look at `/-/ready`, so it answers at once; it returns why the part
    /// is not ready, in words for an operator.
    pub fn register(&self, part: &str, check: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        checks.push((part.to_owned(), Box::new(check)));
    }

    /// Why the process is not ready, one line for each part; empty when it is.
    pub fn not_ready(&self) -> Vec<String> {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks
            .iter()
            .filter_map(|(part, check)| Some(format!("{part}: {}", check()?)))
            .collect()
    }

    /// `/-/healthy` answers while the process serves at all; `/-/ready` is 503 with the reasons until all parts are ready.
    pub(crate) fn routes(&self) -> Router {
        let health = self.clone();
        Router::new().route("/-/healthy", get(|| async { "OK" })).route(
            "/-/ready",
            get(move || {
                let reasons = health.not_ready();
                async move {
                    if reasons.is_empty() {
                        (StatusCode::OK, "OK".to_owned())
                    } else {
                        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
                    }
                }
            }),
        )
    }
}

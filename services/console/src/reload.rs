//! Reading the operator's files again: by `POST /-/reload` or SIGHUP.

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::post;
use runtime::names;
use schemas::topics;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::App;
use crate::publish::{ConfigFiles, publish_config};
use crate::view::Place;

/// One reload at a time, and how the last one ended.
#[derive(Debug, Default)]
pub(crate) struct Reload {
    turn: Mutex<()>,
    error: SyncMutex<Option<String>>,
}

impl Reload {
    /// Why the last one failed; none if it did not.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self, error: Option<String>) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Loads the files, publishes what they say, and waits until the view has it. What cannot be loaded changes nothing: the
/// old config goes on, and the error is told.
pub(crate) async fn reload(app: &Arc<App>) -> Result<i64, String> {
    let _turn = app.reload.turn.lock().await;
    let loaded = app
        .blocking(load_and_publish)
        .await
        .unwrap_or_else(|refusal| Err(format!("{refusal:?}")));
    match loaded {
        Ok(version) => {
            let place = Place {
                topic: topics::CONFIG,
                partition: 0,
                offset: version,
            };
            let deadline = Instant::now() + app.settings.write_wait;
            if let Err(behind) = app.view.positions.wait_for(&[place], deadline).await {
                tracing::warn!(%behind, version, "config published, not in the view yet");
            }
            app.reload.ended(None);
            Ok(version)
        }
        Err(error) => {
            tracing::error!(%error, "config not loaded; the old one goes on");
            metrics::gauge!(names::CONFIG_LAST_RELOAD_SUCCESSFUL).set(0.0);
            app.reload.ended(Some(error.clone()));
            Err(error)
        }
    }
}

fn load_and_publish(app: &App) -> Result<i64, String> {
    let config = (app.settings.load_config)()?;
    let files = ConfigFiles {
        alertmanager: app.settings.config_file.clone(),
        escalation: app.settings.escalation_file.clone(),
    };
    publish_config(app.log.as_ref(), &config, &files, &app.settings.instance).map_err(|error| error.to_string())
}

/// `POST /-/reload`.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/-/reload", post(handler))
}

async fn handler(State(app): State<Arc<App>>) -> Response<Body> {
    match reload(&app).await {
        Ok(_) => Response::new(Body::empty()),
        Err(error) => {
            let mut response = Response::new(Body::from(format!("failed to reload config: {error}\n")));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

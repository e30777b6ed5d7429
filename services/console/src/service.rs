//! The service: the view's thread, the slow tasks, the paths.

use std::sync::Arc;

use axum::Router;
use runtime::Health;
use streams::{Log, LogError};
use tokio::task::JoinHandle;

use crate::app::{App, Settings};
use crate::view::{Feed, FeedThread, View};
use crate::{api, dashboard, gauges, people, reload, silences};

/// Why the console cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log's word: a topic is missing, or it cannot be read.
    #[error("the console cannot read the log: {0}")]
    Log(#[from] LogError),
    /// The system gives no thread.
    #[error("the console cannot start its thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running console.
#[derive(Debug)]
pub struct Service {
    app: Arc<App>,
    feed: FeedThread,
    tasks: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts reading the log. Blocks while it asks for the ends of all topics, and needs a tokio runtime around it
    /// (`spawn_blocking` is the place to call it from). Ready once the view has all that was there: `health` says so as
    /// `console`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(log: Arc<dyn Log>, settings: Settings, health: &Health) -> Result<Self, StartError> {
        let view = View::new();
        let feed = Feed::open(Arc::clone(&log), Arc::clone(&view))?;
        let feed = FeedThread::start(feed, Arc::clone(&settings.may_begin))?;
        let seen = Arc::clone(&view);
        health.register("console", move || seen.not_ready());
        let app = App::new(log, view, settings);
        let tasks = vec![
            tokio::spawn(silences::collect_for_ever(Arc::clone(&app))),
            tokio::spawn(gauges::count_for_ever(Arc::clone(&app))),
        ];
        Ok(Self { app, feed, tasks })
    }

    /// Returns once the view has everything that was there at the start.
    pub async fn caught_up(&self) {
        self.app.view.caught_up().await;
    }

    /// The paths: Alertmanager's API v2 but for `POST /api/v2/alerts`, ours under `/api/v1`, `POST /-/reload`, and the
    /// dashboard with what it asks for.
    pub fn router(&self) -> Router {
        api::routes()
            .merge(people::routes())
            .merge(reload::routes())
            .merge(dashboard::routes(&self.app))
            .with_state(Arc::clone(&self.app))
    }

    /// [`Reloader::reload`].
    ///
    /// # Errors
    /// In words for an operator.
    pub async fn reload(&self) -> Result<i64, String> {
        reload::reload(&self.app).await
    }

    /// What a task that waits for SIGHUP holds.
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.app))
    }

    /// Stops reading. What is asked from then on is answered from what was read.
    pub fn stop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.feed.stop();
    }
}

/// Reads the operator's files again. Clones share it.
#[derive(Debug, Clone)]
pub struct Reloader(Arc<App>);

impl Reloader {
    /// Publishes what the files say, as `POST /-/reload` does. Returns the config's version, or why the old one goes on;
    /// the metrics and `/api/v2/status` say so too.
    ///
    /// # Errors
    /// In words for an operator.
    pub async fn reload(&self) -> Result<i64, String> {
        reload::reload(&self.0).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

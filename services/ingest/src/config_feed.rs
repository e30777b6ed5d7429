//! The current config, kept current from the table `config`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ingest_pipeline::{ConfigView, Current};
use processor::TableChange;
use runtime::names;
use schemas::topics;
use streams::{From, Log, LogError, Reader};

/// The config that requests are decided under; none before the first.
pub(crate) type SharedConfig = Arc<ArcSwapOption<Current>>;

/// The most versions taken up at a time.
const SLICE: usize = 100;

/// Reads the table and publishes each version to whoever holds the shared config.
pub(crate) struct ConfigFeed {
    reader: Box<dyn Reader>,
    view: ConfigView,
    shared: SharedConfig,
}

impl ConfigFeed {
    /// Begins at the table's beginning; what is there already is taken up before this returns, as far as it can be read.
    pub(crate) fn open(log: &dyn Log, shared: SharedConfig) -> Result<Self, LogError> {
        let reader = log.reader(&[(topics::CONFIG.to_owned(), 0, From::Beginning)])?;
        let mut feed = Self {
            reader,
            view: ConfigView::default(),
            shared,
        };
        while feed.poll(Duration::ZERO)? > 0 {}
        Ok(feed)
    }

    /// Takes up what has come; waits at most `wait`. Returns how many versions there were.
    pub(crate) fn poll(&mut self, wait: Duration) -> Result<usize, LogError> {
        let records = match self.reader.poll(SLICE, wait) {
            Err(LogError::Busy(_)) => return Ok(0),
            records => records?,
        };
        let count = records.len();
        for (_, record) in records {
            let offset = record.offset;
            let change = TableChange {
                table: topics::CONFIG,
                key: record.key.clone(),
                value: record.value.clone(),
                offset,
                appended: record.appended,
            };
            if let Err(error) = self.view.take_up(&change) {
                metrics::counter!(names::INGEST_CONFIG_VERSIONS_REFUSED).increment(1);
                tracing::error!(%error, version = offset + 1, "the config before it stays in force");
            }
        }
        // A feed that was opened anew passes through old versions again; requests never go back to one.
        let shown = self.shared.load().as_ref().map_or(0, |current| current.version);
        if self.view.version() > shown {
            self.shared.store(self.view.current().map(Arc::new));
        }
        Ok(count)
    }
}

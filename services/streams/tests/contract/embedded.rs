//! The embedded log as a stand: a folder of its own for each rule.

use std::sync::Arc;

use streams::Log;
use streams::embedded::{EmbeddedLog, Options};
use tempfile::TempDir;

use crate::stand::Stand;

/// A log in a folder that goes with it.
pub struct Embedded {
    folder: TempDir,
    log: Option<Arc<EmbeddedLog>>,
}

impl Embedded {
    /// An empty one.
    pub fn new() -> Self {
        let mut stand = Self {
            folder: TempDir::new().expect("a folder"),
            log: None,
        };
        stand.restart();
        stand
    }
}

impl Stand for Embedded {
    fn log(&self) -> Arc<dyn Log> {
        Arc::clone(self.log.as_ref().expect("an open log")) as Arc<dyn Log>
    }

    fn name(&self, bare: &str) -> String {
        bare.to_owned()
    }

    fn restart(&mut self) -> bool {
        self.log = None;
        // No reserve: a test machine's disk may be almost full.
        let options = Options {
            disk_reserve: 0,
            ..Options::default()
        };
        self.log = Some(EmbeddedLog::open(self.folder.path(), options).expect("the log opens"));
        true
    }

    fn trims(&self) -> bool {
        true
    }
}

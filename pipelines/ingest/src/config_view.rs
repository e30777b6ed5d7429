//! The config this stage works by: the newest version of the table `config` that loads.

use std::sync::Arc;

use config::{Config, Source};
use processor::{Poison, TableChange};
use schemas::{ConfigVersion, DecodeError};

/// A config and the number of the version it is in force under.
#[derive(Debug, Clone)]
pub struct Current {
    /// The newest version seen: its offset plus one.
    pub version: u64,
    /// The config.
    pub config: Arc<Config>,
}

/// The view of the table `config`.
#[derive(Debug, Clone, Default)]
pub struct ConfigView {
    seen: u64,
    config: Option<Arc<Config>>,
}

impl ConfigView {
    /// The newest version seen; 0 before the first.
    pub fn version(&self) -> u64 {
        self.seen
    }

    /// What is in force; none before the first version that loads.
    pub fn current(&self) -> Option<Current> {
        Some(Current {
            version: self.seen,
            config: Arc::clone(self.config.as_ref()?),
        })
    }

    /// Takes up one change. A version that does not load counts as seen and changes nothing: the config before it stays in
    /// force, as after a bad reload of Alertmanager. Every stage that walks the tree does so too.
    ///
    /// # Errors
    /// The version does not load here, and why.
    pub fn take_up(&mut self, change: &TableChange) -> Result<(), Poison> {
        let Some(bytes) = &change.value else { return Ok(()) };
        let number = u64::try_from(change.offset.saturating_add(1)).unwrap_or_default();
        if number <= self.seen {
            return Ok(());
        }
        self.seen = number;
        let version: ConfigVersion = schemas::decode(bytes).map_err(|error| match error {
            DecodeError::UnknownSchema(_) => Poison::UnknownSchema(error.to_string()),
            DecodeError::WrongRecord { .. } | DecodeError::Malformed(_) | DecodeError::TooShort => {
                Poison::Malformed(error.to_string())
            }
        })?;
        let alertmanager = Source {
            name: &version.alertmanager_file,
            text: &version.alertmanager,
        };
        let escalation = version.escalation.as_deref().map(|text| Source {
            name: version.escalation_file.as_deref().unwrap_or("escalation.yml"),
            text,
        });
        let config = Config::load(alertmanager, escalation)
            .map_err(|errors| Poison::Malformed(format!("config version {number} does not load: {errors}")))?;
        self.config = Some(Arc::new(config));
        Ok(())
    }
}

//! The tables as this stage sees them: config versions and silences.

use std::collections::BTreeMap;

use alert::Timestamp;
use config::{Config, Integration, Source};
use policy::SilenceIndex;
use processor::{Poison, TableChange};
use schemas::{ConfigVersion, FlushAlert, SilenceRecord, topics};

use crate::run::poison;

/// How many config versions are kept: a request lives minutes, and is carried out under the version it was decided under.
const KEPT_VERSIONS: usize = 16;

/// What the tables say.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    configs: BTreeMap<u64, Config>,
    newest: u64,
    silences: SilenceIndex,
}

impl Tables {
    /// The newest config version; 0 before the first.
    pub(crate) fn config_version(&self) -> u64 {
        self.newest
    }

    /// The config of a version; the newest there is where that one is gone.
    pub(crate) fn config(&self, version: i64) -> Option<&Config> {
        let version = u64::try_from(version).unwrap_or_default();
        self.configs.get(&version).or_else(|| self.configs.values().next_back())
    }

    /// A receiver's integrations, under a config version.
    pub(crate) fn integrations(&self, version: i64, receiver: &str) -> &[Integration] {
        let receiver = self.config(version).and_then(|config| config.receiver(receiver));
        receiver
            .map(|receiver| receiver.integrations.as_slice())
            .unwrap_or_default()
    }

    /// One integration of a receiver, under a config version.
    pub(crate) fn integration(&self, version: i64, receiver: &str, kind: &str, index: i32) -> Option<&Integration> {
        self.integrations(version, receiver)
            .iter()
            .find(|it| it.kind.name() == kind && i64::from(it.index) == i64::from(index))
    }

    /// Why one of these alerts must not be told now; none when nothing mutes any of them.
    pub(crate) fn muted<'a>(&self, alerts: impl Iterator<Item = &'a FlushAlert>, now: Timestamp) -> Option<String> {
        if self.silences.is_empty() {
            return None;
        }
        alerts.into_iter().find_map(|alert| {
            let by = self.silences.muted_by(&alert.body.labels, now);
            (!by.is_empty()).then(|| format!("alert {} is silenced by {}", alert.fingerprint, by.join(", ")))
        })
    }

    /// Takes up one change.
    pub(crate) fn change(&mut self, change: &TableChange) -> Result<(), Poison> {
        match change.table {
            topics::CONFIG => self.take_config(change),
            topics::SILENCES => self.take_silence(change),
            other => Err(Poison::Malformed(format!("notify reads no table {other}"))),
        }
    }

    fn take_config(&mut self, change: &TableChange) -> Result<(), Poison> {
        let Some(bytes) = &change.value else { return Ok(()) };
        let version: ConfigVersion = schemas::decode(bytes).map_err(|error| poison(&error))?;
        let escalation_file = version.escalation_file.as_deref().unwrap_or("escalation.yml");
        let escalation = version.escalation.as_deref().map(|text| Source {
            name: escalation_file,
            text,
        });
        let alertmanager = Source {
            name: &version.alertmanager_file,
            text: &version.alertmanager,
        };
        let number = u64::try_from(change.offset + 1).unwrap_or_default();
        // The number counts even where the text is refused: what was decided under it must not wait for ever.
        self.newest = self.newest.max(number);
        let config = Config::load(alertmanager, escalation)
            .map_err(|errors| Poison::Malformed(format!("config version {number}: {errors}")))?;
        self.configs.insert(number, config);
        while self.configs.len() > KEPT_VERSIONS {
            self.configs.pop_first();
        }
        Ok(())
    }

    fn take_silence(&mut self, change: &TableChange) -> Result<(), Poison> {
        let Some(bytes) = &change.value else {
            self.silences.remove(&String::from_utf8_lossy(&change.key));
            return Ok(());
        };
        let record: SilenceRecord = schemas::decode(bytes).map_err(|error| poison(&error))?;
        let id = record.id.clone();
        let taken = self.silences.insert(record.into());
        taken
            .map(drop)
            .map_err(|error| Poison::Malformed(format!("silence {id}: {error}")))
    }
}

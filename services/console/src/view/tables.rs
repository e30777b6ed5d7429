//! The global tables as the view has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{Config, Source};
use policy::SilenceIndex;
use processor::Record;
use schemas::{ConfigVersion, Instance, SilenceRecord};

/// The most instances held: each process has one, and one that is gone stays until its tombstone.
const MAX_INSTANCES: usize = 1_000;

/// One version of the config, validated.
#[derive(Debug)]
pub(crate) struct Version {
    /// Its number: its offset plus one.
    pub(crate) number: i64,
    /// What it means.
    pub(crate) config: Config,
    /// What was published.
    pub(crate) published: ConfigVersion,
}

/// Config, silences and instances. Readers take the `Arc`s and look at leisure; a change copies only what somebody holds.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The newest config that could be read.
    pub(crate) config: Option<Arc<Version>>,
    /// Every silence.
    pub(crate) silences: Arc<SilenceIndex>,
    /// Who is alive, by id.
    pub(crate) instances: BTreeMap<String, Instance>,
}

impl Tables {
    /// A version of the config; the error says why it is not used.
    pub(crate) fn take_config(&mut self, record: &Record) -> Result<(), String> {
        let Some(bytes) = &record.value else { return Ok(()) };
        let published: ConfigVersion = schemas::decode(bytes).map_err(|error| error.to_string())?;
        let number = record.offset.saturating_add(1);
        let config = Self::load(&published).map_err(|errors| format!("config version {number}: {errors}"))?;
        self.config = Some(Arc::new(Version {
            number,
            config,
            published,
        }));
        Ok(())
    }

    /// A silence, or its end.
    pub(crate) fn take_silence(&mut self, record: &Record) -> Result<(), String> {
        let Some(bytes) = &record.value else {
            Arc::make_mut(&mut self.silences).remove(&String::from_utf8_lossy(&record.key));
            return Ok(());
        };
        let silence: SilenceRecord = schemas::decode(bytes).map_err(|error| error.to_string())?;
        let id = silence.id.clone();
        let taken = Arc::make_mut(&mut self.silences).insert(silence.into());
        taken.map(drop).map_err(|error| format!("silence {id}: {error}"))
    }

    /// A process, or its end.
    pub(crate) fn take_instance(&mut self, record: &Record) -> Result<(), String> {
        let Some(bytes) = &record.value else {
            self.instances.remove(String::from_utf8_lossy(&record.key).as_ref());
            return Ok(());
        };
        let instance: Instance = schemas::decode(bytes).map_err(|error| error.to_string())?;
        self.instances.insert(instance.id.clone(), instance);
        if self.instances.len() > MAX_INSTANCES {
            let oldest = self
                .instances
                .values()
                .min_by_key(|instance| instance.at)
                .map(|instance| instance.id.clone());
            oldest.and_then(|id| self.instances.remove(&id));
        }
        Ok(())
    }

    /// What a published version means.
    pub(crate) fn load(version: &ConfigVersion) -> Result<Config, config::ConfigErrors> {
        let escalation_file = version.escalation_file.as_deref().unwrap_or("escalation.yml");
        let escalation = version.escalation.as_deref().map(|text| Source {
            name: escalation_file,
            text,
        });
        Config::load(
            Source {
                name: &version.alertmanager_file,
                text: &version.alertmanager,
            },
            escalation,
        )
    }
}

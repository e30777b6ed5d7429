//! What the tables say: the config and the silences.

use alert::{GroupKey, SilenceState, Timestamp};
use config::{Config, Policy, Route, Source};
use policy::SilenceIndex;
use processor::{Attention, Poison, TableChange};
use schemas::{ConfigVersion, LadderIntegration, Link, SilenceRecord, topics};

use crate::mutes::Muted;
use crate::state::decoded;

/// What a handler works on.
pub(crate) type Cx<'a> = processor::Context<'a, Muted>;

/// The tables as this stage has taken them up.
#[derive(Debug, Default)]
pub(crate) struct View {
    config: Option<Config>,
    pub(crate) version: u64,
    pub(crate) silences: SilenceIndex,
}

impl View {
    pub(crate) fn take(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        match change.table {
            topics::CONFIG => self.take_config(change),
            topics::SILENCES => self.take_silence(change),
            _ => Ok(Attention::None),
        }
    }

    fn take_config(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        let Some(bytes) = change.value.as_deref() else {
            return Ok(Attention::None);
        };
        let published: ConfigVersion = decoded(bytes)?;
        let source = |name, text| Source { name, text };
        let escalation_file = published.escalation_file.as_deref().unwrap_or("escalation.yml");
        let escalation = published
            .escalation
            .as_deref()
            .map(|text| source(escalation_file, text));
        let config = Config::load(
            source(&published.alertmanager_file, &published.alertmanager),
            escalation,
        )
        .map_err(|errors| Poison::Malformed(format!("config version {}: {errors}", change.offset + 1)))?;
        self.config = Some(config);
        self.version = u64::try_from(change.offset + 1).unwrap_or(0);
        // What a new version changes for a group, correlate says with a flush.
        Ok(Attention::None)
    }

    fn take_silence(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        let before = match change.value.as_deref() {
            None => self.silences.remove(&String::from_utf8_lossy(&change.key)),
            Some(bytes) => {
                let silence: alert::Silence = decoded::<SilenceRecord>(bytes)?.into();
                let id = silence.id.clone();
                self.silences
                    .insert(silence)
                    .map_err(|error| Poison::Malformed(format!("silence {id}: {error}")))?
            }
        };
        let Some(before) = before else {
            return Ok(Attention::None);
        };
        let after = self.silences.get(&before.id);
        // The matchers of an id never change: others make another silence.
        let mutes_no_less =
            after.is_some_and(|after| after.starts_at <= before.starts_at && after.ends_at >= before.ends_at);
        let over = before.state(change.appended) == SilenceState::Expired;
        Ok(if mutes_no_less || over {
            Attention::None
        } else {
            Attention::Sweep
        })
    }

    pub(crate) fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    pub(crate) fn route(&self, id: &str) -> Option<&Route> {
        self.config.as_ref()?.route(id)
    }

    /// The policy that a receiver's incidents climb, if it has one.
    pub(crate) fn policy_of(&self, receiver: &str) -> Option<&Policy> {
        let config = self.config.as_ref()?;
        let name = config.binding(receiver)?.policy.as_ref()?;
        config.escalation.as_ref()?.policies.get(name)
    }

    /// The integrations of a receiver; none where the config does not know it.
    pub(crate) fn integrations(&self, receiver: &str) -> Vec<LadderIntegration> {
        let receiver = self.config.as_ref().and_then(|config| config.receiver(receiver));
        let integrations = receiver.map_or(&[][..], |receiver| &receiver.integrations);
        integrations
            .iter()
            .map(|integration| LadderIntegration {
                integration: integration.kind.name().to_owned(),
                index: i32::try_from(integration.index).unwrap_or(i32::MAX),
                send_resolved: integration.send_resolved,
            })
            .collect()
    }

    /// Whom to try for a receiver, in order.
    pub(crate) fn chain(&self, receiver: &str) -> Vec<Link> {
        let Some(config) = self.config.as_ref() else {
            return Vec::new();
        };
        policy::chain(config, receiver)
            .into_iter()
            .map(|link| Link {
                receiver: link.receiver,
                try_for_ms: i64::try_from(link.try_for.millis()).unwrap_or(i64::MAX),
            })
            .collect()
    }

    /// The end of a silence that mutes at `now`.
    pub(crate) fn mutes_until(&self, silence: &str, now: Timestamp) -> Option<Timestamp> {
        let silence = self.silences.get(silence)?;
        (silence.state(now) == SilenceState::Active).then_some(silence.ends_at)
    }
}

/// Alertmanager's group key, out of a group id.
pub(crate) fn group_key(id: &str) -> GroupKey {
    alert::GroupId(id.to_owned()).group_key()
}

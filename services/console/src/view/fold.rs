//! One record at a time into the view.

use std::sync::{Arc, PoisonError};

use alert::{Fingerprint, GroupHash};
use processor::{Record, StateKey, Stored};
use schemas::{
    Avro, CORRELATE_ALERT, CORRELATE_GROUP, DecodeError, IncidentHead, NotifyRun, RouteCommand, RouteIncident,
    notify_keys, route_keys, topics,
};
use xxhash_rust::xxh3::xxh3_64;

use super::{Kept, View};

impl View {
    /// Takes in one record. What cannot be read is logged and left out; what only a newer release can read also turns
    /// readiness off, as everything shown may be incomplete from here on.
    pub(crate) fn fold(&self, topic: &str, record: Arc<Record>) {
        let (partition, offset) = (record.partition, record.offset);
        let folded = match topic {
            topics::CORRELATE_CHANGELOG | topics::ROUTE_CHANGELOG | topics::NOTIFY_CHANGELOG => {
                self.state(topic, &record)
            }
            topics::CONFIG => self.table(|tables| tables.take_config(&record)),
            topics::SILENCES => self.table(|tables| tables.take_silence(&record)),
            topics::INSTANCES => self.table(|tables| tables.take_instance(&record)),
            topics::JOURNAL => {
                if let Some(kept) = Kept::of(record) {
                    self.recent().push(kept);
                }
                Ok(())
            }
            other => Err(format!("the console does not read {other}")),
        };
        if let Err(error) = folded {
            metrics::counter!("console_records_refused_total", "topic" => topic.to_owned()).increment(1);
            tracing::error!(topic, partition, offset, %error, "record left out");
        }
    }

    fn table(&self, take: impl FnOnce(&mut super::Tables) -> Result<(), String>) -> Result<(), String> {
        take(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// One state record of a stage.
    fn state(&self, topic: &str, record: &Record) -> Result<(), String> {
        let key = StateKey::from_bytes(&record.key);
        let (Some(group), Some(kind)) = (key.group(), key.kind()) else {
            return Err("not a state key".to_owned());
        };
        let stored = record
            .value
            .as_deref()
            .map(Stored::decode)
            .transpose()
            .map_err(|error| error.to_string())?;
        let value = stored.map(|stored| stored.bytes);
        if let Some(bytes) = value
            && schemas::schema_of(bytes).is_none()
        {
            let error = format!("{topic}: a state record was written by a newer release than this one");
            *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            return Err(error);
        }
        match (topic, kind) {
            (topics::CORRELATE_CHANGELOG, CORRELATE_GROUP) => {
                self.groups.change(group, |held| held.set_group(value));
            }
            (topics::CORRELATE_CHANGELOG, CORRELATE_ALERT) => self.alert(group, key.rest(), value)?,
            (topics::ROUTE_CHANGELOG, route_keys::INCIDENT) => self.take_incident(group, value)?,
            (topics::ROUTE_CHANGELOG, route_keys::COMMAND) => self.command(&record.key, value)?,
            (topics::NOTIFY_CHANGELOG, notify_keys::TALLY) => self.tally(record.partition, value)?,
            (topics::NOTIFY_CHANGELOG, _) => self.request(group, key.as_bytes(), value),
            // Ladders, slots, parts: how the stages work, not what people look at.
            _ => return Ok(()),
        }
        // Before all is read nobody is shown anything, and so is behind with nothing.
        if self.is_complete() {
            self.changes.note(group);
        }
        Ok(())
    }

    fn alert(&self, group: GroupHash, rest: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        let fingerprint = rest
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| "not an alert's key".to_owned())?;
        self.groups
            .change(group, |held| held.set_alert(Fingerprint(fingerprint), value));
        Ok(())
    }

    fn take_incident(&self, group: GroupHash, value: Option<&[u8]>) -> Result<(), String> {
        let id = value.map(id_of).transpose().map_err(|error| error.to_string())?;
        let id = id.as_deref();
        let place = |id: &str| xxh3_64(id.as_bytes());
        // Mostly it is the incident that was there.
        let known = id.is_some_and(|id| self.incidents.get(&place(id)).is_some_and(|of| *of == group));
        if !known && let Some(before) = self.groups.with(&group, |held| held.incident_id()).flatten() {
            self.incidents.remove_if(&place(&before), |_, of| *of == group);
        }
        self.groups.change(group, |held| held.set_incident(value));
        if let Some(id) = id.filter(|_| !known) {
            self.incidents.insert(place(id), group);
        }
        Ok(())
    }

    fn command(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        match value
            .map(schemas::decode::<RouteCommand>)
            .transpose()
            .map_err(|error| error.to_string())?
        {
            Some(answer) => drop(self.commands.insert(key.into(), answer)),
            None => drop(self.commands.remove(key)),
        }
        Ok(())
    }

    fn tally(&self, partition: u32, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(bytes) = value {
            self.take_tally(partition, schemas::decode(bytes).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// Notify's requests under way are held; alerts that stand beside them are not: correlate's are.
    fn request(&self, group: GroupHash, key: &[u8], value: Option<&[u8]>) {
        let shown = |bytes: &&[u8]| schemas::schema_of(bytes) == Some(NotifyRun::NAME);
        let suffix = key.get(group.as_bytes().len()..).unwrap_or_default();
        self.groups
            .change(group, |held| held.set_request(suffix, value.filter(shown)));
    }
}

/// An incident's id, mostly without a look at the rest of its record.
fn id_of(incident: &[u8]) -> Result<String, DecodeError> {
    match IncidentHead::read(incident) {
        Some(head) => Ok(head.incident_id),
        None => schemas::decode::<RouteIncident>(incident).map(|incident| incident.incident_id),
    }
}

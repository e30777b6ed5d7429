//! One record at a time into the view.

use std::sync::PoisonError;

use alert::GroupHash;
use processor::{Record, StateKey, Stored};
use schemas::{
    Avro, CORRELATE_ALERT, CORRELATE_GROUP, NotificationRequest, NotifyProgress, RouteCommand, RouteIncident,
    route_keys, topics,
};
use xxhash_rust::xxh3::xxh3_64;

use super::held::Held;
use super::{Kept, View};

impl View {
    /// Takes in one record. What cannot be read is logged and left out; what only a newer release can read also turns
    /// readiness off, as everything shown may be incomplete from here on.
    pub(crate) fn fold(&self, topic: &str, record: &Record) {
        let folded = match topic {
            topics::CORRELATE_CHANGELOG | topics::ROUTE_CHANGELOG | topics::NOTIFY_CHANGELOG => {
                self.state(topic, record)
            }
            topics::CONFIG => self.table(|tables| tables.take_config(record)),
            topics::SILENCES => self.table(|tables| tables.take_silence(record)),
            topics::INSTANCES => self.table(|tables| tables.take_instance(record)),
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
            tracing::error!(topic, partition = record.partition, offset = record.offset, %error, "record left out");
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
            (topics::CORRELATE_CHANGELOG, CORRELATE_GROUP) => self.group_record(group, value)?,
            (topics::CORRELATE_CHANGELOG, CORRELATE_ALERT) => self.alert(group, key.rest(), value)?,
            (topics::ROUTE_CHANGELOG, route_keys::INCIDENT) => self.take_incident(group, value)?,
            (topics::ROUTE_CHANGELOG, route_keys::COMMAND) => self.command(&record.key, value)?,
            (topics::NOTIFY_CHANGELOG, _) => self.request(group, key.as_bytes(), value),
            // Ladders, slots, parts: how the stages work, not what people look at.
            _ => {}
        }
        Ok(())
    }

    /// Changes what is held of a group, and forgets it when nothing is left.
    fn change(&self, group: GroupHash, change: impl FnOnce(&mut Held)) {
        let mut entry = self.groups.entry(group).or_default();
        change(entry.value_mut());
        let empty = entry.value().is_empty();
        drop(entry);
        if empty {
            self.groups.remove(&group);
        }
    }

    fn alert(&self, group: GroupHash, rest: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        let fingerprint = rest
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| "not an alert's key".to_owned())?;
        self.change(group, |held| match value {
            Some(bytes) => held.alerts.set(fingerprint, bytes),
            None => held.alerts.remove(fingerprint),
        });
        Ok(())
    }

    fn group_record(&self, group: GroupHash, value: Option<&[u8]>) -> Result<(), String> {
        let new = value
            .map(schemas::decode)
            .transpose()
            .map_err(|error| error.to_string())?;
        self.change(group, |held| held.set_group(new));
        Ok(())
    }

    fn take_incident(&self, group: GroupHash, value: Option<&[u8]>) -> Result<(), String> {
        let new: Option<RouteIncident> = value
            .map(schemas::decode)
            .transpose()
            .map_err(|error| error.to_string())?;
        let id = new.as_ref().map(|new| new.incident_id.clone());
        let before = self.groups.get(&group).and_then(|held| held.incident_id());
        if let Some(before) = before.filter(|before| id.as_ref() != Some(before)) {
            self.incidents
                .remove_if(&xxh3_64(before.as_bytes()), |_, of| *of == group);
        }
        let mut set = Ok(());
        self.change(group, |held| set = held.set_incident(new));
        if let Some(id) = id {
            self.incidents.insert(xxh3_64(id.as_bytes()), group);
        }
        set.map_err(|error| error.to_string())
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

    /// Notify's request and its progress are held; its alerts are not: correlate's are.
    fn request(&self, group: GroupHash, key: &[u8], value: Option<&[u8]>) {
        let shown = |bytes: &&[u8]| {
            matches!(
                schemas::schema_of(bytes),
                Some(NotificationRequest::NAME | NotifyProgress::NAME)
            )
        };
        let suffix = key.get(group.as_bytes().len()..).unwrap_or_default();
        match value.filter(shown) {
            None if self.groups.get(&group).is_none_or(|held| held.requests.is_empty()) => {}
            shown => self.change(group, |held| held.set_request(suffix, shown)),
        }
    }
}

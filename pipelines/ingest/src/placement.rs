//! Where an accepted alert goes: one record for each (route, group).

use alert::{Alert, GroupId};
use policy::walk;
use schemas::{AlertBody, AlertUpdate, MAX_RECORD_BYTES};
use xxhash_rust::xxh3::Xxh3;

use crate::accept::{Batch, body};
use crate::config_view::Current;
use crate::refused::Reason;

/// One alert for one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The group: the record's key.
    pub group: GroupId,
    /// The record.
    pub update: AlertUpdate,
}

impl Placed {
    /// The record's bytes.
    ///
    /// # Errors
    /// It is larger than a record may be; the message names the group.
    pub fn encoded(&self) -> Result<Vec<u8>, (Reason, String)> {
        let bytes = schemas::encode(&self.update).map_err(|error| (Reason::TooLarge, error.to_string()))?;
        if bytes.len() > MAX_RECORD_BYTES {
            let message = format!(
                "alert {:?} ({}): {} bytes as a record, at most {MAX_RECORD_BYTES} are taken",
                crate::refused::shortened(self.update.body.labels.get("alertname").map_or("", String::as_str)),
                self.update.fingerprint,
                bytes.len(),
            );
            return Err((Reason::TooLarge, message));
        }
        Ok(bytes)
    }
}

/// Every group the alert belongs to under the current config, in the order of the routing walk; never empty. Each says
/// which of how many copies it is.
pub fn placements(current: &Current, alert: &Alert) -> Vec<Placed> {
    let landed = walk(&current.config, &alert.labels);
    let copies = int(landed.len());
    let body = body(alert);
    let content_hash = content_hash(&body);
    let place = |(copy, placement): (usize, policy::Placement)| Placed {
        update: AlertUpdate {
            fingerprint: alert.fingerprint(),
            content_hash,
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            received_at: alert.updated_at,
            timeout: alert.timeout,
            resolved: alert.resolved_at(alert.updated_at),
            config_version: i64::try_from(current.version).unwrap_or(i64::MAX),
            hops: 0,
            copy: int(copy),
            copies,
            route: placement.route_id.as_str().to_owned(),
            group_labels: placement.group_labels.into_map(),
            moved_from: None,
            body: body.clone(),
        },
        group: placement.group_id,
    };
    landed.into_iter().enumerate().map(place).collect()
}

/// Takes the accepted alerts out of a batch: the key and the bytes of every record they make. One that does not fit a
/// record joins the refused.
pub fn place(current: &Current, batch: &mut Batch) -> Vec<(GroupId, Vec<u8>)> {
    let mut records = Vec::new();
    for (index, alert) in std::mem::take(&mut batch.alerts) {
        let placed = placements(current, &alert);
        let encoded: Result<Vec<_>, _> = placed
            .into_iter()
            .map(|placed| Ok((placed.encoded()?, placed.group)))
            .collect();
        match encoded {
            Ok(encoded) => records.extend(encoded.into_iter().map(|(bytes, group)| (group, bytes))),
            Err((reason, message)) => batch.refuse(index, alert.labels, reason, message),
        }
    }
    records
}

/// A number of routes, which is small.
fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// xxh3 (64 bit) of everything in a body: equal when nothing but the times moved. Each text stands behind its length, so
/// that no two bodies read alike.
fn content_hash(body: &AlertBody) -> i64 {
    let mut hash = Xxh3::new();
    for map in [&body.labels, &body.annotations] {
        number(&mut hash, map.len());
        for (name, value) in map {
            text(&mut hash, name);
            text(&mut hash, value);
        }
    }
    text(&mut hash, &body.generator_url);
    for optional in [&body.expr, &body.source] {
        hash.update(&[u8::from(optional.is_some())]);
        text(&mut hash, optional.as_deref().unwrap_or_default());
    }
    hash.update(&[u8::from(body.value.is_some()), u8::from(body.for_ms.is_some())]);
    hash.update(&body.value.unwrap_or_default().to_bits().to_be_bytes());
    hash.update(&body.for_ms.unwrap_or_default().to_be_bytes());
    hash.digest().cast_signed()
}

fn text(hash: &mut Xxh3, text: &str) {
    number(hash, text.len());
    hash.update(text.as_bytes());
}

fn number(hash: &mut Xxh3, number: usize) {
    hash.update(&u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes());
}

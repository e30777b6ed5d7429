//! Where an accepted alert goes: one record for each (route, group).

use alert::{Alert, GroupId};
use policy::walk;
use schemas::{AlertBody, AlertUpdate, MAX_RECORD_BYTES};
use xxhash_rust::xxh3::Xxh3;

use crate::batch::take_body;
use crate::config_view::Current;
use crate::refused::Reason;

/// Adds the records of an alert: one for every group it belongs to under the current config, in the order of the routing
/// walk. Each says which of how many copies it is.
///
/// What the alert says is moved into them.
///
/// # Errors
/// One of them is larger than a record may be, and then none is added, and the alert has its labels back.
pub(crate) fn place(
    current: &Current,
    alert: &mut Alert,
    records: &mut Vec<(GroupId, Vec<u8>)>,
) -> Result<(), (Reason, String)> {
    let landed = walk(&current.config, &alert.labels);
    let fingerprint = alert.fingerprint();
    let body = take_body(alert);
    let mut update = AlertUpdate {
        fingerprint,
        content_hash: content_hash(&body),
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        received_at: alert.updated_at,
        timeout: alert.timeout,
        resolved: alert.resolved_at(alert.updated_at),
        config_version: i64::try_from(current.version).unwrap_or(i64::MAX),
        hops: 0,
        copy: 0,
        copies: int(landed.len()),
        route: String::new(),
        group_labels: alert::LabelSet::new(),
        moved_from: None,
        body,
    };
    let before = records.len();
    for (copy, placement) in landed.into_iter().enumerate() {
        update.copy = int(copy);
        placement.route_id.as_str().clone_into(&mut update.route);
        update.group_labels = placement.group_labels;
        match encoded(&update) {
            Ok(bytes) => records.push((placement.group_id, bytes)),
            Err(why) => {
                records.truncate(before);
                alert.labels = update.body.labels;
                return Err(why);
            }
        }
    }
    Ok(())
}

fn encoded(update: &AlertUpdate) -> Result<Vec<u8>, (Reason, String)> {
    let bytes = schemas::encode(update).map_err(|error| (Reason::TooLarge, error.to_string()))?;
    if bytes.len() > MAX_RECORD_BYTES {
        let message = format!(
            "alert {:?} ({}): {} bytes as a record, at most {MAX_RECORD_BYTES} are taken",
            crate::refused::shortened(update.body.labels.value("alertname")),
            update.fingerprint,
            bytes.len(),
        );
        return Err((Reason::TooLarge, message));
    }
    Ok(bytes)
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

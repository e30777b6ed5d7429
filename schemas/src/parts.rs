//! Cutting a list into records that are not too large.

use alert::{Alert, LabelSet};

use crate::alerts::AlertBody;
use crate::incidents::FlushAlert;

/// What no record exceeds, its framing included: below the 1 MiB that a Kafka broker takes by default
/// (`message.max.bytes`), with room for the key and the headers.
pub const MAX_RECORD_BYTES: usize = 900 * 1024;

/// The most bytes a length, a count or a number takes in Avro's variable-length coding: 64 bits, 7 in each byte.
const VARINT_BYTES: usize = 10;
/// A union's index, or the end of a map: a small number.
const TAG_BYTES: usize = 1;

/// Cuts items into runs, in order, each run's sizes summing up to no more than `budget` bytes.
///
/// `size_of` says how many bytes an item takes at most; `budget` is [`MAX_RECORD_BYTES`] less what every part repeats.
/// There is always at least one part, empty where there are no items. An item that is larger than `budget` by itself
/// stands alone in its part: the caller sees that and decides what becomes of it.
pub fn into_parts<T>(items: Vec<T>, size_of: impl Fn(&T) -> usize, budget: usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut used = 0_usize;
    for item in items {
        let size = size_of(&item);
        if !part.is_empty() && used.saturating_add(size) > budget {
            parts.push(std::mem::take(&mut part));
            used = 0;
        }
        used = used.saturating_add(size);
        part.push(item);
    }
    if !part.is_empty() || parts.is_empty() {
        parts.push(part);
    }
    parts
}

/// How many bytes a body takes at most when it is encoded: never less than the truth, and cheaper than encoding it.
pub fn body_size(body: &AlertBody) -> usize {
    map_size(&body.labels)
        + map_size(&body.annotations)
        + rest_size(&body.generator_url, body.expr.as_deref(), body.source.as_deref())
}

/// [`body_size`] of an alert that has not become a record yet.
pub fn alert_body_size(alert: &Alert) -> usize {
    map_size(&alert.labels)
        + map_size(&alert.annotations)
        + rest_size(&alert.generator_url, alert.expr.as_deref(), alert.source.as_deref())
}

/// What a body has beside its two maps.
fn rest_size(generator_url: &str, expr: Option<&str>, source: Option<&str>) -> usize {
    let optional = |text: Option<&str>| TAG_BYTES + text.map_or(0, text_size);
    text_size(generator_url)
        + optional(expr)
        + TAG_BYTES
        + size_of::<f64>()
        + TAG_BYTES
        + VARINT_BYTES
        + optional(source)
}

/// How many bytes an alert of a flush takes at most when it is encoded inside of one.
pub fn alert_size(alert: &FlushAlert) -> usize {
    /// The fingerprint and three times.
    const NUMBERS: usize = 4;
    NUMBERS * VARINT_BYTES + TAG_BYTES + body_size(&alert.body)
}

/// At most, with its length in front.
fn text_size(text: &str) -> usize {
    VARINT_BYTES + text.len()
}

/// At most: a count, the pairs, the end.
fn map_size(map: &LabelSet) -> usize {
    VARINT_BYTES
        + map
            .iter()
            .map(|(name, value)| text_size(name) + text_size(value))
            .sum::<usize>()
        + TAG_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_cut_where_the_budget_ends() {
        /// Sizes in, budget, the parts' sizes out.
        type Row = (&'static [usize], usize, &'static [&'static [usize]]);
        let rows: &[Row] = &[
            (&[], 10, &[&[]]),
            (&[], 0, &[&[]]),
            (&[1], 10, &[&[1]]),
            (&[4, 6], 10, &[&[4, 6]]),
            (&[4, 7], 10, &[&[4], &[7]]),
            (&[5, 5, 5, 5, 5], 10, &[&[5, 5], &[5, 5], &[5]]),
            // larger than a part: alone, wherever it stands
            (&[11], 10, &[&[11]]),
            (&[11, 1], 10, &[&[11], &[1]]),
            (&[1, 11, 2, 3], 10, &[&[1], &[11], &[2, 3]]),
            (&[11, 12], 10, &[&[11], &[12]]),
            (&[1, 1], 0, &[&[1], &[1]]),
            (&[0, 0, 10, 0], 10, &[&[0, 0, 10, 0]]),
            (&[usize::MAX, usize::MAX], 10, &[&[usize::MAX], &[usize::MAX]]),
        ];
        for (sizes, budget, want) in rows {
            let got = into_parts(sizes.to_vec(), |size| *size, *budget);
            assert_eq!(
                got,
                want.iter().map(|part| part.to_vec()).collect::<Vec<_>>(),
                "{sizes:?} in {budget}"
            );
        }
    }
}

//! Records to bytes.

use processor::Poison;
use schemas::Avro;

/// A record's bytes; that this fails would be a mistake in `schemas`.
pub(crate) fn pack<T: Avro>(record: &T) -> Result<Vec<u8>, Poison> {
    schemas::encode(record).map_err(|error| Poison::Malformed(error.to_string()))
}

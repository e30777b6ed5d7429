//! Records in and out of bytes, with this stage's reading of what is wrong with them.

use processor::Poison;
use schemas::{AlertUpdate, Avro, DecodeError, FlushSettled, Look, decode, encode, schema_of};

/// What the inbox carries.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// An alert for a group.
    Update(Box<AlertUpdate>),
    /// Route's answer to a flush.
    Settled(FlushSettled),
    /// Route asks for a look.
    Look(Look),
}

/// Reads a record of the inbox, whichever it is.
pub(crate) fn inbox(bytes: &[u8]) -> Result<Inbox, Poison> {
    match schema_of(bytes) {
        Some(FlushSettled::NAME) => unpack(bytes).map(Inbox::Settled),
        Some(Look::NAME) => unpack(bytes).map(Inbox::Look),
        // Anything else is told in the decoder's words: it knows whether a newer release wrote it.
        Some(_) | None => unpack(bytes).map(|update| Inbox::Update(Box::new(update))),
    }
}

/// Reads one record.
pub(crate) fn unpack<T: Avro>(bytes: &[u8]) -> Result<T, Poison> {
    decode(bytes).map_err(|error| match error {
        DecodeError::UnknownSchema(_) => Poison::UnknownSchema(error.to_string()),
        DecodeError::WrongRecord { .. } | DecodeError::Malformed(_) | DecodeError::TooShort => {
            Poison::Malformed(error.to_string())
        }
    })
}

/// Writes one record. It fails only if struct and schema disagree, which the tests of `schemas` rule out.
pub(crate) fn pack<T: Avro>(record: &T) -> Result<Vec<u8>, Poison> {
    encode(record).map_err(|error| Poison::Malformed(error.to_string()))
}

//! Encoding and decoding: Avro single-object encoding, `C3 01`, the CRC-64-AVRO fingerprint of the writer's schema in
//! little endian, the datum.
//!
//! # Adding a record
//!
//! 1. its struct, with `Serialize` and `Deserialize`, in a file of this crate (see `registry.rs` for what Avro asks of it);
//! 2. its schema, `avro/<record>/v1.avsc`, a record in the namespace `alertstream`, named as the struct, fields in the
//!    struct's order;
//! 3. its line in `registry.rs`: `MyState "my_state" 1;`
//! 4. its line in `tests/golden/main.rs`, with a sample that fills every field; `UPDATE_GOLDEN=1 cargo test -p schemas` writes
//!    the bytes of what has none yet (while a version is not released, delete its file and write it anew).
//!
//! # Changing a record
//!
//! A released `.avsc` and its golden file never change. A new field gets `"default"` in `v2.avsc` and `#[serde(default)]`
//! in the struct, the registry's line becomes `MyState "my_state" 1 2;`, and the golden table one more line.
//!
//! `apache-avro` parses the schemas and fingerprints them, and reads the bytes, as the tests show. `datum` writes and `reader`
//! reads what the newest schema of a record describes, by the struct alone; wherever debug assertions are on, as in all tests,
//! what is written is read again, by both `reader` and `serde_avro_fast`, which goes by the schema, and must be found as it was.
//! `serde_avro_fast` also decodes what an older schema wrote.

use std::cell::RefCell;
use std::fmt;
use std::io::BufRead;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};

use crate::datum::Datum;
use crate::reader::Reader;
use crate::registry::RECORDS;

/// What every single-object encoding begins with.
const MARKER: [u8; 2] = [0xC3, 0x01];
/// What an array or a map may claim to hold, so that a damaged count of items that take no bytes ends. A text or bytes
/// cannot claim more than there is. Many times what the limits of an alert allow.
const MAX_ITEMS: usize = 16 * 1024 * 1024;

thread_local! {
    /// Where a thread's records are written: each is as long as it is, and only then takes just that much of memory.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The CRC-64-AVRO fingerprint of a schema's canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint64(pub u64);

impl fmt::Display for Fingerprint64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A record that can be written and read. Implemented by the registry alone.
pub trait Avro: Serialize + DeserializeOwned {
    /// The record's name, as in its schema: what [`schema_of`] answers.
    const NAME: &'static str;

    /// Its writer, and its reader for every released schema; built at the first use.
    fn codec() -> &'static Codec;
}

/// Bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No schema of this build has this fingerprint: a newer release wrote it.
    #[error("no schema in this release has the fingerprint {0}: a newer release wrote this record")]
    UnknownSchema(Fingerprint64),
    /// A record of another kind than asked for.
    #[error("a record `{got}` where `{want}` was expected")]
    WrongRecord {
        /// The record that was asked for.
        want: &'static str,
        /// The record that is there.
        got: &'static str,
    },
    /// The datum does not fit its schema, or it is no single-object encoding at all.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Too short to hold the marker and the fingerprint.
    #[error("too short for a record")]
    TooShort,
}

/// A record that cannot be written: its schema and its struct disagree. That is a mistake in this crate, which its golden
/// tests rule out for every record; it is a `Result` because the code that could fail is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode `{record}`: {cause}")]
pub struct EncodeError {
    /// The record.
    pub record: &'static str,
    /// What does not fit.
    pub cause: String,
}

/// The schemas of one record, parsed: each is read, the newest is written.
pub struct Codec {
    name: &'static str,
    /// Of each schema that parses, oldest first.
    schemas: Vec<(Fingerprint64, serde_avro_fast::Schema)>,
    /// Why the newest schema cannot be written with.
    broken: Option<String>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec")
            .field("name", &self.name)
            .field("schemas", &self.fingerprints())
            .finish_non_exhaustive()
    }
}

impl Codec {
    /// Takes the record's schemas, oldest first. A schema that does not parse leaves the record without a writer, or
    /// without that reader: [`encode`] and [`decode`] then say so.
    pub(crate) fn new(name: &'static str, schemas: &'static [Result<Schema, String>]) -> Self {
        let mut usable = Vec::new();
        let mut broken = Some("it has no schema".to_owned());
        for schema in schemas {
            broken = match schema {
                Err(error) => Some(error.clone()),
                Ok(schema) => match schema.canonical_form().parse() {
                    Err(error) => Some(format!("{error}")),
                    Ok(known) => {
                        let known: serde_avro_fast::Schema = known;
                        usable.push((fingerprint(schema), known));
                        None
                    }
                },
            };
        }
        Self {
            name,
            schemas: usable,
            broken,
        }
    }

    /// The fingerprints of the record's schemas, oldest first.
    pub fn fingerprints(&self) -> Vec<Fingerprint64> {
        self.schemas.iter().map(|(fingerprint, _)| *fingerprint).collect()
    }
}

/// Parses a record's schemas; called once for each record.
pub(crate) fn parse(texts: &[&str]) -> Vec<Result<Schema, String>> {
    texts
        .iter()
        .map(|text| Schema::parse_str(text).map_err(|error| error.to_string()))
        .collect()
}

pub(crate) fn fingerprint(schema: &Schema) -> Fingerprint64 {
    let digest = schema.fingerprint::<Rabin>().bytes;
    Fingerprint64(digest.first_chunk().copied().map_or(0, u64::from_le_bytes))
}

/// Writes a record with its newest schema. The error cannot happen for the records of this crate (see [`EncodeError`]).
pub fn encode<T: Avro>(record: &T) -> Result<Vec<u8>, EncodeError> {
    encode_as::<T>(record)
}

/// Writes a record by another struct with the same fields.
pub(crate) fn encode_as<T: Avro>(record: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    let codec = T::codec();
    let failed = |cause| EncodeError { record: T::NAME, cause };
    let (Some((written, schema)), None) = (codec.schemas.last(), &codec.broken) else {
        return Err(failed(codec.broken.clone().unwrap_or_default()));
    };
    BUFFER.with_borrow_mut(|bytes| {
        bytes.clear();
        bytes.extend_from_slice(&MARKER);
        bytes.extend_from_slice(&written.0.to_le_bytes());
        record
            .serialize(Datum::behind(bytes))
            .map_err(|error| failed(error.to_string()))?;
        if cfg!(debug_assertions) {
            fits::<T>(schema, bytes).map_err(failed)?;
        }
        Ok(bytes.as_slice().to_vec())
    })
}

/// Whether both a reader that goes by the schema and our own find again what was written.
fn fits<T: Avro>(schema: &serde_avro_fast::Schema, bytes: &[u8]) -> Result<(), String> {
    let (_, datum) = split(bytes).map_err(|error| error.to_string())?;
    for (reader, read) in [
        ("its schema", by_schema::<T, T>(datum, schema)),
        ("our reader", read_datum::<T, T>(datum)),
    ] {
        let read: T = read.map_err(|error| format!("{reader}: {error}"))?;
        let mut again = Vec::new();
        let written = read.serialize(Datum::behind(&mut again));
        written.map_err(|error| error.to_string())?;
        if again != datum {
            return Err(format!("{reader} has its fields otherwise"));
        }
    }
    Ok(())
}

/// Reads a record that any released schema wrote. Bytes after the datum are an error: they are never ours.
pub fn decode<T: Avro>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_as::<T, T>(bytes)
}

/// Reads a record into another struct with the same fields, which may borrow its texts.
pub(crate) fn decode_as<'a, T: Avro, S: Deserialize<'a>>(bytes: &'a [u8]) -> Result<S, DecodeError> {
    let (written, datum) = split(bytes)?;
    let codec = T::codec();
    let Some(place) = codec.schemas.iter().rposition(|(known, _)| *known == written) else {
        return Err(match record_of(written) {
            Some(got) => DecodeError::WrongRecord { want: T::NAME, got },
            None => DecodeError::UnknownSchema(written),
        });
    };
    match codec.schemas.get(place) {
        Some((_, older)) if place + 1 < codec.schemas.len() || codec.broken.is_some() => {
            by_schema::<T, S>(datum, older)
        }
        _ => read_datum::<T, S>(datum),
    }
}

/// Reads what the newest schema of a record wrote.
fn read_datum<'a, T: Avro, S: Deserialize<'a>>(datum: &'a [u8]) -> Result<S, DecodeError> {
    let mut reader = Reader::new(datum);
    let record = S::deserialize(&mut reader).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    nothing_behind::<T>(reader.left().len()).map(|()| record)
}

fn nothing_behind<T: Avro>(left: usize) -> Result<(), DecodeError> {
    if left == 0 {
        Ok(())
    } else {
        Err(DecodeError::Malformed(format!(
            "{left} bytes after the end of `{}`",
            T::NAME
        )))
    }
}

/// Reads what was written by a schema: fields by their names.
fn by_schema<'a, T: Avro, S: Deserialize<'a>>(
    datum: &'a [u8],
    schema: &serde_avro_fast::Schema,
) -> Result<S, DecodeError> {
    let mut config = DeserializerConfig::new(schema);
    config.max_seq_size = MAX_ITEMS;
    let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
    let record = S::deserialize(state.deserializer()).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    nothing_behind::<T>(state.into_reader().fill_buf().map_or(0, <[u8]>::len)).map(|()| record)
}

/// The name of the record these bytes say they are, for a `match` on [`Avro::NAME`]; none where no schema of this release
/// has their fingerprint, or where they are no single-object encoding. Reads ten bytes, and never the datum.
pub fn schema_of(bytes: &[u8]) -> Option<&'static str> {
    split(bytes).ok().and_then(|(written, _)| record_of(written))
}

/// The fingerprint in front, and the datum.
pub(crate) fn split(bytes: &[u8]) -> Result<(Fingerprint64, &[u8]), DecodeError> {
    let (marker, rest) = bytes.split_first_chunk().ok_or(DecodeError::TooShort)?;
    if *marker != MARKER {
        return Err(DecodeError::Malformed("it does not begin with C3 01".to_owned()));
    }
    let (written, datum) = rest.split_first_chunk().ok_or(DecodeError::TooShort)?;
    Ok((Fingerprint64(u64::from_le_bytes(*written)), datum))
}

/// The record whose schema this is, of all there are.
fn record_of(written: Fingerprint64) -> Option<&'static str> {
    /// Sorted by fingerprint.
    static NAMES: LazyLock<Vec<(Fingerprint64, &'static str)>> = LazyLock::new(|| {
        let mut names: Vec<_> = RECORDS
            .iter()
            .flat_map(|record| (record.codec)().schemas.iter().map(|(known, _)| (*known, record.name)))
            .collect();
        names.sort_unstable();
        names
    });
    let at = NAMES.binary_search_by_key(&written, |(known, _)| *known).ok()?;
    NAMES.get(at).map(|(_, name)| *name)
}

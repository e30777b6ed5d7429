//! The first fields of records that are looked at far more often than they are read. A re-send that changes nothing is told
//! from the head of an alert's update and of the alert as it is known; who folds incidents looks for their ids, who counts
//! journal entries for their kinds. What stands behind a head is never decoded.
//!
//! Nothing is guessed: a head is read only where the writer's schema is one of ours that begins with just these fields.

use std::sync::LazyLock;

use alert::{Fingerprint, LabelSet, Timestamp};
use apache_avro::Schema;
use serde::de::DeserializeOwned;

use crate::alerts::AlertUpdate;
use crate::codec::{Avro, Fingerprint64, fingerprint, parse, split};
use crate::correlate_state::{AlertPhase, CorrelateAlert};
use crate::journal::JournalEntry;
use crate::reader::Reader;
use crate::registry::RECORDS;
use crate::route_state::RouteIncident;

/// A type that a head may have a field of.
trait Leading: DeserializeOwned {
    /// Whether a schema is this type's.
    fn is(schema: &Schema) -> bool;

    /// Reads a value off the front of a datum; none where there is none.
    fn read(datum: &mut &[u8]) -> Option<Self> {
        let mut reader = Reader::new(datum);
        let value = Self::deserialize(&mut reader).ok()?;
        *datum = reader.left();
        Some(value)
    }
}

impl Leading for i64 {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Long)
    }
}

impl Leading for bool {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Boolean)
    }
}

impl Leading for String {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::String)
    }
}

impl Leading for LabelSet {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Map(map) if *map.types == Schema::String)
    }
}

impl Leading for Timestamp {
    fn is(schema: &Schema) -> bool {
        i64::is(schema)
    }
}

impl Leading for Fingerprint {
    fn is(schema: &Schema) -> bool {
        i64::is(schema)
    }

    /// As a number, not as people write it.
    fn read(datum: &mut &[u8]) -> Option<Self> {
        i64::read(datum).map(|bits| Self(bits.cast_unsigned()))
    }
}

impl Leading for AlertPhase {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Enum(phases) if phases.symbols == ["Firing", "Resolved", "Settled"])
    }
}

/// A head: the fields that a record begins with, in its order.
macro_rules! head {
    ($(#[$doc:meta])* $head:ident of $record:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $head {
            $(#[doc = concat!("As [`", stringify!($record), "::", stringify!($field), "`].")] pub $field: $type,)+
        }

        impl $head {
            /// Reads the head of a record. None where it cannot be read by itself: another record, a schema that does not
            /// begin with these fields, damage. [`decode`](crate::decode) then says what there is.
            pub fn read(bytes: &[u8]) -> Option<Self> {
                static BEGIN_SO: LazyLock<Vec<Fingerprint64>> = LazyLock::new(|| {
                    begin_with($record::NAME, &[$((stringify!($field), <$type as Leading>::is)),+])
                });
                let (written, mut datum) = split(bytes).ok()?;
                if !BEGIN_SO.contains(&written) {
                    return None;
                }
                Some(Self { $($field: Leading::read(&mut datum)?),+ })
            }
        }

        impl From<&$record> for $head {
            fn from(record: &$record) -> Self {
                Self { $($field: record.$field.clone()),+ }
            }
        }
    };
}

head! {
    /// What an update says of its times, and whether it says anything else than before.
    UpdateHead of AlertUpdate {
        fingerprint: Fingerprint,
        content_hash: i64,
        starts_at: Timestamp,
        ends_at: Timestamp,
        received_at: Timestamp,
        timeout: bool,
        resolved: bool,
        config_version: i64,
    }
}

head! {
    /// What is known of an alert, but for its texts.
    KnownHead of CorrelateAlert {
        phase: AlertPhase,
        content_hash: i64,
        starts_at: Timestamp,
        ends_at: Timestamp,
        expires_at: Timestamp,
        received_at: Timestamp,
        heard_at: Timestamp,
        timeout: bool,
    }
}

head! {
    /// What says which incident of which group it is.
    IncidentHead of RouteIncident {
        group: String,
        group_labels: LabelSet,
        route: String,
        receiver: String,
        incident_id: String,
    }
}

head! {
    /// What happened.
    JournalHead of JournalEntry {
        kind: String,
    }
}

/// A field's name, and what says whether a schema is its type's.
type Field = (&'static str, fn(&Schema) -> bool);

/// The released schemas of a record that begin with these fields.
fn begin_with(record: &str, fields: &[Field]) -> Vec<Fingerprint64> {
    let texts: Vec<&str> = RECORDS
        .iter()
        .filter(|registered| registered.name == record)
        .flat_map(|registered| registered.schemas.iter().map(|(_, text)| *text))
        .collect();
    parse(&texts)
        .iter()
        .flatten()
        .filter(|schema| begins_with(schema, fields))
        .map(fingerprint)
        .collect()
}

fn begins_with(schema: &Schema, fields: &[Field]) -> bool {
    let Schema::Record(record) = schema else { return false };
    record.fields.len() >= fields.len()
        && record
            .fields
            .iter()
            .zip(fields)
            .all(|(written, (name, is))| written.name == *name && is(&written.schema))
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;

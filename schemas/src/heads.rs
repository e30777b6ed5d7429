//! The first fields of the two records that are compared far more often than they are read: an alert's update, and the
//! alert as it is known. A re-send that changes nothing is told from these, and the texts behind them are never decoded.
//!
//! Nothing is guessed: a head is read only where the writer's schema is one of ours that begins with just these fields.

use std::sync::LazyLock;

use alert::{Fingerprint, Timestamp};
use apache_avro::Schema;

use crate::alerts::AlertUpdate;
use crate::codec::{Avro, Fingerprint64, fingerprint, parse, split};
use crate::correlate_state::{AlertPhase, CorrelateAlert};
use crate::registry::RECORDS;

/// A type that a head may have a field of.
trait Leading: Sized {
    /// Whether a schema is this type's.
    fn is(schema: &Schema) -> bool;

    /// Reads a value off the front of a datum; none where there is none.
    fn read(datum: &mut &[u8]) -> Option<Self>;
}

impl Leading for i64 {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Long)
    }

    /// Zigzag, seven bits a byte, the lowest first.
    fn read(datum: &mut &[u8]) -> Option<Self> {
        let mut bits = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = datum.split_first()?;
            *datum = rest;
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        None
    }
}

impl Leading for bool {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Boolean)
    }

    fn read(datum: &mut &[u8]) -> Option<Self> {
        let (&byte, rest) = datum.split_first()?;
        *datum = rest;
        (byte < 2).then_some(byte == 1)
    }
}

impl Leading for Timestamp {
    fn is(schema: &Schema) -> bool {
        i64::is(schema)
    }

    fn read(datum: &mut &[u8]) -> Option<Self> {
        i64::read(datum).map(Self::from_millis)
    }
}

impl Leading for Fingerprint {
    fn is(schema: &Schema) -> bool {
        i64::is(schema)
    }

    fn read(datum: &mut &[u8]) -> Option<Self> {
        i64::read(datum).map(|bits| Self(bits.cast_unsigned()))
    }
}

impl Leading for AlertPhase {
    fn is(schema: &Schema) -> bool {
        matches!(schema, Schema::Enum(phases) if phases.symbols == ["Firing", "Resolved", "Settled"])
    }

    fn read(datum: &mut &[u8]) -> Option<Self> {
        match i64::read(datum)? {
            0 => Some(Self::Firing),
            1 => Some(Self::Resolved),
            2 => Some(Self::Settled),
            _ => None,
        }
    }
}

/// A head: the fields that a record begins with, in its order.
macro_rules! head {
    ($(#[$doc:meta])* $head:ident of $record:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
                Self { $($field: record.$field),+ }
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

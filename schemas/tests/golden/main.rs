//! The bytes of every released schema, as they were first written: they are read the same for ever, and what is written
//! today is what the newest of them says.
//!
//! The bytes stand in `bytes/<record>.v<version>.hex`; `UPDATE_GOLDEN=1 cargo test -p schemas` writes those that do not
//! exist yet, and never touches one that does. One line of `goldens` for each released schema; its sample fills every
//! field, with what a decode of that version gives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod arms;
mod compatibility;
mod hostile;
mod samples;
mod state_samples;
mod topics;

use std::fmt::{Debug, Write};
use std::path::PathBuf;

use schemas::{Avro, DecodeError, Fingerprint64, RECORDS, decode, encode, schema_of};

/// One released schema of one record.
struct Golden {
    record: &'static str,
    version: u32,
    /// The sample, as the newest schema writes it.
    encoded: Vec<u8>,
    /// The schema's fingerprint.
    fingerprint: Fingerprint64,
    /// The sample, printed.
    printed: String,
    /// Reads as this record and prints it.
    read: fn(&[u8]) -> Result<String, DecodeError>,
}

fn golden<T: Avro + Debug>(version: u32, sample: &T) -> Golden {
    let row = RECORDS
        .iter()
        .find(|row| row.name == T::NAME)
        .expect("it is registered");
    let nth = row
        .schemas
        .iter()
        .position(|(known, _)| *known == version)
        .expect("it is released");
    Golden {
        record: T::NAME,
        version,
        encoded: encode(sample).expect("its schema fits"),
        fingerprint: T::codec().fingerprints()[nth],
        printed: format!("{sample:?}"),
        read: |bytes| decode::<T>(bytes).map(|record| format!("{record:?}")),
    }
}

/// One line for each released schema.
fn goldens() -> Vec<Golden> {
    vec![
        golden(1, &samples::alert_update()),
        golden(1, &samples::flush_settled()),
        golden(1, &samples::look()),
        golden(1, &samples::flush()),
        golden(1, &samples::group_quiet()),
        golden(1, &samples::group_firing()),
        golden(1, &samples::group_moved()),
        golden(1, &samples::outcome()),
        golden(1, &samples::command()),
        golden(1, &samples::notification_request()),
        golden(1, &samples::generation_raised()),
        golden(1, &samples::alert_event()),
        golden(1, &samples::journal_entry()),
        golden(1, &samples::dead_letter()),
        golden(1, &samples::config_version()),
        golden(1, &samples::silence_record()),
        golden(1, &samples::instance_v1()),
        golden(2, &samples::instance()),
        golden(1, &samples::flush_alert()),
        golden(1, &state_samples::correlate_alert()),
        golden(1, &state_samples::correlate_group_v1()),
        golden(2, &state_samples::correlate_group()),
        golden(1, &state_samples::route_incident_v1()),
        golden(2, &state_samples::route_incident_v2()),
        golden(3, &state_samples::route_incident()),
        golden(1, &state_samples::route_ladder()),
        golden(1, &state_samples::route_slot()),
        golden(1, &state_samples::route_command()),
        golden(1, &state_samples::route_mute()),
        golden(1, &state_samples::notify_run()),
        golden(1, &state_samples::notify_progress()),
        golden(1, &state_samples::notify_alerts()),
        golden(1, &state_samples::notify_doubt()),
        golden(1, &state_samples::notify_tally()),
    ]
}

impl Golden {
    /// The bytes as that release wrote them.
    fn released(&self) -> Vec<u8> {
        let path = file(self.record, self.version);
        from_hex(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }
}

fn file(record: &str, version: u32) -> PathBuf {
    let row = RECORDS.iter().find(|row| row.name == record).expect("it is registered");
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/bytes")
        .join(format!("{}.v{version}.hex", row.directory))
}

/// 32 bytes in a line.
fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a string takes it");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("below 16"))
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn released_bytes_are_read_and_written_as_ever() {
    for golden in goldens() {
        let (record, version) = (golden.record, golden.version);
        let path = file(record, version);
        if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, to_hex(&golden.encoded)).expect("the directory is ours");
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let bytes = from_hex(&text);
        assert_eq!(bytes[..2], [0xC3, 0x01], "{record} v{version}: the marker");
        assert_eq!(
            bytes[2..10],
            golden.fingerprint.0.to_le_bytes(),
            "{record} v{version}: the fingerprint"
        );
        assert_eq!(schema_of(&bytes), Some(record), "v{version}");
        assert_eq!(
            (golden.read)(&bytes).as_deref(),
            Ok(golden.printed.as_str()),
            "{record} v{version}: read"
        );
        let newest = RECORDS
            .iter()
            .find(|row| row.name == record)
            .and_then(|row| row.schemas.last());
        if newest.is_some_and(|(newest, _)| *newest == version) {
            assert_eq!(to_hex(&golden.encoded), text, "{record} v{version}: written");
        }
    }
}

#[test]
fn every_released_schema_has_its_golden_bytes() {
    let mut have: Vec<_> = goldens().iter().map(|golden| (golden.record, golden.version)).collect();
    let mut want: Vec<_> = RECORDS
        .iter()
        .flat_map(|row| row.schemas.iter().map(|(version, _)| (row.name, *version)))
        .collect();
    have.sort_unstable();
    want.sort_unstable();
    assert_eq!(have, want);
}

#[test]
fn every_sample_fills_every_field() {
    // What a newer version added is empty in what an older one wrote.
    let newest = |golden: &Golden| {
        RECORDS
            .iter()
            .any(|row| row.name == golden.record && row.schemas.len() == usize::try_from(golden.version).unwrap_or(0))
    };
    for golden in goldens().into_iter().filter(newest) {
        for empty in ["None", "[]", "{}", "\"\""] {
            assert!(
                !golden.printed.contains(empty),
                "{} has {empty}: {}",
                golden.record,
                golden.printed
            );
        }
    }
}

#[test]
fn a_record_is_read_only_as_what_it_is() {
    for written in goldens() {
        for wanted in goldens() {
            let got = (wanted.read)(&written.encoded);
            if written.record == wanted.record {
                assert!(got.is_ok(), "{}: {got:?}", written.record);
            } else {
                let error = DecodeError::WrongRecord {
                    want: wanted.record,
                    got: written.record,
                };
                assert_eq!(got, Err(error));
            }
        }
    }
}

/// A record that was cut or changed is refused, or read as something else that is whole; it never panics, and never asks for
/// more memory than there are bytes.
#[test]
fn damage_is_refused_or_read_as_another_record() {
    for golden in goldens() {
        for end in 0..golden.encoded.len() {
            let cut = (golden.read)(&golden.encoded[..end]);
            assert!(cut.is_err(), "{} cut to {end}: {cut:?}", golden.record);
        }
        let mut longer = golden.encoded.clone();
        longer.push(0);
        assert!((golden.read)(&longer).is_err(), "{} with a byte more", golden.record);
        let mut damaged = golden.encoded.clone();
        for place in 0..damaged.len() {
            for byte in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                let was = std::mem::replace(&mut damaged[place], byte);
                if (golden.read)(&damaged).as_ref() == Ok(&golden.printed) {
                    assert_eq!(byte, was, "{} at {place}: the damage is not seen", golden.record);
                }
                damaged[place] = was;
            }
        }
    }
}

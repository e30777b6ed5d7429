//! Bytes that nobody wrote, or that were damaged: always an error or a record, never a panic, never much memory.

use std::fmt::Debug;

use schemas::{
    Avro, ConfigVersion, DeadLetter, DecodeError, Fingerprint64, Look, NotifyAlerts, Outcome, decode, schema_of,
};

use crate::{goldens, samples};

#[test]
fn what_is_cut_short_is_refused() {
    for golden in goldens() {
        for length in 0..golden.encoded.len() {
            let got = (golden.read)(&golden.encoded[..length]);
            match got {
                Err(DecodeError::TooShort) if length < 10 => {}
                Err(DecodeError::Malformed(_)) if length >= 10 => {}
                other => panic!("{} cut to {length} bytes: {other:?}", golden.record),
            }
        }
    }
}

#[test]
fn what_goes_on_after_its_end_is_refused() {
    for golden in goldens() {
        let mut bytes = golden.encoded.clone();
        bytes.push(0);
        let want = DecodeError::Malformed(format!("1 bytes after the end of `{}`", golden.record));
        assert_eq!((golden.read)(&bytes), Err(want));
    }
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    for golden in goldens() {
        for at in 0..golden.encoded.len() {
            for bit in 0..8 {
                let mut bytes = golden.encoded.clone();
                bytes[at] ^= 1 << bit;
                let got = (golden.read)(&bytes);
                match at {
                    0..2 => assert!(
                        matches!(got, Err(DecodeError::Malformed(_))),
                        "{}: {got:?}",
                        golden.record
                    ),
                    2..10 => assert!(
                        matches!(got, Err(DecodeError::UnknownSchema(_))),
                        "{}: {got:?}",
                        golden.record
                    ),
                    // a flipped bit of a text or a number is another text or number
                    _ => drop(got),
                }
            }
        }
    }
}

#[test]
fn what_has_no_header_of_ours_has_no_schema() {
    let look = schemas::encode(&samples::look()).expect("its schema fits");
    let unknown = [&[0xC3, 0x01][..], &[0xAA; 8], &[0; 3]].concat();
    let rows: &[(&[u8], Option<&str>, DecodeError)] = &[
        (b"", None, DecodeError::TooShort),
        (&[0xC3], None, DecodeError::TooShort),
        (&look[..9], None, DecodeError::TooShort),
        (&look[..10], Some("Look"), DecodeError::Malformed(String::new())),
        (b"{\"kind\":\"alert\"}", None, DecodeError::Malformed(String::new())),
        (b"Obj\x01 an Avro file", None, DecodeError::Malformed(String::new())),
        (
            &[0x00, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7],
            None,
            DecodeError::Malformed(String::new()),
        ),
        (
            &unknown,
            None,
            DecodeError::UnknownSchema(Fingerprint64(0xAAAA_AAAA_AAAA_AAAA)),
        ),
    ];
    for (bytes, name, want) in rows {
        assert_eq!(schema_of(bytes), *name, "{bytes:02x?}");
        let got = decode::<Look>(bytes).expect_err("it is no record");
        match (&got, want) {
            (DecodeError::Malformed(_), DecodeError::Malformed(_)) => {}
            _ => assert_eq!(&got, want, "{bytes:02x?}"),
        }
    }
    assert_eq!(schema_of(&look), Some(Look::NAME));
}

/// A datum of ones' own under a record's header.
fn forged<T: Avro + Debug>(datum: &[u8]) -> DecodeError {
    let fingerprint = T::codec().fingerprints()[0];
    let bytes = [&[0xC3, 0x01][..], &fingerprint.0.to_le_bytes(), datum].concat();
    decode::<T>(&bytes).expect_err("it is forged")
}

#[test]
fn a_length_that_lies_is_refused() {
    // zigzag: the largest long, the smallest, 16 MiB and one
    let huge = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    let negative = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    let above = [0x82, 0x80, 0x80, 0x10];
    let endless = [0xFF; 24];
    for length in [&huge[..], &negative, &above, &endless] {
        let rows = [
            // a text, an array of records, a text behind three others, bytes behind seven fields
            forged::<ConfigVersion>(length),
            forged::<NotifyAlerts>(length),
            forged::<Outcome>(&[&[0; 2][..], length].concat()),
            forged::<DeadLetter>(&[&[0; 7][..], length].concat()),
        ];
        for error in rows {
            assert!(matches!(error, DecodeError::Malformed(_)), "{length:02x?}: {error:?}");
        }
    }
}

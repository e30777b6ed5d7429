#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use alert::LabelSet;

use super::*;
use crate::alerts::{AlertBody, FlushSettled};
use crate::{decode, encode};

/// xorshift64*
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Of any length in Avro, ends of the range among them.
    fn long(&mut self) -> i64 {
        match self.bits() % 8 {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            shift => self.bits().cast_signed() >> (shift * 8),
        }
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_millis(self.long())
    }

    fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }

    fn body(&mut self) -> AlertBody {
        AlertBody {
            labels: LabelSet::from([("a", self.bits().to_string())]),
            expr: self.coin().then(|| "up == 0".to_owned()),
            ..AlertBody::default()
        }
    }

    fn update(&mut self) -> AlertUpdate {
        AlertUpdate {
            fingerprint: Fingerprint(self.bits()),
            content_hash: self.long(),
            starts_at: self.time(),
            ends_at: self.time(),
            received_at: self.time(),
            timeout: self.coin(),
            resolved: self.coin(),
            config_version: self.long(),
            hops: 1,
            copy: 0,
            copies: 2,
            route: "{}".to_owned(),
            group_labels: LabelSet::new(),
            moved_from: self.coin().then(|| "{}:{}".to_owned()),
            body: self.body(),
        }
    }

    fn known(&mut self) -> CorrelateAlert {
        let phases = [AlertPhase::Firing, AlertPhase::Resolved, AlertPhase::Settled];
        CorrelateAlert {
            phase: *phases.get(usize::try_from(self.bits() % 3).unwrap()).unwrap(),
            content_hash: self.long(),
            starts_at: self.time(),
            ends_at: self.time(),
            expires_at: self.time(),
            received_at: self.time(),
            heard_at: self.time(),
            timeout: self.coin(),
            since: self.time(),
            next_flush: self.long(),
            body: self.body(),
        }
    }
}

#[test]
fn a_head_says_what_the_whole_record_says() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..5_000 {
        let (update, known) = (random.update(), random.known());
        let bytes = encode(&update).unwrap();
        assert_eq!(UpdateHead::read(&bytes), Some(UpdateHead::from(&update)), "{round}");
        assert_eq!(KnownHead::read(&bytes), None, "another record");
        let bytes = encode(&known).unwrap();
        assert_eq!(KnownHead::read(&bytes), Some(KnownHead::from(&known)), "{round}");
        assert_eq!(UpdateHead::read(&bytes), None, "another record");
    }
}

#[test]
fn every_released_version_has_a_head_that_agrees_with_the_decoder() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bytes");
    let mut heads = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let update = decode::<AlertUpdate>(&bytes).ok();
        assert_eq!(UpdateHead::read(&bytes), update.as_ref().map(UpdateHead::from));
        let known = decode::<CorrelateAlert>(&bytes).ok();
        assert_eq!(KnownHead::read(&bytes), known.as_ref().map(KnownHead::from));
        heads += usize::from(update.is_some()) + usize::from(known.is_some());
    }
    assert!(heads >= 2, "{heads} records have a head");
}

#[test]
fn what_is_cut_damaged_or_unknown_has_none() {
    let update = Random(7).update();
    let bytes = encode(&update).unwrap();
    let settled = FlushSettled {
        flush: 1,
        keep: true,
        again_at: None,
    };
    assert_eq!(UpdateHead::read(&encode(&settled).unwrap()), None);
    let mut unknown = bytes.clone();
    unknown[5] ^= 1;
    assert_eq!(UpdateHead::read(&unknown), None, "no schema of ours");
    let whole = (0..bytes.len()).find(|length| UpdateHead::read(&bytes[..*length]).is_some());
    assert!(
        whole.is_some_and(|length| length > 20),
        "the head is not read before its end"
    );
    let endless = [&bytes[..10], &[0xFF; 40]].concat();
    assert_eq!(UpdateHead::read(&endless), None, "a number without an end");
}

#[test]
fn a_schema_that_begins_otherwise_is_not_taken() {
    let fields = |text: &str| {
        let text = format!(r#"{{"type": "record", "name": "R", "fields": [{text}]}}"#);
        Schema::parse_str(&text).unwrap()
    };
    let (time, flag) = (
        r#"{"name": "at", "type": "long"}"#,
        r#"{"name": "on", "type": "boolean"}"#,
    );
    let wanted: [Field; 2] = [("at", Timestamp::is), ("on", bool::is)];
    for (text, fits) in [
        (format!("{time}, {flag}"), true),
        (format!(r#"{time}, {flag}, {{"name": "more", "type": "string"}}"#), true),
        (format!("{flag}, {time}"), false),
        (time.to_owned(), false),
        (format!(r#"{time}, {{"name": "on", "type": "long"}}"#), false),
        (format!(r#"{time}, {{"name": "off", "type": "boolean"}}"#), false),
        (format!(r#"{{"name": "at", "type": ["null", "long"]}}, {flag}"#), false),
    ] {
        assert_eq!(begins_with(&fields(&text), &wanted), fits, "{text}");
    }
}

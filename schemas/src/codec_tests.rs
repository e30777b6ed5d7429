//! A record that has grown: what each release writes is read by the next, and what a broken schema does.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use serde::{Deserialize, Serialize};

use crate::codec::{Avro, Codec, DecodeError, EncodeError, Fingerprint64, decode, encode, parse};

const FIRST: &str = r#"{"type": "record", "name": "Grown", "namespace": "test", "fields": [
    {"name": "id", "type": "string"}, {"name": "old", "type": "long", "default": 0}]}"#;
const SECOND: &str = r#"{"type": "record", "name": "Grown", "namespace": "test", "fields": [
    {"name": "id", "type": "string"},
    {"name": "team", "type": ["null", "string"], "default": null},
    {"name": "labels", "type": {"type": "map", "values": "string"}, "default": {}}]}"#;

/// The first release's struct.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Grown")]
struct First {
    id: String,
    old: i64,
}

/// The second's: `old` is gone, two fields are new.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Grown")]
struct Second {
    id: String,
    #[serde(default)]
    team: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// A struct whose schema has another type than it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unfit {
    id: i64,
}

/// A struct whose schema does not parse.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Broken {
    id: i64,
}

macro_rules! record {
    ($record:ident $name:literal $schemas:expr) => {
        impl Avro for $record {
            const NAME: &'static str = $name;

            fn codec() -> &'static Codec {
                static SCHEMAS: LazyLock<Vec<Result<Schema, String>>> = LazyLock::new(|| parse($schemas));
                static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new($name, SCHEMAS.as_slice()));
                &CODEC
            }
        }
    };
}

record!(First "Grown" &[FIRST]);
record!(Second "Grown" &[FIRST, SECOND]);
record!(Unfit "Unfit" &[r#"{"type": "record", "name": "Unfit", "fields": [{"name": "id", "type": "string"}]}"#]);
record!(Broken "Broken" &["{"]);

#[test]
fn a_newer_release_reads_what_an_older_one_wrote() {
    let bytes = encode(&First { id: "a".into(), old: 5 }).expect("it fits");
    let want = Second {
        id: "a".into(),
        team: None,
        labels: BTreeMap::new(),
    };
    assert_eq!(decode::<Second>(&bytes), Ok(want));
}

#[test]
fn an_older_release_says_what_it_misses() {
    let second = Second {
        id: "a".into(),
        team: Some("pay".into()),
        labels: [("a".into(), "b".into())].into(),
    };
    let bytes = encode(&second).expect("it fits");
    assert_eq!(decode::<Second>(&bytes), Ok(second));
    let newest = Second::codec()
        .fingerprints()
        .last()
        .copied()
        .unwrap_or(Fingerprint64(0));
    assert_eq!(decode::<First>(&bytes), Err(DecodeError::UnknownSchema(newest)));
}

#[test]
fn the_fingerprint_is_avros_own() {
    // from the single-object tests of Avro's own implementations
    let text = r#"{"type": "record", "name": "test", "fields": [
        {"name": "a", "type": "long", "default": 42}, {"name": "b", "type": "string"}]}"#;
    let schemas: &'static [_] = Box::leak(parse(&[text]).into_boxed_slice());
    let want = Fingerprint64(u64::from_le_bytes([232, 198, 194, 12, 97, 95, 44, 71]));
    assert_eq!(Codec::new("test", schemas).fingerprints(), [want]);
}

#[test]
fn a_schema_that_does_not_fit_is_an_error_and_no_panic() {
    let unfit: EncodeError = encode(&Unfit { id: 1 }).expect_err("a long is no string");
    assert_eq!(unfit.record, "Unfit");
    assert!(encode(&Broken { id: 1 }).is_err());
    let bytes = encode(&First { id: "a".into(), old: 5 }).expect("it fits");
    assert!(matches!(decode::<Broken>(&bytes), Err(DecodeError::UnknownSchema(_))));
}

//! Every released schema of a record can be resolved to every other one, both ways, so that old and new releases may run
//! side by side; and every schema keeps the rules that make the next version possible.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use apache_avro::writer::datum::GenericDatumWriter;
use schemas::{IncidentHead, JournalHead, JournalLine, RECORDS};
use serde_json::Value;

use crate::{goldens, samples, state_samples};

fn parsed(text: &str) -> Schema {
    Schema::parse_str(text).expect("it parses")
}

#[test]
fn all_versions_of_a_record_read_each_other() {
    for row in RECORDS {
        for (a, first) in row.schemas {
            for (b, second) in row.schemas {
                let got = SchemaCompatibility::mutual_read(&parsed(first), &parsed(second));
                assert!(
                    matches!(got, Ok(Compatibility::Full)),
                    "{} v{a}, v{b}: {got:?}",
                    row.name
                );
            }
        }
    }
}

#[test]
fn a_journal_line_is_the_entry_with_its_texts_borrowed() {
    let bytes = schemas::encode(&samples::journal_entry()).expect("it is written");
    let line = JournalLine::decode(&bytes).expect("it is read");
    assert_eq!(line.encode().expect("it is written again"), bytes);
}

/// What others read our topics with: Avro's own implementation, which shares no code with what writes them here.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it is what others do; here for one record of each kind"
)]
fn avros_own_implementation_reads_and_writes_the_same_bytes() {
    const HEADER_BYTES: usize = 10;
    for golden in goldens() {
        let row = RECORDS.iter().find(|row| row.name == golden.record).unwrap();
        let newest = parsed(row.schemas.last().unwrap().1);
        let (header, mut datum) = golden.encoded.split_at(HEADER_BYTES);
        let reader = GenericDatumReader::builder(&newest).build().unwrap();
        let value = reader.read_value(&mut datum).unwrap();
        assert!(datum.is_empty(), "{}", golden.record);
        let mut bytes = header.to_vec();
        let writer = GenericDatumWriter::builder(&newest).build().unwrap();
        writer.write_value(&mut bytes, value).unwrap();
        assert_eq!((golden.read)(&bytes), Ok(golden.printed), "{}", golden.record);
        assert_eq!(bytes.len(), golden.encoded.len(), "{}", golden.record);
    }
}

#[test]
fn the_check_finds_what_must_not_be_released() {
    let old = r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}"#;
    let rows = [
        (r#", {"name": "b", "type": ["null", "string"], "default": null}"#, true),
        (r#", {"name": "b", "type": "string", "default": ""}"#, true),
        (r#", {"name": "b", "type": ["null", "string"]}"#, false),
        (r#", {"name": "b", "type": "string"}"#, false),
    ];
    for (field, fits) in rows {
        let new = format!(r#"{{"type": "record", "name": "R", "fields": [{{"name": "a", "type": "long"}}{field}]}}"#);
        let got = SchemaCompatibility::mutual_read(&parsed(old), &parsed(&new));
        assert_eq!(matches!(got, Ok(Compatibility::Full)), fits, "{field}: {got:?}");
    }
    let renamed = r#"{"type": "record", "name": "R", "fields": [{"name": "b", "type": "long"}]}"#;
    assert!(SchemaCompatibility::mutual_read(&parsed(old), &parsed(renamed)).is_err());
}

/// Unions have one shape, the one that can be added and removed: `["null", X]` with the default `null`.
fn check_fields(record: &str, schema: &Value) {
    if let Value::Array(members) = schema {
        assert!(members.len() == 2 && members[0] == "null", "{record}: {schema}");
        check_fields(record, &members[1]);
    }
    for inner in ["items", "values", "type"] {
        if let Some(inner) = schema.get(inner) {
            check_fields(record, inner);
        }
    }
    for field in schema.get("fields").and_then(Value::as_array).into_iter().flatten() {
        if field["type"].is_array() {
            assert!(field.get("default").is_some_and(Value::is_null), "{record}: {field}");
        }
        check_fields(record, &field["type"]);
    }
}

#[test]
fn every_schema_is_a_record_of_ours_that_can_evolve() {
    for row in RECORDS {
        assert_eq!(
            (row.codec)().fingerprints().len(),
            row.schemas.len(),
            "{}: all are there",
            row.name
        );
        for (version, text) in row.schemas {
            let schema: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(schema["name"], row.name, "v{version}");
            assert_eq!(schema["namespace"], "alertstream", "{}", row.name);
            check_fields(row.name, &schema);
        }
        let versions: Vec<u32> = row.schemas.iter().map(|(version, _)| *version).collect();
        let counted: Vec<u32> = (1..).take(versions.len()).collect();
        assert_eq!(versions, counted, "{}: from 1, without a gap", row.name);
    }
}

#[test]
fn every_schema_file_is_registered() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("avro");
    let mut files = Vec::new();
    for directory in std::fs::read_dir(&root).expect("it is there") {
        let path = directory.expect("it can be read").path();
        for file in std::fs::read_dir(&path).expect("it is a directory") {
            let file = file.expect("it can be read").path();
            files.push(
                file.strip_prefix(&root)
                    .expect("it is inside")
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    let mut known: Vec<String> = RECORDS
        .iter()
        .flat_map(|row| {
            row.schemas
                .iter()
                .map(|(version, _)| format!("{}/v{version}.avsc", row.directory))
        })
        .collect();
    files.sort_unstable();
    known.sort_unstable();
    assert_eq!(files, known);
}

#[test]
fn no_two_schemas_share_a_fingerprint() {
    let mut all: Vec<_> = RECORDS.iter().flat_map(|row| (row.codec)().fingerprints()).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// What is looked for in a record without reading all of it, in whatever release's bytes.
#[test]
fn a_head_is_what_its_record_says() {
    let incident = state_samples::route_incident();
    let bytes = schemas::encode(&incident).unwrap();
    assert_eq!(IncidentHead::read(&bytes), Some(IncidentHead::from(&incident)));
    let entry = samples::journal_entry();
    let bytes = schemas::encode(&entry).unwrap();
    assert_eq!(JournalHead::read(&bytes), Some(JournalHead { kind: entry.kind }));
    assert_eq!(JournalHead::read(&bytes[..12]), None);
    for golden in goldens() {
        let (incident, entry) = (golden.record == "RouteIncident", golden.record == "JournalEntry");
        assert_eq!(
            IncidentHead::read(&golden.released()).is_some(),
            incident,
            "{}",
            golden.record
        );
        assert_eq!(
            JournalHead::read(&golden.released()).is_some(),
            entry,
            "{}",
            golden.record
        );
    }
}

//! What the stage refuses, and how.

use processor::{Meta, Poison, Record, Said};
use schemas::{AlertUpdate, GroupQuiet, encode, topics};

use crate::world::{EMPTY, ONE_GROUP, Post, World};

fn good() -> (String, AlertUpdate) {
    World::new(ONE_GROUP).updates(&Post { alert: "A", ..EMPTY }).remove(0)
}

/// A name, the key, the value, and whether a newer release wrote it.
type Row = (&'static str, Vec<u8>, Option<Vec<u8>>, bool);

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let mut unknown = encode(&good().1).unwrap();
    unknown[2] ^= 0xFF;
    let mut cut = encode(&good().1).unwrap();
    cut.truncate(40);
    let other = GroupQuiet {
        incident_id: String::new(),
        at: alert::Timestamp::ZERO,
    };
    let rows: Vec<Row> = vec![
        ("a schema of a newer release", b"{}:{}".to_vec(), Some(unknown), true),
        ("cut short", b"{}:{}".to_vec(), Some(cut), false),
        ("empty", b"{}:{}".to_vec(), Some(Vec::new()), false),
        ("a tombstone", b"{}:{}".to_vec(), None, false),
        (
            "not Avro",
            b"{}:{}".to_vec(),
            Some(b"hello, this is text".to_vec()),
            false,
        ),
        (
            "a record for another stage",
            b"{}:{}".to_vec(),
            Some(encode(&other).unwrap()),
            false,
        ),
        (
            "a key that is no text",
            vec![0xFF, 0xFE],
            Some(encode(&good().1).unwrap()),
            false,
        ),
    ];
    for (name, key, value, newer) in rows {
        let mut world = World::new(ONE_GROUP);
        let _ = world.driver.said();
        let record = Record {
            partition: 0,
            offset: 0,
            appended: world.driver.now(),
            key,
            value,
            meta: Some(Meta::default()),
            headers: Vec::new(),
        };
        world.driver.deliver(&record);
        let said = world.driver.said();
        match said.as_slice() {
            [Said::Refused(_, Poison::UnknownSchema(_))] if newer => {}
            [Said::Refused(_, Poison::Malformed(_))] if !newer => {}
            _ => panic!("{name}: {said:?}"),
        }
        assert!(world.driver.store().is_empty(), "{name}");
    }
}

#[test]
fn a_table_record_that_cannot_be_read_is_refused_and_the_view_stays() {
    let mut world = World::new(ONE_GROUP);
    world.driver.table(topics::CONFIG, "x", Some(b"no".to_vec()));
    world.driver.table(topics::INSTANCES, "x", Some(b"no".to_vec()));
    world.driver.table(topics::INSTANCES, "x", None);
    let refused = world.driver.said();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|said| matches!(said, Said::Refused(_, Poison::Malformed(_)))),
        "{refused:?}"
    );
    let (group, update) = world.updates(&Post { alert: "A", ..EMPTY }).remove(0);
    world.driver.record(&group, encode(&update).unwrap());
    world.until(30);
    assert_eq!(world.lines().len(), 3);
}

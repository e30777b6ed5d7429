//! The store's rules, each as a small history.

use super::*;

fn key(n: u8) -> StateKey {
    StateKey::with(GroupHash([n; 16]), 1, &[n])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

#[test]
fn a_timer_is_void_once_its_state_moved_on() {
    let mut store = Store::default();
    store.put(key(1), &Timers::one(7, at(100)), b"a");
    store.put(key(1), &Timers::one(7, at(200)), b"b");
    assert_eq!(store.timers_armed(), 1);
    assert_eq!(store.next_timer().map(|timer| timer.due), Some(at(200)));
    store.delete(&key(1));
    assert_eq!(store.timers_armed(), 0);
}

#[test]
fn undo_brings_back_values_and_timers_in_any_order_of_changes() {
    let mut store = Store::default();
    store.put(key(1), &Timers::one(1, at(10)), b"one");
    store.put(key(2), &Timers::none(), b"two");
    store.committed();
    let before: Vec<_> = store.dump().map(|(key, value)| (key.clone(), value.to_vec())).collect();
    let savepoint = store.savepoint();
    store.put(key(1), &Timers::one(1, at(99)), b"uno");
    store.delete(&key(1));
    store.put(key(3), &Timers::one(2, at(5)), b"three");
    store.delete(&key(2));
    store.undo_to(savepoint);
    let after: Vec<_> = store.dump().map(|(key, value)| (key.clone(), value.to_vec())).collect();
    assert_eq!(before, after);
    assert_eq!(store.next_timer().map(|timer| timer.due), Some(at(10)));
    assert!(store.dirty().is_empty());
}

#[test]
fn a_dirty_key_is_written_once_with_its_last_value() {
    let mut store = Store::default();
    store.put(key(1), &Timers::none(), b"a");
    store.put(key(1), &Timers::none(), b"b");
    store.put(key(2), &Timers::none(), b"c");
    store.delete(&key(2));
    let dirty = store.dirty();
    assert_eq!(dirty.len(), 2);
    assert_eq!(
        dirty[&key(1)].map(|bytes| Stored::decode(bytes).unwrap().bytes),
        Some(&b"b"[..])
    );
    assert_eq!(dirty[&key(2)], None);
}

#[test]
fn an_equal_put_is_no_change() {
    let mut store = Store::default();
    store.put(key(1), &Timers::one(1, at(1)), b"a");
    store.committed();
    store.put(key(1), &Timers::one(1, at(1)), b"a");
    assert!(store.dirty().is_empty());
}

#[test]
fn a_restore_gives_the_same_store() {
    let mut store = Store::default();
    store.put(key(1), &Timers::one(1, at(1)).and(2, at(7)), b"a");
    store.put(key(2), &Timers::none(), b"");
    let mut restored = Store::default();
    for (key, value) in store.dirty() {
        restored.restore(key.as_bytes(), value).unwrap();
    }
    assert!(store.dump().eq(restored.dump()));
    assert_eq!(restored.timers_armed(), 2);
}

#[test]
fn a_range_is_a_prefix_and_nothing_else() {
    let mut store = Store::default();
    for n in [1, 2, 3] {
        store.put(key(n), &Timers::none(), &[n]);
    }
    let found: Vec<_> = store.range(&[2; 16]).map(|(_, stored)| stored.bytes.to_vec()).collect();
    assert_eq!(found, vec![vec![2]]);
}

#[test]
fn what_is_no_state_record_is_refused() {
    for (bytes, error) in [
        (&b""[..], "empty"),
        (&[9][..], "unknown layout"),
        (&[1][..], "cut short"),
        (&[1, 1, 0][..], "cut short"),
        (&[1, 200][..], "too many timers"),
    ] {
        assert_eq!(Stored::decode(bytes), Err(StoredError(error)), "{bytes:?}");
    }
}

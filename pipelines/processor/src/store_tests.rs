//! The store's rules, each as a small history.

use alert::GroupHash;

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
    let before: Vec<_> = store.dump().map(|(key, value)| (key, value.to_vec())).collect();
    let savepoint = store.savepoint();
    store.put(key(1), &Timers::one(1, at(99)), b"uno");
    store.delete(&key(1));
    store.put(key(3), &Timers::one(2, at(5)), b"three");
    store.delete(&key(2));
    store.undo_to(savepoint);
    let after: Vec<_> = store.dump().map(|(key, value)| (key, value.to_vec())).collect();
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
    let (one, two) = (key(1), key(2));
    let dirty = store.dirty();
    let found: Vec<_> = dirty
        .iter()
        .map(|(key, value)| (*key, value.map(|bytes| Stored::decode(bytes).unwrap().bytes)))
        .collect();
    assert_eq!(found, [(&one, Some(&b"b"[..])), (&two, None)]);
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
fn what_is_kept_for_good_is_there_and_is_not_taken_back() {
    let mut store = Store::default();
    let held = |store: &Store| store.get(&key(1)).map(|stored| (stored.timers, stored.bytes.to_vec()));
    for value in [Some(b"one"), Some(b"two"), None, None] {
        store.keep(&key(1), value.map(<[u8; 3]>::as_slice));
        store.undo_to(0);
        assert_eq!(held(&store), value.map(|value| (Timers::none(), value.to_vec())));
        assert_eq!((store.len(), store.dirty().len()), (usize::from(value.is_some()), 0));
    }
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
    let found: Vec<_> = store
        .range(StateKey::of_group(GroupHash([2; 16])))
        .map(|(_, stored)| stored.bytes.to_vec())
        .collect();
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

/// A store as simple as can be, to compare with: whole values by key, and the history to go back through.
#[derive(Default)]
struct Model {
    values: BTreeMap<StateKey, Box<[u8]>>,
    undo: Vec<(StateKey, Option<Box<[u8]>>)>,
}

impl Model {
    fn set(&mut self, key: StateKey, value: Option<Box<[u8]>>) {
        let old = match value {
            Some(value) => self.values.insert(key.clone(), value),
            None => self.values.remove(&key),
        };
        if self.values.get(&key) != old.as_ref() {
            self.undo.push((key, old));
        }
    }

    fn undo_to(&mut self, savepoint: usize) {
        for (key, old) in self.undo.drain(savepoint..).rev() {
            match old {
                Some(old) => self.values.insert(key, old),
                None => self.values.remove(&key),
            };
        }
    }

    fn timers(&self) -> BTreeSet<Timer> {
        let mut timers = BTreeSet::new();
        for (key, value) in &self.values {
            timers.extend(Stored::decode(value).unwrap().timers.iter().map(|(kind, due)| Timer {
                due,
                key: key.clone(),
                kind,
            }));
        }
        timers
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = xxhash_rust::xxh3::xxh3_64(&self.0.to_be_bytes());
        self.0 % bound
    }

    /// Few groups with many records among many with few, as a real partition has them; some keys are prefixes of others.
    fn key(&mut self) -> StateKey {
        let group = if self.below(2) == 0 {
            self.below(3)
        } else {
            self.below(60)
        };
        let group = GroupHash([u8::try_from(group).unwrap(); 16]);
        let kind = u8::try_from(self.below(3)).unwrap();
        match self.below(3) {
            0 => StateKey::new(group, kind),
            1 => StateKey::with(group, kind, &[u8::try_from(self.below(256)).unwrap()]),
            _ => StateKey::with(group, kind, &self.below(64).to_be_bytes()),
        }
    }

    /// Mostly as long as real ones, now and then longer than a block.
    fn value(&mut self) -> (Timers, Vec<u8>) {
        let timers = (0..self.below(3)).fold(Timers::none(), |timers, kind| {
            timers.and(
                u8::try_from(kind).unwrap(),
                at(i64::try_from(self.below(40)).unwrap() - 3),
            )
        });
        let len = match self.below(60) {
            0 => 9_000,
            n => [0, 8, 90, 400, 700][usize::try_from(n % 5).unwrap()],
        };
        let byte = u8::try_from(self.below(256)).unwrap();
        (timers, vec![byte; len])
    }
}

#[test]
fn a_store_is_a_sorted_map_with_an_index_of_timers_under_any_changes() {
    let mut dice = Dice(7);
    let (mut store, mut model) = (Store::default(), Model::default());
    let mut largest = 0;
    for step in 0..10_000_u32 {
        // Grows for a while, then shrinks: blocks are cut and joined.
        let deletes = if step / 2_500 % 2 == 0 { 3 } else { 9 };
        let key = dice.key();
        match dice.below(14) {
            0 => {
                store.committed();
                model.undo.clear();
            }
            1 => {
                let savepoint = usize::try_from(dice.below(u64::try_from(store.savepoint()).unwrap() + 1)).unwrap();
                store.undo_to(savepoint);
                model.undo_to(savepoint);
            }
            2 => {
                if let Some(timer) = store.next_timer() {
                    store.disarm(&timer);
                    let stored = Stored::decode(&model.values[&timer.key]).unwrap();
                    let value = Stored::encode(&stored.timers.without(timer.kind), stored.bytes);
                    model.set(timer.key, Some(value));
                }
            }
            roll if roll < deletes => {
                store.delete(&key);
                model.set(key.clone(), None);
            }
            _ => {
                let (timers, bytes) = dice.value();
                store.put(key.clone(), &timers, &bytes);
                model.set(key.clone(), Some(Stored::encode(&timers, &bytes)));
            }
        }
        largest = largest.max(store.blocks.len());
        assert_eq!(store.savepoint(), model.undo.len());
        assert_eq!(
            store
                .get(&key)
                .map(|stored| Stored::encode(&stored.timers, stored.bytes)),
            model.values.get(&key).cloned()
        );
        if step % 200 == 0 {
            agree(&store, &model, &key);
        }
    }
    assert!(largest > 20, "many blocks are tried: {largest}");
    let mut restored = Store::default();
    for (key, value) in store.dump() {
        restored.restore(key.as_bytes(), Some(value)).unwrap();
    }
    model.undo.clear();
    agree(&restored, &model, &dice.key());
    for key in model.values.keys() {
        store.delete(key);
    }
    assert_eq!(
        (
            store.len(),
            store.timers_armed(),
            store.next_timer(),
            store.blocks.len()
        ),
        (0, 0, None, 1)
    );
}

fn agree(store: &Store, model: &Model, key: &StateKey) {
    let whole = |values: Vec<(StateKey, Stored<'_>)>| {
        let whole = values
            .into_iter()
            .map(|(key, stored)| (key, Stored::encode(&stored.timers, stored.bytes)));
        whole.collect::<Vec<_>>()
    };
    let of_model = |wanted: &dyn Fn(&StateKey) -> bool| {
        let wanted = model.values.iter().filter(|(key, _)| wanted(key));
        wanted
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(whole(store.from(None).collect()), of_model(&|_| true));
    assert_eq!(whole(store.from(Some(key)).collect()), of_model(&|other| other >= key));
    for prefix in [&key.as_bytes()[..16], key.as_bytes(), &[]] {
        let expected = of_model(&|other| other.as_bytes().starts_with(prefix));
        assert_eq!(whole(store.range(StateKey::from_bytes(prefix)).collect()), expected);
    }
    assert_eq!(store.len(), model.values.len());
    let timers = model.timers();
    assert_eq!(
        (store.timers_armed(), store.next_timer().as_ref()),
        (timers.len(), timers.first())
    );
    let dirty: BTreeMap<_, _> = model
        .undo
        .iter()
        .map(|(key, _)| (key, model.values.get(key).map(AsRef::as_ref)))
        .collect();
    assert!(store.dirty().into_iter().eq(dirty));
}

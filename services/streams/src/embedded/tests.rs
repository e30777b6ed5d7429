use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::folder::Folder;
use super::op::{Op, TopicNote};
use super::state::State;
use super::store::{Batch, Store};
use super::{EmbeddedLog, OpenError, Options, cleaner};
use crate::log::{Event, From, Join, Log, LogError, Member, NewRecord, NewTopic};

const LONG: Duration = Duration::from_secs(60);

fn log(folder: &TempDir, options: &Options) -> Arc<EmbeddedLog> {
    EmbeddedLog::open(
        folder.path(),
        Options {
            disk_reserve: 0,
            ..options.clone()
        },
    )
    .unwrap()
}

fn topic(name: &str, compacted: bool, retention: Duration) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: 1,
        compacted,
        retention,
    }
}

fn append(log: &EmbeddedLog, topic: &str, key: &str, value: Option<Vec<u8>>) -> Result<Vec<i64>, LogError> {
    let key = key.as_bytes().to_vec();
    let record = NewRecord {
        topic: topic.to_owned().into(),
        partition: 0,
        key,
        value,
        meta: None,
        headers: Vec::new(),
    };
    let (done, answer) = channel();
    log.append(vec![record], Box::new(move |result| done.send(result).unwrap()));
    answer.recv_timeout(LONG).unwrap()
}

fn member(log: &EmbeddedLog, lane: &str) -> Box<dyn Member> {
    let join = Join {
        group: "stage".to_owned(),
        topic: "inbox".to_owned(),
        lane: lane.to_owned(),
    };
    let mut member = log.join(&join).unwrap();
    assert_eq!(member.poll(1, Duration::ZERO).unwrap(), vec![Event::Assigned(vec![0])]);
    member
}

fn read(log: &EmbeddedLog, topic: &str) -> Vec<(i64, bool)> {
    let mut reader = log.reader(&[(topic.to_owned(), 0, From::Beginning)]).unwrap();
    let high = log.watermarks(topic, 0).unwrap().high;
    let mut found = Vec::new();
    while reader.position(topic, 0).unwrap() < high {
        let records = reader.poll(1000, Duration::ZERO).unwrap();
        found.extend(records.into_iter().map(|(_, r)| (r.offset, r.value.is_some())));
    }
    found
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_log_at_its_limit_waits_for_the_group_and_goes_on_when_it_has_worked() {
    let folder = TempDir::new().unwrap();
    let log = log(
        &folder,
        &Options {
            retention_bytes: 8 << 20,
            ..Options::default()
        },
    );
    log.create_topics(&[topic("inbox", false, LONG * 60)]).unwrap();
    let mut member = member(&log, "lane");
    let mut refused = None;
    let mut last = 0;
    until("the limit", || {
        match append(&log, "inbox", "k", Some(vec![7; 100_000])) {
            Ok(offsets) => {
                last = offsets[0];
                false
            }
            Err(error) => {
                refused = Some(error);
                true
            }
        }
    });
    let Some(LogError::Busy(why)) = refused else {
        panic!("{refused:?}")
    };
    assert!(why.contains("stage has not worked off inbox"), "{why}");
    assert_eq!(log.full(), Some(why));
    assert_eq!(log.watermarks("inbox", 0).unwrap().low, 0, "nothing unread was dropped");
    member.begin().unwrap();
    member.commit(&[(0, last + 1)]).unwrap();
    until("room", || log.full().is_none());
    let low = log.watermarks("inbox", 0).unwrap().low;
    assert!(low > 0 && append(&log, "inbox", "k", Some(vec![7])).is_ok());
    assert_eq!(read(&log, "inbox").first().map(|(offset, _)| *offset), Some(low));
}

#[test]
fn without_a_group_the_oldest_goes_and_the_disk_stays_bounded() {
    let folder = TempDir::new().unwrap();
    let log = log(
        &folder,
        &Options {
            retention_bytes: 8 << 20,
            ..Options::default()
        },
    );
    log.create_topics(&[topic("journal", false, LONG * 60)]).unwrap();
    // Ten times its limit.
    for round in 0..800_u32 {
        append(&log, "journal", "k", Some(round.to_be_bytes().repeat(25_000))).unwrap();
    }
    let held = || {
        let state = log.shared.state();
        state.segments().map(|(_, _, segment)| segment.note.bytes).sum::<u64>()
    };
    until("the trimming", || held() <= 8 << 20);
    let known = log.shared.state().segments().count();
    let files = std::fs::read_dir(folder.path().join("records")).unwrap().count();
    assert_eq!(files, known, "what was dropped is gone from the disk too");
    assert_eq!(log.full(), None);
}

#[test]
fn a_compacted_topic_holds_one_record_a_key_and_forgets_old_tombstones() {
    let folder = TempDir::new().unwrap();
    let table = |options: &Options| {
        let log = log(&folder, options);
        log.create_topics(&[topic("table", true, LONG)]).unwrap();
        log
    };
    let log = table(&Options::default());
    for round in 0..100_u8 {
        append(&log, "table", "a", Some(vec![round])).unwrap();
        append(&log, "table", "b", (round < 50).then(|| vec![round])).unwrap();
    }
    cleaner::clean(&log.shared, |_, _| true);
    assert_eq!(read(&log, "table").len(), 200, "who keeps up sees what is in memory");
    drop(log);
    let log = table(&Options::default());
    assert_eq!(read(&log, "table"), [(198, true), (199, false)]);
    drop(log);
    let log = table(&Options {
        tombstone_retention: Duration::ZERO,
        ..Options::default()
    });
    until("the next millisecond", || {
        cleaner::clean(&log.shared, |_, _| true);
        read(&log, "table") == [(198, true)]
    });
    assert_eq!(
        log.watermarks("table", 0).unwrap().high,
        200,
        "the position still gets there"
    );
    append(&log, "table", "b", Some(vec![1])).unwrap();
    let files = || std::fs::read_dir(folder.path().join("records")).unwrap().count();
    assert_eq!(files(), 2, "what was cleaned, and what is written to");
}

#[test]
fn what_is_written_while_a_partition_is_cleaned_stays() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("table", true, LONG)]).unwrap();
    let cleaning = {
        let log = Arc::clone(&log);
        std::thread::spawn(move || (0..20).for_each(|_| cleaner::clean(&log.shared, |_, _| true)))
    };
    // A reader from the begin, who falls behind its tail all the time.
    let mut reader = log.reader(&[("table".to_owned(), 0, From::Beginning)]).unwrap();
    let mut newest = std::collections::BTreeMap::new();
    for round in 0..400_u32 {
        append(
            &log,
            "table",
            &(round % 7).to_string(),
            Some(round.to_be_bytes().repeat(1_000)),
        )
        .unwrap();
        if round % 50 == 49 {
            newest.extend(
                reader
                    .poll(1_000, Duration::ZERO)
                    .unwrap()
                    .into_iter()
                    .map(|(_, r)| (r.key.clone(), r.offset)),
            );
        }
    }
    cleaning.join().unwrap();
    cleaner::clean(&log.shared, |_, _| true);
    while reader.position("table", 0) != Some(400) {
        newest.extend(
            reader
                .poll(1_000, Duration::ZERO)
                .unwrap()
                .into_iter()
                .map(|(_, r)| (r.key.clone(), r.offset)),
        );
    }
    let newest: std::collections::BTreeSet<i64> = newest.into_values().collect();
    assert!(newest.into_iter().eq(393..400), "each key's newest");
}

#[test]
fn a_reader_gives_out_the_partition_that_it_read_before_it_reads_another() {
    let folder = TempDir::new().unwrap();
    let names = ["first", "second"];
    let filled = log(&folder, &Options::default());
    filled
        .create_topics(&names.map(|name| topic(name, true, LONG)))
        .unwrap();
    for (name, key) in names.iter().flat_map(|name| ["a", "b", "c"].map(|key| (name, key))) {
        append(&filled, name, key, Some(vec![1])).unwrap();
    }
    drop(filled);
    // Opened anew, nothing is in memory: each partition is read from its segments.
    let log = log(&folder, &Options::default());
    let mut reader = log
        .reader(&names.map(|name| (name.to_owned(), 0, From::Beginning)))
        .unwrap();
    let polls = (0..6).flat_map(|_| reader.poll(2, Duration::ZERO).unwrap());
    let found: Vec<Arc<str>> = polls.map(|(topic, _)| topic).collect();
    let expected = ["first", "first", "first", "second", "second", "second"];
    assert_eq!(found, expected.map(Arc::from));
}

#[test]
fn a_member_commits_only_for_what_it_owns_and_a_lane_taken_over_is_told() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("inbox", false, LONG)]).unwrap();
    let mut old = member(&log, "lane");
    old.begin().unwrap();
    assert!(
        matches!(old.commit(&[(1, 5)]), Err(LogError::Abort(_))),
        "there is no such partition of its"
    );
    old.begin().unwrap();
    assert!(matches!(old.commit(&[]), Err(LogError::Abort(_))));
    let _new = member(&log, "lane");
    let lost = Event::Revoked {
        partitions: vec![0],
        lost: true,
    };
    assert_eq!(old.poll(1, Duration::ZERO), Ok(vec![lost]));
    assert!(matches!(old.poll(1, Duration::ZERO), Err(LogError::Fatal(_))));
    assert!(matches!(old.renew(), Err(LogError::Fatal(_))));
    assert_eq!(log.committed("stage", "inbox", 0), Ok(None));
}

#[test]
fn a_record_that_is_too_large_is_refused_and_its_transaction_with_it() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("inbox", false, LONG)]).unwrap();
    let large = append(&log, "inbox", "k", Some(vec![0; (1 << 20) + 1]));
    assert!(matches!(large, Err(LogError::Refused(_))), "{large:?}");
    let key = append(&log, "inbox", &"k".repeat(60_001), None);
    assert!(matches!(key, Err(LogError::Refused(_))), "{key:?}");
    assert_eq!(append(&log, "inbox", "k", Some(vec![0; 900 << 10])), Ok(vec![0]));
}

#[test]
fn a_member_that_outlives_the_log_learns_it() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("inbox", false, LONG)]).unwrap();
    let mut member = member(&log, "lane");
    drop(log);
    assert!(matches!(member.poll(1, LONG), Err(LogError::Fatal(_))));
    member.begin().unwrap();
    assert!(matches!(member.commit(&[(0, 1)]), Err(LogError::Fatal(_))));
}

#[test]
fn a_waiting_member_wakes_when_a_record_comes() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("inbox", false, LONG)]).unwrap();
    let mut member = member(&log, "lane");
    member.start(0, 0).unwrap();
    let begun = Instant::now();
    let waiting = std::thread::spawn(move || member.poll(10, LONG * 10).map(|events| events.len()));
    append(&log, "inbox", "k", None).unwrap();
    assert_eq!(waiting.join().unwrap(), Ok(1));
    assert!(begun.elapsed() < LONG);
}

/// What a power cut does to batches that were written and not yet synced, any of them, is taken for that; what it cannot do
/// to those that were synced is damage.
#[test]
fn a_torn_batch_is_damage_only_if_it_was_synced() {
    let cases = [
        ("a|b c", 1, Some("a")),
        ("a|b c", 2, Some("a b")),
        ("a|b c|d", 2, None),
        ("a|b|c", 1, None),
        ("a b|c d", 1, None),
        ("a b|c d", 2, Some("a b")),
    ];
    for (script, torn, left) in cases {
        let folder = TempDir::new().unwrap();
        let open = || Store::open(Folder::open(folder.path()).unwrap());
        let known = |state: &State| state.topics.keys().cloned().collect::<Vec<_>>().join(" ");
        let (store, _, _) = open().unwrap();
        // It is not synced each time, and may lag.
        let mark = std::fs::read(folder.path().join("mark")).unwrap();
        let write = |store: &Store, name: char| {
            let mut batch = Batch::within(Vec::new());
            let note = TopicNote {
                id: u32::from(name),
                partitions: 1,
                compacted: false,
                retention_ms: 1,
            };
            let name = name.to_string();
            batch.op(&Op::Topic { name, note });
            store.write(0, &mut batch, |_| {}).unwrap();
        };
        for step in script.chars() {
            match step {
                '|' => drop(store.sync().unwrap()),
                ' ' => {}
                name => write(&store, name),
            }
        }
        drop(store);
        let path = folder.path().join("journal/0000000001.jnl");
        let mut bytes = std::fs::read(&path).unwrap();
        // The first frame is what was known at the begin.
        let at = memchr::memmem::find_iter(&bytes, b"AlertS").nth(torn + 1).unwrap();
        bytes[at + 10] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        std::fs::write(folder.path().join("mark"), mark).unwrap();
        let found = open();
        let Some(left) = left else {
            assert!(matches!(found, Err(OpenError::Damaged { .. })), "{script}, {torn}");
            continue;
        };
        let (store, state, _) = found.unwrap();
        assert_eq!(known(&state), left, "{script}, {torn}");
        // It goes on from there, and nothing torn comes back.
        write(&store, 'x');
        store.sync().unwrap();
        drop(store);
        assert_eq!(known(&open().unwrap().1), format!("{left} x"), "{script}, {torn}");
    }
}

/// What happens in a test meanwhile.
type Happens = Box<dyn FnOnce() + Send>;

#[test]
fn a_poll_that_waits_is_ended_by_its_waker_and_by_a_table_that_grows() {
    let folder = TempDir::new().unwrap();
    let log = log(&folder, &Options::default());
    log.create_topics(&[topic("inbox", false, LONG), topic("table", true, LONG)])
        .unwrap();
    let mut member = member(&log, "lane");
    let wake = member.wake_on(&["table"]).unwrap();
    member.start(0, 0).unwrap();
    let append = |topic: &'static str| {
        let log = Arc::clone(&log);
        move || drop(append(&log, topic, "k", Some(vec![7])).unwrap())
    };
    let before = Arc::clone(&wake);
    before();
    // What happens meanwhile, and whether it brings records.
    let cases: [(&str, Happens, bool); 4] = [
        ("a call before the poll", Box::new(|| ()), false),
        ("a call", Box::new(move || wake()), false),
        ("a table grows", Box::new(append("table")), false),
        ("the inbox grows", Box::new(append("inbox")), true),
    ];
    for (what, happens, records) in cases {
        let began = Instant::now();
        let events = std::thread::scope(|scope| {
            scope.spawn(happens);
            let mut events = member.poll(1, LONG).unwrap();
            // Being woken says only that it is worth a look.
            while records && events.is_empty() && began.elapsed() < LONG {
                events = member.poll(1, LONG).unwrap();
            }
            events
        });
        assert!(began.elapsed() < LONG / 2, "{what}");
        assert_eq!(events.iter().any(|e| matches!(e, Event::Records(_))), records, "{what}");
    }
}

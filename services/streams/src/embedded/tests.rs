use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{EmbeddedLog, Options, retention, sweep};
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
        topic: topic.to_owned(),
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
        let super::Kept::Segments(segments) = &state.topics["journal"].kept else {
            return u64::MAX;
        };
        segments.values().map(|s| s.note.bytes).sum::<u64>()
    };
    until("the trimming", || held() <= 8 << 20);
    let segments = log.shared.store.names().len();
    assert!(
        segments <= 9,
        "what was dropped is gone from the engine too: {segments}"
    );
    assert_eq!(log.full(), None);
}

#[test]
fn a_compacted_topic_holds_one_record_a_key_and_forgets_old_tombstones() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        tombstone_retention: Duration::ZERO,
        ..Options::default()
    };
    let log = log(&folder, &options);
    log.create_topics(&[topic("table", true, LONG)]).unwrap();
    for round in 0..100_u8 {
        append(&log, "table", "a", Some(vec![round])).unwrap();
        append(&log, "table", "b", (round < 50).then(|| vec![round])).unwrap();
    }
    drop(log);
    let log = self::log(&folder, &options);
    assert_eq!(read(&log, "table"), [(198, true), (199, false)]);
    until("the sweep", || {
        sweep(&log.shared);
        read(&log, "table") == [(198, true)]
    });
    assert_eq!(
        log.watermarks("table", 0).unwrap().high,
        200,
        "the position still gets there"
    );
    append(&log, "table", "b", Some(vec![1])).unwrap();
    assert_eq!(retention::old_tombstones(&log.shared, "table"), vec![]);
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

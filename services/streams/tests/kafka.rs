//! The log on a real Kafka: what no model of a broker shows. Without a broker every test says so and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "kafka/rebalance.rs"]
mod rebalance;
#[path = "kafka/stand.rs"]
mod stand;

use std::collections::BTreeSet;
use std::sync::{PoisonError, mpsc};
use std::time::{Duration, Instant};

use processor::Meta;
use streams::kafka::{KafkaLog, KafkaOptions};
use streams::{From, Join, Log, LogError, NewRecord, NewTopic};

use stand::{Driver, PATIENCE, Stand, TICK, append, join, read_all, record, topic, values};

#[test]
fn a_commit_is_far_below_the_flush_floor() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 1), ("out", 96)]);
    let mut driver = Driver::new(join(&*log, "lane"));
    driver.until(&*log, "the inbox", |driver| driver.owned.len() == 1);
    let value = "x".repeat(300);
    // librdkafka's own way costs 100 ms for each commit with records not yet acknowledged, and twice that with offsets.
    // The first commits of a broker and of a partition are slow and not counted; those of many partitions are printed.
    for (touched, floor_ms, counted) in [
        (96, f64::MAX, 20),
        (3, 90.0, 100),
        (24, f64::MAX, 100),
        (96, f64::MAX, 100),
    ] {
        let mut took: Vec<f64> = (0..counted)
            .map(|_| {
                driver.step(&*log);
                let began = Instant::now();
                driver.member.begin().unwrap();
                for partition in 0..touched {
                    driver.member.send(vec![record("out", partition, &value)]).unwrap();
                }
                driver.member.commit(&[(0, 0)]).unwrap();
                began.elapsed().as_secs_f64() * 1_000.0
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took[counted * percent / 100];
        let (p50, p90, p99) = (at(50), at(90), at(99));
        println!("commit of {touched} partitions: p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms");
        assert!(p50 < floor_ms, "{touched} partitions: p50 {p50:.1} ms");
    }
    driver.member.close();
}

#[test]
fn an_aborted_transaction_leaves_no_trace() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 1), ("out", 1)]);
    let mut driver = Driver::new(join(&*log, "lane"));
    driver.until(&*log, "the inbox", |driver| driver.owned.len() == 1);
    for (value, commits) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        driver.member.begin().unwrap();
        driver.member.send(vec![record("out", 0, value)]).unwrap();
        if commits {
            driver.member.commit(&[(0, 0)]).unwrap();
        } else {
            driver.member.abort().unwrap();
        }
    }
    // read_all also holds the reader's position to the end, past the control records of the last abort.
    assert_eq!(values(&read_all(&*log, "out", 1)), ["a", "c"]);
    driver.member.close();
}

#[test]
fn records_come_back_as_they_were_written() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("out", 2)]);
    let meta = Meta {
        id: 7,
        now: -3,
        partition: 1,
        offset: 9,
        due: Some(4),
        config_version: 2,
        trace: 8,
    };
    let plain = record("out", 1, "v");
    let rows = [
        plain.clone(),
        NewRecord {
            value: None,
            meta: Some(meta),
            ..plain.clone()
        },
        NewRecord {
            value: Some(Vec::new()),
            key: Vec::new(),
            ..plain.clone()
        },
        NewRecord {
            headers: vec![("a".to_owned(), b"1".to_vec()), ("a".to_owned(), Vec::new())],
            meta: Some(meta),
            ..plain
        },
    ];
    let before = log.now();
    assert_eq!(append(&*log, rows.to_vec()), Ok(vec![0, 1, 2, 3]));
    let read = read_all(&*log, "out", 2);
    for (index, (row, record)) in rows.iter().zip(&read).enumerate() {
        assert_eq!(
            (&record.key, &record.value, record.meta, &record.headers),
            (&row.key, &row.value, row.meta, &row.headers),
            "{index}"
        );
        assert_eq!((record.partition, record.offset), (1, i64::try_from(index).unwrap()));
        let late = record.appended.millis() - before.millis();
        assert!(
            (-2_000..20_000).contains(&late),
            "appended {late} ms after it was written"
        );
    }
    assert_eq!(read.len(), rows.len());
}

#[test]
fn an_append_that_cannot_be_is_refused() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("out", 1)]);
    assert_eq!(append(&*log, Vec::new()), Ok(Vec::new()));
    let large = NewRecord {
        value: Some(vec![7; 2 << 20]),
        ..record("out", 0, "")
    };
    for (name, bad) in [("too large", large), ("no such partition", record("out", 9, "x"))] {
        let result = append(&*log, vec![bad]);
        assert!(
            matches!(result, Err(LogError::Refused(_) | LogError::Unknown(_))),
            "{name}: {result:?}"
        );
    }
    assert_eq!(append(&*log, vec![record("out", 0, "x")]), Ok(vec![0]));
}

#[test]
fn topics_are_made_once_and_with_one_count() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log();
    assert_eq!(log.partitions("inbox"), Ok(None));
    log.create_topics(&[topic("inbox", 3)]).unwrap();
    log.create_topics(&[
        topic("inbox", 3),
        NewTopic {
            compacted: true,
            ..topic("changes", 3)
        },
    ])
    .unwrap();
    assert_eq!(
        (log.partitions("inbox"), log.partitions("changes")),
        (Ok(Some(3)), Ok(Some(3)))
    );
    let Err(LogError::Refused(reason)) = log.create_topics(&[topic("inbox", 4)]) else {
        panic!("another count was taken")
    };
    assert!(reason.contains("has 3 partitions and 4 are wanted"), "{reason}");
    let missing = log.join(&Join {
        group: "stage".to_owned(),
        topic: "nowhere".to_owned(),
        lane: "lane".to_owned(),
    });
    assert!(matches!(missing, Err(LogError::Refused(_))));
}

#[test]
fn nothing_is_read_before_start_and_then_from_where_it_says() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 2)]);
    let wanted = (0..10).map(|value| record("inbox", 0, &value.to_string())).collect();
    append(&*log, wanted).unwrap();
    let mut member = join(&*log, "lane");
    let deadline = Instant::now() + PATIENCE;
    let mut assigned = false;
    while !assigned {
        assert!(Instant::now() < deadline, "never assigned");
        assigned = !member.poll(10, TICK).unwrap().is_empty();
    }
    for _ in 0..20 {
        assert_eq!(member.poll(10, TICK).unwrap(), []);
    }
    assert_eq!(member.position(0), None);
    let mut driver = Driver {
        owned: BTreeSet::from([0, 1]),
        ..Driver::new(member)
    };
    // Again and again, back and forth, as after aborts.
    for (offset, expected) in [
        (7, vec!["7", "8", "9"]),
        (9, vec!["9"]),
        (5, vec!["5", "6", "7", "8", "9"]),
    ] {
        driver.records.clear();
        driver.member.start(0, offset).unwrap();
        assert_eq!(driver.member.position(0), Some(offset));
        driver.until(&*log, "the end", |driver| driver.member.position(0) == Some(10));
        assert_eq!(driver.values(), expected, "from {offset}");
    }
    driver.records.clear();
    driver.member.pause(0).unwrap();
    append(&*log, vec![record("inbox", 0, "10")]).unwrap();
    (0..10).for_each(|_| driver.step(&*log));
    assert_eq!(driver.values(), Vec::<String>::new());
    driver.member.start(0, 10).unwrap();
    driver.until(&*log, "what came meanwhile", |driver| driver.values() == ["10"]);
    driver.member.close();
}

#[test]
fn a_position_passes_control_records_and_ends_count_open_transactions_in() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 2)]);
    let mut driver = Driver::new(join(&*log, "reads"));
    driver.until(&*log, "the inbox", |driver| driver.owned.len() == 2);
    let other = log.join(&Join {
        group: "other".to_owned(),
        topic: "inbox".to_owned(),
        lane: "writes".to_owned(),
    });
    let mut writer = Driver::new(other.unwrap());
    writer.until(&*log, "the inbox", |writer| writer.owned.len() == 2);
    for (value, commits, end) in [("a", true, 2), ("b", false, 4), ("c", true, 6)] {
        writer.member.begin().unwrap();
        writer.member.send(vec![record("inbox", 0, value)]).unwrap();
        let before = end - 2;
        // The record is on its way: the end shows it before the position does.
        let deadline = Instant::now() + PATIENCE;
        while driver.member.ends(&[0, 1]).unwrap()[&0] == before {
            assert!(Instant::now() < deadline, "the open transaction never showed");
        }
        driver.step(&*log);
        assert_eq!(driver.member.position(0), Some(before), "{value}");
        if commits {
            writer.member.commit(&[(1, 0)]).unwrap();
        } else {
            writer.member.abort().unwrap();
        }
        driver.until(&*log, value, |driver| driver.member.position(0) == Some(end));
        assert_eq!(driver.member.ends(&[0, 1]).unwrap(), [(0, end), (1, 0)].into());
        assert_eq!(log.watermarks("inbox", 0).unwrap().high, end);
    }
    assert_eq!(driver.values(), ["a", "c"]);
    driver.member.close();
    writer.member.close();
}

#[test]
fn a_zombie_that_commits_offsets_alone_is_refused() {
    let Some(stand) = Stand::find().map(Stand::hasty) else {
        return;
    };
    let log = stand.log_with(&[("inbox", 1)]);
    append(&*log, vec![record("inbox", 0, "a")]).unwrap();
    let mut zombie = Driver::new(join(&*log, "zombie"));
    zombie.until(&*log, "its record", |zombie| zombie.records.len() == 1);
    // It does not poll any more; after the poll interval its partition is somebody else's.
    let mut next = Driver::new(join(&*log, "next"));
    next.until(&*log, "the zombie's partition", |next| next.owned.len() == 1);
    next.member.begin().unwrap();
    next.member.commit(&[(0, 0)]).unwrap();
    zombie.member.begin().unwrap();
    let result = zombie.member.commit(&[(0, 1)]);
    assert!(
        matches!(result, Err(LogError::Abort(_) | LogError::Unknown(_))),
        "{result:?}"
    );
    if matches!(result, Err(LogError::Abort(_))) {
        zombie.member.abort().unwrap();
    } else {
        zombie.member.renew().unwrap();
    }
    let committed = log.committed("stage", "inbox", 0).unwrap().unwrap();
    assert_eq!((committed.offset, committed.lane.as_str()), (0, "next"));
    zombie.until(&*log, "that it is lost", |zombie| zombie.owned.is_empty());
    assert!(zombie.lost, "it is told that its partition was lost");
    next.member.close();
    zombie.until(&*log, "its return", |zombie| zombie.owned.len() == 1);
    zombie.member.close();
}

#[test]
fn a_lane_started_twice_fences_the_first_which_then_renews() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 1), ("out", 1)]);
    let mut first = Driver::new(join(&*log, "twin"));
    first.until(&*log, "the inbox", |first| first.owned.len() == 1);
    first.member.begin().unwrap();
    first.member.send(vec![record("out", 0, "never")]).unwrap();
    let began = Instant::now();
    log.fence("twin").unwrap();
    println!("fencing took {:?}", began.elapsed());
    let result = first.member.commit(&[(0, 0)]);
    assert!(matches!(result, Err(LogError::Unknown(_))), "{result:?}");
    assert_eq!(log.committed("stage", "inbox", 0), Ok(None));
    let began = Instant::now();
    first.member.renew().unwrap();
    println!("renewing took {:?}", began.elapsed());
    first.member.begin().unwrap();
    first.member.send(vec![record("out", 0, "once")]).unwrap();
    first.member.commit(&[(0, 0)]).unwrap();
    assert_eq!(values(&read_all(&*log, "out", 1)), ["once"]);
    first.member.close();
}

#[test]
fn a_fence_frees_what_a_dead_lane_left_open() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 1), ("out", 1)]);
    let mut dead = Driver::new(join(&*log, "dead"));
    dead.until(&*log, "the inbox", |dead| dead.owned.len() == 1);
    dead.member.begin().unwrap();
    dead.member.commit(&[(0, 0)]).unwrap();
    dead.member.begin().unwrap();
    dead.member.send(vec![record("out", 0, "never")]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while log.watermarks("out", 0).unwrap().high == 0 {
        assert!(Instant::now() < deadline, "the record never left");
    }
    append(&*log, vec![record("out", 0, "behind")]).unwrap();
    let mut reader = log.reader(&[("out".to_owned(), 0, From::Beginning)]).unwrap();
    assert_eq!(
        reader.poll(10, Duration::from_millis(400)).unwrap(),
        [],
        "an open transaction holds back what is behind it"
    );
    assert_eq!(reader.position("out", 0), Some(0));
    let owner = log.owner("stage", "inbox", 0).unwrap().unwrap();
    log.fence(&owner).unwrap();
    assert_eq!(values(&read_all(&*log, "out", 1)), ["behind"]);
    drop(dead);
}

#[test]
fn a_compacted_partition_that_ends_in_nothing_is_read_to_its_end() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 1)]);
    log.create_topics(&[NewTopic {
        compacted: true,
        ..topic("changes", 1)
    }])
    .unwrap();
    append(
        &*log,
        (0..50).map(|value| record("changes", 0, &value.to_string())).collect(),
    )
    .unwrap();
    append(
        &*log,
        vec![NewRecord {
            value: None,
            ..record("changes", 0, "")
        }],
    )
    .unwrap();
    let read = read_all(&*log, "changes", 1);
    assert_eq!(read.last().map(|record| record.value.clone()), Some(None));
    let mut reader = log
        .reader(&[
            ("changes".to_owned(), 0, From::Offset(20)),
            ("inbox".to_owned(), 0, From::End),
        ])
        .unwrap();
    let mut seen = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while reader.position("changes", 0) != Some(51) {
        assert!(
            Instant::now() < deadline,
            "stands at {:?}",
            reader.position("changes", 0)
        );
        seen.extend(reader.poll(7, TICK).unwrap());
    }
    assert_eq!(seen.len(), 31);
    assert!(seen.iter().all(|(topic, _)| &**topic == "changes"));
    assert_eq!(reader.position("inbox", 0), Some(0));
}

#[test]
fn an_append_and_a_member_live_through_a_restart_of_the_broker() {
    let Some(stand) = Stand::find() else { return };
    let options = KafkaOptions {
        delivery_timeout: PATIENCE,
        ..stand.options.clone()
    };
    let log = KafkaLog::connect(options).unwrap();
    log.create_topics(&[topic("inbox", 1), topic("out", 1)]).unwrap();
    let mut driver = Driver::new(join(&*log, "lane"));
    driver.until(&*log, "the inbox", |driver| driver.owned.len() == 1);
    driver.member.begin().unwrap();
    driver.member.send(vec![record("out", 0, "before")]).unwrap();
    driver.member.commit(&[(0, 0)]).unwrap();

    let mut broker = stand.broker.lock().unwrap_or_else(PoisonError::into_inner);
    if broker.stop().is_err() {
        streams::kafka::broker::say_skipped("the broker is not ours to end");
        return;
    }
    let (done, acknowledged) = mpsc::channel();
    log.append(
        vec![record("inbox", 0, "meanwhile")],
        Box::new(move |result| done.send(result).unwrap()),
    );
    assert!(
        acknowledged.recv_timeout(Duration::from_millis(300)).is_err(),
        "acknowledged by nobody"
    );
    let began = Instant::now();
    broker.restart().unwrap();
    println!("the broker was back after {:?}", began.elapsed());
    assert_eq!(acknowledged.recv_timeout(PATIENCE).unwrap(), Ok(vec![0]));
    println!("the append was acknowledged after {:?}", began.elapsed());

    driver.until(&*log, "the record", |driver| driver.values() == ["meanwhile"]);
    println!("the member read it after {:?}", began.elapsed());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let written = driver.member.begin().and_then(|()| {
            driver.member.send(vec![record("out", 0, "after")])?;
            driver.member.commit(&[(0, 1)])
        });
        match written {
            Ok(()) => break,
            Err(LogError::Abort(_)) => driver.member.abort().unwrap(),
            Err(LogError::Unknown(_)) => driver.member.renew().unwrap(),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "no transaction after the restart");
        driver.step(&*log);
    }
    println!("the lane committed after {:?}", began.elapsed());
    assert_eq!(values(&read_all(&*log, "out", 1)), ["before", "after"]);
    driver.member.close();
}

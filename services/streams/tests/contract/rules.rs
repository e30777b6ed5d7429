//! The rules. Each makes its own topics, groups and lanes, and waits by polling, so that it passes on a broker that
//! others use too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streams::{Event, From, Join, Log, LogError, NewRecord, NewTopic};

use crate::stand::{STEP, Seat, Stand, append, append_later, read_all, reader, record, retry, text, topic, until};

/// A topic of that many partitions for the rule.
fn make(stand: &dyn Stand, bare: &str, partitions: u32) -> (Arc<dyn Log>, String) {
    let (log, name) = (stand.log(), stand.name(bare));
    log.create_topics(&[topic(&name, partitions)]).expect("topics");
    (log, name)
}

fn texts(log: &dyn Log, topic: &str, partitions: u32) -> Vec<String> {
    read_all(log, topic, partitions).iter().map(text).collect()
}

fn committed(log: &dyn Log, group: &str, topic: &str) -> Option<(i64, String)> {
    let found = until("a committed offset", || retry(|| log.committed(group, topic, 0)));
    found.map(|c| (c.offset, c.lane))
}

/// A member that owns the one partition of a topic.
fn settled(stand: &dyn Stand, log: &dyn Log, topic: &str, lane: &str) -> (Seat, String, String) {
    let (group, lane) = (stand.name("group"), stand.name(lane));
    let mut seat = Seat::join(log, &group, topic, &lane);
    seat.settle(log, &group, topic, 1);
    (seat, group, lane)
}

/// Appends of one caller to a partition are read in the order of the calls, whether or not it waited in between.
pub fn records_of_a_partition_keep_their_order(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "order", 2);
    let mut answers = Vec::new();
    for round in 0..50 {
        let records = (0..2).flat_map(|p| [(p, 2 * round), (p, 2 * round + 1)]);
        let records = records.map(|(p, n)| record(&name, p, "k", &n.to_string())).collect();
        answers.push(append_later(&*log, records));
    }
    let mut given = BTreeMap::from([(0, Vec::new()), (1, Vec::new())]);
    for answer in answers {
        let offsets = answer.recv().expect("an answer").expect("an acknowledgement");
        assert_eq!(offsets.len(), 4);
        for (index, offset) in offsets.into_iter().enumerate() {
            given
                .get_mut(&(u32::try_from(index / 2).unwrap()))
                .unwrap()
                .push(offset);
        }
    }
    let records = read_all(&*log, &name, 2);
    for partition in 0..2 {
        let found: Vec<_> = records.iter().filter(|r| r.partition == partition).collect();
        let values: Vec<String> = found.iter().map(|r| text(r)).collect();
        assert_eq!(values, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(found.iter().map(|r| r.offset).collect::<Vec<_>>(), given[&partition]);
        assert!(
            found
                .windows(2)
                .all(|w| w[0].offset < w[1].offset && w[0].appended <= w[1].appended)
        );
    }
}

/// Records of several topics and the group's offsets: before the commit none of it is seen, after it all.
pub fn a_transaction_is_seen_whole_or_not_at_all(stand: &mut dyn Stand) {
    let (log, inbox) = make(stand, "inbox", 1);
    let (one, two) = (stand.name("one"), stand.name("two"));
    log.create_topics(&[topic(&one, 2), topic(&two, 1)]).expect("topics");
    append(&*log, vec![record(&inbox, 0, "k", "in")]);
    let (mut seat, group, lane) = settled(stand, &*log, &inbox, "lane");
    let mut watch = reader(&*log, &one, 2, From::Beginning);
    seat.member.begin().expect("begin");
    for new in [
        record(&one, 0, "a", "1"),
        record(&one, 1, "b", "2"),
        record(&two, 0, "c", "3"),
    ] {
        seat.member.send(vec![new]).expect("send");
    }
    assert_eq!(
        watch.poll(10, STEP).expect("poll"),
        vec![],
        "an open transaction is not seen"
    );
    seat.member.commit(&[(0, 1)]).expect("commit");
    let mut seen: Vec<String> = texts(&*log, &one, 2).into_iter().chain(texts(&*log, &two, 1)).collect();
    seen.sort();
    assert_eq!(seen, ["1", "2", "3"]);
    assert_eq!(committed(&*log, &group, &inbox), Some((1, lane)));
    until("the waiting reader", || {
        let found = watch.poll(10, STEP).expect("poll");
        (!found.is_empty()).then_some(())
    });
}

/// What was aborted is never given to anybody, and is in nobody's way.
pub fn aborted_records_are_never_seen(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "aborted", 1);
    let (mut seat, group, lane) = settled(stand, &*log, &name, "lane");
    for round in 0..3 {
        seat.member.begin().expect("begin");
        seat.member.send(vec![record(&name, 0, "k", "never")]).expect("send");
        seat.member.abort().expect("abort");
        seat.commit(vec![record(&name, 0, "k", &round.to_string())], &[(0, 0)])
            .expect("commit");
    }
    assert_eq!(texts(&*log, &name, 1), ["0", "1", "2"]);
    assert_eq!(committed(&*log, &group, &name), Some((0, lane)));
    until("the member's own reading", || {
        seat.poll(&*log, &group, &name);
        (seat.got.len() == 3).then_some(())
    });
    assert_eq!(seat.got.iter().map(text).collect::<Vec<_>>(), ["0", "1", "2"]);
}

/// A producer whose lane has a newer one commits nothing; the newer one does.
fn a_zombie_is_fenced(stand: &dyn Stand, records: impl Fn(&str) -> Vec<NewRecord>) {
    let (log, name) = make(stand, "zombie", 1);
    let (mut zombie, group, lane) = settled(stand, &*log, &name, "lane");
    zombie.member.begin().expect("begin");
    for new in records(&name) {
        zombie.member.send(vec![new]).expect("send");
    }
    let join = Join {
        group: group.clone(),
        topic: name.clone(),
        lane: lane.clone(),
    };
    let member = until("the heir's join", || retry(|| log.join(&join)));
    let mut heir = Seat {
        member,
        owned: Vec::new(),
        got: Vec::new(),
    };
    let refused = zombie.member.commit(&[(0, 7)]).expect_err("a zombie commits nothing");
    assert!(!matches!(refused, LogError::Busy(_)), "{refused}");
    zombie.member.close();
    assert_eq!(committed(&*log, &group, &name), None);
    heir.settle(&*log, &group, &name, 1);
    heir.commit(vec![record(&name, 0, "k", "heir")], &[(0, 3)])
        .expect("the heir commits");
    assert_eq!(texts(&*log, &name, 1), ["heir"]);
    assert_eq!(committed(&*log, &group, &name), Some((3, lane)));
}

/// See [`a_zombie_is_fenced`].
pub fn a_zombie_with_records_is_fenced(stand: &mut dyn Stand) {
    a_zombie_is_fenced(stand, |topic| vec![record(topic, 0, "k", "zombie")]);
}

/// A transaction that merely moves the offset, as one that fires timers without saying anything.
pub fn a_zombie_with_offsets_alone_is_fenced(stand: &mut dyn Stand) {
    a_zombie_is_fenced(stand, |_| Vec::new());
}

/// What a dead lane left open does not hold up readers once it is fenced.
pub fn a_takeover_fence_lets_readers_move_on(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "takeover", 1);
    let (mut dead, group, lane) = settled(stand, &*log, &name, "dead");
    dead.member.begin().expect("begin");
    dead.member.send(vec![record(&name, 0, "k", "open")]).expect("send");
    until("the fence", || retry(|| log.fence(&lane)));
    append(&*log, vec![record(&name, 0, "k", "after")]);
    assert_eq!(texts(&*log, &name, 1), ["after"]);
    assert!(dead.member.commit(&[(0, 1)]).is_err(), "a fenced lane commits nothing");
    assert_eq!(texts(&*log, &name, 1), ["after"]);
    assert_eq!(committed(&*log, &group, &name), None);
    until("the fence of a lane that nobody knows", || {
        retry(|| log.fence(&stand.name("unknown")))
    });
}

/// A lane that was fenced though it lives replaces its producer, and its work counts again.
pub fn a_fenced_lane_goes_on_after_it_renewed(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "renewed", 1);
    let (mut seat, group, lane) = settled(stand, &*log, &name, "lane");
    until("the fence", || retry(|| log.fence(&lane)));
    assert!(seat.commit(vec![record(&name, 0, "k", "lost")], &[(0, 1)]).is_err());
    until("the renewal", || retry(|| seat.member.renew()));
    seat.commit(vec![record(&name, 0, "k", "kept")], &[(0, 2)])
        .expect("commit");
    assert_eq!(texts(&*log, &name, 1), ["kept"]);
    assert_eq!(committed(&*log, &group, &name), Some((2, lane)));
}

/// Offsets are those of the last commit, with the lane that made it.
pub fn committed_offsets_name_their_lane(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "committed", 2);
    let (group, lane) = (stand.name("group"), stand.name("first"));
    let mut seat = Seat::join(&*log, &group, &name, &lane);
    seat.settle(&*log, &group, &name, 2);
    assert_eq!(committed(&*log, &group, &name), None);
    seat.commit(vec![], &[(0, 5), (1, 6)]).expect("commit");
    seat.commit(vec![], &[(1, 8)]).expect("commit");
    assert_eq!(committed(&*log, &group, &name), Some((5, lane.clone())));
    let other = until("an offset", || retry(|| log.committed(&group, &name, 1))).expect("a commit");
    assert_eq!((other.offset, other.lane), (8, lane.clone()));
    assert_eq!(log.owner(&group, &name, 0).expect("an owner"), Some(lane));
    seat.member.close();
    let second = stand.name("second");
    let mut seat = Seat::join(&*log, &group, &name, &second);
    seat.settle(&*log, &group, &name, 2);
    seat.commit(vec![], &[(0, 9)]).expect("commit");
    assert_eq!(committed(&*log, &group, &name), Some((9, second.clone())));
    assert_eq!(log.owner(&group, &name, 0).expect("an owner"), Some(second));
    assert_eq!(committed(&*log, &stand.name("other"), &name), None);
}

/// A reader of all ends up with the newest value of each key, in the order of offsets, at the high watermark.
pub fn a_compacted_topic_keeps_the_newest_of_each_key(stand: &mut dyn Stand) {
    let (log, name) = (stand.log(), stand.name("table"));
    let table = NewTopic {
        compacted: true,
        ..topic(&name, 2)
    };
    log.create_topics(&[table]).expect("topics");
    for round in 0..20 {
        let values = (0..10).map(|k| record(&name, k % 2, &format!("k{k}"), &format!("{round}")));
        append(&*log, values.collect());
    }
    let gone = NewRecord {
        value: None,
        ..record(&name, 0, "k0", "")
    };
    append(&*log, vec![gone]);
    drop(log);
    for _ in 0..2 {
        let log = stand.log();
        let records = read_all(&*log, &name, 2);
        for partition in 0..2 {
            let offsets: Vec<i64> = records
                .iter()
                .filter(|r| r.partition == partition)
                .map(|r| r.offset)
                .collect();
            assert!(offsets.windows(2).all(|w| w[0] < w[1]), "{offsets:?}");
        }
        let newest: BTreeMap<Vec<u8>, String> = records.iter().map(|r| (r.key.clone(), text(r))).collect();
        let expected = (0..10).map(|k| (format!("k{k}").into_bytes(), if k == 0 { "-" } else { "19" }.to_owned()));
        assert_eq!(newest, expected.collect());
        drop(log);
        // The second time from the disk alone.
        stand.restart();
    }
}

/// The high watermark counts open transactions; a reader never stands behind it, and reaches it when none is open.
pub fn watermarks_bound_what_is_read(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "bounds", 1);
    let bounds = log.watermarks(&name, 0).expect("watermarks");
    assert_eq!((bounds.low, bounds.high), (0, 0));
    let (mut seat, ..) = settled(stand, &*log, &name, "lane");
    append(&*log, vec![record(&name, 0, "k", "1"), record(&name, 0, "k", "2")]);
    seat.member.begin().expect("begin");
    seat.member.send(vec![record(&name, 0, "k", "3")]).expect("send");
    let open = log.watermarks(&name, 0).expect("watermarks").high;
    assert!((2..=3).contains(&open), "{open}");
    let mut watch = reader(&*log, &name, 1, From::Beginning);
    let mut seen = 0;
    until("what is committed", || {
        seen += watch.poll(10, STEP).expect("poll").len();
        (seen == 2).then_some(())
    });
    assert_eq!(watch.position(&name, 0), Some(2), "what is open is not passed");
    seat.member.commit(&[(0, 0)]).expect("commit");
    // A commit may be answered before its marker is written: the end moves once more then.
    until("the end", || {
        seen += watch.poll(10, STEP).expect("poll").len();
        let high = seat.member.ends(&[0]).expect("ends")[&0];
        let same = log.watermarks(&name, 0).expect("watermarks").high == high;
        (same && watch.position(&name, 0) == Some(high)).then_some(())
    });
    assert_eq!(seen, 3);
    let mut later = reader(&*log, &name, 1, From::End);
    append(&*log, vec![record(&name, 0, "k", "4")]);
    let found = until("what came after the end", || {
        let found = later.poll(10, STEP).expect("poll");
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found.iter().map(|(_, r)| text(r)).collect::<Vec<_>>(), ["4"]);
}

/// What is older than the retention goes; a reader that stood before it goes on at the low watermark.
pub fn what_is_old_is_trimmed(stand: &mut dyn Stand) {
    if !stand.trims() {
        return;
    }
    let (log, name) = (stand.log(), stand.name("old"));
    log.create_topics(&[NewTopic {
        retention: Duration::from_millis(1),
        ..topic(&name, 1)
    }])
    .expect("topics");
    append(&*log, (0..10).map(|n| record(&name, 0, "k", &n.to_string())).collect());
    let mut early = reader(&*log, &name, 1, From::Offset(0));
    until("the trimming", || {
        append(&*log, vec![record(&name, 0, "k", "more")]);
        stand.age(&name, 0, 10);
        (log.watermarks(&name, 0).expect("watermarks").low >= 10).then_some(())
    });
    append(&*log, vec![record(&name, 0, "k", "last")]);
    let first = until("a record", || early.poll(1, STEP).expect("poll").pop()).1.offset;
    assert!(first >= 10, "{first}");
}

/// Records, offsets, bounds and the clock outlive a restart.
pub fn a_restart_loses_nothing(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "restart", 2);
    let (group, lane) = (stand.name("group"), stand.name("lane"));
    let mut seat = Seat::join(&*log, &group, &name, &lane);
    seat.settle(&*log, &group, &name, 2);
    append(&*log, vec![record(&name, 0, "k", "a"), record(&name, 1, "k", "b")]);
    seat.commit(vec![record(&name, 0, "k", "c")], &[(0, 1), (1, 1)])
        .expect("commit");
    let before = (read_all(&*log, &name, 2), log.watermarks(&name, 0), log.now());
    seat.member.close();
    drop(log);
    if !stand.restart() {
        return;
    }
    let log = stand.log();
    assert!(log.now() >= before.2, "the clock went backwards");
    assert_eq!(log.partitions(&name), Ok(Some(2)));
    assert_eq!(read_all(&*log, &name, 2), before.0);
    assert_eq!(log.watermarks(&name, 0), before.1);
    assert_eq!(committed(&*log, &group, &name), Some((1, lane.clone())));
    let mut seat = Seat::join(&*log, &group, &name, &lane);
    seat.settle(&*log, &group, &name, 2);
    until("what was not committed", || {
        seat.poll(&*log, &group, &name);
        (!seat.got.is_empty()).then_some(())
    });
    assert_eq!(seat.got.iter().map(text).collect::<Vec<_>>(), ["c"]);
}

/// When the answer comes, the record is there for everybody, also after a restart.
pub fn an_acknowledged_append_is_there(stand: &mut dyn Stand) {
    let (mut log, name) = make(stand, "acknowledged", 1);
    for round in 0..3 {
        let offsets = append(&*log, vec![record(&name, 0, "k", &round.to_string())]);
        let found = read_all(&*log, &name, 1);
        let last = found.last().expect("a record");
        assert_eq!((vec![last.offset], text(last)), (offsets, round.to_string()));
        drop(log);
        stand.restart();
        log = stand.log();
        assert_eq!(texts(&*log, &name, 1).len(), round + 1);
    }
    let refused = append_later(&*log, vec![record(&stand.name("nowhere"), 0, "k", "v")]);
    assert!(refused.recv().expect("an answer").is_err(), "there is no such topic");
}

/// Members come and go: at no time do two own a partition, and in the end all are owned.
pub fn a_partition_is_never_owned_by_two(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "owned", 5);
    let group = stand.name("group");
    let mut seats: Vec<Seat> = Vec::new();
    for (round, wanted) in [1, 2, 3, 2, 3, 1].into_iter().enumerate() {
        while seats.len() > wanted {
            seats.remove(0).member.close();
        }
        while seats.len() < wanted {
            let lane = stand.name(&format!("lane-{round}-{}", seats.len()));
            seats.push(Seat::join(&*log, &group, &name, &lane));
        }
        until("an even share", || {
            for seat in &mut seats {
                seat.poll(&*log, &group, &name);
            }
            let mut owned: Vec<u32> = seats.iter().flat_map(|s| s.owned.clone()).collect();
            owned.sort_unstable();
            assert!(owned.windows(2).all(|w| w[0] < w[1]), "owned twice: {owned:?}");
            let even = seats.iter().all(|s| s.owned.len() >= 5 / wanted);
            (owned.len() == 5 && even).then_some(())
        });
    }
}

/// The new owner gets a partition when the old one released it, and not before.
pub fn a_partition_moves_only_after_its_release(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "moves", 2);
    let (group, first) = (stand.name("group"), stand.name("first"));
    let mut old = Seat::join(&*log, &group, &name, &first);
    old.settle(&*log, &group, &name, 2);
    let mut new = Seat::join(&*log, &group, &name, &stand.name("second"));
    let mut asked = Vec::new();
    until("the revocation", || {
        new.poll(&*log, &group, &name);
        for event in old.member.poll(1, STEP).expect("poll") {
            if let Event::Revoked { partitions, lost } = event {
                assert!(!lost);
                asked.extend(partitions);
            }
        }
        (!asked.is_empty()).then_some(())
    });
    assert_eq!(asked.len(), 1);
    for _ in 0..5 {
        new.poll(&*log, &group, &name);
        assert_eq!(new.owned, Vec::<u32>::new(), "not released yet");
    }
    old.commit(vec![], &[(asked[0], 4)])
        .expect("it is the old owner's until it is released");
    old.member.release(&asked).expect("release");
    old.owned.retain(|p| !asked.contains(p));
    until("the assignment", || {
        old.poll(&*log, &group, &name);
        new.poll(&*log, &group, &name);
        (new.owned == asked).then_some(())
    });
    let found = until("an offset", || retry(|| log.committed(&group, &name, asked[0])));
    assert_eq!(
        found.map(|c| c.offset),
        Some(4),
        "what was committed last is what the new owner finds"
    );
}

/// A lane takes up its group's work at the committed offset; a paused partition stands still; starting again goes back.
pub fn a_member_goes_on_where_its_group_was(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "resume", 1);
    append(&*log, (0..6).map(|n| record(&name, 0, "k", &n.to_string())).collect());
    let (mut seat, group, _) = settled(stand, &*log, &name, "lane");
    until("all", || {
        seat.poll(&*log, &group, &name);
        (seat.got.len() == 6).then_some(())
    });
    seat.member.start(0, 4).expect("start");
    seat.got.clear();
    until("the last again", || {
        seat.poll(&*log, &group, &name);
        (seat.got.len() == 2).then_some(())
    });
    assert_eq!(seat.got.iter().map(text).collect::<Vec<_>>(), ["4", "5"]);
    seat.commit(vec![], &[(0, 5)]).expect("commit");
    seat.member.pause(0).expect("pause");
    append(&*log, vec![record(&name, 0, "k", "6")]);
    seat.got.clear();
    for _ in 0..3 {
        seat.poll(&*log, &group, &name);
    }
    assert_eq!(seat.got, vec![], "paused");
    seat.member.close();
    let (mut seat, ..) = settled(stand, &*log, &name, "lane");
    until("the rest", || {
        seat.poll(&*log, &group, &name);
        (seat.got.len() == 2).then_some(())
    });
    assert_eq!(seat.got.iter().map(text).collect::<Vec<_>>(), ["5", "6"]);
}

/// After commits and aborts, whoever has read everything stands at the high watermark.
pub fn the_position_passes_control_records(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "control", 1);
    let (mut seat, group, _) = settled(stand, &*log, &name, "lane");
    for round in 0..3 {
        seat.commit(vec![record(&name, 0, "k", &round.to_string())], &[(0, 0)])
            .expect("commit");
        seat.member.begin().expect("begin");
        seat.member.send(vec![record(&name, 0, "k", "never")]).expect("send");
        seat.member.abort().expect("abort");
    }
    assert_eq!(texts(&*log, &name, 1).len(), 3);
    let high = until("a settled end", || {
        seat.poll(&*log, &group, &name);
        let high = seat.member.ends(&[0]).expect("ends")[&0];
        (seat.member.position(0) == Some(high)).then_some(high)
    });
    assert_eq!(log.watermarks(&name, 0).expect("watermarks").high, high);
    assert_eq!(seat.got.len(), 3);
}

/// Making topics again changes nothing; another partition count is refused.
pub fn topics_are_made_once_and_refused_when_they_differ(stand: &mut dyn Stand) {
    let (log, name) = make(stand, "made", 3);
    log.create_topics(&[topic(&name, 3)]).expect("the same again");
    let refused = log.create_topics(&[topic(&name, 4)]);
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    assert_eq!(log.partitions(&name), Ok(Some(3)));
    assert_eq!(log.partitions(&stand.name("never-made")), Ok(None));
    assert!(log.watermarks(&stand.name("never-made"), 0).is_err());
}

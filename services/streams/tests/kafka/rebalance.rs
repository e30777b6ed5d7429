//! Partitions that move from one consumer to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use processor::{Attention, Context, Poison, Processor, Record, TableChange, Timer};
use streams::{Lane, LaneConfig, Log, NoEffects};

use crate::stand::{Driver, PATIENCE, Stand, append, join, record};

#[test]
fn partitions_move_to_a_second_member_and_back() {
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 4)]);
    append(
        &*log,
        (0..4).map(|partition| record("inbox", partition, "first")).collect(),
    )
    .unwrap();
    let mut one = Driver::new(join(&*log, "one"));
    one.until(&*log, "all to the first", |one| {
        one.owned.len() == 4 && one.records.len() == 4
    });
    one.member.begin().unwrap();
    one.member.commit(&[(0, 1), (1, 1), (2, 1), (3, 1)]).unwrap();
    let began = Instant::now();
    let mut two = Driver::new(join(&*log, "two"));
    let deadline = began + PATIENCE;
    while two.owned.len() < 2 || one.owned.len() > 2 {
        assert!(Instant::now() < deadline, "the second got {:?}", two.owned);
        one.step(&*log);
        two.step(&*log);
    }
    println!("a second member had its share after {:?}", began.elapsed());
    assert!(one.owned.is_disjoint(&two.owned) && !one.lost);
    append(
        &*log,
        (0..4).map(|partition| record("inbox", partition, "second")).collect(),
    )
    .unwrap();
    one.until(&*log, "its two", |one| one.records.len() == 6);
    two.until(&*log, "its two, none of the first", |two| two.records.len() == 2);
    assert_eq!(two.values(), ["second", "second"]);
    // Both commit; the first one's generation is the new one.
    for (driver, lane) in [(&mut one, "one"), (&mut two, "two")] {
        let offsets: Vec<_> = driver.owned.iter().map(|partition| (*partition, 2)).collect();
        driver.member.begin().unwrap();
        driver.member.commit(&offsets).unwrap();
        for (partition, offset) in offsets {
            let committed = log.committed("stage", "inbox", partition).unwrap().unwrap();
            assert_eq!((committed.offset, committed.lane.as_str()), (offset, lane));
            assert_eq!(log.owner("stage", "inbox", partition), Ok(Some(lane.to_owned())));
        }
    }
    let began = Instant::now();
    two.member.close();
    println!("closing took {:?}", began.elapsed());
    one.until(&*log, "all back", |one| one.owned.len() == 4);
    println!("the first had all again after {:?}", began.elapsed());
    assert_eq!(one.records.len(), 6, "nothing is read twice");
    one.member.close();
}

/// Tells of each record it is given, by its own name.
#[derive(Debug)]
struct Telling(&'static str, Sender<&'static str>);

impl Processor for Telling {
    type Effect = ();
    type Completion = ();

    const NAME: &'static str = "telling";
    const INBOX: &'static str = "inbox";
    const CHANGELOG: Option<&'static str> = None;
    const TABLES: &'static [&'static str] = &[];

    fn config_version(&self) -> u64 {
        0
    }

    fn table(&mut self, _: &TableChange) -> Result<Attention, Poison> {
        Ok(Attention::None)
    }

    fn record(&mut self, _: &Record, _: &mut Context<'_, ()>) -> Result<(), Poison> {
        self.1
            .send(self.0)
            .map_err(|error| Poison::Malformed(error.to_string()))
    }

    fn timer(&mut self, _: &Timer, _: &mut Context<'_, ()>) -> Result<(), Poison> {
        Ok(())
    }

    fn completion(&mut self, (): &(), _: &mut Context<'_, ()>) -> Result<(), Poison> {
        Ok(())
    }
}

/// What the group decides waits behind what was read ahead. A lane whose hands were full never came to it: each of its
/// transactions was aborted for its old generation, until the group threw it out after `max.poll.interval.ms`.
#[test]
fn a_lane_with_its_hands_full_gives_partitions_up_to_one_that_joins() {
    const BACKLOG: usize = 40_000;
    let Some(stand) = Stand::find() else { return };
    let log = stand.log_with(&[("inbox", 2)]);
    for _ in 0..BACKLOG / 1_000 {
        let records = (0..1_000).map(|number| record("inbox", number % 2, "some of a backlog"));
        append(&*log, records.collect()).unwrap();
    }
    let (tell, told) = channel();
    let lane = |name| {
        let config = LaneConfig {
            max_records: 10,
            ..LaneConfig::new(name)
        };
        let log: Arc<dyn Log> = Arc::clone(&log) as _;
        Lane::new(Telling(name, tell.clone()), log, config, |_| Box::new(NoEffects)).unwrap()
    };
    // Far less than the minute after which the group would throw the first out.
    let deadline = Instant::now() + PATIENCE / 2;
    let is_given = |name| {
        let mut names = std::iter::from_fn(|| {
            let left = deadline.saturating_duration_since(Instant::now());
            told.recv_timeout(left).ok()
        });
        names.any(|given| given == name)
    };
    let stop = AtomicBool::new(false);
    let given = std::thread::scope(|threads| {
        let first = lane("first");
        threads.spawn(|| first.run(&stop).unwrap());
        let alone = is_given("first");
        let second = lane("second");
        threads.spawn(|| second.run(&stop).unwrap());
        // Both have a part, and the backlog is not worked off.
        let shared = is_given("second") && is_given("first") && is_given("second");
        stop.store(true, Ordering::Relaxed);
        [alone, shared]
    });
    assert_eq!(given, [true, true], "the first lane, and the second one beside it");
}

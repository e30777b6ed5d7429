//! The short way, by the first fields of two records, against the long one, which decodes both: over random histories they
//! leave the same state and say the same, byte for byte.

use correlate_pipeline::{Correlate, Never};
use processor::{Attention, Context, Poison, Processor, Record, StateKey, TableChange, Timer};

use crate::history::{ALERTS, CONFIGS, Random};
use crate::world::{Post, ROOT, Step, World};

const SEEDS: u64 = 150;
const STEPS: usize = 100;

/// The stage, made to decode every record.
struct LongWay(Correlate);

impl Processor for LongWay {
    type Effect = Never;
    type Completion = Never;

    const NAME: &'static str = Correlate::NAME;
    const INBOX: &'static str = Correlate::INBOX;
    const CHANGELOG: Option<&'static str> = Correlate::CHANGELOG;
    const TABLES: &'static [&'static str] = Correlate::TABLES;

    fn config_version(&self) -> u64 {
        self.0.config_version()
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        self.0.table(change)
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        self.0.read_whole(record, cx)
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Never>) -> Result<(), Poison> {
        self.0.timer(timer, cx)
    }

    fn completion(&mut self, completion: &Never, _: &mut Context<'_, Never>) -> Result<(), Poison> {
        match *completion {}
    }

    fn sweep(&mut self, from: Option<&StateKey>, cx: &mut Context<'_, Never>) -> Result<Option<StateKey>, Poison> {
        self.0.sweep(from, cx)
    }
}

/// What may happen: mostly re-sends, in and out of order, with ends that move a little or far.
fn choose(random: &mut Random, versions: i64) -> Step {
    let ends = [240, 240, 240, 241, 300, 400, 1, 0, -5, 36_000][random.index(10)];
    let post = Post {
        alert: ALERTS[random.index(ALERTS.len())],
        starts: [None, None, None, Some(-10), Some(-600)][random.index(5)],
        ends,
        text: ["", "", "", "x"][random.index(4)],
        timeout: random.below(5) == 0,
        received_ago: [0, 0, 0, 1, 30, 500][random.index(6)],
        version: (random.below(8) == 0).then(|| (versions - 1).max(1)),
        hops: [0, 0, 1, 2][random.index(4)],
    };
    match random.below(20) {
        0 => Step::Config(CONFIGS[random.index(CONFIGS.len())]),
        1..3 => Step::Settle(ROOT, i64::try_from(random.below(4)).unwrap(), false, None),
        3 => Step::Ingest(random.below(2) == 0),
        _ => Step::Post(post),
    }
}

#[test]
fn the_short_way_and_the_long_way_come_to_the_same() {
    let (mut posts, mut needless) = (0, 0);
    for seed in 1..=SEEDS {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let first = CONFIGS[random.index(CONFIGS.len())];
        let (mut short, mut long) = (World::new(first), World::of(LongWay(Correlate::new()), first));
        let (mut second, mut versions) = (0, 1);
        for number in 0..STEPS {
            let step = choose(&mut random, versions);
            let before: Vec<_> = short.driver.store().dump().map(|(_, value)| value.to_vec()).collect();
            if random.below(10) == 0 {
                short.driver.restart();
                long.driver.restart();
            }
            short.step(&step);
            long.step(&step);
            versions += i64::from(matches!(step, Step::Config(_)));
            if matches!(step, Step::Post(_)) {
                posts += 1;
                needless += usize::from(short.driver.store().dump().map(|(_, value)| value.to_vec()).eq(before));
            }
            assert_eq!(short.lines(), long.lines(), "seed {seed}, step {number}: {step:?}");
            second += [0, 1, 15, 60][random.index(4)];
            short.until(second);
            long.until(second);
            assert_eq!(
                short.lines(),
                long.lines(),
                "seed {seed}, after step {number}: {step:?}"
            );
            assert_eq!(short.sent, long.sent, "seed {seed}, step {number}: {step:?}");
            assert!(
                short.driver.store().dump().eq(long.driver.store().dump()),
                "seed {seed}, step {number}: {step:?}: another state"
            );
        }
    }
    assert!(needless * 10 > posts, "{needless} of {posts} posts changed nothing");
    assert!(needless * 10 < posts * 9, "{needless} of {posts} posts changed nothing");
}

//! The stage the lane's tests run: it adds numbers up for a second, says the sum, and sends it to the world. It is also
//! broken in every way a stage can be, where a test tells it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use alert::{GroupHash, PromDuration};
use processor::{Attention, Context, Hurry, Poison, Processor, Record, StateKey, Store, TableChange, Timer, Timers};
use schemas::topics;

use crate::lane::{Completions, Effects};
use crate::simulated::SimLog;

const SUM: u8 = 1;
const SENDING: u8 = 2;
const DUE: u8 = 1;

/// A sum whose timer panics.
pub(crate) const PANICS_LATER: i64 = 666;
/// A sum whose completion is refused.
pub(crate) const COMPLETION_REFUSED: i64 = 777;
/// A sum that nobody wants sent any more when it is committed.
pub(crate) const UNWANTED: i64 = 888;
/// A number that has its sum told at once.
pub(crate) const AT_ONCE: i64 = 999;

/// Adds up per key. State: the sum with its timer; then what is being sent, until its completion.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    pub(crate) version: u64,
    /// Says nothing in a pass over its state, and waits for the completions that are due when it is restored.
    pub(crate) quiet: bool,
    /// The clock that goes on by a millisecond with each record.
    pub(crate) slow: Option<Arc<SimLog>>,
    sweeps_badly: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) key: StateKey,
    pub(crate) text: String,
}

fn key(record: &Record, kind: u8, rest: &[u8]) -> StateKey {
    StateKey::with(
        GroupHash(xxhash_rust::xxh3::xxh3_128(&record.key).to_be_bytes()),
        kind,
        rest,
    )
}

impl Processor for Counter {
    type Effect = Send;
    type Completion = StateKey;

    const NAME: &'static str = "counter";
    const INBOX: &'static str = topics::ALERTS;
    const CHANGELOG: Option<&'static str> = Some(topics::CORRELATE_CHANGELOG);
    const TABLES: &'static [&'static str] = &[topics::CONFIG];

    fn config_version(&self) -> u64 {
        self.version
    }

    fn table(&mut self, change: &TableChange) -> Result<Attention, Poison> {
        if change.value.as_deref() == Some(b"rubbish") {
            return Err(Poison::Malformed("told to".to_owned()));
        }
        self.version = u64::try_from(change.offset + 1).unwrap_or(0);
        self.sweeps_badly = change.value.as_deref() == Some(b"bad sweep");
        Ok(Attention::Sweep)
    }

    fn hurry(record: &Record) -> Hurry {
        match record.key.as_slice() {
            [b's', b'o', b'o', b'n', ..] => Hurry::Soon,
            [b'l', b'a', b't', b'e', b'r', ..] => Hurry::Later,
            _ => Hurry::Now,
        }
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        let text = String::from_utf8_lossy(record.bytes()).into_owned();
        if let Some(log) = &self.slow {
            log.advance(PromDuration::from_millis(1));
        }
        if text == "say" {
            let tables = format!("{:?}", cx.tables());
            cx.send(topics::JOURNAL, record.key.clone(), tables.into_bytes());
            return Ok(());
        }
        if text == "panic" {
            cx.put(key(record, SUM, &[]), &Timers::none(), b"half done");
            panic!("told to");
        }
        if text == "newer" {
            return Err(Poison::UnknownSchema("a schema of tomorrow".to_owned()));
        }
        if text == "too large" {
            cx.put(key(record, SUM, &[]), &Timers::none(), b"half done");
            cx.send(topics::INCIDENTS, "k", vec![b'x'; schemas::MAX_RECORD_BYTES + 1]);
            return Ok(());
        }
        let number: i64 = text
            .parse()
            .map_err(|_| Poison::Malformed(format!("not a number: {text:?}")))?;
        let sum_key = key(record, SUM, &[]);
        let name = String::from_utf8_lossy(&record.key).into_owned();
        let wait = PromDuration::from_millis(if number == AT_ONCE { 0 } else { 1_000 });
        let (sum, timers) = match cx.get(&sum_key) {
            Some(stored) => (parse(stored.bytes).1, stored.timers),
            None => (0, Timers::one(DUE, cx.now() + wait)),
        };
        cx.put(sum_key, &timers, format!("{name} {}", sum + number).as_bytes());
        Ok(())
    }

    fn timer(&mut self, timer: &Timer, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        let Some(stored) = cx.get(&timer.key) else {
            return Ok(());
        };
        let (name, sum) = parse(stored.bytes);
        cx.delete(&timer.key);
        assert_ne!(sum, PANICS_LATER, "told to");
        let id = cx.next_id();
        let text = format!("{name}={sum} #{id:x}");
        cx.send(topics::INCIDENTS, name, text.clone().into_bytes());
        let group = timer
            .key
            .group()
            .ok_or_else(|| Poison::Malformed("short key".to_owned()))?;
        let sending = StateKey::with(group, SENDING, &id.to_be_bytes());
        cx.put(sending.clone(), &Timers::none(), text.as_bytes());
        cx.effect(Send { key: sending, text });
        Ok(())
    }

    fn completion(&mut self, done: &StateKey, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        let refused = format!("={COMPLETION_REFUSED} ");
        if cx
            .get(done)
            .is_some_and(|sent| String::from_utf8_lossy(sent.bytes).contains(&refused))
        {
            return Err(Poison::Malformed("told to".to_owned()));
        }
        cx.delete(done);
        Ok(())
    }

    fn release(&self, send: Send, state: &Store) -> Result<Send, StateKey> {
        let unwanted = format!("={UNWANTED} ");
        let stored = state.get(&send.key);
        if stored.is_some_and(|stored| String::from_utf8_lossy(stored.bytes).contains(&unwanted)) {
            return Err(send.key);
        }
        Ok(send)
    }

    fn restored(&mut self, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        if self.quiet {
            return Ok(());
        }
        let left: Vec<Send> = cx
            .scan(None)
            .filter(|(key, _)| key.kind() == Some(SENDING))
            .map(|(key, stored)| Send {
                key,
                text: String::from_utf8_lossy(stored.bytes).into_owned(),
            })
            .collect();
        for send in left {
            cx.effect(send);
        }
        Ok(())
    }

    /// Says that it passed, in two slices.
    fn sweep(&mut self, from: Option<&StateKey>, cx: &mut Context<'_, Send>) -> Result<Option<StateKey>, Poison> {
        if self.sweeps_badly {
            return Err(Poison::Malformed("told to".to_owned()));
        }
        if self.quiet {
            return Ok(None);
        }
        let slice = if from.is_none() { "begun" } else { "done" };
        cx.send(
            topics::JOURNAL,
            "sweep",
            format!("{slice} {}", self.version).into_bytes(),
        );
        Ok(from.is_none().then(|| StateKey::new(GroupHash([0; 16]), SUM)))
    }
}

fn parse(bytes: &[u8]) -> (String, i64) {
    let text = String::from_utf8_lossy(bytes);
    let (name, sum) = text.split_once(' ').unwrap_or((&text, "0"));
    (name.to_owned(), sum.parse().unwrap_or(0))
}

/// What the world received, and how often; and how long each partition that was given up may have waited for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorldSends {
    sends: Arc<Mutex<BTreeMap<String, usize>>>,
    budgets: Arc<Mutex<Vec<Duration>>>,
}

impl WorldSends {
    fn sends(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.sends.lock().unwrap()
    }

    /// How long what ran was waited for, each time partitions were given up.
    pub(crate) fn budgets(&self) -> Vec<Duration> {
        self.budgets.lock().unwrap().clone()
    }

    /// How often the most frequent text was sent.
    pub(crate) fn most(&self) -> usize {
        self.sends().values().copied().max().unwrap_or(0)
    }

    /// Everything said was sent at least once, and nothing was sent that was not said.
    pub(crate) fn each_was_sent(&self, said: &[String]) -> Result<(), String> {
        let sends = self.sends();
        let unsent: Vec<_> = said.iter().filter(|text| !sends.contains_key(*text)).collect();
        let unsaid: Vec<_> = sends.keys().filter(|text| !said.contains(text)).collect();
        if unsent.is_empty() && unsaid.is_empty() {
            Ok(())
        } else {
            Err(format!("unsent {unsent:?}, unsaid {unsaid:?}"))
        }
    }
}

/// Carries effects out at once; a slow one reports them only when the partition is given up.
pub(crate) struct Recorder {
    world: WorldSends,
    report: Completions<StateKey>,
    slow: bool,
    under_way: Vec<(u32, StateKey)>,
}

impl Recorder {
    pub(crate) fn new(world: WorldSends, report: Completions<StateKey>) -> Self {
        Self {
            world,
            report,
            slow: false,
            under_way: Vec::new(),
        }
    }

    pub(crate) fn slow(world: WorldSends, report: Completions<StateKey>) -> Self {
        Self {
            slow: true,
            ..Self::new(world, report)
        }
    }

    fn report_all(&mut self) {
        for (partition, done) in self.under_way.drain(..) {
            self.report.send(partition, done);
        }
    }
}

impl Effects<Send> for Recorder {
    fn release(&mut self, partition: u32, effect: Send) {
        *self.world.sends().entry(effect.text).or_default() += 1;
        self.under_way.push((partition, effect.key));
        if !self.slow {
            self.report_all();
        }
    }

    fn revoke(&mut self, _: &[u32], budget: Duration) {
        self.world.budgets.lock().unwrap().push(budget);
        self.report_all();
    }
}

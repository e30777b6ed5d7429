//! The stage the lane's tests run: it adds numbers up for a second, says the sum, and sends it to the world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::{GroupHash, PromDuration};
use processor::{Attention, Context, Poison, Processor, Record, StateKey, TableChange, Timer, Timers};
use schemas::topics;

use crate::lane::{Completions, Effects};

const SUM: u8 = 1;
const SENDING: u8 = 2;
const DUE: u8 = 1;

/// Adds up per key. State: the sum with its timer; then what is being sent, until its completion.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    pub(crate) version: u64,
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
        self.version = u64::try_from(change.offset + 1).unwrap_or(0);
        Ok(Attention::None)
    }

    fn record(&mut self, record: &Record, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        let text = String::from_utf8_lossy(record.bytes()).into_owned();
        if text == "panic" {
            cx.put(key(record, SUM, &[]), &Timers::none(), b"half done");
            panic!("told to");
        }
        let number: i64 = text
            .parse()
            .map_err(|_| Poison::Malformed(format!("not a number: {text:?}")))?;
        let sum_key = key(record, SUM, &[]);
        let name = String::from_utf8_lossy(&record.key).into_owned();
        let (sum, timers) = match cx.get(&sum_key) {
            Some(stored) => (parse(stored.bytes).1, stored.timers),
            None => (0, Timers::one(DUE, cx.now() + PromDuration::from_millis(1_000))),
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

    fn completion(&mut self, done: StateKey, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        cx.delete(&done);
        Ok(())
    }

    fn restored(&mut self, cx: &mut Context<'_, Send>) -> Result<(), Poison> {
        let left: Vec<Send> = cx
            .scan(None)
            .filter(|(key, _)| key.kind() == Some(SENDING))
            .map(|(key, stored)| Send {
                key: key.clone(),
                text: String::from_utf8_lossy(stored.bytes).into_owned(),
            })
            .collect();
        for send in left {
            cx.effect(send);
        }
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> (String, i64) {
    let text = String::from_utf8_lossy(bytes);
    let (name, sum) = text.split_once(' ').unwrap_or((&text, "0"));
    (name.to_owned(), sum.parse().unwrap_or(0))
}

/// What the world received, and how often.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorldSends(Arc<Mutex<BTreeMap<String, usize>>>);

impl WorldSends {
    /// How often the most frequent text was sent.
    pub(crate) fn most(&self) -> usize {
        self.0.lock().unwrap().values().copied().max().unwrap_or(0)
    }

    /// Everything said was sent at least once, and nothing was sent that was not said.
    pub(crate) fn each_was_sent(&self, said: &[String]) -> Result<(), String> {
        let sends = self.0.lock().unwrap();
        let unsent: Vec<_> = said.iter().filter(|text| !sends.contains_key(*text)).collect();
        let unsaid: Vec<_> = sends.keys().filter(|text| !said.contains(text)).collect();
        if unsent.is_empty() && unsaid.is_empty() {
            Ok(())
        } else {
            Err(format!("unsent {unsent:?}, unsaid {unsaid:?}"))
        }
    }
}

/// Carries effects out at once.
pub(crate) struct Recorder {
    world: WorldSends,
    report: Completions<StateKey>,
}

impl Recorder {
    pub(crate) fn new(world: WorldSends, report: Completions<StateKey>) -> Self {
        Self { world, report }
    }
}

impl Effects<Send> for Recorder {
    fn release(&mut self, partition: u32, effect: Send) {
        *self.world.0.lock().unwrap().entry(effect.text).or_default() += 1;
        drop(self.report.send((partition, effect.key)));
    }

    fn revoke(&mut self, _: &[u32], _: Duration) {}
}

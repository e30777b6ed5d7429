//! Runs one stage on one partition in a test: no log, simulated time, every decision visible.

use std::collections::VecDeque;

use alert::{PromDuration, Timestamp};

use crate::{
    Applied, Attention, Context, Origin, Output, Poison, Processor, Record, StateKey, Store, TableChange, Tables,
    Timer, apply,
};

/// Something the stage did, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<E> {
    /// It sent a record.
    Sent(Timestamp, Output),
    /// It asked for an effect.
    Effect(Timestamp, E),
    /// It refused an input.
    Refused(Timestamp, Poison),
}

/// The timeline test driver: records in, time forward, decisions out.
#[derive(Debug)]
pub struct Driver<P: Processor> {
    /// The stage.
    pub stage: P,
    store: Store,
    changelog: Vec<(StateKey, Option<Vec<u8>>)>,
    tables: Tables,
    now: Timestamp,
    offset: i64,
    applied: u64,
    said: VecDeque<Said<P::Effect>>,
}

impl<P: Processor> Driver<P> {
    /// A stage with no state, at a time.
    pub fn new(stage: P, now: Timestamp) -> Self {
        let (store, tables, said) = (Store::default(), Tables::new(), VecDeque::new());
        Self {
            stage,
            store,
            changelog: Vec::new(),
            tables,
            now,
            offset: 0,
            applied: 0,
            said,
        }
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Delivers a record that was appended now. Timers that are due before it fire first.
    pub fn record(&mut self, key: &str, value: Vec<u8>) {
        let record = Record {
            partition: 0,
            offset: self.offset,
            appended: self.now,
            key: key.as_bytes().to_vec(),
            value: Some(value),
            meta: Some(crate::Meta {
                config_version: self.stage.config_version(),
                ..crate::Meta::default()
            }),
            headers: Vec::new(),
        };
        self.deliver(&record);
    }

    /// Delivers a record as given, at the time it was appended or now.
    pub fn deliver(&mut self, record: &Record) {
        self.offset = record.offset + 1;
        self.input(record.offset, None, |stage, cx| stage.record(record, cx));
    }

    /// Delivers the result of an effect.
    pub fn complete(&mut self, completion: &P::Completion) {
        self.input(self.offset, None, |stage, cx| stage.completion(completion, cx));
    }

    /// Changes a table; sweeps when the stage asks for it.
    pub fn table(&mut self, table: &'static str, key: &str, value: Option<Vec<u8>>) {
        let offset = self.tables.get(table).copied().unwrap_or(0);
        self.tables.insert(table, offset + 1);
        let change = TableChange {
            table,
            key: key.as_bytes().to_vec(),
            value,
            offset,
            appended: self.now,
        };
        match self.stage.table(&change) {
            Ok(Attention::None) => {}
            Ok(Attention::Sweep) => self.sweep(),
            Err(poison) => self.said.push_back(Said::Refused(self.now, poison)),
        }
    }

    /// Lets time pass; fires what comes due on the way, each at its time.
    pub fn advance(&mut self, by: PromDuration) {
        self.advance_to(self.now + by);
    }

    /// Lets time pass up to and including an instant.
    pub fn advance_to(&mut self, end: Timestamp) {
        while let Some(timer) = self.store.next_timer().filter(|timer| timer.due <= end) {
            self.now = self.now.max(timer.due);
            self.fire(&timer);
        }
        self.now = self.now.max(end);
    }

    /// A restart over what another release has left as its state.
    pub fn restart_over(&mut self, changelog: Vec<(StateKey, Option<Vec<u8>>)>) {
        self.changelog = changelog;
        self.restart();
    }

    /// A crash and a restore: the state is rebuilt from the changelog alone.
    pub fn restart(&mut self) {
        let mut store = Store::default();
        for (key, value) in &self.changelog {
            if let Err(error) = store.restore(key.as_bytes(), value.as_deref()) {
                self.said
                    .push_back(Said::Refused(self.now, Poison::Malformed(error.to_string())));
            }
        }
        self.store = store;
        self.input(self.offset, None, P::restored);
        self.sweep();
    }

    /// Whether a restore from the changelog gives the state there is (invariant A5).
    pub fn restores_equal(&self) -> bool {
        let mut store = Store::default();
        let whole = self
            .changelog
            .iter()
            .all(|(key, value)| store.restore(key.as_bytes(), value.as_deref()).is_ok());
        whole && store.dump().eq(self.store.dump())
    }

    /// Takes what was said since the last call.
    pub fn said(&mut self) -> Vec<Said<P::Effect>> {
        self.said.drain(..).collect()
    }

    /// Takes the records that were sent since the last call, to one topic.
    pub fn sent(&mut self, topic: &str) -> Vec<(Timestamp, Output)> {
        let (mine, rest): (Vec<_>, Vec<_>) = self
            .said
            .drain(..)
            .partition(|said| matches!(said, Said::Sent(_, output) if output.topic == topic));
        self.said = rest.into();
        mine.into_iter()
            .filter_map(|said| match said {
                Said::Sent(at, output) => Some((at, output)),
                Said::Effect(..) | Said::Refused(..) => None,
            })
            .collect()
    }

    fn sweep(&mut self) {
        let mut from: Option<StateKey> = None;
        loop {
            let start = from.take();
            match self.input(self.offset, None, |stage, cx| stage.sweep(start.as_ref(), cx)) {
                Some(Some(next)) => from = Some(next),
                Some(None) | None => return,
            }
        }
    }

    fn fire(&mut self, timer: &Timer) {
        self.input(self.offset, Some(timer.due), |stage, cx| stage.timer(timer, cx));
        self.store.disarm(timer);
        self.commit();
    }

    fn input<T>(
        &mut self,
        offset: i64,
        due: Option<Timestamp>,
        input: impl FnOnce(&mut P, &mut Context<'_, P::Effect>) -> Result<T, Poison>,
    ) -> Option<T> {
        self.applied += 1;
        let origin = Origin {
            stage: P::NAME,
            now: self.now,
            partition: 0,
            offset,
            due,
            discriminator: self.applied,
            trace: 0,
            config_version: self.stage.config_version(),
            tables: &self.tables,
        };
        let stage = &mut self.stage;
        match apply(&mut self.store, origin, |cx| input(stage, cx)) {
            Ok((answer, applied)) => {
                self.take(applied);
                self.commit();
                Some(answer)
            }
            Err(poison) => {
                self.said.push_back(Said::Refused(self.now, poison));
                None
            }
        }
    }

    fn take(&mut self, applied: Applied<P::Effect>) {
        let now = self.now;
        self.said
            .extend(applied.outputs.into_iter().map(|output| Said::Sent(now, output)));
        self.said
            .extend(applied.effects.into_iter().map(|effect| Said::Effect(now, effect)));
    }

    fn commit(&mut self) {
        let dirty: Vec<_> = self
            .store
            .dirty()
            .into_iter()
            .map(|(key, value)| (key.clone(), value.map(<[u8]>::to_vec)))
            .collect();
        self.changelog.extend(dirty);
        self.store.committed();
    }
}

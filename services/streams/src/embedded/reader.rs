//! A reader of the embedded log, outside of any group.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, PoisonError};
use std::time::{Duration, Instant};

use super::cursor::{Cursor, Step};
use super::shared::Shared;
use crate::log::{From, LogError, Read, Reader};

pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    waiter: u64,
    woken: Arc<Condvar>,
    places: Vec<Place>,
    turn: usize,
}

struct Place {
    topic: Arc<str>,
    partition: u32,
    cursor: Cursor,
}

impl EmbeddedReader {
    pub(super) fn new(shared: &Arc<Shared>, from: &[(String, u32, From)]) -> Result<Self, LogError> {
        let mut state = shared.state();
        state.alive()?;
        let (mut places, mut names) = (Vec::new(), BTreeMap::new());
        for (topic, partition, from) in from {
            let bounds = state.partition(topic, *partition)?;
            let position = match from {
                From::Beginning => bounds.low,
                From::Offset(offset) => *offset,
                From::End => bounds.high,
            };
            places.push(Place {
                topic: Arc::clone(names.entry(topic).or_insert_with(|| Arc::from(topic.as_str()))),
                partition: *partition,
                cursor: Cursor::at(position),
            });
        }
        let woken = Arc::new(Condvar::new());
        let waiter = state.enter(places.iter().map(|p| &*p.topic), &woken);
        drop(state);
        Ok(Self {
            shared: Arc::clone(shared),
            waiter,
            woken,
            places,
            turn: 0,
        })
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Read>, LogError> {
        let deadline = Instant::now() + wait;
        let shared = Arc::clone(&self.shared);
        loop {
            let (mut out, mut read) = (Vec::new(), None);
            {
                let state = shared.state();
                state.alive()?;
                let (count, turn) = (self.places.len(), self.turn);
                for index in (0..count).map(|i| (i + turn) % count) {
                    let left = max.saturating_sub(out.len());
                    let Some(place) = self.places.get_mut(index).filter(|_| left > 0) else {
                        break;
                    };
                    match place.cursor.step(state.topic(&place.topic)?, place.partition, left) {
                        Step::Nothing => continue,
                        Step::Tail(found) => {
                            out.extend(found.into_iter().map(|record| (Arc::clone(&place.topic), record)));
                        }
                        Step::Ahead => {
                            let topic = &place.topic;
                            place.cursor.drain(left, |record| out.push((Arc::clone(topic), record)));
                            // One partition after the other where segments are read: each may be in hand in large pieces.
                            self.turn = index;
                            continue;
                        }
                        Step::Read(found) => {
                            // What it brings is given out before another partition is read.
                            self.turn = index;
                            read = Some((index, found));
                            break;
                        }
                    }
                    self.turn = index + 1;
                }
                if out.is_empty() && read.is_none() {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(Vec::new());
                    }
                    drop(
                        self.woken
                            .wait_timeout(state, left)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                    continue;
                }
            }
            if let Some((index, read)) = read
                && let Some(place) = self.places.get_mut(index)
            {
                place.cursor.fill(&read)?;
                let left = max.saturating_sub(out.len());
                let topic = &place.topic;
                place.cursor.drain(left, |record| out.push((Arc::clone(topic), record)));
            }
            if !out.is_empty() {
                return Ok(out);
            }
        }
    }

    fn position(&self, topic: &str, partition: u32) -> Option<i64> {
        let place = self
            .places
            .iter()
            .find(|p| &*p.topic == topic && p.partition == partition)?;
        Some(place.cursor.position)
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        self.shared.state().leave(self.waiter);
    }
}

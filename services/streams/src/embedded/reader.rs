//! A reader of the embedded log, outside of any group.

use std::sync::{Arc, Condvar, PoisonError};
use std::time::{Duration, Instant};

use processor::Record;

use super::cursor::{Cursor, Step};
use super::shared::Shared;
use crate::log::{From, LogError, Reader};

pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    waiter: u64,
    woken: Arc<Condvar>,
    places: Vec<Place>,
    turn: usize,
}

struct Place {
    topic: String,
    partition: u32,
    cursor: Cursor,
}

impl EmbeddedReader {
    pub(super) fn new(shared: &Arc<Shared>, from: &[(String, u32, From)]) -> Result<Self, LogError> {
        let mut state = shared.state();
        state.alive()?;
        let mut places = Vec::new();
        for (topic, partition, from) in from {
            let bounds = state.partition(topic, *partition)?;
            let position = match from {
                From::Beginning => bounds.low,
                From::Offset(offset) => *offset,
                From::End => bounds.high,
            };
            places.push(Place {
                topic: topic.clone(),
                partition: *partition,
                cursor: Cursor::at(position),
            });
        }
        let woken = Arc::new(Condvar::new());
        let waiter = state.enter(places.iter().map(|p| p.topic.as_str()), &woken);
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
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<(String, Record)>, LogError> {
        let deadline = Instant::now() + wait;
        let shared = Arc::clone(&self.shared);
        loop {
            let (mut out, mut tail, mut read) = (Vec::new(), Vec::new(), None);
            {
                let state = shared.state();
                state.alive()?;
                let (count, turn) = (self.places.len(), self.turn);
                for index in (0..count).map(|i| (i + turn) % count) {
                    let left = max.saturating_sub(out.len() + tail.len());
                    let Some(place) = self.places.get_mut(index).filter(|_| left > 0) else {
                        break;
                    };
                    match place.cursor.step(state.topic(&place.topic)?, place.partition, left) {
                        Step::Nothing => continue,
                        Step::Tail(found) => tail.extend(found.into_iter().map(|r| (place.topic.clone(), r))),
                        Step::Ahead => {
                            let topic = &place.topic;
                            place.cursor.drain(left, |record| out.push((topic.clone(), record)));
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
                if out.is_empty() && tail.is_empty() && read.is_none() {
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
                let left = max.saturating_sub(out.len() + tail.len());
                let topic = &place.topic;
                place.cursor.drain(left, |record| out.push((topic.clone(), record)));
            }
            out.extend(tail.into_iter().map(|(topic, record)| (topic, Record::clone(&record))));
            if !out.is_empty() {
                return Ok(out);
            }
        }
    }

    fn position(&self, topic: &str, partition: u32) -> Option<i64> {
        let place = self
            .places
            .iter()
            .find(|p| p.topic == topic && p.partition == partition)?;
        Some(place.cursor.position)
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        self.shared.state().leave(self.waiter);
    }
}

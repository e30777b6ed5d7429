//! Who syncs the journal, and those who wait for it. One sync serves all that was written before it, and what is written
//! meanwhile waits for the next one: group commit. A lane that waits syncs by itself where no sync is under way, which saves
//! the way to a thread and back; for answers to appends, and for what nobody waits for, a thread does.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::shared::{Shared, lock};
use crate::log::{AppendDone, LogError};

/// How long what nobody waits for stays unsynced: so much is done again after a power cut.
const UNASKED: Duration = Duration::from_millis(100);

/// An append that is written: whom to tell, and what.
type Written = (AppendDone, Vec<i64>);

/// How far the journal is written and synced, by the numbers of its batches.
#[derive(Default)]
pub(super) struct Syncing {
    at: Mutex<At>,
    /// For the thread: an append waits for a sync, something is to be synced, or a sync is over.
    wanted: Condvar,
    /// For lanes: a sync is over.
    synced: Condvar,
}

#[derive(Default)]
struct At {
    written: u64,
    /// The last batch that an append waits for.
    wanted: u64,
    synced: u64,
    /// Those whose batch is written and not yet synced.
    waiting: Vec<Written>,
    /// Whether somebody syncs now.
    under_way: bool,
    failed: Option<String>,
    stop: bool,
}

impl At {
    /// All is on disk up to this batch. Gives those who came when the sync had begun and whose batch it took along all the
    /// same: where nothing was written behind it there is no next sync to tell them.
    fn reached(&mut self, sequence: u64) -> Vec<Written> {
        self.synced = sequence;
        if self.written <= sequence {
            std::mem::take(&mut self.waiting)
        } else {
            Vec::new()
        }
    }
}

impl Syncing {
    /// A batch is written; these are told once it is on disk.
    pub(super) fn written(&self, sequence: u64, waiting: Vec<Written>) {
        let mut at = lock(&self.at);
        if let Some(why) = at.failed.clone() {
            drop(at);
            return refuse(waiting, &why);
        }
        let first = at.written <= at.synced;
        at.written = sequence;
        if sequence <= at.synced {
            // A sync that began after the write has ended already.
            drop(at);
            return accept(waiting);
        }
        if !waiting.is_empty() {
            at.waiting.extend(waiting);
            at.wanted = sequence;
        }
        if first || at.wanted == sequence {
            self.wanted.notify_one();
        }
    }

    /// No more is written.
    pub(super) fn stop(&self) {
        lock(&self.at).stop = true;
        self.wanted.notify_one();
    }
}

/// Returns once a batch is on disk.
pub(super) fn wait_for(shared: &Shared, sequence: u64) -> Result<(), LogError> {
    let syncing = &shared.syncing;
    let mut at = lock(&syncing.at);
    loop {
        if at.synced >= sequence {
            return Ok(());
        }
        if let Some(why) = &at.failed {
            return Err(LogError::Fatal(why.clone()));
        }
        at = if at.under_way {
            syncing.synced.wait(at).unwrap_or_else(PoisonError::into_inner)
        } else {
            sync(shared, at)
        };
    }
}

/// The thread: runs until no more is written and all of it is on disk.
pub(super) fn run(shared: &Shared) {
    let syncing = &shared.syncing;
    let mut at = lock(&syncing.at);
    while at.failed.is_none() {
        let clean = |at: &mut At| at.under_way || (at.written <= at.synced && !at.stop);
        at = syncing
            .wanted
            .wait_while(at, clean)
            .unwrap_or_else(PoisonError::into_inner);
        let unasked = |at: &mut At| at.wanted <= at.synced && !at.stop && at.failed.is_none();
        let waited = syncing.wanted.wait_timeout_while(at, UNASKED, unasked);
        (at, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match at.written <= at.synced {
            // A lane syncs, or has just failed to.
            _ if at.under_way || at.failed.is_some() => {}
            true if at.stop => break,
            true => {}
            false => at = sync(shared, at),
        }
    }
    let why = at.failed.get_or_insert_with(|| "the log was closed".to_owned()).clone();
    let waiting = std::mem::take(&mut at.waiting);
    drop(at);
    syncing.synced.notify_all();
    refuse(waiting, &why);
    shared.store.sync_mark();
}

/// Syncs all that is written, and tells those who wait for it. No other sync may be under way.
fn sync<'a>(shared: &'a Shared, mut at: MutexGuard<'a, At>) -> MutexGuard<'a, At> {
    let syncing = &shared.syncing;
    at.under_way = true;
    let waiting = std::mem::take(&mut at.waiting);
    drop(at);
    let synced = shared.store.sync().map_err(|why| shared.failed(&why));
    let mut at = lock(&syncing.at);
    at.under_way = false;
    let told = match synced {
        Ok(sequence) => Ok(at.reached(sequence)),
        Err(why) => Err(at.failed.insert(why).clone()),
    };
    drop(at);
    syncing.synced.notify_all();
    syncing.wanted.notify_one();
    match told {
        Ok(late) => {
            accept(waiting);
            accept(late);
        }
        Err(why) => refuse(waiting, &why),
    }
    lock(&syncing.at)
}

fn accept(waiting: Vec<Written>) {
    for (done, offsets) in waiting {
        done(Ok(offsets));
    }
}

fn refuse(waiting: Vec<Written>, why: &str) {
    for (done, _) in waiting {
        done(Err(LogError::Fatal(why.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn whoever_comes_while_a_sync_begins_is_told_by_it_or_by_the_next() {
        for (written, told) in [(5, 1), (6, 0)] {
            let syncing = Syncing::default();
            *lock(&syncing.at) = At {
                written,
                wanted: written,
                synced: 3,
                waiting: vec![(Box::new(|_| {}), vec![1])],
                ..At::default()
            };
            let mut at = lock(&syncing.at);
            assert_eq!(at.reached(5).len(), told, "{written} written");
            assert_eq!((at.synced, at.waiting.len()), (5, 1 - told));
            assert!(at.waiting.is_empty() || at.wanted > at.synced, "a sync is to come");
        }
    }

    #[test]
    fn an_append_is_answered_however_far_the_sync_is() {
        let cases = [
            (4, None, None),
            (5, None, Some(true)),
            (9, None, Some(true)),
            (4, Some("why"), Some(false)),
        ];
        for (synced, failed, answered) in cases {
            let syncing = Syncing::default();
            *lock(&syncing.at) = At {
                written: 4,
                synced,
                failed: failed.map(str::to_owned),
                ..At::default()
            };
            let (told, heard) = channel();
            let done = Box::new(move |result: Result<Vec<i64>, LogError>| told.send(result.is_ok()).unwrap());
            syncing.written(5, vec![(done, vec![1])]);
            assert_eq!(heard.try_recv().ok(), answered, "synced up to {synced}");
            assert_eq!(lock(&syncing.at).waiting.is_empty(), answered.is_some());
        }
    }
}

//! What the embedded log promises of its folder: killed at any instruction, cut at any length after its last sync, every
//! acknowledged transaction is there whole; or it refuses to start and says what to do. Never silently less.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and its helpers are one crate"
)]

#[path = "durability/child.rs"]
mod child;
#[path = "durability/folder.rs"]
mod folder;
#[path = "durability/work.rs"]
mod work;

use std::fs;

use streams::embedded::{EmbeddedLog, OpenError};
use streams::{Log, LogError};
use tempfile::TempDir;

use child::Child;
use folder::{Files, Seeds, journal_of};
use work::{Found, Work, options};

/// Opens what lies in the files and says what is there.
fn opened(files: &Files) -> Result<Found, String> {
    let folder = TempDir::new().unwrap();
    files.write(folder.path());
    work::find(folder.path())
}

fn must_refuse(what: &str, result: Result<Found, String>) {
    let text = result.expect_err(what);
    assert!(
        text.contains("damaged") && text.contains("Restore"),
        "{what}: says what to do: {text}"
    );
}

/// A power cut leaves any prefix of what was written after the last sync. What was synced is whole; what was not is
/// there whole or not at all.
#[test]
fn a_journal_cut_after_its_last_sync_keeps_every_acknowledged_transaction() {
    let folder = TempDir::new().unwrap();
    let mut work = Work::open(folder.path());
    (0..20).for_each(|_| work.transaction(1));
    let synced = Files::read(folder.path());
    work.transaction(1);
    let more = Files::read(folder.path());
    let name = journal_of(&synced);
    let (from, to) = (synced.0[&name].len(), more.0[&name].len());
    assert!(from < to);
    let mut seeds = Seeds::new("cut after");
    let cuts = [from, from + 1, to - 1, to]
        .into_iter()
        .chain((0..40).map(|_| seeds.between(from, to)));
    for cut in cuts.collect::<Vec<_>>() {
        let mut files = synced.clone();
        files.0.insert(name.clone(), more.0[&name][..cut].to_vec());
        let found = opened(&files).unwrap_or_else(|e| panic!("cut at {cut} of {from}..{to}: {e}"));
        let expected = if cut == to { 21 } else { 20 };
        assert_eq!(found.transactions, expected, "cut at {cut} of {from}..{to}");
    }
}

/// A journal that ends before what was acknowledged is damage.
#[test]
fn a_journal_cut_before_its_last_sync_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut work = Work::open(folder.path());
    (0..20).for_each(|_| work.transaction(1));
    let synced = Files::read(folder.path());
    let name = journal_of(&synced);
    let end = synced.0[&name].len();
    let mut seeds = Seeds::new("cut before");
    let cuts = [0, 1, end / 2, end - 1]
        .into_iter()
        .chain((0..40).map(|_| seeds.between(0, end)));
    for cut in cuts.collect::<Vec<_>>() {
        let mut files = synced.clone();
        files.0.get_mut(&name).unwrap().truncate(cut);
        must_refuse(&format!("cut at {cut} of {end}"), opened(&files));
    }
}

/// A bit that flipped anywhere, in the journal or in any other file: all is there, or the log refuses.
#[test]
fn a_flipped_bit_is_never_silently_less() {
    let folder = TempDir::new().unwrap();
    let mut work = Work::open(folder.path());
    work.until_segments_count(folder.path());
    (0..20).for_each(|_| work.transaction(1));
    let whole = Files::read(folder.path());
    let count = work.done();
    assert_eq!(opened(&whole).expect("nothing is flipped yet").transactions, count);
    let names: Vec<_> = whole
        .0
        .iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    let journal = journal_of(&whole);
    let mut seeds = Seeds::new("flip");
    let (mut refused, mut unharmed) = (0, 0);
    for round in 0..120 {
        // Half of them in the journal, the rest over all files alike, so that the small ones are met too.
        let name = if round % 2 == 0 {
            &journal
        } else {
            &names[seeds.between(0, names.len())]
        };
        let mut files = whole.clone();
        let bytes = files.0.get_mut(name).unwrap();
        let (place, bit) = (seeds.between(0, bytes.len()), seeds.between(0, 8));
        bytes[place] ^= 1 << bit;
        match opened(&files) {
            Err(_) => refused += 1,
            Ok(found) => {
                assert_eq!(
                    found.transactions,
                    count,
                    "bit {bit} of byte {place} of {}",
                    name.display()
                );
                unharmed += 1;
            }
        }
    }
    assert!(refused > 40, "refused {refused}, unharmed {unharmed}");
}

/// A file that is gone: all is there, or the log refuses.
#[test]
fn a_missing_file_is_never_silently_less() {
    let folder = TempDir::new().unwrap();
    let mut work = Work::open(folder.path());
    work.until_segments_count(folder.path());
    (0..5).for_each(|_| work.transaction(1));
    let whole = Files::read(folder.path());
    let count = work.done();
    for name in whole.0.keys() {
        let mut files = whole.clone();
        files.0.remove(name);
        if let Ok(found) = opened(&files) {
            assert_eq!(found.transactions, count, "{} is missing", name.display());
        }
    }
}

/// SIGKILL after a seeded number of acknowledgements, over and over on one folder.
#[test]
fn killed_at_any_moment_it_keeps_what_it_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut seeds = Seeds::new("kill");
    let mut acknowledged = 0;
    for round in 0..12 {
        let mut child = Child::start(folder.path(), None);
        let wanted = acknowledged + seeds.between(1, 80);
        let last = child.read_until(wanted);
        // The child goes on meanwhile: the signal meets it anywhere.
        child.kill();
        let found = work::find(folder.path()).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(
            found.transactions >= last,
            "round {round}: {} of {last}",
            found.transactions
        );
        acknowledged = found.transactions;
    }
}

/// The disk ends in the middle of a write: nothing that was not acknowledged counts as such, the log takes nothing
/// more and says why, and the next start with room finds every acknowledged transaction.
#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    // No file grows beyond 16 MiB, half of what the journal sets aside.
    let mut child = Child::start(folder.path(), Some(16 << 20));
    let (last, said) = child.read_to_end();
    assert!(last > 0 && said.contains("start again"), "after {last}: {said}");
    let found = work::find(folder.path()).expect("with room it starts");
    assert!(found.transactions >= last, "{} of {last}", found.transactions);
}

/// Before the disk is full the log refuses, with nothing written; it needs no restart to go on.
#[test]
fn a_disk_with_too_little_room_is_not_written_to() {
    let folder = TempDir::new().unwrap();
    drop(Work::open(folder.path()));
    let mut options = options();
    options.disk_reserve = u64::MAX;
    let log = EmbeddedLog::open(folder.path(), options).unwrap();
    assert!(log.full().is_some_and(|why| why.contains("free some space")));
    let mut work = Work::on(log as std::sync::Arc<dyn Log>);
    let refused = work.try_transaction(1).expect_err("there is no room");
    assert!(matches!(refused, LogError::Refused(_)), "{refused}");
    drop(work);
    assert_eq!(work::find(folder.path()).expect("it opens").transactions, 0);
}

/// A folder that is not this process's to open is refused by name, with the way out.
#[test]
fn a_folder_of_somebody_else_is_refused() {
    let folder = TempDir::new().unwrap();
    let held = Work::open(folder.path());
    let error = EmbeddedLog::open(folder.path(), options()).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(
        error.to_string().contains(&folder.path().display().to_string()),
        "{error}"
    );
    drop(held);
    let layout = folder.path().join("layout");
    fs::write(&layout, "alertstream-log 3\n").unwrap();
    let error = EmbeddedLog::open(folder.path(), options()).expect_err("another release's");
    assert!(
        matches!(&error, OpenError::Layout { found, .. } if found == "3"),
        "{error}"
    );
    fs::write(&layout, "?").unwrap();
    let error = EmbeddedLog::open(folder.path(), options()).expect_err("not readable");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let other = TempDir::new().unwrap();
    fs::write(other.path().join("notes.txt"), "mine").unwrap();
    let error = EmbeddedLog::open(other.path(), options()).expect_err("somebody's files");
    assert!(matches!(error, OpenError::NotALog { .. }), "{error}");
}

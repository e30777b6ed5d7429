//! The log's folder: whose it is, which release wrote it, and how far it is known to have come.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64;

/// Why a folder cannot be opened as a log. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the log in {folder} is in use by another process: stop that one first, or give this one a folder of its own \
         (--storage.path)"
    )]
    InUse {
        /// Which folder.
        folder: PathBuf,
    },
    /// The folder holds something else.
    #[error("{folder} is not empty and holds no log: choose an empty folder (--storage.path)")]
    NotALog {
        /// Which folder.
        folder: PathBuf,
    },
    /// Another release wrote it.
    #[error(
        "the log in {folder} has layout {found}, this release reads layout {expected}: start the release that wrote it, \
         or move the folder away to begin with an empty log"
    )]
    Layout {
        /// Which folder.
        folder: PathBuf,
        /// What its layout file says.
        found: String,
        /// What this release writes.
        expected: u32,
    },
    /// Something that was acknowledged is not there, or cannot be trusted.
    #[error(
        "the log in {folder} is damaged: {what}. Nothing was changed by us. Restore the folder from a backup, or move it \
         away to begin with an empty log; what it held is then lost"
    )]
    Damaged {
        /// Which folder.
        folder: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}

/// The layout this release writes. Raise it with any change of what lies in the folder.
const LAYOUT: u32 = 2;
const LAYOUT_NAME: &str = "alertstream-log";
const JOURNAL: &str = "journal";

/// The log's folder, held by this process.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Locked as long as it is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
    pub(super) mark: Mark,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |error| OpenError::Io { path, error }
}

impl Folder {
    /// Takes the folder, and makes it if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(io(path))?;
        let lock = take(path)?;
        let layout = path.join("layout");
        let expected = format!("{LAYOUT_NAME} {LAYOUT}\n");
        if layout.exists() {
            let found = fs::read(&layout).map_err(io(&layout))?;
            check_layout(path, &found, &expected)?;
        } else {
            let others = fs::read_dir(path).map_err(io(path))?.filter_map(Result::ok);
            if others
                .into_iter()
                .any(|entry| !matches!(entry.file_name().to_str(), Some("lock" | "layout.new")))
            {
                return Err(OpenError::NotALog {
                    folder: path.to_owned(),
                });
            }
            let new = path.join("layout.new");
            write_synced(&new, expected.as_bytes()).map_err(io(&new))?;
            fs::rename(&new, &layout).map_err(io(&layout))?;
            sync_folder(path).map_err(io(path))?;
        }
        let mark = Mark::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            mark,
        })
    }

    /// Where the journal lies.
    pub(super) fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> OpenError {
        OpenError::Damaged {
            folder: self.path.clone(),
            what: what.into(),
        }
    }
}

fn take(path: &Path) -> Result<File, OpenError> {
    let file = path.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .map_err(io(&file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            folder: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(OpenError::Io { path: file, error }),
    }
}

fn check_layout(folder: &Path, found: &[u8], expected: &str) -> Result<(), OpenError> {
    if found == expected.as_bytes() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(found);
    match text.trim_end().strip_prefix(LAYOUT_NAME).map(str::trim) {
        Some(number) if number.parse::<u32>().is_ok_and(|n| n != LAYOUT) => Err(OpenError::Layout {
            folder: folder.to_owned(),
            found: number.to_owned(),
            expected: LAYOUT,
        }),
        _ => Err(OpenError::Damaged {
            folder: folder.to_owned(),
            what: "its layout file is not readable".to_owned(),
        }),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// The high mark: the number of the last batch that was on disk, kept outside of the journal.
///
/// It is written after the journal's sync and before anything is acknowledged, and not synced each time: it may lag after
/// a power cut, but it never runs ahead. A journal that comes back with less than the mark has lost something.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    /// The last number, and which of the two slots it is in: a torn write leaves the other one.
    state: Mutex<(u64, bool)>,
}

/// Slots lie in different pages, so that no single write of the disk can spoil both.
const SLOT_BYTES: u64 = 4096;

impl Mark {
    fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join("mark");
        if !path.exists() {
            if folder.join(JOURNAL).exists() {
                let what = "its file \"mark\" is missing".to_owned();
                return Err(OpenError::Damaged {
                    folder: folder.to_owned(),
                    what,
                });
            }
            let new = folder.join("mark.new");
            let mut bytes = slot(0).to_vec();
            bytes.resize(usize::try_from(SLOT_BYTES).unwrap_or(0), 0);
            bytes.extend(slot(0));
            bytes.resize(2 * usize::try_from(SLOT_BYTES).unwrap_or(0), 0);
            write_synced(&new, &bytes).map_err(io(&new))?;
            fs::rename(&new, &path).map_err(io(&path))?;
            sync_folder(folder).map_err(io(folder))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io(&path))?;
        let mut slots = [None, None];
        for (place, found) in [0, SLOT_BYTES].into_iter().zip(&mut slots) {
            let mut bytes = [0; 16];
            if file.read_exact_at(&mut bytes, place).is_ok() {
                *found = parse_slot(bytes);
            }
        }
        let [first, second] = slots;
        let Some(highest) = first.max(second) else {
            let what = "its file \"mark\" is not readable".to_owned();
            return Err(OpenError::Damaged {
                folder: folder.to_owned(),
                what,
            });
        };
        Ok(Self {
            file,
            state: Mutex::new((highest, second == Some(highest))),
        })
    }

    pub(super) fn get(&self) -> u64 {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    pub(super) fn set(&self, number: u64) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let second = !state.1;
        self.file
            .write_all_at(&slot(number), if second { SLOT_BYTES } else { 0 })?;
        *state = (number, second);
        Ok(())
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

fn slot(number: u64) -> [u8; 16] {
    let mut out = [0; 16];
    let bytes = number.to_be_bytes();
    let sum = xxh3_64(&bytes).to_be_bytes();
    for (to, from) in out.iter_mut().zip(bytes.iter().chain(&sum)) {
        *to = *from;
    }
    out
}

fn parse_slot(bytes: [u8; 16]) -> Option<u64> {
    let (number, _) = bytes.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    (slot(number) == bytes).then_some(number)
}

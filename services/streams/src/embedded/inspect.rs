//! A look at the engine's files before the engine opens them.
//!
//! The engine (fjall 3.1) recovers what it can: at the first entry of a journal that it cannot read it cuts the rest of
//! the file off, it does not check the number it orders batches by, and it loads a manifest without comparing it to the
//! checksum written beside it. A flipped bit could therefore silently take acknowledged batches away. So the journals
//! are walked here first: every batch of ours carries the next sequence number, and what is found must be unbroken. What
//! it must reach is decided by the caller, from the [`super::folder::Mark`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::codec::{SEQUENCE, decode_sequence};

/// The trailer of each batch in a journal, and with it the engine's format.
const TRAILER: [u8; 4] = *b"FJL\x03";
/// A batch is far smaller; a length beyond it is a flipped bit.
const MAX_ITEM: u32 = 1 << 28;

/// What the journals hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Journals {
    /// The sequence number of the last whole batch, if there is any.
    pub(super) last: Option<u64>,
    /// Every (internal keyspace id, key) of the oldest batch: the one whose place in the order nothing else proves.
    pub(super) oldest: Vec<(u64, Vec<u8>)>,
}

struct Walk {
    sequence: Option<u64>,
    order: Option<u64>,
    oldest: Vec<(u64, Vec<u8>)>,
}

struct Batch {
    order: u64,
    sequence: u64,
    keys: Vec<(u64, Vec<u8>)>,
}

/// Why an entry could not be read.
enum Broken {
    /// Not a whole batch: what a write that was cut off leaves behind.
    Torn,
    /// The disk said no.
    Io(std::io::Error),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::UnexpectedEof {
            Self::Torn
        } else {
            Self::Io(error)
        }
    }
}

/// Walks all journals of the engine in `folder`.
///
/// # Errors
/// A sentence that says what is damaged, or what the disk said.
pub(super) fn journals(folder: &Path) -> Result<Journals, String> {
    let mut files: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.extension().is_some_and(|e| e == "jnl") {
            let id = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
            files.insert(
                id.ok_or_else(|| format!("{} is no journal's name", path.display()))?,
                path,
            );
        }
    }
    let mut walk = Walk {
        sequence: None,
        order: None,
        oldest: Vec::new(),
    };
    let newest = files.keys().next_back().copied();
    let mut before: Option<u64> = None;
    for (id, path) in &files {
        if before.is_some_and(|b| b + 1 != *id) {
            return Err(format!("a journal before {} is missing", path.display()));
        }
        before = Some(*id);
        walk.file(path, Some(*id) == newest)
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(Journals {
        last: walk.sequence,
        oldest: walk.oldest,
    })
}

impl Walk {
    fn file(&mut self, path: &Path, newest: bool) -> Result<(), String> {
        let file = fs::File::open(path).map_err(|e| e.to_string())?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        loop {
            match read_batch(&mut reader) {
                Ok(Some(batch)) => self.batch(batch)?,
                // The rest is space set aside; a journal that was closed ends nowhere else.
                Ok(None) => return only_zeros(&mut reader, newest),
                Err(Broken::Torn) if newest => return Ok(()),
                Err(Broken::Torn) => return Err("a closed journal has a broken batch".to_owned()),
                Err(Broken::Io(error)) => return Err(error.to_string()),
            }
        }
    }

    fn batch(&mut self, batch: Batch) -> Result<(), String> {
        if let Some(before) = self.sequence
            && batch.sequence != before + 1
        {
            return Err(format!("batch {} follows batch {before}", batch.sequence));
        }
        if self.order.is_some_and(|before| batch.order <= before) {
            return Err(format!("batch {} is out of the engine's order", batch.sequence));
        }
        if self.sequence.is_none() {
            self.oldest = batch.keys;
        }
        self.sequence = Some(batch.sequence);
        self.order = Some(batch.order);
        Ok(())
    }
}

fn only_zeros(reader: &mut impl Read, newest: bool) -> Result<(), String> {
    // After a power cut the last, unacknowledged batch may be there in part, and not from its beginning.
    if newest {
        return Ok(());
    }
    let mut buffer = [0_u8; 1 << 14];
    loop {
        let count = reader.read(&mut buffer).map_err(|e| e.to_string())?;
        if count == 0 {
            return Ok(());
        }
        if buffer.iter().take(count).any(|b| *b != 0) {
            return Err("something lies behind the last batch".to_owned());
        }
    }
}

fn read_array<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], Broken> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_batch(reader: &mut impl Read) -> Result<Option<Batch>, Broken> {
    let mut tag = [0];
    if reader.read(&mut tag)? == 0 || tag == [0] {
        return Ok(None);
    }
    if tag != [1] {
        return Err(Broken::Torn);
    }
    let count = u32::from_le_bytes(read_array(reader)?);
    let order = u64::from_le_bytes(read_array(reader)?);
    let mut hasher = Xxh3::new();
    let (mut sequence, mut keys) = (None, Vec::new());
    for _ in 0..count {
        let (keyspace, key, value) = read_item(reader, &mut hasher)?;
        if key == SEQUENCE {
            sequence = decode_sequence(&value).map(|(sequence, _)| sequence);
        }
        keys.push((keyspace, key));
    }
    let [tag] = read_array(reader)?;
    let checksum = u64::from_le_bytes(read_array(reader)?);
    let trailer: [u8; 4] = read_array(reader)?;
    if tag != 3 || trailer != TRAILER || checksum != hasher.digest() {
        return Err(Broken::Torn);
    }
    // Every batch we write carries its number.
    let sequence = sequence.ok_or(Broken::Torn)?;
    Ok(Some(Batch { order, sequence, keys }))
}

/// One entry: tag, kind, compression, keyspace, key length, value length, stored length, key, value; little endian.
fn read_item(reader: &mut impl Read, hasher: &mut Xxh3) -> Result<(u64, Vec<u8>, Vec<u8>), Broken> {
    let head: [u8; 21] = read_array(reader)?;
    let [
        2,
        _,
        _,
        k0,
        k1,
        k2,
        k3,
        k4,
        k5,
        k6,
        k7,
        l0,
        l1,
        _,
        _,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
    ] = head
    else {
        return Err(Broken::Torn);
    };
    let stored = u32::from_le_bytes([s0, s1, s2, s3]);
    if stored > MAX_ITEM {
        return Err(Broken::Torn);
    }
    let mut key = vec![0; usize::from(u16::from_le_bytes([l0, l1]))];
    reader.read_exact(&mut key)?;
    let mut value = vec![0; usize::try_from(stored).unwrap_or(0)];
    reader.read_exact(&mut value)?;
    hasher.update(&head);
    hasher.update(&key);
    hasher.update(&value);
    Ok((u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]), key, value))
}

/// Compares every manifest of the engine in `folder` to the checksum in the file that names it.
///
/// # Errors
/// A sentence that says what is damaged, or what the disk said.
pub(super) fn manifests(folder: &Path) -> Result<(), String> {
    let keyspaces = folder.join("keyspaces");
    for entry in fs::read_dir(&keyspaces).map_err(|e| format!("{}: {e}", keyspaces.display()))? {
        let path = entry.map_err(|e| format!("{}: {e}", keyspaces.display()))?.path();
        let current = path.join("current");
        // None yet, or none any more: the engine removes such a keyspace, and ours are compared to our notes later.
        if !path.is_dir() || !current.exists() {
            continue;
        }
        let bytes = fs::read(&current).map_err(|e| format!("{}: {e}", current.display()))?;
        let (id, checksum) = parse_current(&bytes).ok_or_else(|| format!("{} is damaged", current.display()))?;
        let manifest = path.join(format!("v{id}"));
        let bytes = fs::read(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
        if xxh3_128(&bytes) != checksum {
            return Err(format!("{} is damaged: its checksum differs", manifest.display()));
        }
    }
    Ok(())
}

fn parse_current(bytes: &[u8]) -> Option<(u64, u128)> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    (rest == [0]).then_some((u64::from_le_bytes(*id), u128::from_le_bytes(*checksum)))
}

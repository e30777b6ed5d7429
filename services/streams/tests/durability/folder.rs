//! The files of a log's folder, held in memory so that they can be spoiled and written out again.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Every file under a folder by its relative path.
#[derive(Clone)]
pub struct Files(pub BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    /// Reads all files as they lie there at one time: again and again, until a reading finds what the one before found, for
    /// the log goes on writing segments by itself. The space that is set aside behind the journal is left out: to cut it off
    /// is already a cut after the last sync.
    pub fn read(folder: &Path) -> Self {
        let mut files = Self::one_by_one(folder);
        loop {
            let again = Self::one_by_one(folder);
            if again.0 == files.0 {
                return files;
            }
            files = again;
        }
    }

    fn one_by_one(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let Ok(mut bytes) = fs::read(&path) else { continue };
                if path.extension().is_some_and(|e| e == "jnl") {
                    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
                    bytes.truncate(end);
                }
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
            }
        }
        Self(files)
    }

    /// Writes all files into a folder.
    pub fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

/// The journal that was written to last.
pub fn journal_of(files: &Files) -> PathBuf {
    let journals = files
        .0
        .keys()
        .filter(|name| name.extension().is_some_and(|e| e == "jnl"));
    let number = |name: &&PathBuf| name.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    journals.max_by_key(number).unwrap().clone()
}

/// Numbers that look random and are the same in each run.
pub struct Seeds(u64);

impl Seeds {
    /// One sequence for each name.
    pub fn new(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// At least `from`, below `to`.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        from + usize::try_from(z % u64::try_from(to - from).unwrap()).unwrap()
    }
}

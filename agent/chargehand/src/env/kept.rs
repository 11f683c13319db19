//! What is known of the memory of models from before: what a dry run counted, and what a load really took. Nothing is
//! lost with it: what is not there is counted anew.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::header::FileId;
use chargehand_core::memory::taken::Taken;
use chargehand_core::memory::{Backing, Footprint, LoadOptions, Pool};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dir::hex;

/// Which llama.cpp this is.
const PIN: &str = include_str!("../../../../vendor/pin.toml");
/// So many are kept; then all of them go, which costs some dry runs.
const MOST: usize = 2000;
/// One is smaller than this.
const MAX_FILE: u64 = 1 << 20;

/// The folder with what is known.
#[derive(Clone, Debug)]
pub struct Kept {
    dir: PathBuf,
}

/// What was counted or taken holds for one of these: a header, a llama.cpp in a build for a processor, options,
/// devices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key(String);

/// What is known of it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Known {
    /// What a dry run counted.
    pub footprint: Footprint,
    /// What the last load took.
    pub taken: Option<Taken>,
}

impl Key {
    /// Returns the key of the model whose header has the first of the hashes `headers`, those of what works beside it
    /// behind, loaded as `options` say beside `devices`.
    #[must_use]
    pub fn of(headers: &[[u8; 32]], options: &LoadOptions, devices: &[Pool]) -> Self {
        // Where a file lies makes no difference, nor how.
        let mut anywhere =
            LoadOptions { path: String::new(), seals: Vec::new(), ..options.clone() };
        for beside in &mut anywhere.beside {
            match beside {
                Beside::Projector { path, .. } => path.clear(),
                Beside::Draft { path, seals } => (*path, *seals) = <_>::default(),
                Beside::Mtp => {}
            }
        }
        let options = anywhere.settled();
        let devices = devices.iter().map(|device| (&device.name, device.capacity));
        let text = serde_json::to_string(&(options, devices.collect::<Vec<_>>(), program()));
        let mut hash = Sha256::new();
        headers.iter().for_each(|header| hash.update(header));
        hash.update(text.expect("numbers and texts can be written as JSON"));
        hash.update(PIN);
        Self(hex(&hash.finalize()))
    }
}

/// Returns what tells this build on this processor from others: rows are ours, and what is repacked depends on what
/// the processor can do.
fn program() -> (u64, i64, i64, String) {
    let facts = std::env::current_exe().and_then(fs::metadata);
    let (length, seconds, nanos) =
        facts.map_or((0, 0, 0), |facts| (facts.len(), facts.mtime(), facts.mtime_nsec()));
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags =
        processor.lines().find(|line| line.starts_with("flags") || line.starts_with("Feat"));
    (length, seconds, nanos, flags.unwrap_or_default().to_owned())
}

impl Kept {
    /// Returns what is kept below the `state` folder, which need not exist.
    #[must_use]
    pub fn below(state: &Path) -> Self {
        let dir = state.join("memory");
        if fs::read_dir(&dir).is_ok_and(|entries| entries.count() > MOST) {
            fs::remove_dir_all(&dir).unwrap_or_default();
        }
        Self { dir }
    }

    /// Returns what is known of `key`, for the file `file`.
    #[must_use]
    pub fn find(&self, key: &Key, file: Option<FileId>) -> Option<Known> {
        let mut text = Vec::new();
        let found = fs::File::open(self.path(key)).ok()?;
        found.take(MAX_FILE).read_to_end(&mut text).ok()?;
        let mut known: Known = serde_json::from_slice(&text).ok()?;
        for row in &mut known.footprint.rows {
            if let (Backing::Mapped(there), Some(here)) = (&mut row.backing, file) {
                *there = here;
            }
        }
        Some(known)
    }

    /// Keeps what is `known` of `key`.
    ///
    /// # Errors
    ///
    /// What the system said; then it is counted anew the next time.
    pub fn keep(&self, key: &Key, known: &Known) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&serde_json::to_vec(known)?)?;
        file.persist(self.path(key))?;
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}.json", key.0))
    }
}

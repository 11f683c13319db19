//! The base of a run as it was laid out, and which of its files nobody has touched since.
//!
//! Whoever changes a file, its mode or its names moves its change time, and nobody but the clock sets that. So a file
//! that lies as it lay still has the hash that it had. A write through memory that was mapped before moves no time:
//! this holds because no process but ours ever has a file of `work` open, no worker and no command. Seals are remembered
//! for as long as this process lives and are written nowhere: a run that is resumed, verified or accepted is hashed
//! whole.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chargehand_core::seal::{NANOS, Seal};
use rustix::fs::{FileType, StatxTimestamp, makedev};

use super::dir::{Dir, DiskError};
use super::manifest::Manifest;

/// Kernels write times in steps of up to 10 ms; a file that is younger may have been changed once more in its step.
const SETTLED: Duration = Duration::from_millis(20);

/// What was laid out.
#[derive(Debug, Default)]
pub(crate) struct Base {
    manifest: Manifest,
    seals: HashMap<Vec<u8>, Seal>,
}

impl Base {
    /// Hashes what lies in `work`, and remembers how its files lie.
    pub(crate) fn of(work: &Dir, submodules: &BTreeSet<Vec<u8>>) -> Result<Self, DiskError> {
        Self::at(work, submodules, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// As [`Base::of`], at the moment `now`.
    fn at(work: &Dir, submodules: &BTreeSet<Vec<u8>>, now: Duration) -> Result<Self, DiskError> {
        let settled = now.saturating_sub(SETTLED).as_nanos();
        // A disk that knows only whole seconds cannot tell two changes within one of them apart.
        let is_settled = |seal: &Seal| {
            u128::try_from(seal.changed).is_ok_and(|changed| changed < settled)
                && seal.changed % NANOS != 0
        };
        let seals = RefCell::new(HashMap::new());
        // Before the file is read: a change in between makes the next seal differ, whatever the clock of the disk says.
        let note = |path: &[u8], parent: &Dir, name: &[u8], listed: FileType| {
            let seal = seal(parent, name, listed).filter(is_settled);
            seals.borrow_mut().extend(seal.map(|seal| (path.to_vec(), seal)));
            None
        };
        let manifest = Manifest::with(work, submodules, &note)?;
        Ok(Self { manifest, seals: seals.into_inner() })
    }

    /// Reads what [`Manifest::save`] wrote; of its files nothing more is known.
    pub(crate) fn load(file: &Path) -> Result<Self, DiskError> {
        Ok(Self { manifest: Manifest::load(file)?, seals: HashMap::new() })
    }

    /// Returns what was laid out.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns what lies in `work` now. What has not been touched is not read again.
    pub(crate) fn now(&self, work: &Dir) -> Result<Manifest, DiskError> {
        let known = |path: &[u8], parent: &Dir, name: &[u8], listed: FileType| {
            let before = self.seals.get(path)?;
            let is_same = seal(parent, name, listed).as_ref() == Some(before);
            is_same.then(|| self.manifest.entries.get(path).cloned()).flatten()
        };
        Manifest::with(work, &self.manifest.submodules(), &known)
    }
}

/// Returns how the file `name` lies in `parent`; nothing for what is no file, or cannot be looked at.
fn seal(parent: &Dir, name: &[u8], listed: FileType) -> Option<Seal> {
    let stat = listed.is_file().then(|| parent.stat(name).ok()).flatten()?;
    let moment = |time: StatxTimestamp| Seal::moment(time.tv_sec, time.tv_nsec.into());
    Some(Seal {
        device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        bytes: stat.stx_size,
        modified: moment(stat.stx_mtime),
        changed: moment(stat.stx_ctime),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    /// Writes a file and returns when.
    fn written(path: &Path) -> Duration {
        fs::write(path, "one").unwrap();
        let facts = fs::metadata(path).unwrap();
        Duration::new(facts.ctime().cast_unsigned(), facts.ctime_nsec().try_into().unwrap())
    }

    /// Lays out two files, lets `touch` do something to them, and expects to find that `changed` of them are hashed
    /// again, with the result of a look at everything.
    #[track_caller]
    fn check(changed: usize, touch: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let (path, clock) = (folder.path().join("work"), folder.path().join("clock"));
        fs::create_dir(&path).unwrap();
        let last = written(&path.join("a")).max(written(&path.join("b")));
        let work = Dir::open(&path).unwrap();
        let base = Base::at(&work, &BTreeSet::new(), last + 2 * SETTLED).unwrap();
        assert_eq!(base.seals.len(), 2);
        // The clock of the disk goes in steps.
        while written(&clock) <= last {}
        touch(&path);
        let now = |name: &[u8]| seal(&work, name, FileType::RegularFile);
        let still = base.seals.iter().filter(|(name, seal)| now(name).as_ref() == Some(*seal));
        assert_eq!(still.count(), 2 - changed);
        let whole = Manifest::with(&work, &BTreeSet::new(), &|_, _, _, _| None).unwrap();
        assert_eq!(base.now(&work).unwrap(), whole);
    }

    #[test]
    fn what_is_touched_is_hashed_again() {
        check(0, |_| {});
        check(0, |dir| fs::write(dir.join("c"), "new").unwrap());
        check(1, |dir| fs::remove_file(dir.join("a")).unwrap());
        check(2, |dir| fs::rename(dir.join("a"), dir.join("b")).unwrap());
        check(1, |dir| fs::hard_link(dir.join("a"), dir.join("c")).unwrap());
        let mode = |mode| fs::Permissions::from_mode(mode);
        check(1, |dir| fs::set_permissions(dir.join("b"), mode(0o600)).unwrap());
    }

    #[test]
    fn a_change_shows_whose_size_and_time_are_those_of_before() {
        check(1, |dir| {
            let file = File::options().write(true).open(dir.join("a")).unwrap();
            let time = file.metadata().unwrap().modified().unwrap();
            fs::write(dir.join("a"), "two").unwrap();
            file.set_modified(time).unwrap();
        });
    }

    #[test]
    fn what_was_written_just_now_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let changed = written(&folder.path().join("a"));
        let work = Dir::open(folder.path()).unwrap();
        let seals = |now| Base::at(&work, &BTreeSet::new(), now).unwrap().seals.len();
        assert_eq!(seals(changed), 0);
        assert_eq!(seals(changed + SETTLED), 0);
        assert_eq!(seals(changed + SETTLED + Duration::from_nanos(1)), 1);
    }
}

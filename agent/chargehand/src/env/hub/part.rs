//! What came of a file so far: beside the place of the file, with its hash in the name, locked by whoever fetches it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{HubError, Progress, Tell, stop_if};
use crate::env::digest::CHUNK;
use crate::env::dir::hex;

/// This much of a disk is left to others.
const SPARE: Bytes = Bytes::mib(64);

/// A file that is not whole.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    sha256: String,
    hasher: Sha256,
    bytes: u64,
}

/// What became of opening it.
#[derive(Debug)]
pub(super) enum Opened {
    /// Nobody else has it.
    Ours(Part),
    /// It got its name while we waited for it.
    Gone,
}

impl Part {
    /// Opens what came before of the file that will lie at `target` with the hash `sha256`, and hashes it.
    pub(super) fn open(
        target: &Path,
        sha256: &str,
        tell: &mut Tell<'_>,
    ) -> Result<Opened, HubError> {
        // Two revisions of a file have two parts, so that nobody goes on with the wrong one.
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", &sha256[..12]));
        let path = target.with_file_name(name);
        let io = |source| HubError::Io { path: path.clone(), source };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let file = file.map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HubError::Busy(target.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let is_same = |facts: fs::Metadata| {
            file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (facts.dev(), facts.ino()))
        };
        if !fs::symlink_metadata(&path).is_ok_and(is_same) {
            return Ok(Opened::Gone);
        }
        let (sha256, hasher) = (sha256.to_owned(), Sha256::new());
        let mut part = Self { path, file, sha256, hasher, bytes: 0 };
        part.hash_what_is_there(tell)?;
        Ok(Opened::Ours(part))
    }

    fn hash_what_is_there(&mut self, tell: &mut Tell<'_>) -> Result<(), HubError> {
        let total = self.file.metadata().map_err(|source| self.io(source))?.len();
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match self.file.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(err) if err.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.io(source)),
            };
            self.hasher.update(&chunk[..length]);
            self.bytes += length as u64;
            stop_if(tell(Some(Progress::Hashed(self.bytes, total))))?;
        }
    }

    /// Returns whether it is of the file with this hash.
    pub(super) fn is_of(&self, sha256: &str) -> bool {
        self.sha256 == sha256
    }

    /// Returns how many bytes it has.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Throws away what came.
    pub(super) fn clear(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(|source| self.io(source))?;
        self.file.seek(SeekFrom::Start(0)).map_err(|source| self.io(source))?;
        (self.hasher, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }

    /// Says so when the disk has no room for what is missing: better now than in an hour.
    pub(super) fn check_room(&self, total: u64) -> Result<(), HubError> {
        let disk = rustix::fs::fstatvfs(&self.file).map_err(|err| self.io(err.into()))?;
        let have = Bytes(disk.f_bavail.saturating_mul(disk.f_frsize));
        let need = Bytes(total.saturating_sub(self.bytes));
        if need <= have.saturating_sub(SPARE) {
            return Ok(());
        }
        Err(HubError::NoRoom { path: self.path.clone(), need, have })
    }

    /// Adds what came.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        if let Err(source) = self.file.write_all(bytes) {
            // How much of it arrived is unknown; what is behind would not be hashed.
            drop(self.file.set_len(self.bytes));
            return Err(self.io(source));
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Gives it the name `target`, once it is what it must be; not where another file has that name.
    pub(super) fn finish(&self, target: &Path) -> Result<bool, HubError> {
        let found = hex(&self.hasher.clone().finalize());
        if found != self.sha256 {
            self.remove()?;
            return Err(HubError::WrongHash { sha256: self.sha256.clone(), found });
        }
        let name = || -> io::Result<bool> {
            self.file.sync_all()?;
            match renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => return Ok(false),
                // Some file systems of a network do not know the flag.
                Err(Errno::INVAL) if !target.exists() => fs::rename(&self.path, target)?,
                named => named?,
            }
            target.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
            Ok(true)
        };
        name().map_err(|source| self.io(source))
    }

    /// Takes it off the disk.
    pub(super) fn remove(&self) -> Result<(), HubError> {
        fs::remove_file(&self.path).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> HubError {
        HubError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[track_caller]
    fn part(folder: &Path) -> Part {
        let go_on = &mut |_: Option<Progress>| ControlFlow::Continue(());
        match Part::open(&folder.join("m.gguf"), SHA, go_on).unwrap() {
            Opened::Ours(part) => part,
            Opened::Gone => panic!("nobody else is here"),
        }
    }

    #[test]
    fn a_part_is_gone_on_with_and_named_once_it_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("m.gguf");
        part(folder.path()).write(b"ab").unwrap();
        let mut again = part(folder.path());
        assert_eq!(again.bytes(), 2);
        again.write(b"c").unwrap();
        assert!(again.finish(&target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"abc");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appeared_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("m.gguf");
        let mut part = part(folder.path());
        part.write(b"abc").unwrap();
        fs::write(&target, b"mine").unwrap();
        assert!(!part.finish(&target).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"mine");
        // Nor is a link that leads nowhere replaced.
        fs::remove_file(&target).unwrap();
        std::os::unix::fs::symlink("nowhere", &target).unwrap();
        assert!(!part.finish(&target).unwrap());
        part.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn wrong_bytes_get_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut wrong = part(folder.path());
        wrong.write(b"abd").unwrap();
        let err = wrong.finish(&folder.path().join("m.gguf")).unwrap_err();
        assert!(matches!(err, HubError::WrongHash { .. }), "{err}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = part(folder.path());
        assert!(part.check_room(1).is_ok());
        let err = part.check_room(1 << 60).unwrap_err();
        assert!(matches!(err, HubError::NoRoom { need: Bytes(need), .. } if need == 1 << 60));
        part.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let err = part.write(b"abc").unwrap_err().to_string();
        assert!(err.contains("No space left"), "{err}");
        assert_eq!(part.bytes(), 0);
    }
}

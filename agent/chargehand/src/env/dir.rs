//! A directory handle through which files are reached without leaving it and without following a link.
//!
//! Every path goes through `openat2` with `BENEATH`, `NO_SYMLINKS` and `NO_MAGICLINKS`, so there is no moment
//! between a check and a use in which a link could be slipped in. Linux only.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use thiserror::Error;

/// Directories that may lie in each other; one file handle is held for each.
pub(crate) const MAX_DEPTH: usize = 256;

/// The beginning of the name of a thing that was written aside.
pub(crate) const STAGED: &[u8] = b".chargehand-";

/// What the system refused, and for what.
#[derive(Debug, Error)]
#[error("{what}: {source}")]
pub struct DiskError {
    /// What was tried, such as "cannot write `src/a.rs`".
    pub what: String,
    /// What the system said.
    pub source: io::Error,
}

impl DiskError {
    pub(crate) fn new(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

/// Adds to a system error what was tried.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, DiskError>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, DiskError> {
        self.map_err(|err| DiskError::new(what(), err))
    }
}

/// What is to stand at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    /// A file with these bytes; its mode is set to the letter, whatever the umask says.
    Exact(&'a [u8], u32),
    /// A file with these bytes; the umask is taken off its mode, as git does in a checkout.
    Masked(&'a [u8], u32),
    /// A symbolic link to this target.
    Link(&'a [u8]),
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
}

impl Dir {
    /// Opens a directory of ours by a path that is trusted.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Opens the directory `path` beneath this one; an empty path is this one itself.
    pub(crate) fn dir(&self, path: &[u8]) -> io::Result<Self> {
        let path = if path.is_empty() { b"." } else { path };
        Ok(Self { fd: self.beneath(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())? })
    }

    /// Opens the directory that holds `path` and returns it with the last name.
    pub(crate) fn parent<'a>(&self, path: &'a [u8]) -> io::Result<(Self, &'a [u8])> {
        let (parent, name) = split(path);
        Ok((self.dir(parent)?, name))
    }

    /// As [`Dir::parent`], but makes the directories that are missing, safe on the disk.
    pub(crate) fn make_parent<'a>(&self, path: &'a [u8]) -> io::Result<(Self, &'a [u8])> {
        let (parent, name) = split(path);
        let mut dir = self.dir(b"")?;
        for part in parent.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            if dir.find(part)?.is_none() {
                dir.make_dir(part)?;
                dir.sync()?;
            }
            dir = dir.dir(part)?;
        }
        Ok((dir, name))
    }

    /// Makes the directory `name` if it is not there, and opens it.
    pub(crate) fn make_dir(&self, name: &[u8]) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.fd, os(name), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => self.dir(name),
            Err(err) => Err(err.into()),
        }
    }

    /// Returns what stands at `path`; a link is not followed.
    pub(crate) fn look(&self, path: &[u8]) -> io::Result<Metadata> {
        self.handle(path)?.metadata()
    }

    /// As [`Dir::look`], with nothing for a path that is not there.
    pub(crate) fn find(&self, path: &[u8]) -> io::Result<Option<Metadata>> {
        match self.look(path) {
            Ok(found) => Ok(Some(found)),
            Err(err) if is_absent(&err) => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Returns what the inode of `name`, which lies in this very directory, says.
    pub(crate) fn stat(&self, name: &[u8]) -> io::Result<Statx> {
        let (flags, asked) = (AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        Ok(rustix::fs::statx(&self.fd, os(name), flags, asked)?)
    }

    /// Opens the regular file `path` for reading; anything else than a file is opened too, but never waited for.
    pub(crate) fn file(&self, path: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        Ok(File::from(self.beneath(path, flags, Mode::empty())?))
    }

    /// Returns the content of the regular file or the target of the link at `path`.
    pub(crate) fn content(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        if self.look(path)?.is_symlink() {
            return self.link(path);
        }
        let mut file = self.file(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the target of the link `path`.
    pub(crate) fn link(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(self.handle(path)?, "", Vec::new())?.into_bytes())
    }

    /// Returns the names in this directory, sorted.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(self.entries()?.into_iter().map(|(name, _)| name).collect())
    }

    /// As [`Dir::names`], each with its kind as the directory lists it.
    pub(crate) fn entries(&self) -> io::Result<Vec<(Vec<u8>, FileType)>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push((name.to_vec(), entry.file_type()));
            }
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(entries)
    }

    /// Makes a thing under the name `name`, which must be free. Used for trees that can be made again: no fsync.
    pub(crate) fn make(&self, name: &[u8], content: Content<'_>) -> io::Result<()> {
        self.written(name, content).map(drop)
    }

    /// As [`Dir::make`], with the rest of `from`, which may be large.
    pub(crate) fn make_copy(&self, name: &[u8], from: &mut File, mode: u32) -> io::Result<()> {
        io::copy(from, &mut self.create(name, Content::Exact(&[], mode))?).map(drop)
    }

    /// Writes a thing aside in this directory, safe on the disk; it takes its place by [`Staged::replace`].
    pub(crate) fn stage(&self, content: Content<'_>) -> io::Result<Staged<'_>> {
        let staged = Staged { dir: self, name: [STAGED, random_hex::<8>()?.as_bytes()].concat() };
        // Through the same handle: its mode may forbid to open it once more.
        self.written(&staged.name, content)?.map_or(Ok(()), |file| file.sync_all())?;
        Ok(staged)
    }

    /// Removes a file or a link.
    pub(crate) fn remove(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, os(name), AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_empty(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, os(name), AtFlags::REMOVEDIR)?)
    }

    /// Removes whatever stands under `name`, with everything in it; links are removed, not followed.
    ///
    /// However deep it is, three directories are open at a time: what lies deeper is moved up first.
    pub(crate) fn remove_all(&self, name: &[u8]) -> io::Result<()> {
        let Some(found) = self.find(name)? else { return Ok(()) };
        if !found.is_dir() {
            return self.remove(name);
        }
        let top = self.enter(name)?;
        let mut moved = 0_u64;
        loop {
            let names = top.names()?;
            if names.is_empty() {
                return self.remove_empty(name);
            }
            for inner in names {
                if !top.look(&inner)?.is_dir() {
                    top.remove(&inner)?;
                    continue;
                }
                let dir = top.enter(&inner)?;
                for deeper in dir.names()? {
                    if dir.look(&deeper)?.is_dir() {
                        dir.enter(&deeper)?;
                        dir.move_up(&deeper, &top, &mut moved)?;
                    } else {
                        dir.remove(&deeper)?;
                    }
                }
                top.remove_empty(&inner)?;
            }
        }
    }

    /// Opens the directory `name` to be emptied. Build tools leave some that even their owner cannot enter.
    fn enter(&self, name: &[u8]) -> io::Result<Self> {
        if self.look(name)?.permissions().mode() & 0o700 != 0o700 {
            rustix::fs::chmodat(&self.fd, os(name), Mode::RWXU, AtFlags::empty())?;
        }
        self.dir(name)
    }

    /// Moves the directory `name` to `to`, under a number that is free there.
    fn move_up(&self, name: &[u8], to: &Self, number: &mut u64) -> io::Result<()> {
        loop {
            *number += 1;
            let free = number.to_string();
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(&self.fd, os(name), &to.fd, free.as_str(), flags) {
                Err(Errno::EXIST) => {}
                moved => return Ok(moved?),
            }
        }
    }

    /// Makes the names in this directory safe on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// Makes everything safe that was written to the disk of this directory, by whomever. Nothing less reaches what
    /// libgit2 writes, which makes nothing safe by itself.
    pub(crate) fn sync_disk(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.fd)?)
    }

    /// Makes a thing, and returns it if it is a file.
    fn written(&self, name: &[u8], content: Content<'_>) -> io::Result<Option<File>> {
        match content {
            Content::Link(target) => {
                rustix::fs::symlinkat(os(target), &self.fd, os(name))?;
                Ok(None)
            }
            Content::Exact(bytes, _) | Content::Masked(bytes, _) => {
                let mut file = self.create(name, content)?;
                file.write_all(bytes)?;
                Ok(Some(file))
            }
        }
    }

    fn create(&self, name: &[u8], content: Content<'_>) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = |mode| Ok(File::from(self.beneath(name, flags, Mode::from_raw_mode(mode))?));
        match content {
            Content::Exact(_, mode) => {
                let file: File = file(0o600)?;
                file.set_permissions(std::fs::Permissions::from_mode(mode))?;
                Ok(file)
            }
            Content::Masked(_, mode) => file(mode),
            Content::Link(_) => unreachable!("BUG: a link is made, not opened"),
        }
    }

    fn handle(&self, path: &[u8]) -> io::Result<File> {
        Ok(File::from(self.beneath(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?))
    }

    fn beneath(&self, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(&self.fd, os(path), flags | OFlags::CLOEXEC, mode, resolve)?)
    }
}

/// A thing that was written aside. It is removed again unless it takes its place.
#[derive(Debug)]
pub(crate) struct Staged<'a> {
    dir: &'a Dir,
    name: Vec<u8>,
}

impl Staged<'_> {
    /// Takes the place of whatever stands under `name` in `to`.
    pub(crate) fn replace(self, to: &Dir, name: &[u8]) -> io::Result<()> {
        rustix::fs::renameat(&self.dir.fd, os(&self.name), &to.fd, os(name))?;
        to.sync()
    }

    /// Takes the free place `name` in `to`; fails when it is not free any more.
    pub(crate) fn appear(self, to: &Dir, name: &[u8]) -> io::Result<()> {
        let (from, flags) = (os(&self.name), RenameFlags::NOREPLACE);
        rustix::fs::renameat_with(&self.dir.fd, from, &to.fd, os(name), flags)?;
        to.sync()
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // After it took its place there is nothing left to remove, and that is no failure.
        drop(self.dir.remove(&self.name));
    }
}

/// Replaces the file `name` of the directory `dir` so that a reader sees the old or the new content.
pub(crate) fn write_file(dir: &Path, name: &str, content: &[u8]) -> Result<(), DiskError> {
    let write = || {
        let dir = Dir::open(dir)?;
        dir.stage(Content::Exact(content, 0o600))?.replace(&dir, name.as_bytes())
    };
    write().tried(|| format!("cannot write {}", dir.join(name).display()))
}

/// Waits until nobody holds the file at `path`, which is made where it is missing, and holds it until the result is
/// dropped.
pub(crate) fn locked(path: &Path) -> Result<File, DiskError> {
    let lock = || -> io::Result<File> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let file = File::options().create(true).write(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    };
    lock().tried(|| format!("cannot lock {}", path.display()))
}

/// Returns `2 * N` random hex digits.
pub(crate) fn random_hex<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    assert!(
        filled == N,
        "BUG: {filled} of {N} random bytes; requests below 256 bytes are never cut"
    );
    Ok(hex(&bytes))
}

/// Returns `bytes` as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns whether an error says that a path is not there.
pub(crate) fn is_absent(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Splits a path into its directory, empty for the top, and its last name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

//! The user's checkout and index, where `accept` brings a commit to. Only the touched paths are looked at and
//! written; everything else, dirty or not, is left alone.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use git2::{
    Index, IndexEntry, IndexEntryExtendedFlag, IndexTime, ObjectType, Oid, Repository, Status,
};

use super::dir::{Content, Dir, DiskError, STAGED, Tried, split};
use super::path_text::escape;
use super::tree::{EXECUTABLE, FILE, LINK, Leaf};
use super::walk::walk;

/// `GIT_INDEX_ENTRY_VALID` of libgit2's flags.
const ASSUME_VALID: u16 = 0x8000;

/// One path of a commit: what it had and what it gets.
#[derive(Debug)]
pub(crate) struct Edit {
    /// The path.
    pub(crate) path: Vec<u8>,
    /// What the base commit has there.
    pub(crate) old: Option<Leaf>,
    /// What comes there: mode and bytes.
    pub(crate) new: Option<(i32, Vec<u8>)>,
}

/// The user's working tree and index.
pub(crate) struct Checkout<'a> {
    git: &'a Repository,
    top: Dir,
    /// Whether this disk keeps the executable bit.
    keeps_mode: bool,
}

/// What stands at a path of the working tree.
#[derive(Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    Leaf(Leaf),
    Directory,
    /// A pipe, or something behind a link.
    Other,
}

impl Edit {
    /// Returns what is to stand at the path.
    pub(crate) fn new_leaf(&self) -> Result<Option<Leaf>, git2::Error> {
        let Some((mode, bytes)) = &self.new else { return Ok(None) };
        Ok(Some((Oid::hash_object(ObjectType::Blob, bytes)?, *mode)))
    }
}

impl<'a> Checkout<'a> {
    pub(crate) fn open(git: &'a Repository, top: &Path) -> Result<Self, DiskError> {
        let keeps_mode =
            git.config().and_then(|config| config.get_bool("core.filemode")).unwrap_or(true);
        let top = Dir::open(top).tried(|| format!("cannot open {}", top.display()))?;
        Ok(Self { git, top, keeps_mode })
    }

    /// Returns the paths that must not be written: they have changes that are not committed, in the working tree or
    /// in the index.
    pub(crate) fn dirty<'e>(&self, edits: &'e [Edit]) -> Result<Vec<&'e [u8]>, io::Error> {
        let mut index = self.git.index().map_err(io::Error::other)?;
        index.read(true).map_err(io::Error::other)?;
        let gone: BTreeSet<&[u8]> = gone(edits);
        let mut dirty = Vec::new();
        for edit in edits {
            let clean = self.is_clean(edit, &gone)? && is_clean_in(&index, edit, &gone);
            if !clean {
                dirty.push(edit.path.as_slice());
            }
        }
        Ok(dirty)
    }

    /// Returns whether something stands there that git does not know.
    pub(crate) fn is_unknown(&self, path: &[u8]) -> bool {
        let name = Path::new(std::ffi::OsStr::from_bytes(path));
        let is_tracked = self.git.index().is_ok_and(|index| index.get_path(name, 0).is_some());
        !is_tracked && !self.find(path).is_ok_and(is_nothing)
    }

    /// Brings the working tree and the index up to date. Returns the paths that were left alone because they have
    /// changed meanwhile. What has its new content already is fine, so it can be called again.
    pub(crate) fn update(&self, edits: &[Edit]) -> Result<Vec<String>, io::Error> {
        let mut left = Vec::new();
        let mut done = Vec::new();
        // A directory can come only after the file of its name is gone, and the other way round.
        let (going, coming): (Vec<&Edit>, Vec<&Edit>) =
            edits.iter().partition(|edit| edit.new.is_none());
        for edit in going.into_iter().chain(coming) {
            let named = |err: io::Error| {
                io::Error::new(err.kind(), format!("`{}`: {err}", escape(&edit.path)))
            };
            if self.write(edit).map_err(named)? {
                done.push(edit);
            } else {
                left.push(escape(&edit.path));
            }
        }
        let mut index = self.git.index().map_err(io::Error::other)?;
        index.read(true).map_err(io::Error::other)?;
        for edit in done {
            self.note(&mut index, edit)?;
        }
        index.write().map_err(io::Error::other)?;
        Ok(left)
    }

    /// Writes one path, if it still has its old content. Returns whether it now has the new one.
    fn write(&self, edit: &Edit) -> io::Result<bool> {
        let found = self.find(&edit.path)?;
        let new = edit.new_leaf().map_err(io::Error::other)?;
        if self.is(&found, new) || (found == Found::Nothing && self.is_skipped(edit)) {
            return Ok(true);
        }
        if !self.is(&found, edit.old) && !self.is_only_smudged(edit, &found) {
            return Ok(false);
        }
        let Some((mode, bytes)) = &edit.new else {
            let (dir, name) = self.top.parent(&edit.path)?;
            dir.remove(name)?;
            self.prune(&edit.path);
            return Ok(true);
        };
        let (dir, name) = self.top.make_parent(&edit.path)?;
        // An `accept` that was killed here must not leave litter among the user's files.
        remove_staged(&dir)?;
        let staged = dir.stage(match *mode {
            LINK => Content::Link(bytes),
            EXECUTABLE => Content::Masked(bytes, 0o777),
            _ => Content::Masked(bytes, 0o666),
        })?;
        match edit.old {
            Some(_) => staged.replace(&dir, name)?,
            None => staged.appear(&dir, name)?,
        }
        Ok(true)
    }

    /// Removes the directories that a file leaves empty, as git does.
    fn prune(&self, path: &[u8]) {
        let mut path = split(path).0;
        while !path.is_empty() {
            let removed = self.top.parent(path).and_then(|(dir, name)| dir.remove_empty(name));
            if removed.is_err() {
                return;
            }
            path = split(path).0;
        }
    }

    fn note(&self, index: &mut Index, edit: &Edit) -> io::Result<()> {
        let path = Path::new(std::ffi::OsStr::from_bytes(&edit.path));
        let Some((id, mode)) = edit.new_leaf().map_err(io::Error::other)? else {
            return match index.get_path(path, 0) {
                Some(_) => index.remove(path, 0).map_err(io::Error::other),
                None => Ok(()),
            };
        };
        let skipped = index.get_path(path, 0).filter(is_skipped);
        if let Some(entry) = skipped.filter(|_| self.find(&edit.path).is_ok_and(is_nothing)) {
            let entry = IndexEntry { id, mode: mode.unsigned_abs(), file_size: 0, ..entry };
            return index.add(&entry).map_err(io::Error::other);
        }
        let found = self.top.look(&edit.path)?;
        let time = |seconds: i64, nanos: i64| {
            // A time that does not fit makes git look at the content, which is right too.
            IndexTime::new(i32::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0))
        };
        let entry = IndexEntry {
            ctime: time(found.ctime(), found.ctime_nsec()),
            mtime: time(found.mtime(), found.mtime_nsec()),
            dev: low(found.dev()),
            ino: low(found.ino()),
            mode: mode.unsigned_abs(),
            uid: found.uid(),
            gid: found.gid(),
            file_size: low(found.len()),
            id,
            flags: 0,
            flags_extended: 0,
            path: edit.path.clone(),
        };
        index.add(&entry).map_err(io::Error::other)
    }

    fn is_clean(&self, edit: &Edit, gone: &BTreeSet<&[u8]>) -> io::Result<bool> {
        for prefix in prefixes(&edit.path) {
            let blocked = match self.find(prefix)? {
                Found::Nothing | Found::Directory => false,
                Found::Leaf(_) | Found::Other => !gone.contains(prefix),
            };
            if blocked {
                return Ok(false);
            }
        }
        let found = self.find(&edit.path)?;
        if found == Found::Directory && edit.old.is_none() {
            return self.will_be_empty(&edit.path, gone);
        }
        let is_left_out = found == Found::Nothing && self.is_skipped(edit);
        Ok(is_left_out || self.is(&found, edit.old) || self.is_only_smudged(edit, &found))
    }

    /// Returns whether a sparse checkout leaves the file out.
    fn is_skipped(&self, edit: &Edit) -> bool {
        let path = Path::new(std::ffi::OsStr::from_bytes(&edit.path));
        let entry = self.git.index().ok().and_then(|index| index.get_path(path, 0));
        edit.old.is_some() && entry.as_ref().is_some_and(is_skipped)
    }

    /// Returns whether git calls a file unchanged although its bytes differ: checked out with other line ends
    /// (`core.autocrlf`, `eol`) or with `$Id$` filled in. libgit2 knows these two filters and runs no others.
    fn is_only_smudged(&self, edit: &Edit, found: &Found) -> bool {
        let changed =
            Status::WT_NEW | Status::WT_MODIFIED | Status::WT_DELETED | Status::WT_TYPECHANGE;
        let is_file = |mode: i32| mode == FILE || mode == EXECUTABLE;
        let path = Path::new(std::ffi::OsStr::from_bytes(&edit.path));
        match (found, edit.old) {
            (Found::Leaf((_, mode)), Some((_, wanted))) if is_file(*mode) && is_file(wanted) => {
                let is_watched = self.git.index().is_ok_and(|index| is_watched(&index, path));
                is_watched && self.git.status_file(path).is_ok_and(|now| !now.intersects(changed))
            }
            (Found::Nothing | Found::Leaf(_) | Found::Directory | Found::Other, _) => false,
        }
    }

    /// Returns whether a directory holds nothing but what the commit takes away.
    fn will_be_empty(&self, path: &[u8], gone: &BTreeSet<&[u8]>) -> io::Result<bool> {
        let mut all_gone = true;
        let walked = walk(&self.top.dir(path)?, &mut |inner, _, _, _| {
            all_gone &= gone.contains([path, inner].join(&b'/').as_slice());
            Ok(())
        });
        walked.map_err(|err| err.source)?;
        Ok(all_gone)
    }

    fn is(&self, found: &Found, leaf: Option<Leaf>) -> bool {
        match (found, leaf) {
            (Found::Nothing, None) => true,
            (Found::Leaf((id, mode)), Some((wanted_id, wanted))) => {
                let files = [FILE, EXECUTABLE];
                let same_mode = *mode == wanted
                    || (!self.keeps_mode && files.contains(mode) && files.contains(&wanted));
                *id == wanted_id && same_mode
            }
            (Found::Nothing | Found::Leaf(_) | Found::Directory | Found::Other, _) => false,
        }
    }

    fn find(&self, path: &[u8]) -> io::Result<Found> {
        let found = match self.top.find(path) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Found::Nothing),
            Err(err) if is_behind_link(&err) => return Ok(Found::Other),
            Err(err) => return Err(err),
        };
        if found.is_dir() {
            return Ok(Found::Directory);
        }
        let mode = match (found.is_symlink(), found.is_file(), found.mode() & 0o100 != 0) {
            (true, ..) => LINK,
            (_, true, true) => EXECUTABLE,
            (_, true, false) => FILE,
            (_, false, _) => return Ok(Found::Other),
        };
        let bytes = self.top.content(path)?;
        let id = Oid::hash_object(ObjectType::Blob, &bytes).map_err(io::Error::other)?;
        Ok(Found::Leaf((id, mode)))
    }
}

/// Returns whether git looks at the file at all: the user may have told it not to (`--assume-unchanged`).
fn is_watched(index: &Index, path: &Path) -> bool {
    let is_told = |entry: &IndexEntry| entry.flags & ASSUME_VALID != 0;
    index.get_path(path, 0).is_some_and(|entry| !is_told(&entry) && !is_skipped(&entry))
}

/// Returns whether a file belongs to the repository and not to its sparse checkout.
pub(crate) fn is_skipped(entry: &IndexEntry) -> bool {
    let flags = IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended);
    flags.contains(IndexEntryExtendedFlag::SKIP_WORKTREE)
}

fn is_nothing(found: Found) -> bool {
    found == Found::Nothing
}

fn is_behind_link(err: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(err), Some(Errno::LOOP | Errno::XDEV))
}

/// The index must have what the commit has, in one stage, with no file in the place of a directory.
fn is_clean_in(index: &Index, edit: &Edit, gone: &BTreeSet<&[u8]>) -> bool {
    let at =
        |path: &[u8], stage| index.get_path(Path::new(std::ffi::OsStr::from_bytes(path)), stage);
    let blocked =
        prefixes(&edit.path).any(|prefix| at(prefix, 0).is_some() && !gone.contains(prefix));
    let conflict = (1..=3).any(|stage| at(&edit.path, stage).is_some());
    let entry = at(&edit.path, 0).map(|entry| (entry.id, entry.mode));
    let same = entry == edit.old.map(|(id, mode)| (id, mode.unsigned_abs()));
    let below = [edit.path.as_slice(), b"/"].concat();
    let hidden =
        |entry: IndexEntry| entry.path.starts_with(&below) && !gone.contains(entry.path.as_slice());
    let shadowed = edit.old.is_none() && index.iter().any(hidden);
    same && !blocked && !conflict && !shadowed
}

fn gone(edits: &[Edit]) -> BTreeSet<&[u8]> {
    edits.iter().filter(|edit| edit.new.is_none()).map(|edit| edit.path.as_slice()).collect()
}

/// Removes what was written aside in `dir` and never took its place.
fn remove_staged(dir: &Dir) -> io::Result<()> {
    let is_staged = |name: &Vec<u8>| {
        let random = name.strip_prefix(STAGED).unwrap_or_default();
        random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit)
    };
    dir.names()?.iter().filter(|name| is_staged(name)).try_for_each(|name| dir.remove(name))
}

/// Returns the directories that lead to `path`.
fn prefixes(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at])
}

/// Returns the low half, as an index keeps it.
fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

//! What a tree holds, seen by us: path bytes, type, mode, links, size, hash. This decides what changed.
//!
//! It asks neither git nor an ignore file. Directories are not listed: git does not keep them. Extended attributes
//! and times are not looked at either: a commit cannot carry them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use chargehand_core::change::ChangeKind;
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dir::{Dir, DiskError, Tried, hex, write_file};
use super::path_text::{escape, unescape};
use super::walk::walk;

const SCHEMA: u32 = 1;

/// A longer path is opened step by step.
const MAX_PATH: usize = 4000;
/// A disk gains nothing from more.
const MAX_THREADS: usize = 8;
/// For fewer files no thread is started.
const LEAST_FILES: usize = 1000;

/// A larger file is none that anybody commits; the base has none.
pub(crate) const MAX_FILE: u64 = 4 << 30;

/// Everything in a tree, by path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manifest {
    /// One entry a path; the path's bytes are kept as they are.
    pub entries: BTreeMap<Vec<u8>, Entry>,
}

/// What stands at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The permission bits with set-user-id and the like, of a file; 0 for all others.
    pub mode: u32,
    /// How many names the file has; 1 for all others.
    pub links: u64,
    /// Bytes of the file or of the link's target.
    pub size: u64,
    /// The SHA-256 of the file or of the link's target, in hex; empty for all others.
    pub sha256: String,
    /// Where a link leads.
    pub target: Option<Vec<u8>>,
}

/// What a path can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// The place of a submodule, which is left empty.
    Submodule,
    /// A pipe, a socket, a device, or a file that is too large to be looked at.
    Special,
}

/// One way in which a path differs between two manifests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The path.
    pub path: Vec<u8>,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Whether it is a regular file with one name; what is gone is judged by what it was.
    pub regular: bool,
}

/// Takes the path from the top, the directory that holds it, the name there, and what it was listed as.
pub(crate) type Known<'a> = dyn Fn(&[u8], &Dir, &[u8], FileType) -> Option<Entry> + 'a;

impl Manifest {
    /// Returns what is under `dir`; of that, what is `known` is not read. Directories at `submodules` are places of
    /// submodules.
    pub(crate) fn with(
        dir: &Dir,
        submodules: &BTreeSet<Vec<u8>>,
        known: &Known<'_>,
    ) -> Result<Self, DiskError> {
        let (mut done, mut near, mut far) = (Vec::new(), Vec::new(), Vec::new());
        let mut buffer = buffer();
        walk(dir, &mut |path, parent, name, found| {
            if let Some(entry) = known(path, parent, name, found) {
                done.push((path.to_vec(), entry));
                return Ok(());
            }
            if path.len() < MAX_PATH {
                near.push((path.to_vec(), found));
                return Ok(());
            }
            far.push((path.to_vec(), Entry::tried(parent, name, path, found, &mut buffer)?));
            Ok(())
        })?;
        let described = described(dir, near)?;
        let mut entries: BTreeMap<Vec<u8>, Entry> =
            done.into_iter().chain(described).chain(far).collect();
        for path in submodules {
            let found = dir.find(path).tried(|| format!("cannot read `{}`", escape(path)))?;
            if found.is_some_and(|found| found.is_dir()) {
                entries.insert(path.clone(), Entry::plain(Kind::Submodule));
            }
        }
        Ok(Self { entries })
    }

    /// Returns the places of submodules.
    #[must_use]
    pub fn submodules(&self) -> BTreeSet<Vec<u8>> {
        let places = self.entries.iter().filter(|(_, entry)| entry.kind == Kind::Submodule);
        places.map(|(path, _)| path.clone()).collect()
    }

    /// Returns everything in which `after` differs, by path. One path can differ in two ways.
    #[must_use]
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let (mut old, mut new) = (self.entries.iter().peekable(), after.entries.iter().peekable());
        let mut found = Vec::new();
        // Both are sorted: what stands in one of them alone comes earlier than the other's next.
        while let Some(path) = old.peek().into_iter().chain(new.peek()).map(|(path, _)| *path).min()
        {
            let old = old.next_if(|(own, _)| *own == path).map(|(_, entry)| entry);
            let new = new.next_if(|(own, _)| *own == path).map(|(_, entry)| entry);
            let regular = new.or(old).is_some_and(Entry::is_regular);
            for kind in compare(old, new) {
                found.push(Difference { path: path.clone(), kind, regular });
            }
        }
        found
    }

    /// Returns the SHA-256 of the form in which it is written down, in hex: two trees that differ in anything that is
    /// looked at have different ones.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.text())
    }

    pub(crate) fn save(&self, dir: &Path, name: &str) -> Result<(), DiskError> {
        write_file(dir, name, self.text().as_bytes())
    }

    /// Returns the form in which it is written down.
    pub(crate) fn text(&self) -> String {
        let entries =
            self.entries.iter().map(|(path, entry)| WireEntry::new(path, entry)).collect();
        let text = serde_json::to_string_pretty(&Wire { schema: SCHEMA, entries });
        text.expect("our own types have text keys only")
    }

    pub(crate) fn load(file: &Path) -> Result<Self, DiskError> {
        let read = || {
            let wire: Wire = serde_json::from_slice(&std::fs::read(file)?)?;
            if wire.schema != SCHEMA {
                let message = format!("its schema is {}, this program reads {SCHEMA}", wire.schema);
                return Err(io::Error::other(message));
            }
            Ok(Self { entries: wire.entries.into_iter().map(WireEntry::into_entry).collect() })
        };
        read().tried(|| format!("cannot read {}", file.display()))
    }
}

/// Returns [`Manifest::digest`] of what is written down so.
pub(crate) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

impl Entry {
    fn plain(kind: Kind) -> Self {
        Self { kind, mode: 0, links: 1, size: 0, sha256: String::new(), target: None }
    }

    fn tried(
        dir: &Dir,
        name: &[u8],
        path: &[u8],
        listed: FileType,
        buffer: &mut [u8],
    ) -> Result<Self, DiskError> {
        Self::of(dir, name, listed, buffer).tried(|| format!("cannot read `{}`", escape(path)))
    }

    fn of(parent: &Dir, name: &[u8], listed: FileType, buffer: &mut [u8]) -> io::Result<Self> {
        if listed.is_symlink() {
            let target = parent.link(name)?;
            let (size, sha256) = (target.len() as u64, hex(&Sha256::digest(&target)));
            return Ok(Self { size, sha256, target: Some(target), ..Self::plain(Kind::Link) });
        }
        if !listed.is_file() {
            return Ok(Self::plain(Kind::Special));
        }
        let mut file = parent.file(name)?;
        // What was opened is what is described, even if another file took the name just now.
        let found = file.metadata()?;
        // Nobody waits for the hash of a file of a terabyte that has nothing in it.
        if !found.is_file() || found.len() > MAX_FILE {
            return Ok(Self::plain(Kind::Special));
        }
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            match file.read(buffer)? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                    // All of a small file; to hear that there is no more costs as much as to read it.
                    if count < buffer.len() && size == found.len() {
                        break;
                    }
                }
            }
        }
        let (mode, links) = (found.mode() & 0o7777, found.nlink());
        Ok(Self {
            kind: Kind::File,
            mode,
            links,
            size,
            sha256: hex(&hasher.finalize()),
            target: None,
        })
    }

    /// Returns whether it is a file that has this one name only.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.kind == Kind::File && self.links == 1
    }

    /// Returns whether its mode is one that git can keep.
    fn has_git_mode(&self) -> bool {
        self.kind != Kind::File || matches!(self.mode, 0o644 | 0o755)
    }
}

/// Making one for each file would take longer than reading most of them.
fn buffer() -> Vec<u8> {
    vec![0; 64 * 1024]
}

/// Returns what stands at each of `paths` beneath `dir`. Opening files takes most of the time, and more than one
/// processor can do that.
fn described(
    dir: &Dir,
    paths: Vec<(Vec<u8>, FileType)>,
) -> Result<Vec<(Vec<u8>, Entry)>, DiskError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let describe = |part: &[(Vec<u8>, FileType)]| {
        let mut buffer = buffer();
        let entry = |(path, listed): &(Vec<u8>, FileType)| {
            Ok((path.clone(), Entry::tried(dir, path, path, *listed, &mut buffer)?))
        };
        part.iter().map(entry).collect::<Result<Vec<_>, DiskError>>()
    };
    let parts = paths.chunks(paths.len().div_ceil(threads).max(LEAST_FILES));
    let found: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = parts.map(|part| scope.spawn(|| describe(part))).collect();
        started.into_iter().map(|thread| thread.join().expect("BUG: a reader panicked")).collect()
    });
    let found: Vec<Vec<_>> = found.into_iter().collect::<Result<_, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn compare(old: Option<&Entry>, new: Option<&Entry>) -> Vec<ChangeKind> {
    let (old, new) = match (old, new) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec![ChangeKind::Deleted],
        // Whoever may create a file may not make it set-user-id with that.
        (None, Some(new)) if !new.has_git_mode() => {
            return vec![ChangeKind::Added, ChangeKind::Mode];
        }
        (None, Some(_)) => return vec![ChangeKind::Added],
        (Some(old), Some(new)) => (old, new),
    };
    if old.kind != new.kind {
        return vec![ChangeKind::Type];
    }
    let mut found = Vec::new();
    if (old.size, &old.sha256) != (new.size, &new.sha256) {
        found.push(ChangeKind::Modified);
    }
    if old.mode != new.mode {
        found.push(ChangeKind::Mode);
    }
    // A second name may lie anywhere: writing here would write there.
    if found.is_empty() && old.links != new.links {
        found.push(ChangeKind::Type);
    }
    found
}

/// The wire form, in `base.json` and `judged.json`.
#[derive(Deserialize, Serialize)]
struct Wire<'a> {
    schema: u32,
    entries: Vec<WireEntry<'a>>,
}

#[derive(Deserialize, Serialize)]
struct WireEntry<'a> {
    path: String,
    kind: Kind,
    mode: String,
    links: u64,
    size: u64,
    sha256: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    target: Option<String>,
}

impl<'a> WireEntry<'a> {
    fn new(path: &[u8], entry: &'a Entry) -> Self {
        let Entry { kind, mode, links, size, sha256, target } = entry;
        Self {
            path: escape(path),
            kind: *kind,
            mode: format!("{mode:o}"),
            links: *links,
            size: *size,
            sha256: sha256.into(),
            target: target.as_deref().map(escape),
        }
    }

    fn into_entry(self) -> (Vec<u8>, Entry) {
        let Self { path, kind, mode, links, size, sha256, target } = self;
        let sha256 = sha256.into_owned();
        // A mode that is no number matches no file, so the difference shows.
        let mode = u32::from_str_radix(&mode, 8).unwrap_or(u32::MAX);
        let target = target.as_deref().map(unescape);
        (unescape(&path), Entry { kind, mode, links, size, sha256, target })
    }
}

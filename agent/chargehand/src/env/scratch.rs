//! Copies of the workspace that checks run in.
//!
//! A copy is kept between the checks of a run so that builds are incremental. Commands write there as they like, so
//! nothing in it is trusted: a link in the place of a file or a directory is removed, never followed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use super::dir::{Content, Dir, DiskError, Tried};
use super::path_text::escape;
use super::walk::walk;

/// Brings `copy` to the state of `work`.
///
/// `copied` are the paths that an earlier call brought there; those that `work` no longer has are removed. All else
/// in `copy` is what commands left, and stays. A file that is the same is not touched: its time must not change.
pub(crate) fn synchronise(
    work: &Dir,
    submodules: &BTreeSet<Vec<u8>>,
    copy: &Dir,
    copied: &mut BTreeSet<Vec<u8>>,
) -> Result<(), DiskError> {
    let what = |path: &[u8]| format!("cannot copy `{}` for a check", escape(path));
    let mut present = BTreeSet::new();
    walk(work, &mut |path, _, _, _| {
        present.insert(path.to_vec());
        Ok(())
    })?;
    // What goes is removed first: a directory may come in the place of a file.
    for path in copied.difference(&present) {
        remove(copy, path).tried(|| what(path))?;
    }
    for path in &present {
        bring(work, copy, path).tried(|| what(path))?;
    }
    for path in submodules {
        clear_way(copy, path)
            .and_then(|(dir, name)| dir.make_dir(name).map(drop))
            .tried(|| what(path))?;
    }
    *copied = present;
    Ok(())
}

fn remove(copy: &Dir, path: &[u8]) -> io::Result<()> {
    match copy.find(path)? {
        Some(_) => {
            let (dir, name) = copy.parent(path)?;
            dir.remove_all(name)
        }
        None => Ok(()),
    }
}

fn bring(work: &Dir, copy: &Dir, path: &[u8]) -> io::Result<()> {
    let found = work.look(path)?;
    let (dir, name) = clear_way(copy, path)?;
    if found.is_symlink() {
        let target = work.link(path)?;
        if dir.find(name)?.is_some_and(|old| old.is_symlink()) && dir.link(name)? == target {
            return Ok(());
        }
        dir.remove_all(name)?;
        return dir.make(name, Content::Link(&target));
    }
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = work.file(path)?;
    let mode = file.metadata()?.mode() & 0o7777;
    if is_same(&file, mode, &dir, name)? {
        return Ok(());
    }
    dir.remove_all(name)?;
    dir.make_copy(name, &mut work.file(path)?, mode)
}

/// Returns the directory for `path`, with directories in the place of whatever stood in the way.
pub(super) fn clear_way<'a>(copy: &Dir, path: &'a [u8]) -> io::Result<(Dir, &'a [u8])> {
    let mut dir = copy.dir(b"")?;
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'/') {
        let part = &rest[..at];
        if dir.find(part)?.is_some_and(|found| !found.is_dir()) {
            dir.remove(part)?;
        }
        dir = dir.make_dir(part)?;
        rest = &rest[at + 1..];
    }
    Ok((dir, rest))
}

fn is_same(file: &File, mode: u32, dir: &Dir, name: &[u8]) -> io::Result<bool> {
    let (found, wanted) = (dir.find(name)?, file.metadata()?);
    let alike = found.is_some_and(|found| {
        found.is_file()
            && found.nlink() == 1
            && found.len() == wanted.len()
            && found.mode() & 0o7777 == mode
    });
    if !alike {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(file), io::BufReader::new(dir.file(name)?));
    let (mut a, mut b) = ([0; 8192], [0; 8192]);
    loop {
        let count = one.read(&mut a)?;
        if count == 0 {
            return Ok(other.read(&mut b)? == 0);
        }
        if other.read_exact(&mut b[..count]).is_err() || a[..count] != b[..count] {
            return Ok(false);
        }
    }
}

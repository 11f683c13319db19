//! Everything under a directory, one after the other, through its handle.

use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::FileType;

use super::dir::{Dir, DiskError, MAX_DEPTH, Tried};
use super::path_text::escape;

/// Calls `see` for everything under `dir` that is no directory. Links are seen, never followed.
pub(crate) fn walk(dir: &Dir, see: &mut See<'_>) -> Result<(), DiskError> {
    descend(dir, &mut Vec::new(), 0, see)
}

/// Takes the path from the top, the directory that holds it, the name there, and what it was listed as.
pub(crate) type See<'a> = dyn FnMut(&[u8], &Dir, &[u8], FileType) -> Result<(), DiskError> + 'a;

fn descend(
    dir: &Dir,
    path: &mut Vec<u8>,
    depth: usize,
    see: &mut See<'_>,
) -> Result<(), DiskError> {
    let what = |path: &[u8]| format!("cannot read `{}`", escape(path));
    if depth > MAX_DEPTH {
        let message = format!("more than {MAX_DEPTH} directories lie in each other");
        return Err(DiskError::new(what(path), io::Error::other(message)));
    }
    for (name, listed) in dir.entries().tried(|| what(path))? {
        let parent = path.len();
        if parent > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        // Not every file system lists it.
        let kind = match listed {
            FileType::Unknown => {
                FileType::from_raw_mode(dir.look(&name).tried(|| what(path))?.mode())
            }
            listed => listed,
        };
        if kind.is_dir() {
            let inner = dir.dir(&name).tried(|| what(path))?;
            descend(&inner, path, depth + 1, see)?;
        } else {
            see(path, dir, &name, kind)?;
        }
        path.truncate(parent);
    }
    Ok(())
}

//! What stands for `/etc` in the sandbox, made once for all commands of a run. It goes with the last of them.
//!
//! A few files of `/etc` are shown. To mount each takes bubblewrap longer than to start a program, because it reads the
//! list of all mounts again after every one; to copy them for each command keeps the disk busier than many commands do.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::folders::tidy_up;
use super::view::{ETC, View};

/// To copy more files takes longer than to mount their folder.
const FEW: usize = 4;

/// The copies that were made last.
#[derive(Debug, Default)]
pub(super) struct Etc(Mutex<Option<Arc<Shown>>>);

/// Copies of what is shown. Commands cannot write to it.
#[derive(Debug)]
pub(super) struct Shown {
    holder: PathBuf,
    /// What has too much in it to be copied; an empty directory is there for each.
    pub(super) mounts: Vec<PathBuf>,
}

impl Etc {
    /// Returns copies of what `view` shows, in the folder `place`.
    pub(super) fn beside(&self, place: &Path, view: &View) -> io::Result<Arc<Shown>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copies) = &*last
            && copies.holder.parent() == Some(place)
        {
            return Ok(copies.clone());
        }
        let holder = tempfile::Builder::new().prefix("etc-").tempdir_in(place)?;
        let mounts = copy_shown(&view.read, Path::new(ETC), &copies(holder.path()))?;
        let holder = holder.keep();
        Ok(last.insert(Arc::new(Shown { holder, mounts })).clone())
    }
}

impl Shown {
    /// Returns where they lie.
    pub(super) fn path(&self) -> PathBuf {
        copies(&self.holder)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // What stays goes when the run is gone on with, accepted or rejected.
        fs::remove_dir_all(&self.holder).unwrap_or_default();
        if let Some(place) = self.holder.parent() {
            tidy_up(place);
        }
    }
}

/// A folder in the private one: a command sees the mode of `/etc`.
fn copies(holder: &Path) -> PathBuf {
    holder.join("etc")
}

/// Copies what is `shown` of the folder `top` to `into`, and returns the folders that hold too much for that.
fn copy_shown(shown: &[PathBuf], top: &Path, into: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir(into)?;
    let mut mounts = Vec::new();
    for path in shown.iter().filter(|path| path.starts_with(top)) {
        let to = into.join(path.strip_prefix(top).unwrap_or(path));
        if path.is_dir() {
            fs::create_dir_all(&to)?;
            match few_files(path) {
                Some(files) => files
                    .iter()
                    .try_for_each(|name| copy_as_it_is(&path.join(name), &to.join(name)))?,
                None => mounts.push(path.clone()),
            }
        } else {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            // What it leads to is shown in its place.
            seen(fs::copy(path, to).map(drop), path)?;
        }
    }
    Ok(mounts)
}

/// Returns the names in `folder`, if it has nothing but files and links, and few of them.
fn few_files(folder: &Path) -> Option<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let kind = entry.file_type().ok()?;
        if names.len() == FEW || !(kind.is_file() || kind.is_symlink()) {
            return None;
        }
        names.push(entry.file_name());
    }
    Some(names)
}

/// Copies a file, and a link as a link: what it leads to is shown there or not at all, and may ask for its own place.
fn copy_as_it_is(from: &Path, to: &Path) -> io::Result<()> {
    let copied = match fs::read_link(from) {
        Ok(target) => symlink(target, to),
        // It is no link.
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => fs::copy(from, to).map(drop),
        Err(err) => Err(err),
    };
    seen(copied, from)
}

/// Forgives that `path` could not be copied, if a command does not see it either: its user may not read it, or it is gone.
fn seen(copied: io::Result<()>, path: &Path) -> io::Result<()> {
    copied.or_else(|err| match err.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => Ok(()),
        kind => Err(io::Error::new(kind, format!("{}: {err}", path.display()))),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    /// Makes folders with a script, copies what is shown of them, and compares the mounts.
    #[track_caller]
    fn check(script: &str, shown: &[&str], expect: &[&str]) -> TempDir {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", script]).current_dir(&top).status().unwrap().success());
        let shown: Vec<PathBuf> = shown.iter().map(|name| top.join(name)).collect();
        let mounts = copy_shown(&shown, &top, &place.path().join("copy")).unwrap();
        assert_eq!(mounts, expect.iter().map(|name| top.join(name)).collect::<Vec<_>>());
        place
    }

    #[test]
    fn a_link_in_a_folder_stays_one() {
        let script =
            "mkdir a; echo secret > s; echo x > a/x; ln -s ../s a/y; ln -s /nowhere a/z; ln -s s t";
        let place = check(script, &["a", "t"], &[]);
        let link = |name: &str| fs::read_link(place.path().join("copy").join(name)).ok();
        assert_eq!(link("a/x"), None);
        assert_eq!(link("a/y"), Some("../s".into()));
        assert_eq!(link("a/z"), Some("/nowhere".into()));
        // One that is shown by its name stands for what it leads to.
        assert_eq!(link("t"), None);
        assert_eq!(fs::read(place.path().join("copy/t")).unwrap(), b"secret\n");
        assert!(!place.path().join("copy/s").exists());
    }

    #[test]
    fn what_is_too_much_is_mounted() {
        let script = "mkdir -p a b c/d; touch a/1 a/2 a/3 a/4 b/1 b/2 b/3 b/4 b/5";
        let place = check(script, &["a", "b", "c"], &["b", "c"]);
        assert!(place.path().join("copy/a/4").exists() && place.path().join("copy/b").is_dir());
    }

    #[test]
    fn what_is_gone_is_left_out_and_other_errors_name_their_file() {
        let place = check("echo x > a", &["gone", "d/gone", "a"], &[]);
        assert!(place.path().join("copy/a").exists() && !place.path().join("copy/gone").exists());
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(seen(Err(full), Path::new("/a")).unwrap_err().to_string().starts_with("/a: "));
    }
}

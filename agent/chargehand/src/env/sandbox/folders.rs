//! The private home and temporary folder of one command. They go when it is gone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::spec::Tier;
use super::view::{ETC, View};

/// To copy more files takes longer than to mount their folder.
const FEW: usize = 4;

/// The folders that a command may write to, and what is made for it besides.
#[derive(Debug)]
pub(crate) struct Folders<'a> {
    /// The workspace.
    pub(crate) work: &'a Path,
    /// Stands for the user's home.
    pub(crate) home: PathBuf,
    /// Stands for `/tmp`.
    pub(crate) temporary: PathBuf,
    /// Stands for `/etc`: copies of the files that are shown of it, and an empty directory for each of `etc_mounts`.
    pub(crate) etc: PathBuf,
    /// What of `/etc` has too much in it to be copied.
    pub(crate) etc_mounts: Vec<PathBuf>,
    holder: TempDir,
}

impl<'a> Folders<'a> {
    /// Creates them beside `work`: the folder of the run is private, on the same disk, and goes with the run even
    /// if we are killed.
    pub(crate) fn create(work: &'a Path, view: &View, tier: Tier) -> io::Result<Self> {
        let holder = tempfile::Builder::new()
            .prefix("command-")
            .tempdir_in(work.parent().unwrap_or(work))?;
        let home = holder.path().join("home");
        let temporary = holder.path().join("tmp");
        let etc = holder.path().join("etc");
        fs::create_dir_all(home.join(".cargo"))?;
        fs::create_dir(&temporary)?;
        if let Some(config) = &view.cargo_config {
            fs::write(home.join(".cargo/config.toml"), config)?;
        }
        let etc_mounts = match tier {
            // Mounted over the links, and cargo's cache into the home.
            Tier::Namespaces => copy_etc(view, &etc)?,
            Tier::Landlock => {
                for path in &view.cargo {
                    symlink(path, home.join(".cargo").join(path.file_name().unwrap_or_default()))?;
                }
                Vec::new()
            }
        };
        Ok(Self { work, home, temporary, etc, etc_mounts, holder })
    }

    /// Removes them, whatever modes the command has left behind.
    pub(crate) fn remove(self) -> io::Result<()> {
        let path = self.holder.keep();
        fs::remove_dir_all(&path).or_else(|_| {
            open_up(&path)?;
            fs::remove_dir_all(&path)
        })
    }
}

/// Copies what is shown of `/etc` to `into`, and returns the folders that hold too much for that. To mount each file
/// takes bubblewrap longer, because it reads the list of all mounts again after every one.
fn copy_etc(view: &View, into: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir(into)?;
    let mut mounts = Vec::new();
    for path in view.read.iter().filter(|path| path.starts_with(ETC)) {
        let copy = |path: &Path| into.join(path.strip_prefix(ETC).unwrap_or(path));
        if path.is_dir() {
            fs::create_dir_all(copy(path))?;
        }
        match few_files(path) {
            Some(files) => files.iter().try_for_each(|file| copy_file(file, &copy(file)))?,
            None => mounts.push(path.clone()),
        }
    }
    Ok(mounts)
}

/// Returns `path` itself if it is a file, and the files in it if that is all it has and they are few.
fn few_files(path: &Path) -> Option<Vec<PathBuf>> {
    if !path.is_dir() {
        return Some(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).ok()? {
        let file = entry.ok()?.path();
        if files.len() == FEW || !file.is_file() {
            return None;
        }
        files.push(file);
    }
    Some(files)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    match fs::copy(from, to) {
        // What its user may not read, a command does not see.
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        copied => copied.map(drop),
    }
}

/// Makes every directory below `path` one that its owner may empty.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

//! The private home and temporary folder of one command. They go when it is gone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::spec::Tier;
use super::view::{ETC, View};

/// The folders that a command may write to.
#[derive(Debug)]
pub(crate) struct Folders<'a> {
    /// The workspace.
    pub(crate) work: &'a Path,
    /// Stands for the user's home.
    pub(crate) home: PathBuf,
    /// Stands for `/tmp`.
    pub(crate) temporary: PathBuf,
    /// Stands for `/etc`: copies of the files that are shown of it, and an empty directory for each that is.
    pub(crate) etc: PathBuf,
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
        match tier {
            // Mounted over the links, and cargo's cache into the home.
            Tier::Namespaces => copy_etc(view, &etc)?,
            Tier::Landlock => {
                for path in &view.cargo {
                    symlink(path, home.join(".cargo").join(path.file_name().unwrap_or_default()))?;
                }
            }
        }
        Ok(Self { work, home, temporary, etc, holder })
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

/// Copies the files of `/etc` to `into`: to mount each of them takes bubblewrap longer, because it reads the list of all
/// mounts again after every one.
fn copy_etc(view: &View, into: &Path) -> io::Result<()> {
    fs::create_dir(into)?;
    for path in &view.read {
        let Ok(name) = path.strip_prefix(ETC) else { continue };
        let copy = into.join(name);
        if path.is_dir() {
            fs::create_dir_all(copy)?;
            continue;
        }
        copy.parent().map_or(Ok(()), fs::create_dir_all)?;
        match fs::copy(path, copy) {
            // What its user may not read, a command does not see.
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {}
            copied => drop(copied?),
        }
    }
    Ok(())
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

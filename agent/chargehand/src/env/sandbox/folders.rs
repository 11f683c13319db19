//! The private folders of one command: home, temporary files, settings. They go when it is gone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use chargehand_inside::spec::Tier;
use tempfile::TempDir;

use super::view::View;

/// The folder of a run in which the folders of its commands lie.
pub(crate) const COMMANDS: &str = "commands";

/// The folders that a command may write to.
#[derive(Debug)]
pub(crate) struct Folders<'a> {
    /// The workspace.
    pub(crate) work: &'a Path,
    /// Stands for the user's home.
    pub(crate) home: PathBuf,
    /// Stands for `/tmp`.
    pub(crate) temporary: PathBuf,
    holder: TempDir,
}

impl<'a> Folders<'a> {
    /// Creates them beside `work`: the folder of the run is private and on the same disk. If we are killed, they go when
    /// the run is gone on with, accepted or rejected.
    pub(crate) fn create(work: &'a Path, view: &View, tier: Tier) -> io::Result<Self> {
        let place = place(work);
        fs::create_dir_all(&place)?;
        let holder = tempfile::Builder::new().prefix("command-").tempdir_in(place)?;
        let home = holder.path().join("home");
        let temporary = holder.path().join("tmp");
        fs::create_dir_all(home.join(".cargo"))?;
        fs::create_dir(&temporary)?;
        if let Some(config) = &view.cargo_config {
            fs::write(home.join(".cargo/config.toml"), config)?;
        }
        match tier {
            // Cargo's cache is mounted into the home.
            Tier::Namespaces => {}
            Tier::Landlock => {
                for path in &view.cargo {
                    symlink(path, home.join(".cargo").join(path.file_name().unwrap_or_default()))?;
                }
            }
        }
        Ok(Self { work, home, temporary, holder })
    }

    /// Returns the folder that they lie in.
    pub(crate) fn place(&self) -> PathBuf {
        place(self.work)
    }

    /// Removes them, whatever modes the command has left behind.
    pub(crate) fn remove(self) -> io::Result<()> {
        let place = self.place();
        let path = self.holder.keep();
        fs::remove_dir_all(&path).or_else(|_| {
            open_up(&path)?;
            fs::remove_dir_all(&path)
        })?;
        tidy_up(&place);
        Ok(())
    }
}

/// Removes the folder that folders of commands lie in, once it has none.
pub(super) fn tidy_up(place: &Path) {
    // Whoever is last removes it.
    fs::remove_dir(place).unwrap_or_default();
}

fn place(work: &Path) -> PathBuf {
    work.parent().unwrap_or(work).join(COMMANDS)
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

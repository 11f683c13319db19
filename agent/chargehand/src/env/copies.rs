//! The copies of a workspace that commands run in: one for the worker's own, a fresh one for those that decide.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::dir::{Dir, Tried};
use super::scratch;
use super::workspace::{COPIES, FINAL, SCRATCH, Workspace, WorkspaceError, make_private};

impl Workspace<'_> {
    /// Copies the files to `into`, which must not exist yet: for checks that decide.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`].
    pub fn copy_for_checks(&self, into: &Path) -> Result<(), WorkspaceError> {
        let copy = make_private(into)?;
        scratch::synchronise(&self.work, &self.base().submodules(), &copy, &mut BTreeSet::new())?;
        Ok(())
    }

    /// Makes a fresh copy for the checks that decide, in the folder of the run, and returns its path.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`].
    pub fn final_copy(&self) -> Result<PathBuf, WorkspaceError> {
        self.clear(FINAL)?;
        let path = self.run.join(FINAL);
        self.copy_for_checks(&path)?;
        Ok(path)
    }

    /// Removes the copies that checks ran in.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`].
    pub fn remove_copies(&mut self) -> Result<(), WorkspaceError> {
        self.copied = None;
        COPIES.iter().try_for_each(|name| self.clear(name))
    }

    /// Removes the copy that checks of the worker run in.
    pub(super) fn drop_scratch(&mut self) -> Result<(), WorkspaceError> {
        self.copied = None;
        self.clear(SCRATCH)
    }

    /// Brings the copy that checks of the worker run in up to date. What builds left there stays.
    pub(super) fn refresh_scratch(&mut self) -> Result<PathBuf, WorkspaceError> {
        let path = self.run.join(SCRATCH);
        let submodules = self.base().submodules();
        if let Some(mut copied) = self.copied.take() {
            let copy = Dir::open(&path).tried(|| format!("cannot open {}", path.display()));
            let done = copy
                .and_then(|copy| scratch::synchronise(&self.work, &submodules, &copy, &mut copied));
            if done.is_ok() {
                self.copied = Some(copied);
                return Ok(path);
            }
            // A command may leave its folder in any state; then a fresh one takes its place.
        }
        self.clear(SCRATCH)?;
        let mut copied = BTreeSet::new();
        scratch::synchronise(&self.work, &submodules, &make_private(&path)?, &mut copied)?;
        self.copied = Some(copied);
        Ok(path)
    }
}

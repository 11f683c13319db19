//! A second workspace of a run, at its base again, so that its calls can be played once more.

use super::run_dir::RunDir;
use super::workspace::{ASIDE, REPLICA, WORK, Workspace, WorkspaceError, make_private};

impl Workspace<'_> {
    /// Lays the base out once more, beside the workspace of `run`, so that its calls can be played again.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Gone`], [`WorkspaceError::Disk`], [`WorkspaceError::Store`].
    pub fn replica(run: &RunDir) -> Result<Self, WorkspaceError> {
        let original = Self::open(run)?;
        original.clear(REPLICA)?;
        let path = run.path().join(REPLICA);
        make_private(&path)?;
        let work = make_private(&path.join(WORK))?;
        make_private(&path.join(ASIDE))?;
        original.store.check_out_again(&work)?;
        Self::of(&path, original.base, original.store)
    }

    /// Removes what [`Workspace::replica`] made.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`].
    pub fn remove_replica(run: &RunDir) -> Result<(), WorkspaceError> {
        Self::open(run)?.clear(REPLICA)
    }
}

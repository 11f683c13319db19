//! What a contract wants of the files themselves: guarded lines compared, protected files as they were.

use std::path::{Path, PathBuf};

use chargehand_core::change::Change;
use chargehand_core::contract::{Guard, Scope};
use chargehand_core::evidence::Guarded;

use super::dir::{Content, Dir, Tried};
use super::path_text::unescape;
use super::scratch::clear_way;
use super::tree::{EXECUTABLE, FILE, LINK};
use super::workspace::{Workspace, WorkspaceError};

impl<'a> Workspace<'a> {
    /// Lets checks of the worker see what `scope` protects as it was at the base.
    #[must_use]
    pub fn protecting(mut self, scope: &'a Scope) -> Self {
        self.protect = scope.protects_any().then_some(scope);
        self
    }

    /// Returns what happened to the guarded lines of the files in `changes`. A file that is there no longer, or is
    /// none, has no lines.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`], [`WorkspaceError::Store`].
    pub fn guarded(
        &self,
        guards: &[Guard],
        changes: &[Change],
    ) -> Result<Vec<Guarded>, WorkspaceError> {
        let mut found = Vec::new();
        let mut seen = None;
        for change in changes {
            let path = change.path.as_str();
            let concerned = || guards.iter().filter(|guard| guard.concerns(path));
            // A path that differs in mode too is listed twice.
            if seen.replace(path) == Some(path) || concerned().next().is_none() {
                continue;
            }
            let bytes = unescape(path);
            let (before, after) = (self.base_text(&bytes)?, self.present_text(&bytes)?);
            found.extend(concerned().filter_map(|guard| Guarded::of(guard, path, &before, &after)));
        }
        Ok(found)
    }

    /// Brings what `scope` protects back in `copy`: what was changed is as it was, what is new is not there. Returns
    /// the paths.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Disk`], [`WorkspaceError::Store`].
    pub fn restore(
        &self,
        scope: &Scope,
        changes: &[Change],
        copy: &Path,
    ) -> Result<Vec<String>, WorkspaceError> {
        let mut paths: Vec<String> = changes
            .iter()
            .map(|change| &change.path)
            .filter(|path| scope.protects(path))
            .cloned()
            .collect();
        paths.dedup();
        if paths.is_empty() {
            return Ok(paths);
        }
        let dir = Dir::open(copy).tried(|| format!("cannot open {}", copy.display()))?;
        for path in &paths {
            self.restore_one(&dir, &unescape(path), path)?;
        }
        Ok(paths)
    }

    /// Brings the copy that checks of the worker run in up to date, and what is protected back.
    pub(super) fn prepare_check(&mut self) -> Result<PathBuf, WorkspaceError> {
        let copy = self.refresh_scratch()?;
        if let Some(scope) = self.protect {
            let changes = self.measure()?.0.list;
            self.restore(scope, &changes, &copy)?;
        }
        Ok(copy)
    }

    fn restore_one(&self, copy: &Dir, path: &[u8], shown: &str) -> Result<(), WorkspaceError> {
        let base = match self.store.base(path)? {
            Some((id, mode @ (FILE | EXECUTABLE | LINK))) => Some((self.store.bytes(id)?, mode)),
            Some(_) | None => None,
        };
        let restore = || {
            let (dir, name) = clear_way(copy, path)?;
            dir.remove_all(name)?;
            match &base {
                None => Ok(()),
                Some((target, LINK)) => dir.make(name, Content::Link(target)),
                Some((bytes, mode)) => dir.make(
                    name,
                    Content::Exact(bytes, u32::try_from(mode & 0o777).unwrap_or(0o644)),
                ),
            }
        };
        Ok(restore().tried(|| format!("cannot restore `{shown}` for a check"))?)
    }

    fn base_text(&self, path: &[u8]) -> Result<Vec<u8>, WorkspaceError> {
        match self.store.base(path)? {
            Some((id, FILE | EXECUTABLE)) => Ok(self.store.bytes(id)?),
            Some(_) | None => Ok(Vec::new()),
        }
    }

    fn present_text(&self, path: &[u8]) -> Result<Vec<u8>, WorkspaceError> {
        // What lies behind a link cannot be looked at, and is no file of the tree either.
        let found = self.work().find(path).ok().flatten();
        if !found.is_some_and(|found| found.is_file()) {
            return Ok(Vec::new());
        }
        Ok(self.work().content(path).tried(|| "cannot read a guarded file".to_owned())?)
    }
}

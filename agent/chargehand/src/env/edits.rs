//! What a commit changes, read from a workspace that is exactly what was judged.

use std::collections::BTreeMap;

use chargehand_core::report::Report;
use git2::Oid;
use sha2::{Digest, Sha256};

use super::accept::{AcceptError, git};
use super::checkout::Edit;
use super::dir::{Tried, hex};
use super::manifest::Manifest;
use super::path_text::escape;
use super::repo::Repo;
use super::run_dir::RunDir;
use super::tree::{self, Leaf, SUBMODULE};
use super::workspace::Workspace;

/// Returns what the commit changes, from a workspace that is exactly what was judged.
pub(crate) fn edits(run: &RunDir, repo: &Repo, report: &Report) -> Result<Vec<Edit>, AcceptError> {
    let id = &run.file().id;
    let tampered = || AcceptError::Tampered(id.clone());
    let workspace = Workspace::open(run)?;
    let (changes, after) = workspace.measure()?;
    let is_judged_tree = changes.tree == report.tree && changes.list == report.evidence.changes;
    if after != workspace.judged()? || !is_judged_tree {
        return Err(tampered());
    }
    let base = base_tree(repo, run)?;
    let mut edits = BTreeMap::new();
    for difference in workspace.base().differences(&after) {
        let path = difference.path;
        let failed = |source| git("cannot read the base commit", source);
        let old = base
            .as_ref()
            .map(|base| tree::leaf(repo.git(), base, &path))
            .transpose()
            .map_err(failed)?;
        let old = old.flatten();
        let new = new_content(&workspace, &after, &path)?;
        check_committable(&path, old, &new)?;
        if new.as_ref().is_some_and(|(_, bytes)| !is_judged(&after, &path, bytes)) {
            return Err(tampered());
        }
        edits.insert(path.clone(), Edit { path, old, new });
    }
    if edits.is_empty() {
        return Err(AcceptError::Nothing(id.clone()));
    }
    Ok(edits.into_values().collect())
}

fn new_content(
    workspace: &Workspace,
    after: &Manifest,
    path: &[u8],
) -> Result<Option<(i32, Vec<u8>)>, AcceptError> {
    let Some(entry) = after.entries.get(path) else { return Ok(None) };
    let refuse = |why| AcceptError::Uncommittable { path: escape(path), why };
    let mode = tree::mode(entry)
        .ok_or_else(|| refuse("it is a pipe, a socket, a device, or too large"))?;
    if entry.links > 1 {
        return Err(refuse("it has a second name elsewhere (hard link)"));
    }
    if mode == SUBMODULE {
        return Err(refuse("it is a submodule"));
    }
    let bytes =
        workspace.work().content(path).tried(|| format!("cannot read `{}`", escape(path)))?;
    Ok(Some((mode, bytes)))
}

fn check_committable(
    path: &[u8],
    old: Option<Leaf>,
    new: &Option<(i32, Vec<u8>)>,
) -> Result<(), AcceptError> {
    let refuse = |why| Err(AcceptError::Uncommittable { path: escape(path), why });
    if old.is_some_and(|(_, mode)| mode == SUBMODULE) {
        return refuse("it is a submodule");
    }
    if path.split(|byte| *byte == b'/').any(|part| part.eq_ignore_ascii_case(b".git")) {
        return refuse("it leads into git's own files");
    }
    // Git reads this file by itself; as a link it would read any file.
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if new.as_ref().is_some_and(|(mode, _)| *mode == tree::LINK) && name.starts_with(b".git") {
        return refuse("git does not take a link there");
    }
    Ok(())
}

/// Holds the bytes that are committed against the hash that was judged.
fn is_judged(after: &Manifest, path: &[u8], bytes: &[u8]) -> bool {
    let hash = hex(&Sha256::digest(bytes));
    after.entries.get(path).is_some_and(|entry| entry.sha256 == hash)
}

pub(crate) fn base_tree<'a>(
    repo: &'a Repo,
    run: &RunDir,
) -> Result<Option<git2::Tree<'a>>, AcceptError> {
    let Some(base) = &run.file().base else { return Ok(None) };
    let tree = Oid::from_str(base).and_then(|id| repo.git().find_commit(id)?.tree());
    tree.map(Some).map_err(|source| git("cannot read the base commit", source))
}

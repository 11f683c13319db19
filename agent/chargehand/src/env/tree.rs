//! Trees of git: finding what stands at a path, and building a tree that differs from another in some paths.

use std::collections::BTreeMap;

use git2::{Error, ObjectType, Oid, Repository, Tree};

use super::manifest::{Entry, Kind};

/// The modes that git knows.
pub(crate) const DIRECTORY: i32 = 0o040_000;
pub(crate) const FILE: i32 = 0o100_644;
pub(crate) const EXECUTABLE: i32 = 0o100_755;
pub(crate) const LINK: i32 = 0o120_000;
pub(crate) const SUBMODULE: i32 = 0o160_000;

/// What stands at a path that is no directory: the object and its mode.
pub(crate) type Leaf = (Oid, i32);

/// Paths and what comes there; `None` takes a path away.
pub(crate) type Edits<'a> = Vec<(&'a [u8], Option<Leaf>)>;

/// Returns what `tree` has at `path`; a directory is nothing.
pub(crate) fn leaf(repo: &Repository, tree: &Tree<'_>, path: &[u8]) -> Result<Option<Leaf>, Error> {
    let (name, rest) = first(path);
    let Some(entry) = tree.get_name_bytes(name) else { return Ok(None) };
    let is_tree = entry.kind() == Some(ObjectType::Tree);
    match rest {
        Some(rest) if is_tree => leaf(repo, &repo.find_tree(entry.id())?, rest),
        Some(_) => Ok(None),
        None => Ok((!is_tree).then(|| (entry.id(), entry.filemode()))),
    }
}

/// Writes the tree that has `edits` over `base`, and returns it unless it is empty.
///
/// Everything that is not named stays as it is, to the byte.
pub(crate) fn edit(
    repo: &Repository,
    base: Option<&Tree<'_>>,
    edits: &Edits<'_>,
) -> Result<Option<Oid>, Error> {
    let mut builder = repo.treebuilder(base)?;
    let mut below: BTreeMap<&[u8], Edits<'_>> = BTreeMap::new();
    for (path, edit) in edits {
        match (first(path), edit) {
            ((name, Some(rest)), edit) => below.entry(name).or_default().push((rest, *edit)),
            ((name, None), Some((id, mode))) => drop(builder.insert(name, *id, *mode)?),
            ((name, None), None) => builder.remove(name)?,
        }
    }
    for (name, edits) in below {
        let old = base.and_then(|base| base.get_name_bytes(name));
        let old = old.filter(|entry| entry.kind() == Some(ObjectType::Tree));
        let old = old.map(|entry| repo.find_tree(entry.id())).transpose()?;
        match edit(repo, old.as_ref(), &edits)? {
            Some(id) => drop(builder.insert(name, id, DIRECTORY)?),
            // A file may have taken the name of a directory that is gone.
            None if is_tree(&builder, name)? => builder.remove(name)?,
            None => {}
        }
    }
    if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
}

/// Returns the mode that git keeps for an entry; it cannot keep a special file.
pub(crate) fn mode(entry: &Entry) -> Option<i32> {
    match entry.kind {
        Kind::File if entry.mode & 0o100 != 0 => Some(EXECUTABLE),
        Kind::File => Some(FILE),
        Kind::Link => Some(LINK),
        Kind::Submodule => Some(SUBMODULE),
        Kind::Special => None,
    }
}

fn is_tree(builder: &git2::TreeBuilder<'_>, name: &[u8]) -> Result<bool, Error> {
    let found = builder.get(name)?;
    Ok(found.is_some_and(|entry| entry.kind() == Some(ObjectType::Tree)))
}

fn first(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

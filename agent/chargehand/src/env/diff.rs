//! Draws the changes as a unified diff and counts their lines. It decides nothing: the manifest does.
//!
//! libgit2 compares buffers here, without a repository, so that no attribute can hide a file from the picture.

use chargehand_core::change::{Change, ChangeKind};
use git2::{DiffOptions, ObjectType, Oid, Patch};

use super::dir::{Dir, Tried};
use super::manifest::{Difference, Kind, Manifest};
use super::path_text::escape;
use super::store::{Store, StoreError};
use super::tree::{self, SUBMODULE};

/// A file with a NUL in its first bytes is binary, as for git, unless it is UTF-8: one NUL must not hide a text.
const BINARY_PREFIX: usize = 8000;

/// What changed, counted and drawn.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Every change, by path.
    pub list: Vec<Change>,
    /// The unified diff. What is no text stands there as git's binary patch, so that it can be applied.
    pub patch: String,
    /// The same to be looked at and not to be applied: of a text that is not UTF-8 the lines, with � where it is not.
    pub shown: String,
    /// [`Manifest::digest`] of the result.
    pub tree: String,
}

/// One side of a comparison.
struct Side {
    mode: i32,
    bytes: Vec<u8>,
    id: String,
}

/// One file, drawn, with its lines counted.
struct Drawn {
    added: u32,
    removed: u32,
    /// The bytes of these lines.
    bytes: u64,
    text: String,
    shown: String,
}

/// Draws `differences` between the base in `store` and what `after` found in `work`. The tree is the caller's to name.
pub(crate) fn draw(
    store: &Store,
    work: &Dir,
    after: &Manifest,
    differences: &[Difference],
) -> Result<Changes, StoreError> {
    let mut changes = Changes::default();
    let mut drawn: Option<&[u8]> = None;
    for difference in differences {
        let Difference { path, kind, regular } = difference;
        let mut change = Change {
            path: escape(path),
            kind: *kind,
            regular: *regular,
            added: 0,
            removed: 0,
            bytes: 0,
        };
        // A path that differs in content and in mode is drawn once, and its lines count once.
        if drawn != Some(path) {
            let old = old_side(store, path)?;
            let new = if *kind == ChangeKind::Deleted {
                None
            } else {
                new_side(store, work, after, path)?
            };
            let drawn_file = draw_file(path, old.as_ref(), new.as_ref())?;
            (change.added, change.removed) = (drawn_file.added, drawn_file.removed);
            change.bytes = drawn_file.bytes;
            changes.patch.push_str(&drawn_file.text);
            changes.shown.push_str(&drawn_file.shown);
            drawn = Some(path);
        }
        changes.list.push(change);
    }
    Ok(changes)
}

fn old_side(store: &Store, path: &[u8]) -> Result<Option<Side>, StoreError> {
    let Some((id, mode)) = store.base(path)? else { return Ok(None) };
    let bytes = if mode == SUBMODULE { submodule_text(id) } else { store.bytes(id)? };
    Ok(Some(Side { mode, bytes, id: id.to_string() }))
}

fn new_side(
    store: &Store,
    work: &Dir,
    after: &Manifest,
    path: &[u8],
) -> Result<Option<Side>, StoreError> {
    let Some(entry) = after.entries.get(path) else { return Ok(None) };
    // A pipe or a device has no content to draw; the list of changes has it.
    let Some(mode) = tree::mode(entry) else { return Ok(None) };
    if entry.kind == Kind::Submodule {
        return old_side(store, path);
    }
    let bytes = work.content(path).tried(|| format!("cannot read `{}`", escape(path)))?;
    let id = Oid::hash_object(ObjectType::Blob, &bytes).map_err(failed)?.to_string();
    Ok(Some(Side { mode, bytes, id }))
}

/// A file that became a link is drawn as git does: one goes, another comes.
fn draw_file(path: &[u8], old: Option<&Side>, new: Option<&Side>) -> Result<Drawn, StoreError> {
    let kind = |side: Option<&Side>| side.map(|side| side.mode >> 12);
    if old.is_some() && new.is_some() && kind(old) != kind(new) {
        let (gone, come) = (compare(path, old, None)?, compare(path, None, new)?);
        return Ok(Drawn {
            added: come.added,
            removed: gone.removed,
            bytes: gone.bytes + come.bytes,
            text: gone.text + &come.text,
            shown: gone.shown + &come.shown,
        });
    }
    compare(path, old, new)
}

fn compare(path: &[u8], old: Option<&Side>, new: Option<&Side>) -> Result<Drawn, StoreError> {
    let bytes = |side: Option<&Side>| side.map_or(Vec::new(), |side| side.bytes.clone());
    let (before, after) = (bytes(old), bytes(new));
    let mut options = DiffOptions::new();
    options.force_text(true);
    let mut patch =
        Patch::from_buffers(&before, None, &after, None, Some(&mut options)).map_err(failed)?;
    let (_, added, removed) = patch.line_stats().map_err(failed)?;
    let mut text = header(path, old, new);
    let mut shown = text.clone();
    let names =
        |side: Option<&Side>, prefix| side.map_or("/dev/null".to_owned(), |_| quote(prefix, path));
    let (a, b) = (names(old, "a/"), names(new, "b/"));
    if before != after {
        let drawn = patch.to_buf().map_err(failed)?;
        let is_text = !is_binary(&before) && !is_binary(&after);
        if is_text {
            let hunks = String::from_utf8_lossy(&drawn);
            let start = hunks.find("\n@@ ").map_or(0, |at| at + 1);
            shown.push_str(&format!("--- {a}\n+++ {b}\n{}", &hunks[start..]));
        }
        match is_text && str::from_utf8(&drawn).is_ok() {
            true => text.clone_from(&shown),
            false => text.push_str(&binary(&before, &after)?),
        }
        if !is_text {
            shown.clone_from(&text);
        }
    }
    let count = |lines: usize| u32::try_from(lines).unwrap_or(u32::MAX);
    let bytes = changed_bytes(&patch).map_err(failed)?;
    Ok(Drawn { added: count(added), removed: count(removed), bytes, text, shown })
}

/// Draws what is no text as git does, in letters that any text can hold.
fn binary(before: &[u8], after: &[u8]) -> Result<String, StoreError> {
    let mut options = DiffOptions::new();
    options.force_binary(true).show_binary(true);
    let mut patch =
        Patch::from_buffers(before, None, after, None, Some(&mut options)).map_err(failed)?;
    let drawn = patch.to_buf().map_err(failed)?;
    let drawn = String::from_utf8_lossy(&drawn);
    let start = drawn.find("GIT binary patch").unwrap_or_default();
    Ok(drawn[start..].to_owned())
}

/// Returns the bytes of all lines that are new or gone, their ends included.
fn changed_bytes(patch: &Patch<'_>) -> Result<u64, git2::Error> {
    let mut bytes = 0;
    for hunk in 0..patch.num_hunks() {
        for at in 0..patch.num_lines_in_hunk(hunk)? {
            let line = patch.line_in_hunk(hunk, at)?;
            if matches!(line.origin(), '+' | '-') {
                bytes += line.content().len() as u64;
            }
        }
    }
    Ok(bytes)
}

fn header(path: &[u8], old: Option<&Side>, new: Option<&Side>) -> String {
    let mut text = format!("diff --git {} {}\n", quote("a/", path), quote("b/", path));
    let id = |side: Option<&Side>| side.map_or("0".repeat(40), |side| side.id.clone());
    let same = match (old, new) {
        (Some(old), Some(new)) if old.mode == new.mode => format!(" {:06o}", old.mode),
        (Some(old), Some(new)) => {
            text.push_str(&format!("old mode {:06o}\nnew mode {:06o}\n", old.mode, new.mode));
            String::new()
        }
        (Some(old), None) => {
            text.push_str(&format!("deleted file mode {:06o}\n", old.mode));
            String::new()
        }
        (None, Some(new)) => {
            text.push_str(&format!("new file mode {:06o}\n", new.mode));
            String::new()
        }
        (None, None) => return text,
    };
    if id(old) != id(new) {
        text.push_str(&format!("index {}..{}{same}\n", id(old), id(new)));
    }
    text
}

/// Writes a path as git does: quoted as soon as a byte of it is not plain.
fn quote(prefix: &str, path: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if path.iter().all(plain) {
        return format!("{prefix}{}", String::from_utf8_lossy(path));
    }
    let escaped: String = path
        .iter()
        .map(|byte| match byte {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\t' => "\\t".to_owned(),
            byte if plain(byte) => char::from(*byte).to_string(),
            byte => format!("\\{byte:03o}"),
        })
        .collect();
    format!("\"{prefix}{escaped}\"")
}

fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(BINARY_PREFIX)].contains(&0) && str::from_utf8(bytes).is_err()
}

fn submodule_text(id: Oid) -> Vec<u8> {
    format!("Subproject commit {id}\n").into_bytes()
}

fn failed(source: git2::Error) -> StoreError {
    StoreError::Git { what: "cannot draw the diff".to_owned(), source }
}

//! The private git directory of a run: the objects of the base tree and nothing else.
//!
//! Nobody but us writes to it, so a diff can be drawn whatever happens to the user's repository meanwhile. It has
//! no alternates. Its compression is libgit2's for loose objects, level 1.

use std::path::Path;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository, RepositoryInitOptions, Tree};
use thiserror::Error;

use super::dir::{Content, Dir, DiskError, MAX_DEPTH, Tried};
use super::manifest::MAX_FILE;
use super::path_text::escape;
use super::repo::Repo;
use super::tree::{EXECUTABLE, LINK, Leaf, SUBMODULE, leaf};

/// Files and folders of a base commit that are taken; a tree that names itself again and again has billions.
const MAX_ENTRIES: usize = 1_000_000;
/// The reference that holds the base tree.
const BASE: &str = "refs/chargehand/base";

/// Why the files of a commit cannot be laid out, or found again.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// libgit2 said no.
    #[error("{what}: {}", source.message())]
    Git {
        /// What was tried.
        what: String,
        /// What it said.
        source: git2::Error,
    },
    /// An object is not there, as in a partial clone.
    #[error("object {id} of `{path}` is missing in the repository; fetch it with git first")]
    Missing {
        /// The object.
        id: Oid,
        /// The file.
        path: String,
    },
    /// The tree has a name that must not be written to a disk.
    #[error("the base commit has a file called `{0}`, which git itself would not check out")]
    Name(String),
    /// The tree is not one that people make.
    #[error("the base commit has more than {0}")]
    TooLarge(String),
}

/// Holds the tree of `commit` in `repo` against what is taken. Whoever asks libgit2 for more before, such as for a status,
/// gets all of it at once, and a tree of ten small objects can have a billion files.
///
/// # Errors
///
/// [`StoreError::TooLarge`]; a tree that cannot be read is for others to tell.
pub fn bound(repo: &Repo, commit: &str) -> Result<(), StoreError> {
    let git = repo.git();
    let tree = Oid::from_str(commit).and_then(|id| git.find_commit(id)?.tree());
    tree.map_or(Ok(()), |tree| count(git, &tree, 0, &mut MAX_ENTRIES.clone()))
}

fn count(
    git: &Repository,
    tree: &Tree<'_>,
    depth: usize,
    room: &mut usize,
) -> Result<(), StoreError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for entry in tree {
        *room = room.checked_sub(1).ok_or_else(too_many)?;
        if entry.kind() == Some(ObjectType::Tree)
            && let Ok(inner) = git.find_tree(entry.id())
        {
            count(git, &inner, depth + 1, room)?;
        }
    }
    Ok(())
}

fn too_deep() -> StoreError {
    StoreError::TooLarge(format!("{MAX_DEPTH} directories that lie in each other"))
}

fn too_many() -> StoreError {
    StoreError::TooLarge(format!("{MAX_ENTRIES} files and folders"))
}

/// The private git directory.
pub(crate) struct Store {
    git: Repository,
}

/// What was laid out.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    /// Files, links and submodules.
    pub(crate) count: usize,
    /// The places of the submodules.
    pub(crate) submodules: Vec<Vec<u8>>,
}

impl Store {
    /// Makes an empty one at `path`, by no template of the user's.
    pub(crate) fn create(path: &Path) -> Result<Self, StoreError> {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).no_reinit(true).external_template(false);
        let git = Repository::init_opts(path, &options);
        Ok(Self { git: git.map_err(failed("cannot make the private git directory"))? })
    }

    /// Opens the one at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let git = Repository::open_bare(path);
        Ok(Self { git: git.map_err(failed("cannot open the private git directory"))? })
    }

    /// Copies the tree of `commit` from `source` here and lays its files out in `work`, raw: no filter, no line
    /// end, no attribute has a say.
    pub(crate) fn check_out(
        &self,
        source: &Repository,
        commit: &str,
        work: &Dir,
    ) -> Result<Laid, StoreError> {
        let tree = Oid::from_str(commit).and_then(|id| source.find_commit(id)?.tree());
        let tree = tree.map_err(failed("cannot read the base commit"))?;
        let laid = self.copy(source, &tree, work)?;
        self.keep(tree.id())?;
        Ok(laid)
    }

    /// Lays the base out once more, from what is kept here.
    pub(crate) fn check_out_again(&self, work: &Dir) -> Result<(), StoreError> {
        let Some(tree) = self.base_tree()? else { return Ok(()) };
        self.copy(&self.git, &tree, work).map(drop)
    }

    fn copy(&self, source: &Repository, tree: &Tree<'_>, work: &Dir) -> Result<Laid, StoreError> {
        let failed = failed("cannot open the objects");
        let (from, to) = (source.odb().map_err(&failed)?, self.git.odb().map_err(&failed)?);
        let mut copy = Copy { source, from, to, room: MAX_ENTRIES, laid: Laid::default() };
        copy.tree(tree, work, &mut Vec::new(), 0)?;
        Ok(copy.laid)
    }

    /// Returns what the base has at `path`.
    pub(crate) fn base(&self, path: &[u8]) -> Result<Option<Leaf>, StoreError> {
        let Some(tree) = self.base_tree()? else { return Ok(None) };
        leaf(&self.git, &tree, path).map_err(failed("cannot read the base tree"))
    }

    /// Returns the tree of the base; a repository without commits has none.
    fn base_tree(&self) -> Result<Option<Tree<'_>>, StoreError> {
        match self.git.find_reference(BASE).and_then(|found| found.peel_to_tree()) {
            Ok(tree) => Ok(Some(tree)),
            Err(err) if err.code() == ErrorCode::NotFound => Ok(None),
            Err(err) => Err(failed("cannot read the base tree")(err)),
        }
    }

    /// Returns the bytes of a file or a link of the base.
    pub(crate) fn bytes(&self, id: Oid) -> Result<Vec<u8>, StoreError> {
        let blob =
            self.git.find_blob(id).map_err(failed("cannot read the private git directory"))?;
        Ok(blob.content().to_vec())
    }

    fn keep(&self, tree: Oid) -> Result<(), StoreError> {
        let kept = self.git.reference(BASE, tree, true, "base");
        kept.map(drop).map_err(failed("cannot keep the base tree"))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.git.path()).finish()
    }
}

/// A copy under way.
struct Copy<'a> {
    source: &'a Repository,
    from: Odb<'a>,
    to: Odb<'a>,
    /// Files and folders that may still come.
    room: usize,
    laid: Laid,
}

impl Copy<'_> {
    fn tree(
        &mut self,
        tree: &Tree<'_>,
        dir: &Dir,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), StoreError> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        self.object(tree.id(), path)?;
        for entry in tree {
            self.room = self.room.checked_sub(1).ok_or_else(too_many)?;
            let (parent, name) = (path.len(), entry.name_bytes());
            if parent > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            if !is_safe(name) {
                return Err(StoreError::Name(escape(path)));
            }
            if entry.kind() == Some(ObjectType::Tree) {
                let inner = self
                    .source
                    .find_tree(entry.id())
                    .map_err(|err| missing(entry.id(), path, err))?;
                let dir = make_new_dir(dir, name, path)?;
                self.tree(&inner, &dir, path, depth + 1)?;
            } else {
                self.leaf((entry.id(), entry.filemode()), dir, name, path)?;
            }
            path.truncate(parent);
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        (id, mode): Leaf,
        dir: &Dir,
        name: &[u8],
        path: &[u8],
    ) -> Result<(), StoreError> {
        self.laid.count += 1;
        if mode == SUBMODULE {
            self.laid.submodules.push(path.to_vec());
            return make_new_dir(dir, name, path).map(drop);
        }
        let bytes = self.object(id, path)?;
        let content = match mode {
            LINK => Content::Link(&bytes),
            EXECUTABLE => Content::Exact(&bytes, 0o755),
            _ => Content::Exact(&bytes, 0o644),
        };
        Ok(dir.make(name, content).tried(|| format!("cannot lay out `{}`", escape(path)))?)
    }

    /// Copies an object and returns its bytes.
    fn object(&self, id: Oid, path: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (size, _) = self.from.read_header(id).map_err(|err| missing(id, path, err))?;
        if size as u64 > MAX_FILE {
            return Err(StoreError::TooLarge(format!("{MAX_FILE} bytes in `{}`", escape(path))));
        }
        let object = self.from.read(id).map_err(|err| missing(id, path, err))?;
        let written = self.to.write(object.kind(), object.data());
        written.map_err(failed("cannot copy an object into the private git directory"))?;
        Ok(object.data().to_vec())
    }
}

/// Two entries of one name, or of names that the disk takes for one, must not meet.
fn make_new_dir(dir: &Dir, name: &[u8], path: &[u8]) -> Result<Dir, StoreError> {
    let make = || match dir.find(name)? {
        Some(_) => Err(std::io::ErrorKind::AlreadyExists.into()),
        None => dir.make_dir(name),
    };
    Ok(make().tried(|| format!("cannot lay out `{}`", escape(path)))?)
}

/// Returns whether a name of a tree is one component and not git's own.
fn is_safe(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.contains(&b'/')
        && !name.eq_ignore_ascii_case(b".git")
}

fn missing(id: Oid, path: &[u8], source: git2::Error) -> StoreError {
    match source.code() {
        ErrorCode::NotFound => StoreError::Missing { id, path: escape(path) },
        _ => StoreError::Git {
            what: format!("cannot read `{}` of the base commit", escape(path)),
            source,
        },
    }
}

fn failed(what: &str) -> impl Fn(git2::Error) -> StoreError {
    move |source| StoreError::Git { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::tree::DIRECTORY;

    /// Lays out two folders with two folders in each, and no file, where there is `room`.
    fn lay(room: usize) -> Result<(), StoreError> {
        let place = tempfile::tempdir().unwrap();
        let source = Repository::init_bare(place.path().join("source")).unwrap();
        let store = Store::create(&place.path().join("store")).unwrap();
        let mut tree = source.treebuilder(None).unwrap().write().unwrap();
        for _ in 0..2 {
            let mut folders = source.treebuilder(None).unwrap();
            for name in ["a", "b"] {
                folders.insert(name, tree, DIRECTORY).unwrap();
            }
            tree = folders.write().unwrap();
        }
        let (from, to) = (source.odb().unwrap(), store.git.odb().unwrap());
        let mut copy = Copy { source: &source, from, to, room, laid: Laid::default() };
        let work = Dir::open(place.path()).unwrap();
        copy.tree(&source.find_tree(tree).unwrap(), &work, &mut Vec::new(), 0)
    }

    #[test]
    fn folders_without_files_are_counted() {
        lay(6).unwrap();
        let err = lay(5).unwrap_err().to_string();
        assert_eq!(err, "the base commit has more than 1000000 files and folders");
    }
}

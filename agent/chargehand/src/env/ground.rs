//! Looks at a git folder before libgit2 does: nothing in it is waited for, and nothing in it leads a write elsewhere.
//!
//! A git folder can come out of an archive. A pipe in it would be waited for, for ever; a log of references that is a link
//! would lead a line, with a name that the folder itself says, to the end of any file of the user. It looks at names and
//! kinds alone, and reads what the two files say by which a git folder lies elsewhere.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// No file that libgit2 reads as a whole is larger; the index of a million files has some 100 MB.
const MAX_BYTES: u64 = 1 << 30;
/// The two files that lead elsewhere hold a path.
const MAX_PATH: u64 = 64 << 10;
/// What a loose object is called at least: all but two letters of its hash.
const OBJECT_NAME: usize = 38;
/// References are no deeper.
const MAX_DEPTH: usize = 64;
/// What a commit changes in a git folder.
const FOLDERS: [&str; 3] = ["logs", "refs", "objects"];
const FILES: [&str; 3] = ["HEAD", "index", "packed-refs"];

/// Why a git folder is not touched.
#[derive(Debug, Error)]
#[error("{path} {why}")]
pub struct Unsound {
    /// What was found.
    path: PathBuf,
    /// What it is.
    why: &'static str,
}

/// The folders that git keeps for a checkout: its own, and the one that it shares with other checkouts.
#[derive(Debug)]
pub(crate) struct Ground {
    dot_git: PathBuf,
    own: PathBuf,
    shared: PathBuf,
}

impl Ground {
    /// Finds the folders of the checkout at `top`; nothing is there yet of one that git itself would not open either.
    pub(crate) fn of(top: &Path) -> Result<Self, Unsound> {
        let dot_git = top.join(".git");
        let own = match fs::metadata(&dot_git) {
            Ok(found) if found.is_file() => {
                let text = path_in(&dot_git)?;
                top.join(text.strip_prefix("gitdir:").unwrap_or(&text).trim())
            }
            Ok(found) if !found.is_dir() => return Err(unsound(&dot_git, SPECIAL)),
            Ok(_) | Err(_) => dot_git.clone(),
        };
        let common = own.join("commondir");
        let shared = match fs::metadata(&common) {
            Ok(found) if found.is_file() => own.join(path_in(&common)?.trim()),
            Ok(_) => return Err(unsound(&common, SPECIAL)),
            Err(_) => own.clone(),
        };
        Ok(Self { dot_git, own, shared })
    }

    /// Holds every file that libgit2 reads against what a file is.
    pub(crate) fn is_readable(&self) -> Result<(), Unsound> {
        objects(self.shared.join("objects"))?;
        for folder in [&self.own, &self.shared] {
            for inner in ["", "info", "objects/info"] {
                each(&folder.join(inner), &mut |path, _| readable(path))?;
            }
            below(&folder.join("refs"), 0, &mut |path, _| readable(path))?;
        }
        Ok(())
    }

    /// Holds everything that a commit changes against what only a repository of this very checkout has: no link, no
    /// second name, and no other checkout's folder.
    pub(crate) fn is_writable(&self) -> Result<(), Unsound> {
        self.is_its_own()?;
        for folder in [&self.own, &self.shared] {
            each(folder, &mut |path, found| {
                let is_one_of = |names: [&str; 3]| names.iter().any(|name| path.ends_with(name));
                let is_sound = (!is_one_of(FOLDERS) || found.is_dir())
                    && (!is_one_of(FILES) || found.is_file());
                if is_sound { Ok(()) } else { Err(unsound(path, LINK)) }
            })?;
            each(&folder.join("objects"), &mut plain)?;
            for inner in ["refs", "logs"] {
                below(&folder.join(inner), 0, &mut |path, found| {
                    plain(path, found)?;
                    let is_shared = found.is_file() && found.nlink() > 1;
                    if is_shared { Err(unsound(path, SECOND)) } else { Ok(()) }
                })?;
            }
        }
        Ok(())
    }

    /// A folder that lies elsewhere has to say that it belongs here, as those of worktrees and submodules do.
    fn is_its_own(&self) -> Result<(), Unsound> {
        let real = |path: &Path| path.canonicalize().ok();
        let found =
            fs::symlink_metadata(&self.dot_git).map_err(|_| unsound(&self.dot_git, LINK))?;
        if found.is_symlink() {
            return Err(unsound(&self.dot_git, LINK));
        }
        let is_shared = real(&self.shared) != real(&self.own);
        if found.is_dir() {
            return if is_shared { Err(unsound(&self.own, STRANGE)) } else { Ok(()) };
        }
        let back = path_in(&self.own.join("gitdir")).unwrap_or_default();
        let says_so =
            real(&self.own.join(back.trim())).is_some_and(|back| Some(back) == real(&self.dot_git));
        let lies_there = real(&self.own).and_then(|own| Some(own.parent()?.to_owned()))
            == real(&self.shared.join("worktrees"));
        match is_shared {
            true if says_so && lies_there => Ok(()),
            // Whoever opened it has made sure that its `core.worktree` leads here, if it has one.
            false if self.has_work_tree() => Ok(()),
            true | false => Err(unsound(&self.own, STRANGE)),
        }
    }

    fn has_work_tree(&self) -> bool {
        let config = git2::Config::open(&self.own.join("config"));
        config.is_ok_and(|config| config.get_path("core.worktree").is_ok())
    }
}

const SPECIAL: &str = "is no regular file";
const LARGE: &str = "is larger than anything that git makes";
const LINK: &str = "is a link, or not what git makes there: a commit would be written elsewhere";
const SECOND: &str = "has a second name elsewhere (hard link): a commit would be written there too";
const STRANGE: &str =
    "does not say that it belongs to this checkout; set `core.worktree` there if it does";
const DEEP: &str = "lies too deep";

fn unsound(path: &Path, why: &'static str) -> Unsound {
    Unsound { path: path.to_owned(), why }
}

/// Returns the text of a small file.
fn path_in(file: &Path) -> Result<String, Unsound> {
    if fs::metadata(file).is_ok_and(|found| found.len() > MAX_PATH) {
        return Err(unsound(file, LARGE));
    }
    let mut text = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(MAX_PATH).read_to_end(&mut text));
    read.map_err(|_| unsound(file, SPECIAL))?;
    String::from_utf8(text).map_err(|_| unsound(file, "is no text"))
}

/// A link may lead to a file, as some tools make them; what it leads to must be one, if it leads to anything.
fn regular(path: &Path) -> Result<(), Unsound> {
    let is_special = |found: Metadata| !found.is_dir() && !found.is_file();
    if fs::metadata(path).is_ok_and(is_special) { Err(unsound(path, SPECIAL)) } else { Ok(()) }
}

/// As [`regular`], of what is read as a whole.
fn readable(path: &Path) -> Result<(), Unsound> {
    regular(path)?;
    let is_large = |found: Metadata| found.is_file() && found.len() > MAX_BYTES;
    if fs::metadata(path).is_ok_and(is_large) { Err(unsound(path, LARGE)) } else { Ok(()) }
}

/// Holds every object, wherever it is lent from, against what a file is. There may be a million: they are listed and not
/// looked at one by one.
fn objects(folder: PathBuf) -> Result<(), Unsound> {
    let (mut folders, mut seen) = (vec![folder], HashSet::new());
    while let Some(folder) = folders.pop() {
        if !folder.canonicalize().is_ok_and(|real| seen.insert(real)) {
            continue;
        }
        for inner in fs::read_dir(&folder).into_iter().flatten().flatten() {
            for entry in fs::read_dir(inner.path()).into_iter().flatten().flatten() {
                let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
                if !is_file && is_opened(&inner.file_name(), &entry.file_name()) {
                    regular(&entry.path())?;
                }
            }
        }
        let lenders = folder.join("info/alternates");
        if lenders.is_file() {
            let text = path_in(&lenders)?;
            let lines = text.split(['\r', '\n']);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            // Those that begin with a dot are meant from here, others as they stand.
            folders.extend(lines.map(|line| match line.starts_with('.') {
                true => folder.join(line),
                false => PathBuf::from(line),
            }));
        }
    }
    Ok(())
}

/// Returns whether anything of that name is opened; whoever lends may be any folder, such as `/dev` with its `fd`.
fn is_opened(folder: &OsStr, name: &OsStr) -> bool {
    folder == "pack" || folder == "info" || folder.len() == 2 && name.len() >= OBJECT_NAME
}

fn plain(path: &Path, found: &Metadata) -> Result<(), Unsound> {
    if found.is_dir() || found.is_file() { Ok(()) } else { Err(unsound(path, LINK)) }
}

type See<'a> = dyn FnMut(&Path, &Metadata) -> Result<(), Unsound> + 'a;

/// Calls `see` for everything in `folder`; links are seen, not followed.
fn each(folder: &Path, see: &mut See<'_>) -> Result<(), Unsound> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let found: io::Result<Metadata> = entry.metadata();
        // It may have gone meanwhile.
        found.map_or(Ok(()), |found| see(&entry.path(), &found))?;
    }
    Ok(())
}

fn below(folder: &Path, depth: usize, see: &mut See<'_>) -> Result<(), Unsound> {
    if depth > MAX_DEPTH {
        return Err(unsound(folder, DEEP));
    }
    let mut folders = Vec::new();
    each(folder, &mut |path, found| {
        if found.is_dir() {
            folders.push(path.to_owned());
        }
        see(path, found)
    })?;
    folders.iter().try_for_each(|folder| below(folder, depth + 1, see))
}

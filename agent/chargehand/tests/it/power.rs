//! A disk after a power cut: what was written and not made safe may be there or not, in any mixture.
//!
//! Stricter than any file system of today: a name is safe only when its directory was synced, a content only when its
//! file was. A rename is there as a whole or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::tracer::Op;

/// What became of that which was not safe.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    /// It is there all the same.
    Nothing,
    /// It is gone.
    Everything,
    /// Some of it is there; the number decides which.
    Some(u64),
}

/// A bug that a disk must make visible.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bug {
    /// No file is ever synced.
    NoSync,
    /// No directory is ever synced.
    NoDirSync,
    /// Files are written where they stand, not beside and then renamed.
    InPlace,
}

/// What stands at a path.
#[derive(Clone, Debug)]
enum Thing {
    Dir,
    File(u64),
    Link(PathBuf),
}

/// A folder as it was before anything happened.
#[derive(Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    things: BTreeMap<PathBuf, Thing>,
    contents: HashMap<u64, Vec<u8>>,
    modes: HashMap<u64, u32>,
}

impl Disk {
    pub(crate) fn of(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            things: BTreeMap::new(),
            contents: HashMap::new(),
            modes: HashMap::new(),
        };
        disk.add(root);
        disk
    }

    fn add(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let thing = if found.is_dir() {
                self.add(&path);
                Thing::Dir
            } else if found.is_symlink() {
                Thing::Link(fs::read_link(&path).unwrap())
            } else {
                self.contents.insert(found.ino(), fs::read(&path).unwrap());
                self.modes.insert(found.ino(), found.mode() & 0o7777);
                Thing::File(found.ino())
            };
            self.things.insert(path, thing);
        }
    }

    /// Returns every file and link below `dir` with its content or target.
    pub(crate) fn below(&self, dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let things = self.things.iter().filter(|(path, _)| path.starts_with(dir) && *path != dir);
        let content = |thing: &Thing| match thing {
            Thing::Dir => Vec::new(),
            Thing::File(node) => self.contents[node].clone(),
            Thing::Link(target) => target.as_os_str().as_encoded_bytes().to_vec(),
        };
        things.map(|(path, thing)| (path.clone(), content(thing))).collect()
    }

    /// Puts the folder into the state after the first `count` of `ops` and a power cut.
    pub(crate) fn cut(&self, ops: &[Op], count: usize, lost: Lost) {
        let ops = &ops[..count];
        let mut dice = Dice(match lost {
            Lost::Some(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            Lost::Nothing | Lost::Everything => 1,
        });
        let mut stays = |is_safe: bool| match lost {
            _ if is_safe => true,
            Lost::Nothing => true,
            Lost::Everything => false,
            Lost::Some(_) => dice.roll(),
        };
        let mut things = self.things.clone();
        for (at, op) in ops.iter().enumerate() {
            let Some(place) = place(op) else { continue };
            let parent = place.parent().unwrap_or(place);
            let is_safe = ops[at..].iter().any(|later| match later {
                Op::SyncDir { path } => path == parent,
                Op::SyncDisk => true,
                _ => false,
            });
            if stays(is_safe) {
                apply(&mut things, op);
            }
        }
        let mut contents = self.contents.clone();
        let nodes: BTreeSet<u64> = ops.iter().filter_map(written).collect();
        for node in nodes {
            let (mut safe, mut last) = (contents.get(&node).cloned(), None);
            for op in ops {
                match op {
                    Op::Create { node: new, .. } if *new == node => (safe, last) = (None, None),
                    Op::Content { node: of, content } if *of == node => {
                        last = Some(content.clone());
                    }
                    Op::SyncFile { node: of } if *of == node => safe = last.take().or(safe),
                    Op::SyncDisk => safe = last.take().or(safe),
                    _ => {}
                }
            }
            let kept = last.filter(|_| stays(false)).or(safe).unwrap_or_default();
            contents.insert(node, kept);
        }
        self.lay_out(&things, &contents);
    }

    fn lay_out(&self, things: &BTreeMap<PathBuf, Thing>, contents: &HashMap<u64, Vec<u8>>) {
        for entry in fs::read_dir(&self.root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        // In the order of paths, a directory comes before what it holds; without it that is lost too.
        for (path, thing) in things {
            match thing {
                Thing::Dir => drop(fs::create_dir(path)),
                Thing::Link(target) => drop(symlink(target, path)),
                Thing::File(node) => {
                    let content = contents.get(node).map_or(&[][..], Vec::as_slice);
                    if fs::write(path, content).is_ok() {
                        let mode = self.modes.get(node).copied().unwrap_or(0o644);
                        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
                    }
                }
            }
        }
    }
}

/// Returns `ops` as a program with `bug` would have done them, and where a cut falls into the midst of a file.
pub(crate) fn plant(ops: &[Op], bug: Bug) -> (Vec<Op>, Vec<usize>) {
    let mut contents: HashMap<u64, Vec<u8>> = HashMap::new();
    let (mut planted, mut torn) = (Vec::new(), Vec::new());
    for op in ops {
        if let Op::Content { node, content } = op {
            contents.insert(*node, content.clone());
        }
        match (bug, op) {
            (Bug::NoSync, Op::SyncFile { .. } | Op::SyncDisk)
            | (Bug::NoDirSync, Op::SyncDir { .. } | Op::SyncDisk) => {}
            (Bug::InPlace, Op::Rename { from, to, node }) if contents.contains_key(node) => {
                let whole = &contents[node];
                // The name is there at once, the content comes in two halves.
                planted.push(Op::Remove { path: from.clone() });
                planted.push(Op::Create { path: to.clone(), node: *node });
                planted
                    .push(Op::Content { node: *node, content: whole[..whole.len() / 2].to_vec() });
                torn.push(planted.len());
                planted.push(Op::Content { node: *node, content: whole.clone() });
                planted.push(Op::SyncFile { node: *node });
                planted.push(Op::SyncDir { path: to.parent().unwrap().to_owned() });
            }
            _ => planted.push(op.clone()),
        }
    }
    (planted, torn)
}

/// Returns the name that an operation is about.
fn place(op: &Op) -> Option<&Path> {
    match op {
        Op::Create { path, .. }
        | Op::MakeDir { path }
        | Op::Link { path, .. }
        | Op::Name { path, .. }
        | Op::Rename { to: path, .. }
        | Op::Remove { path } => Some(path),
        Op::Content { .. } | Op::SyncFile { .. } | Op::SyncDir { .. } | Op::SyncDisk => None,
    }
}

fn written(op: &Op) -> Option<u64> {
    match op {
        Op::Content { node, .. } | Op::Create { node, .. } => Some(*node),
        _ => None,
    }
}

fn apply(things: &mut BTreeMap<PathBuf, Thing>, op: &Op) {
    match op {
        Op::Create { path, node } | Op::Name { path, node } => {
            things.insert(path.clone(), Thing::File(*node));
        }
        Op::MakeDir { path } => {
            things.entry(path.clone()).or_insert(Thing::Dir);
        }
        Op::Link { path, target } => {
            things.insert(path.clone(), Thing::Link(target.clone()));
        }
        Op::Rename { from, to, node } => {
            let moved: Vec<PathBuf> =
                things.keys().filter(|path| path.starts_with(from)).cloned().collect();
            if moved.is_empty() {
                // Its old name was lost, not the thing itself.
                things.insert(to.clone(), Thing::File(*node));
            }
            for path in moved {
                let thing = things.remove(&path).unwrap();
                let rest = path.strip_prefix(from).unwrap();
                let path = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                things.insert(path, thing);
            }
        }
        Op::Remove { path } => drop(things.remove(path)),
        Op::Content { .. } | Op::SyncFile { .. } | Op::SyncDir { .. } | Op::SyncDisk => {}
    }
}

/// Random numbers that follow from their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & 1 == 0
    }
}

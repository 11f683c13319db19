//! What the loop knows between two turns. Which calls are possible follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::change::{Change, ChangeKind};
use crate::contract::Contract;
use crate::known::Known;
use crate::opinion::Opinion;
use crate::phase::Seat;
use crate::rel_path::RelPath;

/// The state of a run, as far as it decides what may be called next.
#[derive(Debug)]
pub struct State<'a> {
    /// The contract of the run.
    pub contract: &'a Contract,
    /// Where its worker sits.
    pub seat: Seat,
    /// What its worker says of the change, in a review.
    pub opinion: Opinion,
    /// The ids of the evidence that a review can cite.
    pub citable: Vec<String>,
    /// Calls that would come to what they came to before, by tool and canonical arguments.
    pub past: BTreeMap<&'static str, BTreeMap<String, Past>>,
    /// Reading calls since the last change.
    pub reads: u32,
    /// Checks that were run since the last change, and whether they passed.
    pub checked: BTreeMap<String, bool>,
    /// Files that were changed in the run before this worker came, and not since: it does not know how.
    pub inherited: BTreeSet<RelPath>,
    /// All files of the workspace, sorted.
    files: Vec<File>,
    /// What the base has of each file that was touched.
    base: BTreeMap<RelPath, Base>,
    /// Files that are not as in the base.
    changed: BTreeSet<RelPath>,
}

/// A file of the workspace. What the contract says of it is asked once: there may be very many.
#[derive(Debug)]
pub struct File {
    /// Its path.
    pub path: RelPath,
    /// Whether it may change.
    pub may_change: bool,
    /// Whether it may go.
    pub may_go: bool,
    /// Whether it holds secrets that no tool reads.
    pub is_hidden: bool,
    /// What the worker has before its eyes.
    pub known: Known,
}

/// What the base has of a file.
#[derive(Debug)]
enum Base {
    Nothing,
    Content(Vec<u8>),
    /// It has the file, and nobody looked.
    Something,
}

/// What came of a call that would come to the same again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Past {
    /// It was answered.
    Answered,
    /// It did what it does.
    Done,
    /// It failed.
    Failed,
}

impl<'a> State<'a> {
    /// Returns the state before the first turn, of a workspace that has `changes` already.
    #[must_use]
    pub fn new(contract: &'a Contract, paths: Vec<RelPath>, changes: &[Change]) -> Self {
        let mut state = Self {
            contract,
            seat: Seat::default(),
            opinion: Opinion::default(),
            citable: Vec::new(),
            past: BTreeMap::new(),
            reads: 0,
            checked: BTreeMap::new(),
            files: Vec::new(),
            base: BTreeMap::new(),
            changed: BTreeSet::new(),
            inherited: BTreeSet::new(),
        };
        for change in changes {
            let Ok(path) = RelPath::parse(&change.path) else { continue };
            let is_new = change.kind == ChangeKind::Added;
            state.base.insert(path.clone(), if is_new { Base::Nothing } else { Base::Something });
            state.inherited.insert(path.clone());
            state.changed.insert(path);
        }
        state.files = paths.into_iter().map(|path| state.about(path)).collect();
        state
    }

    /// Returns all files, sorted.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Returns the file of this path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.place(path).ok().map(|at| &self.files[at])
    }

    /// Returns whether anything is not as in the base.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Returns whether a file that is not there may appear. One that the base has comes back as a change.
    #[must_use]
    pub fn may_appear(&self, path: &str) -> bool {
        let scope = &self.contract.scope;
        match self.base.get(path) {
            Some(Base::Content(_) | Base::Something) => scope.may_write(path),
            Some(Base::Nothing) | None => scope.may_create(path),
        }
    }

    /// Returns the files of the base that are gone.
    pub fn removed(&self) -> impl Iterator<Item = &RelPath> {
        let is_gone = |(path, base): &(&RelPath, &Base)| match base {
            Base::Nothing => false,
            Base::Content(_) | Base::Something => self.file(path.as_str()).is_none(),
        };
        self.base.iter().filter(is_gone).map(|(path, _)| path)
    }

    /// Returns what came of a call, when it would come to the same again.
    #[must_use]
    pub fn past_of(&self, tool: &str, arguments: &str) -> Option<Past> {
        self.past.get(tool)?.get(arguments).copied()
    }

    /// Returns every directory of the workspace, the top level as `.`.
    #[must_use]
    pub fn directories(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::from([".".to_owned()]);
        let mut last = "";
        for file in &self.files {
            let mut parent = file.path.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
            // Most files lie beside the one before them.
            if parent == last {
                continue;
            }
            last = parent;
            while !parent.is_empty() && found.insert(parent.to_owned()) {
                parent = parent.rsplit_once('/').map_or("", |(parent, _)| parent);
            }
        }
        found
    }

    /// Returns what is known of a file, to add to it.
    pub(crate) fn known(&mut self, path: &str) -> Option<&mut Known> {
        let at = self.place(path).ok()?;
        Some(&mut self.files[at].known)
    }

    /// Takes note that the worker wrote all of a file. `before` is what was there.
    pub(crate) fn note_write(&mut self, path: &RelPath, before: Option<Vec<u8>>, content: String) {
        let base = match (before, self.file(path.as_str())) {
            (Some(before), _) => Base::Content(before),
            (None, Some(_)) => Base::Something,
            (None, None) => Base::Nothing,
        };
        self.note(path, base, Some(content.as_bytes()));
        let file = File { known: Known::All(content), ..self.about(path.clone()) };
        match self.place(path.as_str()) {
            Ok(at) => self.files[at] = file,
            Err(at) => self.files.insert(at, file),
        }
    }

    /// Takes note that the worker wrote `with` in place of these bytes of a file, which had the content `before`.
    pub(crate) fn note_edit(
        &mut self,
        path: &RelPath,
        before: String,
        (at, with): (Range<usize>, &str),
        after: &str,
    ) {
        self.note(path, Base::Content(before.into_bytes()), Some(after.as_bytes()));
        if let Some(known) = self.known(path.as_str()) {
            known.edit(at, with);
        }
    }

    /// Takes note that a file is gone.
    pub(crate) fn note_removal(&mut self, path: &RelPath) {
        self.note(path, Base::Something, None);
        if let Ok(at) = self.place(path.as_str()) {
            self.files.remove(at);
        }
    }

    /// Takes note that a file has another content now, and forgets what was true of the workspace before. `base` is
    /// what the base has of it, if nothing is known yet.
    fn note(&mut self, path: &RelPath, base: Base, now: Option<&[u8]>) {
        let base = self.base.entry(path.clone()).or_insert(base);
        let is_back = match (base, now) {
            (Base::Nothing, None) => true,
            (Base::Content(then), Some(now)) => then == now,
            (Base::Nothing, Some(_)) | (Base::Content(_), None) | (Base::Something, _) => false,
        };
        if is_back {
            self.changed.remove(path);
        } else {
            self.changed.insert(path.clone());
        }
        self.past.clear();
        self.reads = 0;
        self.checked.clear();
    }

    /// Returns what the contract says of a file that is there.
    fn about(&self, path: RelPath) -> File {
        let scope = &self.contract.scope;
        let is_new = matches!(self.base.get(&path), Some(Base::Nothing));
        // What may be created may be written again, and taken back.
        let is_own = is_new && scope.may_create(path.as_str());
        let may_change = is_own || scope.may_write(path.as_str());
        let may_go = is_own || scope.may_delete(path.as_str());
        let is_hidden = scope.hides(path.as_str());
        File { path, may_change, may_go, is_hidden, known: Known::Nothing }
    }

    fn place(&self, path: &str) -> Result<usize, usize> {
        self.files.binary_search_by(|file| file.path.as_str().cmp(path))
    }
}

//! What the loop knows between two turns. Which calls are possible follows from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::Contract;
use crate::rel_path::RelPath;

/// The state of a run, as far as it decides what may be called next.
#[derive(Debug)]
pub struct State<'a> {
    /// The contract of the run.
    pub contract: &'a Contract,
    /// All files of the workspace, sorted.
    pub files: Vec<RelPath>,
    /// Files whose present content the worker has before its eyes, with that content.
    pub known: BTreeMap<RelPath, String>,
    /// Calls that would come to what they came to before, by tool and canonical arguments.
    pub past: BTreeMap<&'static str, BTreeMap<String, Past>>,
    /// Reading calls since the last change.
    pub reads: u32,
    /// Checks that were run since the last change, and whether they passed.
    pub checked: BTreeMap<String, bool>,
    /// Files that the base does not have: what may be created may be written again.
    pub created: BTreeSet<RelPath>,
    /// Whether anything was changed.
    pub changed: bool,
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
    /// Returns the state before the first turn.
    #[must_use]
    pub fn new(contract: &'a Contract, files: Vec<RelPath>) -> Self {
        Self {
            contract,
            files,
            known: BTreeMap::new(),
            past: BTreeMap::new(),
            reads: 0,
            checked: BTreeMap::new(),
            created: BTreeSet::new(),
            changed: false,
        }
    }

    /// Returns what came of a call, when it would come to the same again.
    #[must_use]
    pub fn past_of(&self, tool: &str, arguments: &str) -> Option<Past> {
        self.past.get(tool)?.get(arguments).copied()
    }

    /// Returns whether `path` is a file of the workspace.
    #[must_use]
    pub fn exists(&self, path: &RelPath) -> bool {
        self.files.binary_search(path).is_ok()
    }

    /// Takes note that `path` now has a content which the worker knows: it wrote it.
    pub(crate) fn note_change(&mut self, path: &RelPath, content: String) {
        if let Err(at) = self.files.binary_search(path) {
            self.files.insert(at, path.clone());
            self.created.insert(path.clone());
        }
        self.known.insert(path.clone(), content);
        self.forget();
    }

    /// Takes note that a file which the worker has not read is another now.
    pub(crate) fn note_unseen_change(&mut self) {
        self.forget();
    }

    /// Takes note that `path` is gone.
    pub(crate) fn note_removal(&mut self, path: &RelPath) {
        self.files.retain(|file| file != path);
        self.known.remove(path);
        self.created.remove(path);
        self.forget();
    }

    /// Forgets what was true of the workspace before it changed.
    fn forget(&mut self) {
        self.past.clear();
        self.reads = 0;
        self.checked.clear();
        self.changed = true;
    }

    /// Returns whether a file that is there may change.
    #[must_use]
    pub fn may_change(&self, path: &RelPath) -> bool {
        let scope = &self.contract.scope;
        scope.may_write(path.as_str()) || self.is_own(path)
    }

    /// Returns whether a file that is there may go.
    #[must_use]
    pub fn may_go(&self, path: &RelPath) -> bool {
        self.contract.scope.may_delete(path.as_str()) || self.is_own(path)
    }

    fn is_own(&self, path: &RelPath) -> bool {
        self.created.contains(path) && self.contract.scope.may_create(path.as_str())
    }

    /// Returns the files that are there and may change.
    pub fn writable(&self) -> impl Iterator<Item = &RelPath> {
        self.files.iter().filter(|path| self.may_change(path))
    }

    /// Returns every directory of the workspace, the top level as `.`.
    #[must_use]
    pub fn directories(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::from([".".to_owned()]);
        for path in &self.files {
            let mut parent = path.parent();
            while let Some(directory) = parent {
                parent = directory.parent();
                if !found.insert(directory.as_str().to_owned()) {
                    break;
                }
            }
        }
        found
    }
}

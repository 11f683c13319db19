//! Why a run is not accepted, in words.

use std::path::PathBuf;

use thiserror::Error;

use crate::env::dir::DiskError;
use crate::env::repo::RepoError;
use crate::env::run_dir::RunDirError;
use crate::env::workspace::WorkspaceError;

/// Paths that a message lists before it only counts.
const SHOWN: usize = 5;

/// Why a run is not accepted. Only after [`AcceptError::Landed`] is anything different from before.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// The folder of the run cannot be used.
    #[error(transparent)]
    Run(#[from] RunDirError),
    /// Its workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is not in a state to be accepted or rejected.
    #[error("run {id} {why}")]
    State {
        /// The run.
        id: String,
        /// What it is instead.
        why: &'static str,
    },
    /// It was made in another repository.
    #[error("run {id} belongs to the repository {theirs}, this is {ours}")]
    OtherRepo {
        /// The run.
        id: String,
        /// Its repository.
        theirs: String,
        /// This one.
        ours: String,
    },
    /// The report cannot be read, or is another run's.
    #[error("report.json of run {id} {why}")]
    Report {
        /// The run.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The contract is not kept.
    #[error(
        "the result of run {id} breaks its contract ({violations} violations, see its report); `--anyway` takes it all the same"
    )]
    Verdict {
        /// The run.
        id: String,
        /// How many breaches there are.
        violations: usize,
    },
    /// Its review does not approve of it.
    #[error(
        "the review of run {0} does not approve of the result, see its report; `--anyway` takes it all the same"
    )]
    Open(String),
    /// The workspace is not what was judged.
    #[error("the workspace of run {0} is not what was judged: something has written to it since")]
    Tampered(String),
    /// There is nothing to commit.
    #[error("run {0} changed nothing")]
    Nothing(String),
    /// A change that no commit can hold, or that nobody should make.
    #[error("`{path}` cannot be committed: {why}")]
    Uncommittable {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// HEAD is elsewhere than at the start.
    #[error(
        "HEAD is {now}, but the run began at {then}; `--anyway` takes a branch that moved on, no other"
    )]
    Moved {
        /// Where the run began.
        then: String,
        /// Where HEAD is.
        now: String,
    },
    /// The branch has changed files that the run changes too.
    #[error("{} changed on the branch since the run began; run the job again", list(.0, "has", "have"))]
    Met(Vec<String>),
    /// A merge or the like is under way.
    #[error("the repository is in the middle of something ({0}); finish it first")]
    Unfinished(String),
    /// The user has changes of his own where the run has some.
    #[error("{} changes that are not committed; commit or stash them first", list(.0, "has", "have"))]
    Dirty(Vec<String>),
    /// Files that git does not know stand where the run has some.
    #[error("{} in the way and not tracked; move it first", list(.0, "is", "are"))]
    InTheWay(Vec<String>),
    /// Another git command works on the repository, or died while it did.
    #[error("{} is there: another git command is at work; remove the file if none is", .0.display())]
    Locked(PathBuf),
    /// Nobody is named as the author.
    #[error(
        "git does not know who commits: `{0}` is not set; set it with `git config --global {0} \"...\"`"
    )]
    NoAuthor(&'static str),
    /// libgit2 said no.
    #[error("{what}: {}", source.message())]
    Git {
        /// What was tried.
        what: String,
        /// What it said.
        source: git2::Error,
    },
    /// The checkout cannot follow, and why; the user reads it in [`AcceptError::Landed`].
    #[error("{0}")]
    Stuck(String),
    /// The commit is made and holds, but the checkout is not up to date.
    #[error(
        "commit {commit} is made, but the checkout could not follow: {why}; run `chargehand accept {id}` again, or `git checkout HEAD -- PATH`"
    )]
    Landed {
        /// The run.
        id: String,
        /// The commit.
        commit: String,
        /// What was in the way.
        why: String,
    },
}

/// Returns some of `paths` and what is wrong with them, as the beginning of a sentence.
pub(super) fn list(paths: &[String], one: &str, many: &str) -> String {
    let mut text: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    if paths.len() > SHOWN {
        text.push(format!("{} more", paths.len() - SHOWN));
    }
    format!("{} {}", text.join(", "), if paths.len() == 1 { one } else { many })
}

//! Takes the result of a run over into the user's repository, or throws it away.
//!
//! Everything is checked before anything is written. Then come objects, commit, branch, working files and index, in
//! this order, so that at every moment the repository is one that git can work with. No hook is run and nothing is
//! signed: libgit2 does neither.

mod error;

use std::fs;
use std::io;

use chargehand_core::report::{Report, SCHEMA, Verdict};
use git2::{Oid, Repository, RepositoryState, Signature};

use super::checkout::{Checkout, Edit};
use super::dir::{Dir, Tried, write_file};
use super::edits::edits;
use super::path_text::escape;
use super::repo::{Head, Repo};
use super::run_dir::{RunDir, Status};
use super::sandbox::COMMANDS;
use super::tree::{self, Edits};
use super::workspace::{COPIES, PARTS};

pub use error::AcceptError;
use error::list;

/// The file with the settings of git that `accept` works under.
const SETTINGS: &str = "gitconfig";
const DURABLE: &[u8] = b"[core]\n\tfsyncObjectFiles = true\n";

/// What the user says to it.
#[derive(Clone, Debug, Default)]
pub struct AcceptOptions {
    /// The commit message; without one it is the goal.
    pub message: Option<String>,
    /// Whether a verdict that is not `holds` is taken too, a review that is open, and a branch that has moved on, as long as nothing that
    /// the run changed has changed there.
    pub anyway: bool,
}

/// What was made of a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// The new commit, in hex.
    pub commit: String,
    /// The branch that has it now; nothing for a detached HEAD, which then is its only holder.
    pub branch: Option<String>,
    /// The paths it changes.
    pub paths: Vec<String>,
}

/// Commits the result of `run` onto the branch it began at, and brings the touched files of the checkout up to date.
///
/// # Errors
///
/// [`AcceptError`]. After [`AcceptError::Landed`] the call can be repeated; it then only finishes the checkout.
pub fn accept(
    run: &mut RunDir,
    repo: &Repo,
    options: AcceptOptions,
) -> Result<Accepted, AcceptError> {
    run.lock()?;
    check_state(run)?;
    check_repo(run, repo)?;
    write_file(run.path(), SETTINGS, DURABLE)?;
    let repo = &repo.durable(&run.path().join(SETTINGS))?;
    let report = read_report(run, options.anyway)?;
    let edits = edits(run, repo, &report)?;
    let checkout = Checkout::open(repo.git(), repo.top())?;
    let commit = match landed(run, repo)? {
        Some(commit) => commit,
        None => {
            let parent = parent(run, repo, &edits, options.anyway)?;
            let people = People::of(repo.git())?;
            check_unlocked(repo)?;
            check_free(&checkout, &edits)?;
            let message = options.message.unwrap_or_else(|| default_message(&report));
            let message = format!("{}\n", message.trim_end());
            let commit = write_commit(repo, parent, &edits, &people, &message)?;
            sync(repo)?;
            land(run, repo, parent, commit)?
        }
    };
    let paths = edits.iter().map(|edit| escape(&edit.path)).collect();
    if let Err(err) = finish(run, repo, &checkout, edits, &commit) {
        let id = run.file().id.clone();
        return Err(AcceptError::Landed { id, commit, why: err.to_string() });
    }
    // The commit is safe; copies that stay are only litter, and so is what a command had that was killed with us.
    drop(run.remove(&COPIES));
    drop(run.remove(&[COMMANDS]));
    drop(run.weigh());
    Ok(Accepted { commit, branch: run.file().branch.clone(), paths })
}

/// Throws the workspace of `run` away. Its report and its events stay. A repository that is gone is no hindrance.
///
/// # Errors
///
/// [`AcceptError::State`] for a run that was accepted, [`AcceptError::Run`], [`AcceptError::Disk`].
pub fn reject(run: &mut RunDir, repo: Option<&Repo>) -> Result<(), AcceptError> {
    run.lock()?;
    if run.file().status == Status::Accepted {
        return Err(state(run, "was accepted already; `git revert` takes its commit back"));
    }
    if repo.map(|repo| landed(run, repo)).transpose()?.flatten().is_some() {
        return Err(state(run, "is on the branch; `chargehand accept` finishes the checkout"));
    }
    run.set_status(Status::Rejected)?;
    run.remove(&PARTS)?;
    // Without it whoever wants to know walks through it.
    drop(run.weigh());
    Ok(())
}

fn check_state(run: &RunDir) -> Result<(), AcceptError> {
    match run.file().status {
        Status::Done => Ok(()),
        Status::Running => Err(state(run, "has no verdict yet; resume it, or reject it")),
        Status::Accepted => Err(state(run, "was accepted already")),
        Status::Rejected => Err(state(run, "was rejected; its workspace is gone")),
    }
}

fn state(run: &RunDir, why: &'static str) -> AcceptError {
    AcceptError::State { id: run.file().id.clone(), why }
}

fn check_repo(run: &RunDir, repo: &Repo) -> Result<(), AcceptError> {
    let theirs = &run.file().repo;
    if theirs == repo.top() {
        return Ok(());
    }
    let (theirs, ours) = (theirs.display().to_string(), repo.top().display().to_string());
    Err(AcceptError::OtherRepo { id: run.file().id.clone(), theirs, ours })
}

fn read_report(run: &RunDir, anyway: bool) -> Result<Report, AcceptError> {
    let id = &run.file().id;
    let broken = |why: String| AcceptError::Report { id: id.clone(), why };
    let text = fs::read(run.path().join("report.json"))
        .map_err(|err| broken(format!("cannot be read: {err}")))?;
    let report: Report =
        serde_json::from_slice(&text).map_err(|err| broken(format!("cannot be read: {err}")))?;
    if report.schema != SCHEMA {
        return Err(broken(format!("has schema {}, this program reads {SCHEMA}", report.schema)));
    }
    if report.run != *id || report.base != run.file().base {
        return Err(broken("is the report of another run".to_owned()));
    }
    if report.verdict != Verdict::Holds && !anyway {
        return Err(AcceptError::Verdict { id: id.clone(), violations: report.violations.len() });
    }
    if report.is_open() && !anyway {
        return Err(AcceptError::Open(id.clone()));
    }
    Ok(report)
}

/// Returns the commit of an earlier call that did not come to its end, if it is on the branch.
fn landed(run: &RunDir, repo: &Repo) -> Result<Option<String>, AcceptError> {
    let head = repo.head()?;
    let (Some(commit), Some(now)) = (&run.file().commit, &head.commit) else { return Ok(None) };
    let follows = |now, then| repo.git().graph_descendant_of(now, then).unwrap_or(false);
    let is_behind = Oid::from_str(now).and_then(|now| Ok(follows(now, Oid::from_str(commit)?)));
    let is_there = now == commit || is_behind.unwrap_or(false);
    let is_there = is_there && head.branch == run.file().branch;
    Ok(is_there.then(|| commit.clone()))
}

/// Nothing of the user's may stand where the commit brings something.
fn check_free(checkout: &Checkout<'_>, edits: &[Edit]) -> Result<(), AcceptError> {
    let what = || "cannot read the checkout".to_owned();
    let taken = checkout.dirty(edits).tried(what)?;
    let (unknown, changed): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|path| checkout.is_unknown(path));
    let shown = |paths: Vec<&[u8]>| paths.into_iter().map(escape).collect();
    match (changed.is_empty(), unknown.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(AcceptError::InTheWay(shown(unknown))),
        (false, _) => Err(AcceptError::Dirty(shown(changed))),
    }
}

/// Brings the checkout behind the branch, and writes down that it is done.
fn finish(
    run: &mut RunDir,
    repo: &Repo,
    checkout: &Checkout<'_>,
    edits: Vec<Edit>,
    commit: &str,
) -> Result<(), AcceptError> {
    // The checkout must not be ahead of the branch.
    sync(repo)?;
    follow(run, repo, checkout, edits, commit)?;
    sync(repo)?;
    Ok(run.set_status(Status::Accepted)?)
}

/// Returns the commit that the new one comes after: the base, or with `anyway` a later one that has left the touched
/// files alone.
fn parent(
    run: &RunDir,
    repo: &Repo,
    edits: &[Edit],
    anyway: bool,
) -> Result<Option<Oid>, AcceptError> {
    let (now, file) = (repo.head()?, run.file());
    let then = Head { branch: file.branch.clone(), commit: file.base.clone() };
    if now.branch != then.branch || (now.commit != then.commit && !anyway) {
        return Err(AcceptError::Moved { then: describe(&then), now: describe(&now) });
    }
    match repo.git().state() {
        RepositoryState::Clean => {}
        state => return Err(AcceptError::Unfinished(format!("{state:?}").to_lowercase())),
    }
    let failed = |source| git("cannot read the commit at HEAD", source);
    let Some(now) = now.commit else { return Ok(None) };
    let commit = Oid::from_str(&now).and_then(|id| repo.git().find_commit(id)).map_err(failed)?;
    let tree = commit.tree().map_err(failed)?;
    let mut met = Vec::new();
    for edit in edits {
        if tree::leaf(repo.git(), &tree, &edit.path).map_err(failed)? != edit.old {
            met.push(escape(&edit.path));
        }
    }
    if met.is_empty() { Ok(Some(commit.id())) } else { Err(AcceptError::Met(met)) }
}

fn describe(head: &Head) -> String {
    let commit =
        head.commit.as_ref().map_or("no commit yet", |commit| &commit[..commit.len().min(12)]);
    match &head.branch {
        Some(branch) => format!("branch {branch} at {commit}"),
        None => format!("detached at {commit}"),
    }
}

/// Who commits.
struct People {
    author: Signature<'static>,
    committer: Signature<'static>,
}

impl People {
    /// Finds them as git does: `GIT_AUTHOR_NAME` and the like win over the configuration. libgit2 reads them.
    fn of(repo: &Repository) -> Result<Self, AcceptError> {
        let found = repo.author_from_env().and_then(|author| {
            repo.committer_from_env().map(|committer| Self { author, committer })
        });
        let source = match found {
            Ok(people) => return Ok(people),
            Err(source) => source,
        };
        let failed = |source| git("cannot read the configuration of git", source);
        let config = repo.config().and_then(|mut config| config.snapshot()).map_err(failed)?;
        let is_empty = |key: &str| config.get_string(key).unwrap_or_default().trim().is_empty();
        match ["user.name", "user.email"].into_iter().find(|key| is_empty(key)) {
            Some(key) => Err(AcceptError::NoAuthor(key)),
            None => Err(git("cannot use the author's name", source)),
        }
    }
}

/// The index is the last that is written, and a lock that somebody left would stop it there.
fn check_unlocked(repo: &Repo) -> Result<(), AcceptError> {
    let lock = repo.git().path().join("index.lock");
    if fs::symlink_metadata(&lock).is_ok() { Err(AcceptError::Locked(lock)) } else { Ok(()) }
}

/// Waits until everything that was written to the repository is on the disk.
fn sync(repo: &Repo) -> Result<(), AcceptError> {
    for place in [repo.git().path(), repo.top()] {
        let synced = Dir::open(place).and_then(|dir| dir.sync_disk());
        synced.tried(|| format!("cannot write {}", place.display()))?;
    }
    Ok(())
}

fn default_message(report: &Report) -> String {
    format!("{}\n\nChargehand-Run: {}", report.contract.goal.trim(), report.run)
}

fn write_commit(
    repo: &Repo,
    parent: Option<Oid>,
    edits: &[Edit],
    people: &People,
    message: &str,
) -> Result<Oid, AcceptError> {
    let (failed, store) = (|source| git("cannot write the commit", source), repo.git());
    let parent = parent.map(|id| store.find_commit(id)).transpose().map_err(failed)?;
    let base = parent.as_ref().map(git2::Commit::tree).transpose().map_err(failed)?;
    let mut leaves = Edits::new();
    for edit in edits {
        let new = match &edit.new {
            Some((mode, bytes)) => Some((store.blob(bytes).map_err(failed)?, *mode)),
            None => None,
        };
        leaves.push((&edit.path, new));
    }
    let tree = match tree::edit(store, base.as_ref(), &leaves).map_err(failed)? {
        Some(tree) => tree,
        None => store.treebuilder(None).and_then(|empty| empty.write()).map_err(failed)?,
    };
    let tree = store.find_tree(tree).map_err(failed)?;
    let parents: Vec<_> = parent.iter().collect();
    store.commit(None, &people.author, &people.committer, message, &tree, &parents).map_err(failed)
}

/// Moves the branch to the commit, if it is still where it was.
fn land(
    run: &mut RunDir,
    repo: &Repo,
    parent: Option<Oid>,
    commit: Oid,
) -> Result<String, AcceptError> {
    // From here on a call that was cut off can be finished by another.
    run.set_commit(&commit.to_string())?;
    let branch = run.file().branch.as_ref();
    let name = branch.map_or("HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    let log = format!("chargehand: accept {}", run.file().id);
    let moved = match parent {
        Some(parent) => repo.git().reference_matching(&name, commit, true, parent, &log),
        None => repo.git().reference(&name, commit, false, &log),
    };
    moved.map_err(|source| git(&format!("cannot move {name}"), source))?;
    Ok(commit.to_string())
}

fn follow(
    run: &RunDir,
    repo: &Repo,
    checkout: &Checkout<'_>,
    mut edits: Vec<Edit>,
    commit: &str,
) -> Result<(), AcceptError> {
    let stuck = AcceptError::Stuck;
    if landed(run, repo)?.is_none() {
        return Err(stuck(format!("HEAD is now {}", describe(&repo.head()?))));
    }
    let failed = |source| git("cannot read the commit at HEAD", source);
    let head = repo.git().head().and_then(|head| head.peel_to_commit()).map_err(failed)?;
    if head.id().to_string() != commit {
        // What a later commit has made of a file is the user's.
        let tree = head.tree().map_err(failed)?;
        let mut kept = Vec::new();
        for edit in edits {
            let now = tree::leaf(repo.git(), &tree, &edit.path).map_err(failed)?;
            kept.extend((now == edit.new_leaf().map_err(failed)?).then_some(edit));
        }
        edits = kept;
    }
    let left = checkout.update(&edits).map_err(|err: io::Error| stuck(err.to_string()))?;
    if left.is_empty() {
        return Ok(());
    }
    Err(stuck(format!("{} been changed meanwhile", list(&left, "has", "have"))))
}

pub(crate) fn git(what: &str, source: git2::Error) -> AcceptError {
    AcceptError::Git { what: what.to_owned(), source }
}

//! Which run a command is about: inside a repository `last` is the last of that repository.

use std::path::Path;

use crate::config::Places;
use crate::env::repo::{Repo, RepoError};
use crate::env::run_dir::{RunDir, RunFile};
use crate::error::Error;
use crate::report::visible;

/// Opens the run `wanted` and locks it.
pub(super) fn open(places: &Places, wanted: &str) -> Result<RunDir, Error> {
    Ok(RunDir::open(&places.state, &id(places, wanted)?)?)
}

/// Opens the run `wanted` to look at it only.
pub(super) fn peek(places: &Places, wanted: &str) -> Result<RunDir, Error> {
    Ok(RunDir::peek(&places.state, &id(places, wanted)?)?)
}

/// Returns where the result of a run belongs, in words.
pub(super) fn place(run: &RunFile) -> String {
    let repo = visible::line(&run.repo.to_string_lossy()).text;
    match &run.branch {
        Some(branch) => format!("branch {} of {repo}", visible::line(branch).text),
        None => format!("the detached HEAD of {repo}"),
    }
}

fn id(places: &Places, wanted: &str) -> Result<String, Error> {
    if wanted != "last" {
        return Ok(wanted.to_owned());
    }
    let repo = match Repo::discover(Path::new(".")) {
        Ok(repo) => Some(repo),
        Err(RepoError::NotFound(_) | RepoError::Bare(_)) => None,
        Err(err) => return Err(err.into()),
    };
    Ok(RunDir::last(&places.state, repo.as_ref().map(Repo::top))?)
}

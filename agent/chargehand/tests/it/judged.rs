//! Only what was judged is accepted, and only what a commit can hold.

use std::fs;

use chargehand::env::accept::{AcceptError, AcceptOptions, accept};
use chargehand::env::run_dir::RunDir;
use chargehand::env::workspace::Workspace;

use crate::temp_repo::{ALL, TempRepo, chmod, write};

fn sample() -> TempRepo {
    TempRepo::with(&[("a", "one\n"), ("d/b", "b\n"), ("d/c", "c\n"), ("e", "e\n")])
}

/// Checks that a run is refused with this message, and that nothing is different afterwards.
#[track_caller]
fn check_refused(repo: &TempRepo, run: &mut RunDir, message: &str) {
    let (head_before, status_before) = (head(repo), repo.status());
    let err = repo.accept(run).unwrap_err().to_string();
    assert!(err.contains(message), "{err}");
    assert_eq!((head(repo), repo.status()), (head_before, status_before));
}

fn head(repo: &TempRepo) -> String {
    repo.repo().head().unwrap().commit.unwrap_or_default()
}

fn edited(repo: &TempRepo) -> RunDir {
    repo.judged(ALL, |workspace| write(workspace, "a", "two\n"))
}

#[test]
fn a_report_of_another_run_is_refused() {
    let repo = sample();
    let (one, mut two) = (edited(&repo), edited(&repo));
    fs::copy(one.path().join("report.json"), two.path().join("report.json")).unwrap();
    check_refused(&repo, &mut two, "is the report of another run");
    fs::write(two.path().join("report.json"), "{").unwrap();
    check_refused(&repo, &mut two, "cannot be read");
}

#[test]
fn another_repository_is_refused() {
    let (repo, other) = (sample(), sample());
    let mut run = edited(&repo);
    let err = accept(&mut run, &other.repo(), AcceptOptions::default()).unwrap_err();
    assert!(matches!(err, AcceptError::OtherRepo { .. }));
}

#[test]
fn what_was_written_after_the_verdict_is_refused() {
    let repo = sample();
    let mut run = edited(&repo);
    // The same number of lines, so that the list of changes is the same.
    fs::write(run.path().join("work/a"), "2!!\n").unwrap();
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_mode_that_was_set_after_the_verdict_is_refused() {
    let repo = sample();
    let mut run = edited(&repo);
    chmod(&run.path().join("work/a"), 0o755);
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_report_that_does_not_fit_the_workspace_is_refused() {
    let repo = sample();
    let mut run = edited(&repo);
    fs::write(run.path().join("work/e"), "sneaked in\n").unwrap();
    // Somebody measures again, so the list of changes is another than that of the report.
    Workspace::open(&run).unwrap().changes().unwrap();
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_hard_link_is_never_committed() {
    let repo = sample();
    let outside = repo.outside("secret");
    fs::write(&outside, "secret\n").unwrap();
    let mut run =
        repo.judged(ALL, |workspace| fs::hard_link(&outside, workspace.path().join("h")).unwrap());
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`h` cannot be committed: it has a second name elsewhere (hard link)");
}

#[test]
fn files_of_git_are_never_committed() {
    let repo = sample();
    let mut run = repo.judged(ALL, |workspace| {
        fs::create_dir(workspace.path().join(".GIT")).unwrap();
        fs::write(workspace.path().join(".GIT/config"), "x").unwrap();
    });
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`.GIT/config` cannot be committed: it leads into git's own files");
}

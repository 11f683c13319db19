//! Only what was judged is accepted, and only what a commit can hold.

use std::fs;

use chargehand::env::accept::{AcceptError, AcceptOptions, accept};
use chargehand::env::workspace::Workspace;

use crate::temp_repo::{ALL, check_refused, chmod, edited, on_two_levels};

#[test]
fn a_report_of_another_run_is_refused() {
    let repo = on_two_levels();
    let (one, mut two) = (edited(&repo), edited(&repo));
    fs::copy(one.path().join("report.json"), two.path().join("report.json")).unwrap();
    check_refused(&repo, &mut two, "is the report of another run");
    fs::write(two.path().join("report.json"), "{").unwrap();
    check_refused(&repo, &mut two, "cannot be read");
}

#[test]
fn another_repository_is_refused() {
    let (repo, other) = (on_two_levels(), on_two_levels());
    let mut run = edited(&repo);
    let err = accept(&mut run, &other.repo(), AcceptOptions::default()).unwrap_err();
    assert!(matches!(err, AcceptError::OtherRepo { .. }));
}

#[test]
fn what_was_written_after_the_verdict_is_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    // The same number of lines, so that the list of changes is the same.
    fs::write(run.path().join("work/a"), "2!!\n").unwrap();
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_mode_that_was_set_after_the_verdict_is_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    chmod(&run.path().join("work/a"), 0o755);
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_report_that_does_not_fit_the_workspace_is_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    fs::write(run.path().join("work/e"), "sneaked in\n").unwrap();
    // Somebody measures again, so the list of changes is another than that of the report.
    Workspace::open(&run).unwrap().changes().unwrap();
    check_refused(&repo, &mut run, "is not what was judged");
}

#[test]
fn a_hard_link_is_never_committed() {
    let repo = on_two_levels();
    let outside = repo.outside("secret");
    fs::write(&outside, "secret\n").unwrap();
    let mut run =
        repo.judged(ALL, |workspace| fs::hard_link(&outside, workspace.path().join("h")).unwrap());
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`h` cannot be committed: it has a second name elsewhere (hard link)");
}

#[test]
fn files_of_git_are_never_committed() {
    let repo = on_two_levels();
    let mut run = repo.judged(ALL, |workspace| {
        fs::create_dir(workspace.path().join(".GIT")).unwrap();
        fs::write(workspace.path().join(".GIT/config"), "x").unwrap();
    });
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`.GIT/config` cannot be committed: it leads into git's own files");
}

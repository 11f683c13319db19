//! What `accept` does to a checkout with changes of the user's own, and after it was cut off.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use chargehand::env::accept::reject;
use chargehand::env::run_dir::{RunDir, Status};
use chargehand::env::workspace::Workspace;
use git2::IndexEntryExtendedFlag;

use crate::temp_repo::{ALL, TempRepo, check_refused, edited, head, on_two_levels, write};

#[test]
fn other_dirty_files_stay_as_they_are() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    repo.put("d/b", "staged\n");
    repo.stage();
    repo.put("d/b", "and changed again\n");
    repo.put("e", "dirty\n");
    repo.put("own", "untracked\n");
    let before = repo.status();
    repo.accept(&mut run).unwrap();
    assert_eq!(repo.status(), before);
    assert_eq!(repo.read("d/b"), "and changed again\n");
    assert_eq!(repo.read("a"), "two\n");
}

/// A touched file with changes of the user's own.
#[track_caller]
fn check_dirty(make: impl FnOnce(&TempRepo), work: impl FnOnce(&mut Workspace<'_>), path: &str) {
    check_taken(make, work, &format!("`{path}` has changes that are not committed"));
}

/// Something of the user's where the run has something, which git does not know.
#[track_caller]
fn check_in_the_way(make: impl FnOnce(&TempRepo), path: &str) {
    let message = format!("`{path}` is in the way and not tracked; move it first");
    check_taken(make, |work| write(work, path, "2\n"), &message);
}

#[track_caller]
fn check_taken(make: impl FnOnce(&TempRepo), work: impl FnOnce(&mut Workspace<'_>), message: &str) {
    let repo = on_two_levels();
    let mut run = repo.judged(ALL, work);
    make(&repo);
    check_refused(&repo, &mut run, message);
}

#[test]
fn a_touched_file_that_is_dirty() {
    check_dirty(|repo| repo.put("a", "mine\n"), |work| write(work, "a", "2\n"), "a");
}

#[test]
fn a_touched_file_that_is_staged() {
    let make = |repo: &TempRepo| {
        repo.put("a", "mine\n");
        repo.stage();
        repo.put("a", "one\n");
    };
    check_dirty(make, |work| write(work, "a", "2\n"), "a");
}

#[test]
fn a_touched_file_that_the_user_has_deleted() {
    check_dirty(
        |repo| fs::remove_file(repo.path("a")).unwrap(),
        |work| write(work, "a", "2\n"),
        "a",
    );
}

#[test]
fn a_touched_file_with_another_mode() {
    check_dirty(|repo| repo.chmod("a", 0o755), |work| write(work, "a", "2\n"), "a");
}

#[test]
fn a_new_file_where_the_user_has_one() {
    check_in_the_way(|repo| repo.put("new", "mine\n"), "new");
}

#[test]
fn a_new_file_where_the_user_has_a_directory() {
    check_in_the_way(|repo| repo.put("new/x", "mine\n"), "new");
}

#[test]
fn a_new_file_where_the_user_has_one_that_git_ignores() {
    let make = |repo: &TempRepo| {
        repo.put(".git/info/exclude", "new\n");
        repo.put("new", "mine\n");
    };
    check_in_the_way(make, "new");
}

#[test]
fn a_new_directory_where_the_user_has_a_file() {
    check_dirty(|repo| repo.put("new", "mine\n"), |work| write(work, "new/x", "2\n"), "new/x");
}

#[test]
fn a_new_file_that_the_user_has_staged_and_removed() {
    let make = |repo: &TempRepo| {
        repo.put("new", "mine\n");
        repo.stage();
        fs::remove_file(repo.path("new")).unwrap();
    };
    check_dirty(make, |work| write(work, "new", "2\n"), "new");
}

#[test]
fn a_new_directory_where_the_user_has_staged_a_file() {
    let make = |repo: &TempRepo| {
        repo.put("new", "mine\n");
        repo.stage();
        fs::remove_file(repo.path("new")).unwrap();
    };
    check_dirty(make, |work| write(work, "new/x", "2\n"), "new/x");
}

#[test]
fn a_directory_of_the_checkout_that_is_a_link_is_not_followed() {
    let make = |repo: &TempRepo| {
        fs::rename(repo.path("d"), repo.outside("d")).unwrap();
        symlink(repo.outside("d"), repo.path("d")).unwrap();
    };
    check_dirty(make, |work| write(work, "d/b", "2\n"), "d/b");
}

#[test]
fn a_file_that_the_run_deletes_and_the_user_changed() {
    let delete = |work: &mut Workspace<'_>| fs::remove_file(work.path().join("a")).unwrap();
    check_dirty(|repo| repo.put("a", "mine\n"), delete, "a");
}

#[test]
fn a_locked_index_is_told_and_the_call_can_be_repeated() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    fs::write(repo.path(".git/index.lock"), "").unwrap();
    let err = repo.accept(&mut run).unwrap_err();
    assert!(err.to_string().contains("index.lock is there"), "{err}");
    assert_eq!(repo.git().head().unwrap().peel_to_commit().unwrap().parent_count(), 0);
    fs::remove_file(repo.path(".git/index.lock")).unwrap();
    let accepted = repo.accept(&mut run).unwrap();
    assert_eq!(accepted.commit, head(&repo));
    assert_eq!(repo.git().head().unwrap().peel_to_commit().unwrap().parent_count(), 1);
    assert_eq!(repo.status(), "");
}

/// Brings the repository into the state that a kill leaves after the branch has moved: files and index are the old
/// ones. Returns the commit.
fn cut_off(repo: &TempRepo, run: &mut RunDir) -> String {
    let (file, index) = (repo.read("a"), fs::read(repo.path(".git/index")).unwrap());
    let commit = repo.accept(run).unwrap().commit;
    run.set_status(Status::Done).unwrap();
    fs::write(repo.path("a"), file).unwrap();
    fs::remove_file(repo.path("new")).unwrap();
    fs::write(repo.path(".git/index"), index).unwrap();
    commit
}

fn two_files(repo: &TempRepo) -> RunDir {
    repo.judged(ALL, |workspace| {
        write(workspace, "a", "two\n");
        write(workspace, "new", "1\n");
    })
}

#[test]
fn a_call_that_was_cut_off_after_the_commit_is_finished_by_another() {
    let repo = on_two_levels();
    let mut run = two_files(&repo);
    let commit = cut_off(&repo, &mut run);
    assert_eq!(repo.accept(&mut run).unwrap().commit, commit);
    assert_eq!((repo.status(), repo.read("new")), (String::new(), "1\n".to_owned()));
}

#[test]
fn what_the_user_changed_after_the_commit_is_not_overwritten() {
    let repo = on_two_levels();
    let mut run = two_files(&repo);
    cut_off(&repo, &mut run);
    repo.put("a", "mine\n");
    let err = repo.accept(&mut run).unwrap_err().to_string();
    assert!(err.contains("`a` has been changed meanwhile; run `chargehand accept "), "{err}");
    assert_eq!((repo.read("a").as_str(), repo.read("new").as_str()), ("mine\n", "1\n"));
}

#[test]
fn what_the_user_committed_after_the_commit_is_not_overwritten() {
    let repo = on_two_levels();
    let mut run = two_files(&repo);
    let commit = cut_off(&repo, &mut run);
    // The old `a` is committed on top; what the run has made of `new` is still the newest.
    repo.put("new", "1\n");
    repo.commit("on top");
    fs::remove_file(repo.path("new")).unwrap();
    let err = reject(&mut run, Some(&repo.repo())).unwrap_err().to_string();
    assert!(err.contains("is on the branch"), "{err}");
    assert_eq!(repo.accept(&mut run).unwrap().commit, commit);
    assert_eq!((repo.read("a").as_str(), repo.read("new").as_str()), ("one\n", "1\n"));
    assert_eq!((repo.status().as_str(), run.file().status), ("", Status::Accepted));
}

/// Marks `a` as one that the sparse checkout leaves out, and takes it away.
fn leave_out(repo: &TempRepo) {
    let git = repo.git();
    let mut index = git.index().unwrap();
    let mut entry = index.get_path(Path::new("a"), 0).unwrap();
    entry.flags_extended |= IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
    index.add(&entry).unwrap();
    index.write().unwrap();
    fs::remove_file(repo.path("a")).unwrap();
}

#[test]
fn a_file_that_a_sparse_checkout_leaves_out_stays_out() {
    let repo = on_two_levels();
    leave_out(&repo);
    assert_eq!(repo.repo().dirty(&|_| true).unwrap(), [""; 0]);
    let mut run = edited(&repo);
    repo.accept(&mut run).unwrap();
    assert!(!repo.path("a").exists());
    assert_eq!(repo.repo().dirty(&|_| true).unwrap(), [""; 0]);
    let git = repo.git();
    let tree = git.head().unwrap().peel_to_tree().unwrap();
    let (of_head, index) = (tree.get_name("a").unwrap().id(), git.index().unwrap());
    assert_eq!(index.get_path(Path::new("a"), 0).unwrap().id, of_head);
    assert_eq!(git.find_blob(of_head).unwrap().content(), b"two\n");
}

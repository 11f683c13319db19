//! What `accept` commits, what it refuses, and that it leaves everything else in the user's checkout alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use chargehand::env::accept::{AcceptError, AcceptOptions, accept, reject};
use chargehand::env::run_dir::{RunDir, Status};
use chargehand::env::workspace::Workspace;
use git2::{Oid, Signature};

use crate::temp_repo::{
    ALL, TempRepo, check_refused, chmod, edited, head, judge, on_two_levels, write,
};

/// A contract that no change keeps.
const NOTHING: &str = "goal = \"do it\"\n[scope]\ncreate = [\"never\"]\n";

/// Judges a run that writes `files`, and accepts it; the checkout must then be clean.
#[track_caller]
fn check(repo: &TempRepo, files: &[(&str, &str)]) {
    let mut run = repo.judged(ALL, |workspace| {
        for (path, content) in files {
            write(workspace, path, content);
        }
    });
    let accepted = repo.accept(&mut run).unwrap();
    assert_eq!(head(repo), accepted.commit);
    assert_eq!(repo.status(), "");
    assert_eq!(run.file().status, Status::Accepted);
    for (path, content) in files {
        assert_eq!(repo.read(path), *content);
    }
}

/// Returns the paths of HEAD with their modes.
fn listing(repo: &TempRepo) -> String {
    let git = repo.git();
    let tree = git.head().unwrap().peel_to_tree().unwrap();
    let mut lines = Vec::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |root, entry| {
        if entry.kind() == Some(git2::ObjectType::Blob) {
            lines.push(format!(
                "{:o} {root}{}",
                entry.filemode(),
                String::from_utf8_lossy(entry.name_bytes())
            ));
        }
        git2::TreeWalkResult::Ok
    })
    .unwrap();
    lines.join("\n")
}

#[test]
fn an_edit_is_committed() {
    check(&on_two_levels(), &[("a", "two\n")]);
}

#[test]
fn new_files_in_new_directories_are_committed() {
    check(&on_two_levels(), &[("x/y/z", "1\n"), ("d/new file", "1\n"), ("ü", "")]);
}

#[test]
fn the_first_commit_of_an_empty_repository() {
    let repo = TempRepo::empty();
    check(&repo, &[("a", "1\n")]);
    let git = repo.git();
    assert_eq!(git.head().unwrap().peel_to_commit().unwrap().parent_count(), 0);
}

#[test]
fn the_commit_says_who_what_and_which_run() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    let before = head(&repo);
    repo.accept(&mut run).unwrap();
    let git = repo.git();
    let commit = git.head().unwrap().peel_to_commit().unwrap();
    assert_eq!(commit.message().unwrap(), format!("do it\n\nChargehand-Run: {}\n", run.file().id));
    assert_eq!(commit.author().email().unwrap(), "person@example.org");
    assert_eq!(commit.parent_id(0).unwrap().to_string(), before);
    assert_eq!(RunDir::list(&repo.state()).unwrap()[0].commit, Some(commit.id().to_string()));
}

#[test]
fn what_a_killed_command_had_goes_with_the_copies() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    // As a `verify` that was killed leaves it.
    let left = ["commands/command-x/tmp", "final/d"].map(|name| run.path().join(name));
    left.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    repo.accept(&mut run).unwrap();
    assert!(["commands", "final"].iter().all(|name| !run.path().join(name).exists()));
}

#[test]
fn a_message_of_the_user_s_own() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    let options = AcceptOptions { message: Some("mine\n\n".to_owned()), anyway: false };
    accept(&mut run, &repo.repo(), options).unwrap();
    let git = repo.git();
    assert_eq!(git.head().unwrap().peel_to_commit().unwrap().message().unwrap(), "mine\n");
}

#[test]
fn deleted_files_go_with_their_directories() {
    let repo = on_two_levels();
    let mut run =
        repo.judged(ALL, |workspace| fs::remove_dir_all(workspace.path().join("d")).unwrap());
    repo.accept(&mut run).unwrap();
    assert_eq!(listing(&repo), "100644 a\n100644 e");
    assert_eq!(repo.status(), "");
    assert!(!repo.path("d").exists());
}

#[test]
fn a_directory_with_the_user_s_own_files_stays() {
    let repo = on_two_levels();
    repo.put("d/own", "mine\n");
    let mut run =
        repo.judged(ALL, |workspace| fs::remove_dir_all(workspace.path().join("d")).unwrap());
    repo.accept(&mut run).unwrap();
    assert_eq!(repo.read("d/own"), "mine\n");
}

#[test]
fn everything_deleted_is_an_empty_tree() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let mut run =
        repo.judged(ALL, |workspace| fs::remove_file(workspace.path().join("a")).unwrap());
    repo.accept(&mut run).unwrap();
    assert_eq!((listing(&repo), repo.status()), (String::new(), String::new()));
}

#[test]
fn a_directory_in_the_place_of_a_file_and_back() {
    let repo = on_two_levels();
    let mut run = repo.judged(ALL, |workspace| {
        fs::remove_file(workspace.path().join("a")).unwrap();
        write(workspace, "a/x", "1\n");
        fs::remove_dir_all(workspace.path().join("d")).unwrap();
        write(workspace, "d", "file\n");
    });
    repo.accept(&mut run).unwrap();
    assert_eq!(listing(&repo), "100644 a/x\n100644 d\n100644 e");
    assert_eq!(repo.status(), "");
    assert_eq!(repo.read("d"), "file\n");
}

#[test]
fn modes_and_links_are_committed_when_told() {
    let repo = on_two_levels();
    let mut run = repo.judged(ALL, |workspace| {
        chmod(&workspace.path().join("a"), 0o755);
        symlink("d/b", workspace.path().join("l")).unwrap();
        fs::remove_file(workspace.path().join("e")).unwrap();
        symlink("a", workspace.path().join("e")).unwrap();
    });
    check_refused(&repo, &mut run, "breaks its contract (3 violations");
    repo.accept_anyway(&mut run).unwrap();
    assert_eq!(listing(&repo), "100755 a\n100644 d/b\n100644 d/c\n120000 e\n120000 l");
    assert_eq!(repo.status(), "");
    assert_eq!(fs::metadata(repo.path("a")).unwrap().mode() & 0o111, 0o111);
    assert_eq!(fs::read_link(repo.path("l")).unwrap().to_str(), Some("d/b"));
}

#[test]
fn names_that_are_no_text_are_committed() {
    use std::os::unix::ffi::OsStrExt;
    let repo = on_two_levels();
    let name = b"new\nline \xff";
    let mut run = repo.judged(ALL, |workspace| {
        fs::write(workspace.path().join(std::ffi::OsStr::from_bytes(name)), "x\n").unwrap();
    });
    let accepted = repo.accept(&mut run).unwrap();
    assert_eq!(accepted.paths, [r"new\x0aline \xff"]);
    assert_eq!(repo.read(name), "x\n");
    assert_eq!(repo.status(), "");
}

#[test]
fn a_bad_verdict_is_refused_unless_told() {
    let repo = on_two_levels();
    let mut run = repo.judged(NOTHING, |workspace| write(workspace, "a", "two\n"));
    check_refused(
        &repo,
        &mut run,
        "breaks its contract (1 violations, see its report); `--anyway`",
    );
    repo.accept_anyway(&mut run).unwrap();
    assert_eq!(repo.read("a"), "two\n");
}

#[test]
fn a_run_without_a_verdict_is_refused() {
    let repo = on_two_levels();
    let mut run = repo.run();
    check_refused(&repo, &mut run, "has no verdict yet; resume it, or reject it");
}

#[test]
fn a_run_is_accepted_once() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    repo.accept(&mut run).unwrap();
    check_refused(&repo, &mut run, "was accepted already");
    assert!(reject(&mut run, None).unwrap_err().to_string().contains("`git revert`"));
}

#[test]
fn a_run_that_changed_nothing_is_refused() {
    let repo = on_two_levels();
    let mut run = repo.judged(ALL, |_| {});
    assert!(matches!(repo.accept_anyway(&mut run), Err(AcceptError::Nothing(_))));
}

#[test]
fn a_branch_that_moved_is_refused_unless_told() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    repo.put("e", "the user's\n");
    let moved = repo.commit("second");
    check_refused(&repo, &mut run, "`--anyway` takes a branch that moved on");
    repo.accept_anyway(&mut run).unwrap();
    let git = repo.git();
    assert_eq!(
        git.head().unwrap().peel_to_commit().unwrap().parent_id(0).unwrap().to_string(),
        moved
    );
    assert_eq!((repo.read("a").as_str(), repo.read("e").as_str()), ("two\n", "the user's\n"));
    assert_eq!(repo.status(), "");
}

#[test]
fn a_branch_that_changed_the_same_file_is_always_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    repo.put("a", "the user's\n");
    repo.commit("second");
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`a` has changed on the branch since the run began; run the job again");
}

#[test]
fn another_branch_is_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    let git = repo.git();
    git.branch("other", &git.head().unwrap().peel_to_commit().unwrap(), false).unwrap();
    git.set_head("refs/heads/other").unwrap();
    check_refused(&repo, &mut run, "HEAD is branch other at ");
    assert!(repo.accept_anyway(&mut run).is_err());
}

#[test]
fn a_detached_head_moves() {
    let repo = on_two_levels();
    let id = Oid::from_str(&head(&repo)).unwrap();
    repo.git().set_head_detached(id).unwrap();
    let mut run = edited(&repo);
    let accepted = repo.accept(&mut run).unwrap();
    assert_eq!((accepted.branch, accepted.commit), (None, head(&repo)));
    let git = repo.git();
    assert_eq!(git.find_branch("main", git2::BranchType::Local).unwrap().get().target(), Some(id));
    assert_eq!(repo.status(), "");
}

#[test]
fn a_merge_under_way_is_refused() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    fs::write(repo.path(".git/MERGE_HEAD"), format!("{}\n", head(&repo))).unwrap();
    check_refused(&repo, &mut run, "in the middle of something (merge)");
}

#[test]
fn nobody_to_commit_is_refused() {
    for key in ["user.name", "user.email"] {
        let repo = on_two_levels();
        repo.git().config().unwrap().set_str(key, " ").unwrap();
        let mut run = edited(&repo);
        check_refused(
            &repo,
            &mut run,
            &format!("`{key}` is not set; set it with `git config --global {key}"),
        );
    }
}

#[test]
fn rejecting_removes_the_workspace_and_keeps_the_report() {
    let repo = on_two_levels();
    let mut run = edited(&repo);
    Workspace::open(&run).unwrap().final_copy().unwrap();
    reject(&mut run, None).unwrap();
    for gone in ["work", "git", "scratch", "final", "tmp"] {
        assert!(!run.path().join(gone).exists(), "{gone}");
    }
    for kept in ["report.json", "run.json", "contract.toml", "base.json", "judged.json"] {
        assert!(run.path().join(kept).exists(), "{kept}");
    }
    check_refused(&repo, &mut run, "was rejected; its workspace is gone");
    reject(&mut run, None).unwrap();
    let err = Workspace::open(&run).unwrap_err().to_string();
    assert!(err.contains("has no workspace any more"), "{err}");
}

#[test]
fn an_interrupted_run_can_be_opened_again_and_judged() {
    let repo = on_two_levels();
    let run = repo.run();
    write(&mut Workspace::open(&run).unwrap(), "a", "two\n");
    let id = run.file().id.clone();
    drop(run);
    let mut run = RunDir::open(&repo.state(), &id).unwrap();
    assert_eq!(run.file().status, Status::Running);
    judge(&mut run, ALL);
    repo.accept(&mut run).unwrap();
    assert_eq!(repo.read("a"), "two\n");
}

#[test]
fn two_runs_of_one_base_are_accepted_one_after_the_other_when_told() {
    let repo = on_two_levels();
    let (mut one, mut two) =
        (edited(&repo), repo.judged(ALL, |workspace| write(workspace, "e", "2\n")));
    repo.accept(&mut one).unwrap();
    check_refused(&repo, &mut two, "`--anyway`");
    repo.accept_anyway(&mut two).unwrap();
    assert_eq!(
        (repo.read("a"), repo.read("e"), repo.status()),
        ("two\n".into(), "2\n".into(), String::new())
    );
}

#[test]
fn a_submodule_beside_the_change_stays() {
    let repo = on_two_levels();
    let git = repo.git();
    let parent = git.head().unwrap().peel_to_commit().unwrap();
    let mut builder = git.treebuilder(Some(&parent.tree().unwrap())).unwrap();
    builder.insert("sub", parent.id(), 0o160_000).unwrap();
    let tree = git.find_tree(builder.write().unwrap()).unwrap();
    let who = Signature::now("A", "a@b").unwrap();
    git.commit(Some("HEAD"), &who, &who, "sub", &tree, &[&parent]).unwrap();
    let mut run = edited(&repo);
    repo.accept(&mut run).unwrap();
    let tree = git.head().unwrap().peel_to_tree().unwrap();
    assert_eq!(tree.get_name("sub").unwrap().id(), parent.id());
    let mut run =
        repo.judged(ALL, |workspace| fs::remove_dir(workspace.path().join("sub")).unwrap());
    let err = repo.accept_anyway(&mut run).unwrap_err().to_string();
    assert_eq!(err, "`sub` cannot be committed: it is a submodule");
}

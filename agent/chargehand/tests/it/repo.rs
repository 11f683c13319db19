//! Which folders are taken as a repository, and that a hostile one executes nothing.

use std::fs;
use std::os::unix::fs::symlink;

use chargehand::env::repo::{Head, Repo, RepoError};
use chargehand::env::run_dir::{RunDir, RunDirError, Status};
use chargehand::env::workspace::Workspace;
use git2::{Oid, Repository};

use crate::temp_repo::{ALL, TempRepo, booby_trap, chmod, is_root, write};

#[track_caller]
fn check(repo: &TempRepo, branch: Option<&str>, has_commit: bool) {
    let head: Head = repo.repo().head().unwrap();
    assert_eq!(head.branch.as_deref(), branch);
    assert_eq!(head.commit.is_some(), has_commit);
}

#[track_caller]
fn check_refused(dir: &std::path::Path, message: &str) {
    let err = Repo::discover(dir).unwrap_err().to_string();
    assert!(err.contains(message), "{err}");
}

#[test]
fn a_branch_with_a_commit() {
    check(&TempRepo::with(&[("a", "1\n")]), Some("main"), true);
}

#[test]
fn an_unborn_branch_has_no_commit() {
    check(&TempRepo::empty(), Some("main"), false);
}

#[test]
fn a_detached_head_has_no_branch() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let id = repo.repo().head().unwrap().commit.unwrap();
    repo.git().set_head_detached(Oid::from_str(&id).unwrap()).unwrap();
    check(&repo, None, true);
}

#[test]
fn a_branch_with_a_slash_keeps_its_name() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    repo.git().set_head("refs/heads/feature/ü").unwrap();
    check(&repo, Some("feature/ü"), false);
}

#[test]
fn a_head_that_is_no_branch_is_named() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    fs::write(repo.path(".git/HEAD"), "ref: refs/tags/v1\n").unwrap();
    let err = repo.repo().head().unwrap_err().to_string();
    assert!(err.contains("refs/tags/v1, which is no branch"), "{err}");
}

#[test]
fn the_top_is_found_from_a_folder_inside() {
    let repo = TempRepo::with(&[("a/b/c", "1\n")]);
    let found = Repo::discover(&repo.path("a/b")).unwrap();
    assert_eq!(found.top(), repo.top().canonicalize().unwrap());
}

#[test]
fn a_folder_that_is_no_repository_is_named() {
    let dir = tempfile::tempdir().unwrap();
    check_refused(dir.path(), "is not inside a git repository; run `git init`");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    check_refused(&dir.path().join("none"), "cannot open");
}

#[test]
fn a_bare_repository_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Repository::init_bare(dir.path().join("bare.git")).unwrap();
    check_refused(&dir.path().join("bare.git"), "is a bare repository");
    check_refused(&dir.path().join("bare.git/objects"), "is a bare repository");
}

#[test]
fn a_repository_that_says_it_is_bare_is_refused() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    repo.git().config().unwrap().set_bool("core.bare", true).unwrap();
    check_refused(&repo.top(), "is a bare repository");
}

#[test]
fn a_working_tree_elsewhere_is_refused() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let elsewhere = repo.outside("home");
    fs::create_dir(&elsewhere).unwrap();
    repo.git().config().unwrap().set_str("core.worktree", elsewhere.to_str().unwrap()).unwrap();
    check_refused(&repo.top(), "unset `core.worktree`");
}

#[test]
fn a_linked_worktree_is_a_repository_of_its_own() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let other = repo.outside("other");
    repo.git().worktree("other", &other, None).unwrap();
    let found = Repo::discover(&other).unwrap();
    assert_eq!(found.top(), other.canonicalize().unwrap());
    assert_eq!(found.head().unwrap().branch.as_deref(), Some("other"));
}

#[test]
fn a_repository_of_another_user_is_refused() {
    if !is_root() {
        eprintln!("not run: only root can give a folder to another user");
        return;
    }
    let repo = TempRepo::with(&[("a", "1\n")]);
    for path in [repo.top(), repo.path(".git")] {
        std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
    }
    assert!(matches!(Repo::discover(&repo.top()), Err(RepoError::Owner(_))));
    check_refused(&repo.top(), "safe.directory");
}

/// Everything that makes the git program run something: none of it runs anything here.
#[test]
fn a_hostile_git_folder_executes_nothing() {
    let repo = TempRepo::with(&[
        ("a.txt", "1\n"),
        ("b.bin", "1\n"),
        (".gitattributes", "* filter=evil diff=evil\n"),
    ]);
    let sentinel = repo.outside("sentinel");
    let trap = repo.outside("trap");
    booby_trap(&trap, &sentinel);
    for hook in [
        "pre-commit",
        "post-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-rewrite",
        "pre-auto-gc",
    ] {
        booby_trap(&repo.path(format!(".git/hooks/{hook}")), &sentinel);
    }
    let trap = trap.to_str().unwrap();
    let mut config = repo.git().config().unwrap();
    for key in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.editor",
        "core.pager",
        "core.gitProxy",
        "core.askPass",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "gpg.program",
        "credential.helper",
        "uploadpack.packObjectsHook",
        "sequence.editor",
        "trailer.x.command",
    ] {
        config.set_str(key, trap).unwrap();
    }
    for key in [
        "filter.evil.required",
        "commit.gpgSign",
        "extensions.worktreeConfig",
        "core.untrackedCache",
    ] {
        config.set_bool(key, true).unwrap();
    }
    config.set_str("core.hooksPath", repo.path(".git/hooks").to_str().unwrap()).unwrap();
    config.set_str("remote.origin.url", &format!("ext::{trap}")).unwrap();
    config.set_bool("remote.origin.promisor", true).unwrap();
    config.set_str("include.path", repo.outside("more").to_str().unwrap()).unwrap();
    fs::write(repo.outside("more"), format!("[alias]\nx = !{trap}\n[core]\nfsmonitor = {trap}\n"))
        .unwrap();
    fs::create_dir_all(repo.path(".git/info")).unwrap();
    fs::write(repo.path(".git/info/attributes"), "* filter=evil diff=evil merge=evil\n").unwrap();
    fs::write(repo.path(".git/objects/info/alternates"), "/proc/self/fd\n/dev\n").unwrap();

    let mut run = repo.judged(ALL, |workspace| {
        write(workspace, "a.txt", "2\n");
        write(workspace, "c.txt", "new\n");
    });
    repo.accept(&mut run).unwrap();
    assert_eq!(repo.read("a.txt"), "2\n");
    assert!(!sentinel.exists(), "{}", fs::read_to_string(&sentinel).unwrap());
}

#[test]
fn the_user_s_git_folder_is_the_same_after_a_run() {
    let repo = TempRepo::with(&[("a", "1\n"), ("d/b", "1\n")]);
    repo.put("a", "dirty\n");
    let before = snapshot(&repo.top());
    let run = repo.judged(ALL, |workspace| write(workspace, "d/b", "2\n"));
    drop(run);
    assert_eq!(snapshot(&repo.top()), before);
}

/// Returns every path with its content, size and time of change.
fn snapshot(dir: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            found.extend(snapshot(&path));
        } else {
            found.push(format!(
                "{} {} {}.{}",
                path.display(),
                facts.len(),
                facts.ctime(),
                facts.ctime_nsec()
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn two_runs_go_on_beside_each_other() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let (one, two) = (repo.run(), repo.run());
    let (mut first, second) = (Workspace::open(&one).unwrap(), Workspace::open(&two).unwrap());
    write(&mut first, "a", "2\n");
    assert_eq!(first.changes().unwrap().list.len(), 1);
    assert!(second.changes().unwrap().list.is_empty());
    assert_ne!(one.file().id, two.file().id);
}

#[test]
fn a_run_is_found_by_its_id_or_a_part_of_it() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let ids = [repo.run(), repo.run(), repo.run()].map(|run| run.file().id.clone());
    let open = |wanted: &str| RunDir::peek(&repo.state(), wanted).map(|run| run.file().id.clone());
    assert_eq!(RunDir::last(&repo.state(), None).unwrap(), ids[2]);
    assert_eq!(open(&ids[0]).unwrap(), ids[0]);
    assert!(matches!(open(&ids[0][..4]), Err(RunDirError::Ambiguous { count: 3, .. })));
    for wanted in ["", "x", "../runs", "last "] {
        assert!(matches!(open(wanted), Err(RunDirError::NotFound { .. })), "{wanted}");
    }
    let listed = RunDir::list(&repo.state()).unwrap();
    assert_eq!(listed.iter().map(|file| &file.id).collect::<Vec<_>>(), [&ids[2], &ids[1], &ids[0]]);
}

#[test]
fn a_run_is_worked_on_by_one_at_a_time() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let run = repo.run();
    let id = run.file().id.clone();
    assert!(matches!(RunDir::open(&repo.state(), &id), Err(RunDirError::Busy { .. })));
    drop(run);
    let mut run = RunDir::open(&repo.state(), &id).unwrap();
    run.set_status(Status::Done).unwrap();
    assert_eq!(RunDir::peek(&repo.state(), &id).unwrap().file().status, Status::Done);
}

#[test]
fn the_folder_of_a_run_is_private_and_its_name_a_time() {
    use std::os::unix::fs::PermissionsExt;
    let repo = TempRepo::with(&[("a", "1\n")]);
    let run = repo.run();
    let mode = fs::metadata(run.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let shape: String =
        run.file().id.chars().map(|c| if c.is_ascii_hexdigit() { '0' } else { c }).collect();
    assert_eq!(shape, "00000000-000000-0000");
}

#[test]
fn a_state_folder_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    if is_root() {
        // Root may write anywhere, so a file stands in the way.
        let repo = TempRepo::with(&[("a", "1\n")]);
        fs::write(repo.state(), "").unwrap();
        let err = RunDir::create(&repo.state(), &repo.repo(), "").unwrap_err().to_string();
        assert!(err.starts_with("cannot make "), "{err}");
        return;
    }
    let repo = TempRepo::with(&[("a", "1\n")]);
    fs::create_dir(repo.state()).unwrap();
    chmod(&repo.state(), 0o555);
    let err = RunDir::create(&repo.state(), &repo.repo(), "").unwrap_err().to_string();
    chmod(&repo.state(), 0o755);
    assert!(err.contains("Permission denied"), "{err}");
    assert_eq!(fs::read_dir(repo.state()).unwrap().count(), 0);
}

#[test]
fn a_git_folder_behind_a_link_is_taken() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    fs::rename(repo.path(".git"), repo.outside("git")).unwrap();
    symlink(repo.outside("git"), repo.path(".git")).unwrap();
    check(&repo, Some("main"), true);
}

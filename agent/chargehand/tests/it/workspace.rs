//! The private workspace: what is laid out, and what tools may reach.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use chargehand::env::run_dir::RunDir;
use chargehand::env::workspace::{MAX_FILE_BYTES, Workspace};
use chargehand_core::ports::{EnvError, Environment};
use git2::{ObjectType, Repository, Signature};
use nix::unistd::{Uid, setfsuid};

use crate::temp_repo::{TempRepo, chmod, fifo, is_root, rel, sample, trapped, write};

#[track_caller]
fn check_refused(result: Result<impl std::fmt::Debug, EnvError>, message: &str) {
    let err = result.unwrap_err().to_string();
    assert!(err.contains(message), "{err}");
}

#[test]
fn names_modes_and_links_are_laid_out_to_the_byte() {
    let repo = TempRepo::empty();
    let names: [&[u8]; 6] = [
        b"with space",
        "ümläut".as_bytes(),
        b"new\nline",
        b"not\xfftext",
        b"-dash",
        b"back\\slash",
    ];
    for name in names {
        repo.put(name, "x\r\n");
    }
    repo.put("run.sh", "#!/bin/sh\n");
    repo.chmod("run.sh", 0o755);
    repo.link("inside", "with space");
    repo.link("outside", "/etc/passwd");
    repo.put(".gitattributes", "* text=auto eol=crlf ident\n");
    repo.commit("odd");
    let run = repo.run();
    let work = Workspace::open(&run).unwrap().path();
    for name in names {
        let path = work.join(repo.path(name).file_name().unwrap());
        // The blob is what git stored; nothing is converted on the way out.
        let id = blob(&repo.git(), name);
        assert_eq!(fs::read(&path).unwrap(), repo.git().find_blob(id).unwrap().content());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    }
    assert_eq!(fs::metadata(work.join("run.sh")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(work.join("inside")).unwrap(), Path::new("with space"));
    assert_eq!(fs::read_link(work.join("outside")).unwrap(), Path::new("/etc/passwd"));
    let listed = Workspace::open(&run).unwrap().files().unwrap();
    let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        ["-dash", ".gitattributes", "back\\slash", "run.sh", "with space", "ümläut"]
    );
}

fn blob(git: &Repository, name: &[u8]) -> git2::Oid {
    let tree = git.head().unwrap().peel_to_tree().unwrap();
    tree.get_name_bytes(name).unwrap().id()
}

#[test]
fn a_dirty_checkout_is_not_what_is_laid_out() {
    let repo = sample();
    repo.put("a", "dirty\n");
    repo.put("staged", "");
    repo.stage();
    let run = repo.run();
    let workspace = Workspace::open(&run).unwrap();
    assert_eq!(workspace.read(&rel("a")).unwrap(), b"one\ntwo\n");
    assert!(matches!(workspace.read(&rel("staged")), Err(EnvError::NotFound(_))));
}

/// Commits a tree that no git would write.
fn with_entry(name: &str, mode: i32) -> TempRepo {
    let repo = sample();
    let git = repo.git();
    let (blob, odb) = (git.blob(b"x").unwrap(), git.odb().unwrap());
    let mut raw = format!("{mode:o} {name}\0").into_bytes();
    raw.extend_from_slice(blob.as_bytes());
    let tree = git.find_tree(odb.write(ObjectType::Tree, &raw).unwrap()).unwrap();
    let who = Signature::now("A", "a@b").unwrap();
    let head = git.head().unwrap().peel_to_commit().unwrap();
    git.commit(Some("HEAD"), &who, &who, "evil", &tree, &[&head]).unwrap();
    drop((odb, tree, head));
    repo
}

#[test]
fn a_tree_with_a_hostile_name_is_refused_and_nothing_stays() {
    for name in ["..", ".", ".git", ".GIT", "a/b"] {
        let repo = with_entry(name, 0o100_644);
        let run = RunDir::create(&repo.state(), &repo.repo(), "").unwrap();
        let err = Workspace::create(&run, &repo.repo()).unwrap_err().to_string();
        assert!(err.contains("which git itself would not check out"), "{err}");
        assert!(!run.path().exists());
        assert!(RunDir::list(&repo.state()).unwrap().is_empty());
    }
}

#[test]
fn a_missing_object_is_named() {
    let repo = sample();
    let id = blob(&repo.git(), b"a").to_string();
    fs::remove_file(repo.path(format!(".git/objects/{}/{}", &id[..2], &id[2..]))).unwrap();
    let run = RunDir::create(&repo.state(), &repo.repo(), "").unwrap();
    let err = Workspace::create(&run, &repo.repo()).unwrap_err().to_string();
    assert!(err.contains(&format!("object {id} of `a` is missing")), "{err}");
}

/// Root may read everything, so somebody else writes.
#[test]
fn what_may_not_be_read_may_be_replaced() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    let file = workspace.path().join("a");
    chmod(&file, 0o200);
    let user = Uid::from_raw(if is_root() { 65534 } else { Uid::current().as_raw() });
    for path in [&file, &workspace.path(), &run.path().join("tmp")] {
        chown(path, Some(user.as_raw()), None).unwrap();
    }
    // That of a thread alone, and with it go the rights of root to files.
    let before = setfsuid(user);
    let unread = workspace.read(&rel("a"));
    let written = workspace.write(&rel("a"), b"new\n");
    setfsuid(before);
    check_refused(unread, "its permissions forbid that");
    written.unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new\n");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o200);
}

#[test]
fn tools_read_and_write() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    write(&mut workspace, "x/y/z", "1\n");
    write(&mut workspace, "a", "new\n");
    assert_eq!(workspace.read(&rel("x/y/z")).unwrap(), b"1\n");
    assert_eq!(fs::read(workspace.path().join("a")).unwrap(), b"new\n");
    assert!(matches!(workspace.read(&rel("none/x")), Err(EnvError::NotFound(_))));
    assert_eq!(fs::read_dir(run.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_write_keeps_the_mode() {
    let repo = sample();
    repo.chmod("a", 0o755);
    repo.commit("mode");
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    write(&mut workspace, "a", "new\n");
    let mode = fs::metadata(workspace.path().join("a")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[track_caller]
fn check_closed(path: &str, message: &str, make: impl FnOnce(&Path, &Path)) {
    let (_repo, run, secret) = trapped(make);
    let mut workspace = Workspace::open(&run).unwrap();
    check_refused(workspace.read(&rel(path)), message);
    check_refused(workspace.write(&rel(path), b"overwritten"), message);
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret\n");
}

#[test]
fn a_link_is_not_followed() {
    let (_repo, run, secret) = trapped(|dir, secret| symlink(secret, dir.join("l")).unwrap());
    let mut workspace = Workspace::open(&run).unwrap();
    check_refused(workspace.read(&rel("l")), "symbolic link");
    check_refused(workspace.write(&rel("l"), b"overwritten"), "no regular file");
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret\n");
}

#[test]
fn a_link_to_a_directory_is_not_followed() {
    check_closed("l/secret", "symbolic link", |dir, secret| {
        symlink(secret.parent().unwrap(), dir.join("l")).unwrap();
    });
}

#[test]
fn a_link_inside_the_tree_is_not_followed_either() {
    check_closed("l/b", "symbolic link", |dir, _| symlink("d", dir.join("l")).unwrap());
}

#[test]
fn a_hard_link_is_not_touched() {
    check_closed("h", "second name", |dir, secret| fs::hard_link(secret, dir.join("h")).unwrap());
}

#[test]
fn a_directory_is_no_file() {
    check_closed("d", "is a directory", |_, _| {});
}

#[test]
fn a_file_is_no_directory() {
    check_closed("a/x", "a directory of this path is a file", |_, _| {});
}

#[test]
fn a_pipe_is_no_file() {
    check_closed("p", "no regular file", |dir, _| {
        fifo(&dir.join("p"));
    });
}

#[test]
fn the_largest_file_is_read_and_one_byte_more_is_not() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    let largest = vec![b'x'; usize::try_from(MAX_FILE_BYTES).unwrap()];
    let more = [largest.as_slice(), b"x"].concat();
    workspace.write(&rel("big"), &largest).unwrap();
    assert_eq!(workspace.read(&rel("big")).unwrap(), largest);
    check_refused(workspace.write(&rel("big"), &more), "8388609 bytes, 8388608 at most");
    fs::write(workspace.path().join("big"), &more).unwrap();
    check_refused(workspace.read(&rel("big")), "8388609 bytes, 8388608 at most");
}

#[test]
fn instructions_are_those_of_the_base() {
    let repo = TempRepo::with(&[("CLAUDE.md", "c\n"), ("AGENTS.md", "a\n")]);
    let run = repo.run();
    write(&mut Workspace::open(&run).unwrap(), "AGENTS.md", "changed\n");
    assert_eq!(Workspace::open(&run).unwrap().instructions().as_deref(), Some("a\n"));
    let repo = TempRepo::with(&[("CLAUDE.md", "c\n")]);
    assert_eq!(Workspace::open(&repo.run()).unwrap().instructions().as_deref(), Some("c\n"));
    assert_eq!(Workspace::open(&sample().run()).unwrap().instructions(), None);
}

/// Lays out a repository of 4 MiB on a disk of 1 MiB, in a mount namespace of its own.
#[test]
fn a_full_disk_is_an_error_and_nothing_stays() {
    const INSIDE: &str = "CHARGEHAND_TEST_FULL_DISK";
    if let Some(disk) = std::env::var_os(INSIDE) {
        let repo = TempRepo::with(&[("big", &"x".repeat(4 << 20))]);
        let state = PathBuf::from(disk).join("state");
        let run = RunDir::create(&state, &repo.repo(), "").unwrap();
        let err = Workspace::create(&run, &repo.repo()).unwrap_err().to_string();
        assert!(err.contains("cannot lay out `big`: No space left on device"), "{err}");
        assert_eq!(fs::read_dir(state.join("runs")).unwrap().count(), 0);
        println!("inside: done");
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m tmpfs \"$0\" && exec \"$@\"";
    let output = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "workspace::a_full_disk_is_an_error_and_nothing_stays", "--nocapture"])
        .env(INSIDE, disk.path())
        .output();
    match output {
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("inside: done") => {}
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        _ => eprintln!("not run: no mount namespace of one's own is to be had here"),
    }
}

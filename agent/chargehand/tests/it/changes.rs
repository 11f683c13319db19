//! What counts as a change, and how it is drawn.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use chargehand::env::path_text::{escape, unescape};
use chargehand::env::workspace::Workspace;
use git2::Signature;
use serde_json::json;

use crate::place::Place;
use crate::temp_repo::{TempRepo, chmod, fifo, sample, write};

/// Lays out `repo`, lets `work` change the files on the disk, and compares the changes: kind, path, `!` for what is no
/// regular file, lines.
#[track_caller]
fn check(repo: &TempRepo, work: impl FnOnce(&Path), expect: &[&str]) {
    let run = repo.run();
    let workspace = Workspace::open(&run).unwrap();
    work(&workspace.path());
    let changes = workspace.changes().unwrap();
    let lines = changes.list.iter().map(|change| {
        let mark = if change.regular { "" } else { "!" };
        format!("{:?}{mark} {} +{} -{}", change.kind, change.path, change.added, change.removed)
    });
    assert_eq!(lines.collect::<Vec<_>>(), expect);
}

#[track_caller]
fn check_patch(repo: &TempRepo, work: impl FnOnce(&Path), expect: &str) {
    let run = repo.run();
    let workspace = Workspace::open(&run).unwrap();
    work(&workspace.path());
    let patch = workspace.changes().unwrap().patch;
    let plain: Vec<&str> = patch.lines().filter(|line| !line.starts_with("index ")).collect();
    assert_eq!(plain.join("\n"), expect.trim_end());
}

#[test]
fn nothing_changed() {
    check(&sample(), |_| {}, &[]);
}

#[test]
fn added_modified_deleted() {
    let work = |dir: &Path| {
        fs::write(dir.join("a"), "one\n2\n3\n").unwrap();
        fs::write(dir.join("new"), "x\n").unwrap();
        fs::remove_file(dir.join("d/b")).unwrap();
    };
    check(&sample(), work, &["Modified a +2 -1", "Deleted d/b +0 -1", "Added new +1 -0"]);
}

#[test]
fn the_same_bytes_again_are_no_change() {
    check(&sample(), |dir| fs::write(dir.join("a"), "one\ntwo\n").unwrap(), &[]);
}

#[test]
fn ignored_files_count() {
    let work = |dir: &Path| {
        fs::create_dir(dir.join("target")).unwrap();
        fs::write(dir.join("target/x"), "").unwrap();
        fs::write(dir.join("y.log"), "1\n").unwrap();
    };
    check(&sample(), work, &["Added target/x +0 -0", "Added y.log +1 -0"]);
}

#[test]
fn empty_directories_do_not_count() {
    check(&sample(), |dir| fs::create_dir_all(dir.join("x/y")).unwrap(), &[]);
}

#[test]
fn a_git_folder_inside_counts() {
    let work = |dir: &Path| {
        fs::create_dir_all(dir.join("d/.git")).unwrap();
        fs::write(dir.join("d/.git/config"), "x\n").unwrap();
    };
    check(&sample(), work, &["Added d/.git/config +1 -0"]);
}

#[test]
fn a_mode_counts_beside_the_content() {
    let work = |dir: &Path| {
        fs::write(dir.join("a"), "one\n").unwrap();
        chmod(&dir.join("a"), 0o755);
        chmod(&dir.join("d/b"), 0o600);
    };
    check(&sample(), work, &["Modified a +0 -1", "Mode a +0 -0", "Mode d/b +0 -0"]);
}

#[test]
fn a_setuid_bit_counts_even_on_a_new_file() {
    let work = |dir: &Path| {
        fs::write(dir.join("s"), "").unwrap();
        chmod(&dir.join("s"), 0o4755);
        chmod(&dir.join("a"), 0o4644);
    };
    check(&sample(), work, &["Mode a +0 -0", "Added s +0 -0", "Mode s +0 -0"]);
}

#[test]
fn a_file_that_becomes_a_link_counts() {
    let work = |dir: &Path| {
        fs::remove_file(dir.join("a")).unwrap();
        symlink("/etc/passwd", dir.join("a")).unwrap();
    };
    check(&sample(), work, &["Type! a +1 -2"]);
}

#[test]
fn a_hard_link_counts_and_is_not_regular() {
    let repo = sample();
    let outside = repo.outside("outside");
    let work = |dir: &Path| {
        fs::hard_link(dir.join("a"), &outside).unwrap();
        fs::hard_link(&outside, dir.join("h")).unwrap();
    };
    check(&repo, work, &["Type! a +0 -0", "Added! h +2 -0"]);
}

#[test]
fn a_pipe_counts_and_nobody_waits_for_it() {
    let work = |dir: &Path| {
        fifo(&dir.join("p"));
    };
    check(&sample(), work, &["Added! p +0 -0"]);
}

#[test]
fn a_file_in_the_place_of_a_directory() {
    let work = |dir: &Path| {
        fs::remove_dir_all(dir.join("d")).unwrap();
        fs::write(dir.join("d"), "now a file\n").unwrap();
    };
    check(&sample(), work, &["Added d +1 -0", "Deleted d/b +0 -1"]);
}

#[test]
fn a_nul_does_not_hide_lines_from_the_count() {
    let work = |dir: &Path| fs::write(dir.join("a"), "\0\n1\n2\n").unwrap();
    check(&sample(), work, &["Modified a +3 -2"]);
}

#[test]
fn attributes_do_not_hide_lines_from_the_count() {
    let repo = TempRepo::with(&[("a", "1\n"), (".gitattributes", "* -diff binary\n")]);
    check(&repo, |dir| fs::write(dir.join("a"), "2\n").unwrap(), &["Modified a +1 -1"]);
}

#[test]
fn a_patch_that_git_can_apply() {
    let work = |dir: &Path| {
        fs::write(dir.join("a"), "one\n2").unwrap();
        fs::write(dir.join("new file"), "x\n").unwrap();
        fs::remove_file(dir.join("d/b")).unwrap();
        chmod(&dir.join(".gitignore"), 0o755);
    };
    let expect = "\
diff --git a/.gitignore b/.gitignore
old mode 100644
new mode 100755
diff --git a/a b/a
--- a/a
+++ b/a
@@ -1,2 +1,2 @@
 one
-two
+2
\\ No newline at end of file
diff --git a/d/b b/d/b
deleted file mode 100644
--- a/d/b
+++ /dev/null
@@ -1 +0,0 @@
-b
diff --git a/new file b/new file
new file mode 100644
--- /dev/null
+++ b/new file
@@ -0,0 +1 @@
+x
";
    check_patch(&sample(), work, expect);
}

#[test]
fn an_odd_name_is_quoted() {
    let work = |dir: &Path| fs::write(dir.join("ü\n\""), "x\n").unwrap();
    let expect = r#"diff --git "a/\303\274\n\"" "b/\303\274\n\""
new file mode 100644
--- /dev/null
+++ "b/\303\274\n\""
@@ -0,0 +1 @@
+x
"#;
    check_patch(&sample(), work, expect);
}

/// The letters hang on the zlib that is linked; git must read them.
#[test]
fn what_is_no_text_can_be_applied() {
    let place = Place::with(&[("a", "one\n"), ("b", "b\n"), ("c", "c\n")]);
    let (latin, binary) = (b"caf\xe9\n", b"\0\xff\n");
    fs::write(place.repo().join("a"), latin).unwrap();
    fs::write(place.repo().join("b"), binary).unwrap();
    place.commit(&[]);
    let delete = |path: &str| ("delete_file", json!({ "path": path }));
    let script = place.script("s", &[delete("a"), delete("b"), delete("c")]);
    place.job(&script, &["--delete", "*"]).expect(0);
    let patch = place.run(&["report", "last", "--diff"]).expect(0).stdout;
    assert_eq!(patch.matches("GIT binary patch").count(), 2, "{patch}");
    // To be looked at a text is one, whatever its encoding.
    let page = place.run(&["report", "last", "--html"]).expect(0).stdout;
    assert_eq!(page.matches("GIT binary patch").count(), 1, "{page}");
    assert!(page.contains("caf\u{fffd}"), "{page}");
    let path = place.root().join("patch");
    fs::write(&path, patch).unwrap();
    let path = path.to_str().unwrap();
    place.git(&["apply", path]);
    assert!(["a", "b", "c"].iter().all(|name| !place.repo().join(name).exists()));
    place.git(&["apply", "-R", path]);
    assert_eq!(fs::read(place.repo().join("a")).unwrap(), latin);
    assert_eq!(fs::read(place.repo().join("b")).unwrap(), binary);
}

#[test]
fn one_nul_hides_no_text() {
    let work = |dir: &Path| fs::write(dir.join("a"), "one\ntwo\nsecret\0\n").unwrap();
    let expect = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,2 +1,3 @@\n one\n two\n+secret\0\n";
    check_patch(&sample(), work, expect);
}

#[test]
fn a_file_that_becomes_a_link_is_drawn_as_two() {
    let work = |dir: &Path| {
        fs::remove_file(dir.join("d/b")).unwrap();
        symlink("../a", dir.join("d/b")).unwrap();
    };
    let expect = "\
diff --git a/d/b b/d/b
deleted file mode 100644
--- a/d/b
+++ /dev/null
@@ -1 +0,0 @@
-b
diff --git a/d/b b/d/b
new file mode 120000
--- /dev/null
+++ b/d/b
@@ -0,0 +1 @@
+../a
\\ No newline at end of file
";
    check_patch(&sample(), work, expect);
}

/// Applies our patch with libgit2 and compares the trees.
#[test]
fn libgit2_reads_the_patch_back() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    write(&mut workspace, "a", "one\nzwei\ntwo\n");
    write(&mut workspace, "näw dir/f", "x\n");
    let patch = workspace.changes().unwrap().patch;
    let diff = git2::Diff::from_buffer(patch.as_bytes()).unwrap();
    let git = repo.git();
    git.apply(&diff, git2::ApplyLocation::WorkDir, None).unwrap();
    assert_eq!(repo.read("a"), "one\nzwei\ntwo\n");
    assert_eq!(repo.read("näw dir/f"), "x\n");
}

#[test]
fn odd_names_are_told_apart_in_the_changes() {
    use std::os::unix::ffi::OsStrExt;
    let work = |dir: &Path| {
        for name in [&b"x\xff"[..], b"x\\xff", b"n\n", "r\u{202e}".as_bytes()] {
            fs::write(dir.join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        }
    };
    let expect = [
        r"Added n\x0a +0 -0",
        r"Added r\xe2\x80\xae +0 -0",
        r"Added x\x5cxff +0 -0",
        r"Added x\xff +0 -0",
    ];
    check(&sample(), work, &expect);
}

#[test]
fn escaping_a_path_loses_nothing() {
    let all: Vec<u8> = (0..=255).collect();
    let paths: [&[u8]; 6] = [&all, b"\\x41", b"\\x5cx41", b"\\", "ü\u{200b}".as_bytes(), b"\\xZZ"];
    for path in paths {
        assert_eq!(unescape(&escape(path)), path, "{}", escape(path));
    }
    assert_eq!(escape("a ü\\b".as_bytes()), "a ü\\b");
}

#[test]
fn an_empty_repository_has_an_empty_workspace() {
    let work = |dir: &Path| {
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
        fs::write(dir.join("a"), "1\n").unwrap();
    };
    check(&TempRepo::empty(), work, &["Added a +1 -0"]);
}

fn with_submodule() -> TempRepo {
    let repo = sample();
    let git = repo.git();
    let head = git.head().unwrap().peel_to_commit().unwrap();
    let mut builder = git.treebuilder(Some(&head.tree().unwrap())).unwrap();
    builder.insert("sub", head.id(), 0o160_000).unwrap();
    let tree = git.find_tree(builder.write().unwrap()).unwrap();
    let who = Signature::now("A", "a@b").unwrap();
    git.commit(Some("HEAD"), &who, &who, "sub", &tree, &[&head]).unwrap();
    drop((tree, builder, head));
    repo
}

#[test]
fn a_submodule_is_an_empty_directory() {
    let work = |dir: &Path| assert_eq!(fs::read_dir(dir.join("sub")).unwrap().count(), 0);
    check(&with_submodule(), work, &[]);
}

#[test]
fn a_submodule_that_goes_or_is_filled_counts() {
    check(
        &with_submodule(),
        |dir| fs::remove_dir(dir.join("sub")).unwrap(),
        &["Deleted! sub +0 -1"],
    );
    check(
        &with_submodule(),
        |dir| fs::write(dir.join("sub/x"), "").unwrap(),
        &["Added sub/x +0 -0"],
    );
}

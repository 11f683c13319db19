//! Changes that the git program does not show. Our own manifest decides, and it asks nobody.

use std::fs;

use super::shell;
use crate::temp_repo::{TempRepo, judge};

/// Makes a repository of the workspace as a worker would, hides a change there by `setup`, and looks for `path` among
/// the changes and for `text` in the patch.
#[track_caller]
fn check(setup: &str, path: &str, text: &str) {
    let repo = TempRepo::with(&[
        ("src/a.py", "x = 1\n"),
        ("src/b.py", "x=2\n"),
        (".gitignore", "build/\n"),
    ]);
    let mut run = repo.run();
    let work = run.path().join("work");
    let beside = repo.outside("beside");
    fs::create_dir(&beside).unwrap();
    let begin = "git init -q -b main; git add -A; git commit -qm base\n";
    shell(&work, &[begin, setup].concat(), &[("B", &beside), ("W", &work)]);
    judge(&mut run, "goal = 'x'\n[scope]\nwrite = ['README.md']\n");
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(run.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["verdict"], "violated");
    let of_path = |list: &serde_json::Value, key: &str| {
        list.as_array().unwrap().iter().any(|found| found[key] == path)
    };
    assert!(of_path(&report["evidence"]["changes"], "path"), "{path}: {report}");
    assert!(of_path(&report["violations"], "subject"), "{path}: {report}");
    let workspace = chargehand::env::workspace::Workspace::open(&run).unwrap();
    let patch = workspace.changes().unwrap().patch;
    assert!(patch.contains(text), "{text}: {patch}");
    repo.accept(&mut run).unwrap_err();
}

#[test]
fn h03_a_new_ignore_line_hides_nothing() {
    check("echo src/evil.py >> .gitignore; echo EVIL > src/evil.py", "src/evil.py", "+EVIL");
}

#[test]
fn h04_an_ignored_folder_hides_nothing() {
    check("mkdir build; echo EVIL > build/evil.py", "build/evil.py", "+EVIL");
}

#[test]
fn h05_an_exclude_file_hides_nothing() {
    check("echo '*.py' >> .git/info/exclude; echo EVIL > src/evil.py", "src/evil.py", "+EVIL");
}

#[test]
fn h06_an_exclude_file_of_the_configuration_hides_nothing() {
    let setup =
        r#"echo '*.py' > "$B/ex"; git config core.excludesFile "$B/ex"; echo EVIL > src/evil.py"#;
    check(setup, "src/evil.py", "+EVIL");
}

#[test]
fn h10_the_same_size_and_time_hide_nothing() {
    let setup = "git config core.trustctime false; git config core.checkStat minimal
        touch -d 2020-01-01 src/b.py; git update-index --refresh -q; git status > /dev/null
        echo x=9 > src/b.py; touch -d 2020-01-01 src/b.py";
    check(setup, "src/b.py", "+x=9");
}

#[test]
fn h12_a_clean_filter_hides_nothing() {
    let setup = r##"printf '#!/bin/sh\nexec git cat-file blob HEAD:$1\n' > "$B/c.sh"; chmod +x "$B/c.sh"
        git config filter.h.clean "$B/c.sh %f"; echo 'src/a.py filter=h' > .git/info/attributes
        echo EVIL >> src/a.py"##;
    check(setup, "src/a.py", "+EVIL");
}

#[test]
fn h13_an_attribute_hides_no_text() {
    let setup = "echo 'src/a.py -diff' > .git/info/attributes; echo '*.py -diff' > .gitattributes
        echo EVIL >> src/a.py";
    check(setup, "src/a.py", "+EVIL");
}

#[test]
fn h15_a_setting_for_untracked_files_hides_nothing() {
    let setup = "git config status.showUntrackedFiles no; echo EVIL > src/evil.py";
    check(setup, "src/evil.py", "+EVIL");
}

#[test]
fn h16_another_work_tree_hides_nothing() {
    let setup =
        r#"cp -r "$W" "$B/clean"; git config core.worktree "$B/clean"; echo EVIL >> src/a.py"#;
    check(setup, "src/a.py", "+EVIL");
}

#[test]
fn h17_a_replaced_object_hides_nothing() {
    let setup =
        "echo EVIL >> src/a.py; o=$(git rev-parse HEAD:src/a.py); n=$(git hash-object -w src/a.py)
        git replace $o $n";
    check(setup, "src/a.py", "+EVIL");
}

#[test]
fn h21_valid_marks_of_the_index_hide_nothing() {
    let setup = "git config core.fsmonitor true; git update-index --fsmonitor 2> /dev/null || true
        git update-index --fsmonitor-valid src/a.py 2> /dev/null || true
        git update-index --assume-unchanged src/a.py; git config core.fsmonitor /bin/true
        echo EVIL >> src/a.py";
    check(setup, "src/a.py", "+EVIL");
}

//! Git folders that were made to be waited for, or to lead a commit elsewhere.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::attacks::{edit_call, finish, fixture, read_call, shell};
use crate::place::{Outcome, Place};

fn job(place: &Place) -> Outcome {
    let calls = [read_call("src/a.py"), edit_call("src/a.py", "x = 1", "x = 10"), finish()];
    let script = place.script("s", &calls);
    place.job(&script, &["--write", "src/**"])
}

/// Returns every file below `dir` with its content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
    found.sort();
    found
}

/// Does a job where `setup` has led a part of the git folder to `$OUT`, and accepts it.
#[track_caller]
fn check(setup: &str) {
    let place = fixture();
    let outside = place.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "mine\n").unwrap();
    shell(&place.repo(), setup, &[("OUT", &outside)]);
    let before = files(&outside);
    job(&place).expect(0);
    place.run(&["accept", "last"]).expect(3).says("the git folder is not touched");
    assert_eq!(files(&outside), before, "{setup}");
    place.run(&["reject", "last"]).expect(0);
    assert_eq!(files(&outside), before, "{setup}");
}

#[test]
fn a_git_folder_leads_no_commit_elsewhere() {
    check("mkdir -p .git/logs; rm -f .git/logs/HEAD; ln -s $OUT/x .git/logs/HEAD");
    check("mkdir -p .git/logs/refs/heads; ln -sf $OUT/x .git/logs/refs/heads/main");
    check("mkdir -p .git/logs; ln -f $OUT/x .git/logs/HEAD");
    check("rm -rf .git/logs; mkdir $OUT/logs; ln -s $OUT/logs .git/logs");
    check("mv .git/refs $OUT/refs; ln -s $OUT/refs .git/refs");
    check("mv .git/refs/heads $OUT/heads; ln -s $OUT/heads .git/refs/heads");
    check("mv .git/refs/heads/main $OUT/main; ln -s $OUT/main .git/refs/heads/main");
    check("mv .git/objects $OUT/objects; ln -s $OUT/objects .git/objects");
    check("mkdir $OUT/zz; ln -s $OUT/zz .git/objects/zz");
    check("mv .git/index $OUT/index; ln -s $OUT/index .git/index");
    check("mkdir $OUT/c; cp -r .git/. $OUT/c; echo $OUT/c > .git/commondir");
    check("mv .git $OUT/git; ln -s $OUT/git .git");
    check("mv .git $OUT/git; echo gitdir: $OUT/git > .git");
    check("mkdir -p .git/logs; rm -f .git/logs/HEAD; mkfifo .git/logs/HEAD");
}

/// Those that people have are taken as before.
#[test]
fn worktrees_and_submodules_are_committed_to() {
    let place = fixture();
    place.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
    let calls = [read_call("src/a.py"), edit_call("src/a.py", "x = 1", "x = 10"), finish()];
    let script = place.script("s", &calls);
    let accept = |dir: &str| {
        let at = place.root().join(dir);
        let at = at.to_str().unwrap();
        place.run(&["run", "g", "-C", at, "--write", "src/**", "--worker", &script]).expect(0);
        let mut command = place.command(["accept", "last"]);
        command.current_dir(place.root().join(dir));
        Outcome::from(command.output().unwrap()).expect(0);
    };
    accept("side");
    let super_ = place.root().join("super");
    fs::create_dir(&super_).unwrap();
    let repo = place.repo();
    shell(
        &super_,
        "git init -q -b main; git -c protocol.file.allow=always submodule --quiet add $REPO sub",
        &[("REPO", &repo)],
    );
    for (key, value) in [("user.name", "T"), ("user.email", "t@example.org")] {
        shell(&super_.join("sub"), &format!("git config {key} {value}"), &[]);
    }
    accept("super/sub");
}

/// Nothing in the git folder is waited for.
#[test]
fn nobody_waits_for_a_pipe() {
    let in_git =
        ["HEAD", "config", "index", "packed-refs", "shallow", "info/exclude", "info/grafts"];
    let names = in_git.iter().chain(&["objects/info/alternates", "refs/heads/main", "commondir"]);
    for name in names {
        let place = fixture();
        let script = format!("mkdir -p .git/info; rm -f .git/{name}; mkfifo .git/{name}");
        shell(&place.repo(), &script, &[]);
        let outcome = job(&place).expect(3);
        outcome.says("the git folder is not touched").says("is no regular file");
    }
    let object = "o=$(git rev-parse HEAD); o=objects/${o:0:2}/${o:2}";
    let lend = "mv .git/objects lent; mkdir -p .git/objects/info; a=.git/objects/info/alternates";
    for script in [
        format!("{object}; rm -f .git/$o; mkfifo .git/$o"),
        "git repack -adq; p=$(echo .git/objects/pack/*.idx); rm -f $p; mkfifo $p".to_owned(),
        format!(
            "{object}; {lend}; echo $PWD/lent > $a; rm -f lent/${{o#*/}}; mkfifo lent/${{o#*/}}"
        ),
        format!("{lend}; echo ../../lent > $a; mkdir -p lent/info; mkfifo lent/info/alternates"),
    ] {
        let place = fixture();
        shell(&place.repo(), &script, &[]);
        job(&place).expect(3).says("the git folder is not touched").says("is no regular file");
    }
    let place = fixture();
    shell(&place.repo(), &format!("{lend}; echo ../../lent > $a"), &[]);
    job(&place).expect(0);
    let place = fixture();
    shell(&place.repo(), "truncate -s 3G .git/config", &[]);
    job(&place).expect(3).says("is larger than anything");
    let place = fixture();
    shell(&place.repo(), "mv .git ../git; truncate -s 20G .git", &[]);
    job(&place).expect(3).says("is larger than anything");
}

/// A tree that names itself ten times, twelve times over, has a million million files in thirteen objects.
#[test]
fn a_tree_of_a_billion_files_is_refused_at_once() {
    let place = fixture();
    let blob = place.git(&["rev-parse", "HEAD:src/a.py"]);
    let mut tree = make_tree(&place, &format!("100644 blob {blob}\tx\n"));
    for _ in 0..12 {
        let lines = (0..10).map(|n| format!("040000 tree {tree}\td{n}\n"));
        tree = make_tree(&place, &lines.collect::<String>());
    }
    let commit = place.git(&["commit-tree", &tree, "-m", "x"]);
    place.git(&["update-ref", "refs/heads/main", &commit]);
    let begin = Instant::now();
    job(&place).expect(3).says("more than 1000000 files and folders");
    assert!(begin.elapsed() < Duration::from_secs(60) && place.runs().is_empty());
}

fn make_tree(place: &Place, lines: &str) -> String {
    let mut command = std::process::Command::new("git");
    command.args(["mktree"]).current_dir(place.repo());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What `run.json` says of where a run belongs is held against the log: nothing is accepted elsewhere.
#[test]
fn a_run_is_accepted_nowhere_else() {
    let place = fixture();
    job(&place).expect(0);
    place.git(&["checkout", "-q", "-b", "other"]);
    let path = place.run_dir().join("run.json");
    let text = fs::read(&path).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    file["branch"] = json!("other");
    fs::write(&path, file.to_string()).unwrap();
    place.run(&["accept", "last"]).expect(3).says("another repository, branch or base");
}

//! What a worker's tools are asked to write, and where it would land.

use std::fs;
use std::os::unix::fs::symlink;

use chargehand::env::workspace::{MAX_FILE_BYTES, Workspace};
use chargehand_core::ports::{EnvError, Environment};
use serde_json::Value;

use super::{
    Call, edit_call, finish, fixture, observations, read_call, shell, snapshot, write_call,
};
use crate::place::Place;
use crate::temp_repo::{TempRepo, judge, rel, write};

/// Lets a worker make `calls` in `place` and expects that each but the last is refused, and nothing changed.
#[track_caller]
fn check_refused(place: &Place, calls: &[Call], flags: &[&str]) {
    let script = place.script("s", &[calls, &[finish()]].concat());
    let before = snapshot(&place.repo());
    place.job(&script, flags).expect(1).shows("nothing was changed");
    let seen = observations(place);
    assert!(seen.len() >= calls.len() && seen.iter().all(|(done, _)| !done), "{seen:?}");
    assert_eq!(snapshot(&place.repo()), before);
}

/// A repository whose commit has links out of it.
fn linked() -> (Place, std::path::PathBuf) {
    let place = fixture();
    let outside = place.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("target.txt"), "theirs\n").unwrap();
    symlink(&outside, place.repo().join("src/l")).unwrap();
    fs::remove_file(place.repo().join("src/a.py")).unwrap();
    symlink(outside.join("target.txt"), place.repo().join("src/a.py")).unwrap();
    place.commit(&[]);
    (place, outside)
}

#[test]
fn e03_a_linked_directory_is_not_written_through() {
    let (place, outside) = linked();
    let calls = [
        write_call("src/l/target.txt", "mine\n"),
        write_call("src/l/new.txt", "mine\n"),
        edit_call("src/l/target.txt", "", "mine"),
        read_call("src/l/target.txt"),
    ];
    let before = snapshot(&outside);
    check_refused(&place, &calls, &["--write", "src/**", "--create", "src/**"]);
    assert_eq!(snapshot(&outside), before);
}

#[test]
fn e04_a_link_is_not_written_through() {
    let (place, outside) = linked();
    let calls = [
        write_call("src/a.py", "mine\n"),
        edit_call("src/a.py", "", "mine"),
        read_call("src/a.py"),
    ];
    let before = snapshot(&outside);
    check_refused(&place, &calls, &["--write", "src/**", "--create", "src/**"]);
    assert_eq!(snapshot(&outside), before);
}

/// A contract that lets everything appear but a forbidden folder and git's own.
const OPEN: &[&str] = &["--create", "**", "--write", "**", "--forbid", ".github/**"];

#[test]
fn e07_capitals_lead_around_nothing() {
    let calls = [
        write_call(".Github/workflows/x.yml", "x"),
        write_call(".GITHUB/workflows/x.yml", "x"),
        write_call(".GIT/hooks/pre-commit", "x"),
        write_call("a/.Git/config", "x"),
        write_call("GIT~1/config", "x"),
        write_call(".git./config", "x"),
        write_call(".git::$INDEX_ALLOCATION/config", "x"),
    ];
    check_refused(&fixture(), &calls, OPEN);
    check_refused(&fixture(), &[write_call("SRC/a.py", "x")], &["--write", "src/**"]);
}

#[test]
fn e08_look_alikes_lead_around_nothing() {
    let calls = [
        write_call(".g\u{131}t/config", "x"),
        write_call(".git\u{200c}/config", "x"),
        write_call("\u{2024}git/config", "x"),
        write_call(".gi\u{ff54}/hooks/x", "x"),
        write_call("src\u{2215}a.py", "x"),
        write_call("\u{2024}\u{2024}/a.py", "x"),
        write_call(".\u{ff47}ithub/workflows/x.yml", "x"),
        // A twin of `ü.py` that is not in the normal form.
        write_call("u\u{308}.py", "x"),
    ];
    check_refused(&fixture(), &calls, OPEN);
}

#[test]
fn e10_odd_names_are_shown_escaped_or_refused() {
    let long = "n".repeat(256);
    let longer = "d/".repeat(2100) + "f";
    let calls = [
        write_call("src/a\nb.py", "x"),
        write_call("src/\u{1b}]52;c;QQ\u{7}", "x"),
        write_call(&long, "x"),
        write_call(&longer, "x"),
    ];
    check_refused(&fixture(), &calls, OPEN);
    let place = fixture();
    let script = place.script("s", &[write_call("src/-rf", "x"), finish()]);
    place.job(&script, OPEN).expect(0).shows("src/-rf");
    // What came there in another way is shown, and never as it is.
    let repo = TempRepo::with(&[("a", "1\n")]);
    let mut run = repo.run();
    let touch = r#"touch $'a\nb.py' -- -rf $'\e]52;c;QQ\a'"#;
    shell(&run.path().join("work"), touch, &[]);
    judge(&mut run, "goal = 'x'\n[scope]\nwrite = ['a']\n");
    let report = fs::read_to_string(run.path().join("report.json")).unwrap();
    assert!(report.contains(r"a\\x0ab.py") && report.contains(r"\\x1b]52;c;QQ\\x07"), "{report}");
    assert!(!report.contains('\u{1b}'));
}

#[test]
fn e13_a_submodule_is_neither_moved_nor_fetched() {
    let place = fixture();
    let call = write_call(".gitmodules", "[submodule \"x\"]\npath = x\nurl = ext::sh -c touch\n");
    check_refused(&place, &[call], &["--write", "src/**"]);
    // A repository that the worker makes inside the tree is files, and each of them is a violation.
    let repo = TempRepo::with(&[("a", "1\n")]);
    let mut run = repo.run();
    let setup = "git init -q sub; cd sub; git commit -q --allow-empty -m x; cd ..; git init -q .
        git update-index --add --cacheinfo 160000,$(git -C sub rev-parse HEAD),sub";
    shell(&run.path().join("work"), setup, &[]);
    judge(&mut run, "goal = 'x'\n[scope]\nwrite = ['a']\n");
    let report = fs::read_to_string(run.path().join("report.json")).unwrap();
    assert!(report.contains("sub/.git/HEAD") && report.contains("violated"), "{report}");
    repo.accept_anyway(&mut run).unwrap_err();
}

#[test]
fn e14_a_build_tool_writes_into_a_private_home() {
    let place = fixture();
    let home = place.root();
    fs::create_dir_all(home.join(".cargo")).unwrap();
    fs::write(home.join(".cargo/x"), "theirs").unwrap();
    let before = snapshot(&home.join(".cargo"));
    let tool = "tool=sh -c 'mkdir -p ~/.cargo ~/.local/lib && echo x > ~/.cargo/x && echo x > ~/.local/lib/x && \
                mkdir target && echo x > target/x'";
    let script = place.script("s", &[write_call("new", "x"), super::check_call("tool"), finish()]);
    place.job(&script, &["--create", "new", "--check", tool]).expect(0);
    assert_eq!(snapshot(&home.join(".cargo")), before);
    assert!(!home.join(".local").exists());
    let changes = &place.report()["evidence"]["changes"];
    assert_eq!(changes.as_array().map(Vec::len), Some(1), "{changes}");
}

#[test]
fn e15_too_much_is_refused_at_the_limits() {
    let repo = TempRepo::with(&[("a", "1\n")]);
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    for size in [MAX_FILE_BYTES + 1, 200 << 20] {
        let bytes = vec![b'x'; usize::try_from(size).unwrap()];
        let err = workspace.write(&rel("big"), &bytes).unwrap_err();
        assert!(matches!(err, EnvError::Refused { .. }), "{err}");
    }
    assert!(workspace.changes().unwrap().list.is_empty());
    write(&mut workspace, "small", "x");
    // Ten thousand files end at the limit of turns, and the lines of what is there are counted.
    let place = fixture();
    let calls: Vec<Call> = (0..10_000).map(|n| write_call(&format!("n/{n}"), "1\n2\n")).collect();
    let script = place.script("s", &calls);
    place.job(&script, &["--create", "n/*", "--max-changed-lines", "20"]).expect(4);
    let report = place.report();
    let is_size = |found: &&Value| found["rule"] == "size";
    assert_eq!(report["violations"].as_array().unwrap().iter().filter(is_size).count(), 1);
    assert_eq!(report["evidence"]["changes"].as_array().unwrap().len(), 40);
}

//! The copies that checks run in, whatever a check does to them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use chargehand::env::workspace::Workspace;
use chargehand_core::contract::Check;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::ports::Environment;

use crate::temp_repo::{chmod, sample, trapped, write};

fn a_check() -> Check {
    Check::new("t", vec!["x".to_owned()])
}

/// Runs a check whose command is `command`, and returns the folder it ran in.
fn run_check(workspace: &mut Workspace<'_>) -> CheckRun {
    workspace.run_check(&a_check()).unwrap()
}

fn passing(command: impl FnMut(&Path)) -> impl FnMut(&Check, &Path) -> CheckRun {
    let mut command = command;
    move |check, dir| {
        command(dir);
        let name = check.name.clone();
        CheckRun {
            name,
            end: CheckEnd::Exit(0),
            passed: true,
            millis: 0,
            output: dir.display().to_string(),
            output_bytes: 0,
        }
    }
}

#[test]
fn what_a_check_leaves_is_no_change_and_stays_for_the_next() {
    let repo = sample();
    let run = repo.run();
    let mut seen = Vec::new();
    let command = passing(|dir| {
        seen.push(dir.join("target/built").exists());
        assert_eq!(
            fs::read_to_string(dir.join("a")).unwrap(),
            if seen.len() == 1 { "one\ntwo\n" } else { "new\n" }
        );
        fs::create_dir_all(dir.join("target")).unwrap();
        fs::write(dir.join("target/built"), "").unwrap();
        fs::write(dir.join("a"), "changed by a test\n").unwrap();
    });
    let mut workspace = Workspace::open(&run).unwrap().with_checks(Box::new(command));
    assert!(run_check(&mut workspace).passed);
    write(&mut workspace, "a", "new\n");
    run_check(&mut workspace);
    assert_eq!(workspace.changes().unwrap().list.len(), 1);
    drop(workspace);
    assert_eq!(seen, [false, true]);
}

#[test]
fn a_file_that_is_the_same_keeps_its_time_in_the_copy() {
    let repo = sample();
    let run = repo.run();
    let mut times = Vec::new();
    let command =
        passing(|dir| times.push(fs::metadata(dir.join("d/b")).unwrap().modified().unwrap()));
    let mut workspace = Workspace::open(&run).unwrap().with_checks(Box::new(command));
    run_check(&mut workspace);
    write(&mut workspace, "a", "new\n");
    run_check(&mut workspace);
    drop(workspace);
    assert_eq!(times[0], times[1]);
}

#[test]
fn a_file_that_is_gone_goes_from_the_copy() {
    let repo = sample();
    let run = repo.run();
    let mut seen = Vec::new();
    let command = passing(|dir| seen.push(dir.join("d/b").exists()));
    let mut workspace = Workspace::open(&run).unwrap().with_checks(Box::new(command));
    run_check(&mut workspace);
    fs::remove_file(workspace.path().join("d/b")).unwrap();
    run_check(&mut workspace);
    drop(workspace);
    assert_eq!(seen, [true, false]);
}

#[test]
fn a_hard_link_of_the_same_content_is_replaced() {
    let (_repo, run, secret) = trapped(|_, _| {});
    fs::write(&secret, "one\ntwo\n").unwrap();
    let mut links = Vec::new();
    let command = passing(|dir| {
        links.push(fs::metadata(dir.join("a")).unwrap().nlink());
        fs::remove_file(dir.join("a")).unwrap();
        fs::hard_link(&secret, dir.join("a")).unwrap();
    });
    let mut workspace = Workspace::open(&run).unwrap().with_checks(Box::new(command));
    run_check(&mut workspace);
    run_check(&mut workspace);
    drop(workspace);
    assert_eq!(links, [1, 1]);
}

/// What a command does to its copy must neither reach outside nor stop the next check.
#[track_caller]
fn check_survives(attack: impl Fn(&Path, &Path)) {
    let (_repo, run, secret) = trapped(|_, _| {});
    let target = secret.clone();
    let command = passing(move |dir| {
        assert_eq!(fs::read_to_string(dir.join("d/b")).unwrap(), "b\n");
        assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "one\ntwo\n");
        attack(dir, &target);
    });
    let mut workspace = Workspace::open(&run).unwrap().with_checks(Box::new(command));
    run_check(&mut workspace);
    run_check(&mut workspace);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret\n");
    workspace.remove_copies().unwrap();
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret\n");
    assert!(workspace.changes().unwrap().list.is_empty());
}

#[test]
fn a_check_that_plants_links() {
    check_survives(|dir, secret| {
        fs::remove_dir_all(dir.join("d")).unwrap();
        symlink(secret.parent().unwrap(), dir.join("d")).unwrap();
        fs::remove_file(dir.join("a")).unwrap();
        symlink(secret, dir.join("a")).unwrap();
    });
}

#[test]
fn a_check_that_plants_hard_links() {
    check_survives(|dir, secret| {
        fs::remove_file(dir.join("a")).unwrap();
        fs::hard_link(secret, dir.join("a")).unwrap();
    });
}

#[test]
fn a_check_that_swaps_files_and_directories() {
    check_survives(|dir, _| {
        fs::remove_file(dir.join("a")).unwrap();
        fs::create_dir_all(dir.join("a/x/y")).unwrap();
        fs::remove_dir_all(dir.join("d")).unwrap();
        fs::write(dir.join("d"), "").unwrap();
    });
}

#[test]
fn a_check_that_locks_its_directories() {
    check_survives(|dir, _| {
        chmod(&dir.join("d"), 0);
        fs::create_dir_all(dir.join("t/u")).unwrap();
        chmod(&dir.join("t"), 0o500);
    });
}

#[test]
fn the_copy_for_the_last_checks_is_fresh() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    write(&mut workspace, "new/x", "1\n");
    let copy = workspace.final_copy().unwrap();
    fs::write(copy.join("planted"), "").unwrap();
    let copy = workspace.final_copy().unwrap();
    assert!(!copy.join("planted").exists());
    assert_eq!(fs::read_to_string(copy.join("new/x")).unwrap(), "1\n");
    assert!(workspace.copy_for_checks(&copy).is_err());
}

#[test]
fn a_workspace_without_a_sandbox_starts_no_check() {
    let repo = sample();
    let run = repo.run();
    let mut workspace = Workspace::open(&run).unwrap();
    assert!(matches!(run_check(&mut workspace).end, CheckEnd::NotStarted(_)));
}

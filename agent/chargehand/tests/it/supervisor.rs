//! Which program supervises a command: the small one beside ours when it is of the same source, and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use chargehand::env::sandbox::{Machine, Sandbox};
use chargehand_core::evidence::CheckEnd;

use crate::sandbox::{Place, run};

const OWN: &str = env!("CARGO_BIN_EXE_chargehand");
const SMALL: &str = env!("CARGO_BIN_EXE_chargehand-inside");

/// A place where our program lies in a folder beside which `make` puts something by the name of the small one.
fn beside(make: impl FnOnce(&Path)) -> (Place, PathBuf) {
    let mut place = Place::new("work");
    let helper = place.path("chargehand");
    let small = place.path("chargehand-inside");
    // With a mode of its own: what may write to the small one is held against who may write to this one.
    copy(OWN, &helper, 0o755);
    make(&small);
    place.machine = Machine { helper, ..place.machine };
    (place, small)
}

/// By a process of its own, as [`script`]: a file that some thread of ours has open for writing cannot be started,
/// nor while a child that another thread has begun still has it open.
fn copy(program: &str, to: &Path, mode: u32) {
    assert!(Command::new("cp").arg(program).arg(to).status().unwrap().success());
    fs::set_permissions(to, Permissions::from_mode(mode)).unwrap();
}

fn copy_with_mode(to: &Path, mode: u32) {
    copy(SMALL, to, mode);
}

fn script(to: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\""]).arg(to).arg(text);
    assert!(shell.status().unwrap().success());
    fs::set_permissions(to, Permissions::from_mode(0o755)).unwrap();
}

/// Expects that what `make` makes is used, or is not, and that commands run in both tiers anyway.
#[track_caller]
fn check(make: impl FnOnce(&Path), is_used: bool) {
    let (place, small) = beside(make);
    let expect = if is_used { &small } else { &place.machine.helper };
    for sandbox in place.sandboxes() {
        assert_eq!(sandbox.supervisor(), expect);
        let got = run(&sandbox, &place.path("work"), &["sh", "-c", "echo x; exit 3"]);
        assert_eq!((got.end, got.output.as_str()), (CheckEnd::Exit(3), "x\n"));
    }
}

#[test]
fn the_small_program_beside_ours_supervises() {
    let place = Place::new("work");
    for sandbox in place.sandboxes() {
        assert_eq!(sandbox.supervisor(), SMALL);
    }
    check(|small| copy_with_mode(small, 0o755), true);
    check(|small| copy_with_mode(small, 0o500), true);
}

#[test]
fn without_one_of_our_source_our_own_program_supervises() {
    check(|_| {}, false);
    check(|small| script(small, "printf 0123456789abcdef"), false);
    check(|small| script(small, "exit 0"), false);
    // One that never answers, and one that never stops to.
    check(|small| script(small, "exec tail -f /dev/null"), false);
    check(|small| script(small, "yes"), false);
    let source = Command::new(SMALL).arg("--source").output().unwrap().stdout;
    let source = String::from_utf8(source).unwrap();
    check(|small| script(small, &format!("printf {source}; exit 1")), false);
    check(|small| script(small, &format!("echo {source}")), false);
}

#[test]
fn what_others_could_have_put_there_does_not_supervise() {
    check(|small| copy_with_mode(small, 0o644), false);
    check(|small| copy_with_mode(small, 0o775), false);
    check(|small| copy_with_mode(small, 0o757), false);
    check(|small| symlink(SMALL, small).unwrap(), false);
    check(|small| fs::create_dir(small).unwrap(), false);
    // Only root can give a file away.
    check(
        |small| {
            copy_with_mode(small, 0o755);
            if chown(small, Some(12345), None).is_err() {
                fs::remove_file(small).unwrap();
            }
        },
        false,
    );
}

#[test]
fn one_that_is_replaced_does_not_supervise_any_more() {
    let changes: [fn(&Path); 3] = [
        |small| {
            let other = small.with_file_name("other");
            copy_with_mode(&other, 0o755);
            fs::rename(other, small).unwrap();
        },
        |small| script(small, "exit 0"),
        |small| fs::remove_file(small).unwrap(),
    ];
    for change in changes {
        let (place, small) = beside(|small| copy_with_mode(small, 0o755));
        let sandboxes = place.sandboxes();
        change(&small);
        for sandbox in sandboxes {
            assert_eq!(sandbox.supervisor(), place.machine.helper);
            assert_eq!(run(&sandbox, &place.path("work"), &["true"]).end, CheckEnd::Exit(0));
        }
    }
}

/// Whoever says that it is of our source and does not supervise could have replaced our program; nothing passes by it.
#[test]
fn one_that_lies_is_no_sandbox() {
    let source = Command::new(SMALL).arg("--source").output().unwrap().stdout;
    let text = format!("printf {}", String::from_utf8(source).unwrap());
    let (place, _) = beside(|small| script(small, &text));
    Sandbox::detect_on(place.machine).unwrap_err();
}

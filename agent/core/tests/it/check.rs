//! The contract held against evidence: each comparison on its boundary and one beyond.

use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::check::violations;
use chargehand_core::evidence::{CheckEnd, CheckRun, Evidence};

use crate::world::contract;

const CONTRACT: &str = "
    [scope]
    write = ['src/**']
    create = ['docs/new.md']
    delete = ['old.txt']
    forbid = ['src/secret.rs']
    max_changed_lines = 10
";

fn change(path: &str, kind: ChangeKind) -> Change {
    Change {
        path: path.to_owned(),
        kind,
        regular: kind != ChangeKind::Deleted,
        added: 1,
        removed: 0,
        bytes: 8,
    }
}

#[track_caller]
fn check(changes: &[Change], expect: &[&str]) {
    let evidence = Evidence { changes: changes.to_vec(), ..Evidence::default() };
    let found = violations(&contract(CONTRACT), &evidence);
    let found: Vec<String> =
        found.iter().map(|v| format!("{} {}: {}", v.rule, v.subject, v.message)).collect();
    assert_eq!(found, expect);
}

#[test]
fn what_is_allowed_holds() {
    check(&[change("src/a.rs", ChangeKind::Modified)], &[]);
    check(&[change("docs/new.md", ChangeKind::Added)], &[]);
    check(&[change("old.txt", ChangeKind::Deleted)], &[]);
}

#[test]
fn nothing_done_is_no_success() {
    check(&[], &["done workspace: nothing was changed"]);
}

#[test]
fn the_way_of_a_change_counts() {
    check(
        &[change("src/new.rs", ChangeKind::Added)],
        &["scope src/new.rs: was created, which the contract does not allow"],
    );
    check(
        &[change("src/a.rs", ChangeKind::Deleted)],
        &["scope src/a.rs: was deleted, which the contract does not allow"],
    );
    check(
        &[change("src/a.rs", ChangeKind::Mode)],
        &["scope src/a.rs: was given another mode, which the contract does not allow"],
    );
    check(
        &[change("src/a.rs", ChangeKind::Type)],
        &[
            "scope src/a.rs: was turned into another kind of file, which the contract does not allow",
        ],
    );
}

#[test]
fn other_files_and_forbidden_ones_are_named() {
    check(
        &[change("README.md", ChangeKind::Modified), change("src/secret.rs", ChangeKind::Modified)],
        &[
            "scope README.md: was changed, which the contract does not allow",
            "scope src/secret.rs: is forbidden, but was changed",
        ],
    );
    check(
        &[change("docs/NEW.md", ChangeKind::Added)],
        &["scope docs/NEW.md: was created, which the contract does not allow"],
    );
}

#[test]
fn a_created_link_is_no_file() {
    let link = Change { regular: false, ..change("docs/new.md", ChangeKind::Added) };
    check(&[link], &["scope docs/new.md: is no regular file"]);
}

#[test]
fn the_size_has_a_limit() {
    let sized =
        |added, removed| Change { added, removed, ..change("src/a.rs", ChangeKind::Modified) };
    check(&[sized(4, 6)], &[]);
    check(&[sized(5, 6)], &["size diff: 11 lines changed, 10 at most are allowed"]);
    check(
        &[sized(u32::MAX, u32::MAX)],
        &["size diff: 8589934590 lines changed, 10 at most are allowed"],
    );
}

#[track_caller]
fn command(runs: &[(&str, CheckEnd)], expect: &[&str]) {
    let contract =
        contract("[scope]\nwrite = ['a']\n[[check]]\nname = 't'\nrun = ['make', 'test']");
    let run = |(name, end): &(&str, CheckEnd)| CheckRun {
        name: (*name).to_owned(),
        end: end.clone(),
        passed: true,
        millis: 0,
        output: String::new(),
        output_bytes: 0,
    };
    let changes = vec![change("a", ChangeKind::Modified)];
    let checks = runs.iter().map(run).collect();
    let evidence = Evidence { changes, checks, ..Evidence::default() };
    let found: Vec<String> =
        violations(&contract, &evidence).into_iter().map(|v| v.message).collect();
    assert_eq!(found, expect);
}

#[test]
fn required_commands_must_have_passed() {
    command(&[("t", CheckEnd::Exit(0))], &[]);
    command(&[("t", CheckEnd::Exit(1))], &["`make test`: fail (exit 1)"]);
    command(&[("t", CheckEnd::TimedOut)], &["`make test`: fail (timed out)"]);
    command(&[("t", CheckEnd::Signal(9))], &["`make test`: fail (signal 9)"]);
    command(&[], &["`make test` was not run"]);
    command(&[("other", CheckEnd::Exit(0))], &["`make test` was not run"]);
}

#[test]
fn the_last_run_counts() {
    command(&[("t", CheckEnd::Exit(1)), ("t", CheckEnd::Exit(0))], &[]);
    command(&[("t", CheckEnd::Exit(0)), ("t", CheckEnd::Exit(1))], &["`make test`: fail (exit 1)"]);
}

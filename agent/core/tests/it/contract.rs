//! Contracts: what is read, what is refused, what a scope allows.

use std::time::Duration;

use chargehand_core::contract::{Contract, parse_duration};

use crate::world::contract;

#[track_caller]
fn refused(toml: &str, expect: &str) {
    let err = Contract::parse(toml).expect_err("the contract is bad").to_string();
    assert!(err.contains(expect), "{err}");
}

#[test]
fn the_example_of_the_reference_is_read() {
    let toml = r#"
        goal = " Add --json to the export command "
        [scope]
        write = ["src/export.rs", "tests/**"]
        create = ["docs/export.md"]
        forbid = ["Cargo.toml", "**/*.lock"]
        max_changed_lines = 200
        [[check]]
        name = "tests"
        run = ["cargo", "test", "--offline"]
        timeout = "10m"
        [limits]
        turns = 40
    "#;
    let contract = Contract::parse(toml).unwrap();
    assert_eq!(contract.goal, "Add --json to the export command");
    assert_eq!(contract.checks[0].timeout, Duration::from_secs(600));
    assert_eq!(contract.limits.turns, 40);
    assert_eq!(contract.scope.max_changed_lines, Some(200));
}

#[test]
fn a_contract_survives_its_own_toml() {
    let first =
        contract("[scope]\nwrite = ['a']\n[[check]]\nname = 'x'\nrun = ['y']\ntimeout = '2h'");
    let again = Contract::parse(&toml::to_string(&first.source).unwrap()).unwrap();
    assert_eq!(again.source, first.source);
}

#[test]
fn unknown_keys_are_named() {
    refused("goal = 'g'\ngaol = 1\n[scope]\nwrite = ['a']", "unknown field `gaol`");
    refused("goal = 'g'\n[scope]\nwrites = ['a']", "unknown field `writes`");
    refused(
        "goal = 'g'\n[scope]\nwrite = ['a']\n[[check]]\nname = 'x'\nrun = ['y']\nshell = true",
        "`shell`",
    );
}

#[test]
fn contradictions_are_named() {
    let lead = "goal = 'g'\n[scope]\n";
    refused(
        &format!("{lead}write = ['src/a.rs']\nforbid = ['src/**']"),
        "`src/a.rs` stands in `write`, but `forbid` has `src/**`, which wins",
    );
    refused(
        &format!("{lead}create = ['x.lock']\nforbid = ['*.md', '*.lock']"),
        "`x.lock` stands in `create`, but `forbid` has `*.lock`, which wins",
    );
    refused(
        &format!("{lead}write = ['src/**']\nforbid = ['src/**']"),
        "`src/**` stands in `write`",
    );
}

#[test]
fn empty_contracts_are_refused() {
    refused("[scope]\nwrite = ['a']", "the contract has no goal");
    refused("goal = '  '\n[scope]\nwrite = ['a']", "the contract has no goal");
    refused("goal = 'g'", "the contract allows no change");
    refused("goal = 'g'\n[scope]\nforbid = ['a']", "the contract allows no change");
}

#[test]
fn patterns_stay_inside() {
    refused("goal = 'g'\n[scope]\nwrite = ['../a']", "`../a` in `write` is no pattern");
    refused("goal = 'g'\n[scope]\ncreate = ['/etc/x']", "is absolute");
    refused("goal = 'g'\n[scope]\nwrite = ['.git/hooks/**']", "leads into git's own files");
    refused("goal = 'g'\n[scope]\nwrite = ['a{b']", "`a{b` in `write` is no pattern");
}

#[test]
fn checks_are_checked() {
    let with = |check: &str| format!("goal = 'g'\n[scope]\nwrite = ['a']\n{check}");
    refused(&with("[[check]]\nname = 'a b'\nrun = ['x']"), "`a b` is no check name");
    refused(&with("[[check]]\nname = 'a'\nrun = []"), "check `a` has nothing to run");
    refused(
        &with("[[check]]\nname='a'\nrun=['x']\n[[check]]\nname='a'\nrun=['y']"),
        "two checks are called `a`",
    );
    refused(
        &with("[[check]]\nname = 'a'\nrun = ['x']\ntimeout = '10 min'"),
        "`10 min` is no duration",
    );
    refused(&with("[limits]\nturns = 0"), "limit `turns` is zero");
    refused(&with("[review]\ncriteria = ['x']"), "this version has none");
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
    for text in
        ["", "s", "10", "1.5m", "-1s", "9é", "99999999999999999999h", "9999999999999999999h"]
    {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[track_caller]
fn scope(toml: &str, path: &str, write_create_delete: [bool; 3]) {
    let scope = contract(&format!("[scope]\n{toml}")).scope;
    let found = [scope.may_write(path), scope.may_create(path), scope.may_delete(path)];
    assert_eq!(found, write_create_delete, "{path}");
}

#[test]
fn write_does_not_mean_create() {
    scope("write = ['src/**']", "src/a/b.rs", [true, false, false]);
    scope("write = ['src/*']", "src/a/b.rs", [false, false, false]);
    scope("delete = ['old/**']", "old/a", [false, false, true]);
}

#[test]
fn a_name_to_create_is_spelt_to_the_letter() {
    scope("create = ['MINSTRAL.md']", "MINSTRAL.md", [true, true, false]);
    scope("create = ['MINSTRAL.md']", "minstral.md", [false, false, false]);
    scope("create = ['MINSTRAL.md']", "MINISTRAL.md", [false, false, false]);
    scope("create = ['a+b(1).md']", "a+b(1).md", [true, true, false]);
}

#[test]
fn forbid_wins() {
    scope("write = ['**']\nforbid = ['**/*.lock']", "a/b.lock", [false, false, false]);
    scope("write = ['**']\nforbid = ['**/*.lock']", "a/b.rs", [true, false, false]);
    scope(
        "write = ['**']\ncreate = ['**']\ndelete = ['**']\nforbid = ['x']",
        "x",
        [false, false, false],
    );
}

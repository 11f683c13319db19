//! Contracts: what is read, what is refused, what a scope allows.

use std::time::Duration;

use chargehand_core::contract::{
    Contract, ContractFile, MAX_CRITERIA, MAX_CRITERION, MAX_GOAL, MAX_ROUNDS, ScopeFile,
    parse_duration,
};

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
    assert_eq!(contract.scope.size.lines, Some(200));
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
    let check = |rest: &str| with(&format!("[[check]]\nname = 'a'\n{rest}"));
    refused(&check("run = ['x']\ntimeout = '0s'"), "check `a` has a timeout of zero");
    refused(&check("run = ['x', \"b\\u0000\"]"), "check `a` has a NUL character");
    assert!(Contract::parse(&check("run = ['x']\ntimeout = '1s'")).is_ok());
}

#[track_caller]
fn goal(goal: &str, expect: Result<(), &str>) {
    let scope = ScopeFile { write: vec!["a".to_owned()], ..ScopeFile::default() };
    let file = ContractFile { goal: goal.to_owned(), scope, ..ContractFile::default() };
    match (Contract::from_file(file), expect) {
        (Ok(_), Ok(())) => {}
        (Err(err), Err(says)) => assert!(err.to_string().contains(says), "{err}"),
        (found, expect) => panic!("{found:?} instead of {expect:?}"),
    }
}

#[test]
fn a_goal_is_text_that_fits_into_a_prompt() {
    goal(&"g".repeat(MAX_GOAL), Ok(()));
    goal(&"g".repeat(MAX_GOAL + 1), Err("the goal has 32769 bytes, and at most 32768 are allowed"));
    goal(&format!(" {}\n", "g".repeat(MAX_GOAL)), Ok(()));
    goal("one\n\ttwo ümlaut\u{a0}", Ok(()));
    goal("he\0llo", Err("U+0000"));
    goal("a\x1bb", Err("U+001B"));
    goal("a\rb", Err("U+000D"));
    goal("a\x7fb", Err("U+007F"));
    goal("a\u{85}b", Err("U+0085"));
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
    scope("create = ['MINSTRAL.md']", "MINSTRAL.md", [false, true, false]);
    scope("create = ['MINSTRAL.md']", "minstral.md", [false, false, false]);
    scope("create = ['MINSTRAL.md']", "MINISTRAL.md", [false, false, false]);
    scope("create = ['a+b(1).md']", "a+b(1).md", [false, true, false]);
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

#[test]
fn a_forbidden_name_is_forbidden_however_it_is_written() {
    let scope = contract(
        "[scope]\nwrite = ['**']\ncreate = ['**', 'u\u{308}.md']\nforbid = ['.github/**', 'Key']",
    )
    .scope;
    for path in [".github/x", ".GitHub/x", ".g\u{131}thub/x", ".\u{ff47}ithub/a/b", "key", "KEY"] {
        assert!(scope.forbids(path) && !scope.may_write(path) && !scope.may_create(path), "{path}");
    }
    for path in ["github/x", "keys", "src/Key"] {
        assert!(!scope.forbids(path) && scope.may_write(path), "{path}");
    }
    // What is allowed is matched to the letter.
    let scope = contract("[scope]\nwrite = ['src/**']").scope;
    assert!(scope.may_write("src/a") && !scope.may_write("SRC/a"));
}

#[test]
fn a_new_name_has_no_twin_unless_it_is_spelt_out() {
    let scope = contract("[scope]\ncreate = ['*', 'u\u{308}.md']").scope;
    assert!(scope.may_create("\u{fc}.md") && scope.may_create("u\u{308}.md"));
    assert!(!scope.may_create("o\u{308}.md"));
}

#[test]
fn classes_take_away_and_never_add() {
    scope("write = ['**']\nfrozen = ['docs']", "README.md", [false, false, false]);
    scope("write = ['**']\nonly = ['docs']", "src/README.md", [true, false, false]);
    scope("write = ['src/**']\nonly = ['docs']", "README.md", [false, false, false]);
    scope("write = ['src/**']\nsensitive = ['ci']", ".gitlab-ci.yml", [false, false, false]);
    let lead = "goal = 'g'\n[scope]\n";
    refused(
        &format!("{lead}write = ['Cargo.lock']\nfrozen = ['lockfiles']"),
        "`Cargo.lock` stands in `write`, but `frozen` has `lockfiles`, which wins",
    );
    refused(
        &format!("{lead}create = ['src/a.rs']\nonly = ['docs', 'tests']"),
        "`src/a.rs` stands in `create`, but `only` has `docs, tests`, which wins",
    );
    refused(&format!("{lead}write = ['a']\nfrozen = ['config', 'x']"), "there is no class `x`");
}

#[test]
fn what_runs_later_is_spelt_out_in_the_list_that_allows_it() {
    scope("write = ['**', 'Makefile']\ncreate = ['**']", "Makefile", [true, false, false]);
    scope("write = ['**', 'makefile']", "Makefile", [false, false, false]);
    scope("write = ['.github/workflows/*']", ".github/workflows/a.yml", [false, false, false]);
    scope("write = ['**']\nsensitive = ['build']", "a/CMakeLists.txt", [true, false, false]);
    scope("write = ['**']\nsensitive = ['build']", "vendor/b/Makefile", [false, false, false]);
}

#[track_caller]
fn hides(toml: &str, path: &str, expect: bool) {
    assert_eq!(contract(&format!("[scope]\n{toml}")).scope.hides(path), expect, "{path}");
}

#[test]
fn secrets_are_hidden_unless_they_are_spelt_out() {
    hides("write = ['**']", "a/.env", true);
    hides("write = ['**']", "deploy/ID_RSA", true);
    hides("write = ['**']", ".env.example", false);
    hides("write = ['**']", "src/a.rs", false);
    hides("write = ['**']\nreveal = ['.env']", ".env", false);
    hides("write = ['**']\nreveal = ['.env']", "a/.env", true);
    hides("write = ['.env']", ".env", false);
    hides("delete = ['.env']", ".env", true);
}

#[test]
fn guards_and_commands_are_checked() {
    let with = |rest: &str| format!("goal = 'g'\n[scope]\nwrite = ['a']\n{rest}");
    let guard = |rest: &str| with(&format!("[[guard]]\nname = 'n'\nfiles = ['a']\n{rest}"));
    refused(&guard("lines = '('"), "guard `n`: `lines` is no regular expression");
    refused(&guard("lines = 'x'\ndeny = []"), "guard `n`: it has no name, looks at no file, or");
    refused(&guard("lines = 'x'\ndeny = ['moved']"), "unknown variant `moved`");
    let twice = "lines = 'x'\n[[guard]]\nname = 'n'\nfiles = ['b']\nlines = 'y'";
    refused(&guard(twice), "guard `n`: another guard is called so too");
    let check = |rest: &str| with(&format!("[[check]]\nname = 'c'\nrun = ['x']\n{rest}"));
    refused(&check("exit = []"), "check `c` has no status in `exit`");
    refused(&check("exit = [256]"), "256");
    refused(&check("repeat = 0"), "check `c` has `repeat = 0`; it goes from 1 to 100");
    refused(&check("repeat = 101"), "check `c` has `repeat = 101`");
    let asks = |rest: &str| Contract::parse(&check(rest)).unwrap().networked().is_some();
    assert!(asks("network = true") && !asks("network = false") && !asks(""));
    refused(&check("env = { LD_PRELOAD = 'x' }"), "`LD_PRELOAD`: it would act on the sandbox");
    refused(&check("pass_env = ['HOME']"), "cannot have the variable `HOME`: the sandbox sets it");
    refused(&check("pass_env = ['A=B']"), "a name has letters, digits and `_`");
    assert!(Contract::parse(&check("repeat = 100\nexit = [255]\nenv = { A = '' }")).is_ok());
}

#[test]
fn a_review_is_bounded() {
    let with = |review: &str| format!("goal = 'g'\n[scope]\nwrite = ['a']\n[review]\n{review}");
    let review = |text: &str| Contract::parse(&with(text)).unwrap().review.unwrap();
    assert_eq!((review("").rounds, review("rounds = 0").rounds), (3, 0));
    assert_eq!(review(&format!("rounds = {MAX_ROUNDS}")).rounds, MAX_ROUNDS);
    refused(&with("rounds = 101"), "`review.rounds` is 101; it goes from 0 to 100");
    refused(&with("criteria = ['a', ' ']"), "criterion 2 of `[review]` says nothing");
    refused(&with("criteria = [\"a\\nb\"]"), "criterion 1 of `[review]` has a control character");
    let long = |length: usize| with(&format!("criteria = ['{}']", "x".repeat(length)));
    assert!(Contract::parse(&long(MAX_CRITERION)).is_ok());
    refused(&long(MAX_CRITERION + 1), "criterion 1 of `[review]` is longer than 1000 bytes");
    let many = |count: usize| with(&format!("criteria = [{}]", "'x',".repeat(count)));
    assert!(Contract::parse(&many(MAX_CRITERIA)).is_ok());
    refused(&many(MAX_CRITERIA + 1), "`review.criteria` has 51 entries, 50 at most are asked");
}

#[test]
fn a_tier_is_one_that_there_is() {
    let with = |tier: u8| format!("goal = 'g'\n[scope]\nwrite = ['a']\n[sandbox]\ntier = {tier}");
    let weakest = |text: &str| {
        let sandbox = Contract::parse(text).unwrap().sandbox;
        (sandbox.weakest(false), sandbox.weakest(true))
    };
    assert_eq!(weakest("goal = 'g'\n[scope]\nwrite = ['a']"), (1, 2));
    for tier in [1, 2] {
        assert_eq!(weakest(&with(tier)), (tier, tier), "what is written down binds everybody");
    }
    for tier in [0, 3] {
        refused(&with(tier), &format!("`sandbox.tier` is {tier}; it is 1 or 2"));
    }
}

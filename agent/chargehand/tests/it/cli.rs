//! The commands around a run, and what is said about bad input.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::place::{Outcome, Place};

fn write_call(path: &str, content: &str) -> (&'static str, Value) {
    ("write_file", json!({ "path": path, "content": content }))
}

/// Runs a job that creates `new.txt`, with `args` besides.
fn create(place: &Place, args: &[&str]) -> Outcome {
    let script = place.script(
        "create.jsonl",
        &[write_call("new.txt", "x"), ("finish", json!({ "summary": "s" }))],
    );
    place.job(&script, &[&["--create", "new.txt"], args].concat())
}

#[track_caller]
fn refused(args: &[&str], code: i32, says: &str) {
    let place = Place::with(&[("a.txt", "a\n")]);
    let outcome = place.run(args).expect(code).says(says);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    assert!(place.runs().is_empty(), "nothing may be begun");
}

#[test]
fn wrong_flags_end_with_2() {
    refused(&["run", "--no-such-flag"], 2, "--no-such-flag");
    refused(&["fly"], 2, "fly");
    refused(&[], 2, "Usage");
    refused(&["run", "x", "--write", "a.txt", "--turns", "many"], 2, "many");
    refused(&["run", "x", "--write", "a.txt", "--time", "10"], 2, "`10` is no duration");
    refused(&["run", "x", "--write", "a.txt", "--check", "sh -c 'open"], 2, "sh -c 'open");
    refused(&["run", "x", "--write", "a.txt", "--gate", "x=off"], 2, "there is no gate `x`");
    refused(&["run", "x", "--write", "a.txt", "--worker", "human"], 2, "`human` is no worker");
    refused(
        &["run", "x", "--write", "a.txt", "--worker", "script:/nonexistent"],
        2,
        "cannot read the script",
    );
    refused(&["run", "x", "--write", "a.txt", "--config", "modl=1"], 2, "unknown field `modl`");
    refused(&["run", "x", "--write", "a.txt", "-C", "/nonexistent"], 2, "/nonexistent");
    refused(&["report", "last"], 2, "no run");
    refused(&["accept", "20990101-000000-abcd"], 2, "20990101-000000-abcd");
    refused(&["reject", "../../etc"], 2, "../../etc");
}

#[test]
fn a_job_that_could_not_be_done_is_not_begun() {
    let to_nothing = ["run", "x", "--write", "A.TXT"];
    refused(&to_nothing, 3, "did you mean `a.txt`");
    refused(&["run", "x", "--delete", "src"], 3, "`src` matches no file of the base");
    let no_program = ["run", "x", "--write", "a.txt", "--check", "no-such-program --x"];
    refused(&no_program, 3, "there is no program `no-such-program`");
    let no_model = [&no_program[..], &["-m", "no-such-model"]].concat();
    refused(&no_model, 3, "there is no program `no-such-program`");
    refused(&["run", "x", "--write", "a.txt", "--check", "/no/such --x"], 3, "`/no/such`");
    refused(&["run", "x", "--write", "a.txt", "--check", "true && false"], 2, "for a shell");
    refused(&["run", "x", "--write", "a.txt", "-o", "/no/such/r.json"], 2, "/no/such/r.json");
    refused(&["run", "x", "--write", "a.txt", "-o", "."], 2, "-o .");
    refused(&["run", "x", "--write", "a.txt", "-o", "a.txt"], 3, "-o would replace a.txt");
    refused(&["run", "x", "--write", "a.txt", "-o", ".git/HEAD"], 3, "-o would replace .git/HEAD");
}

#[test]
fn a_pattern_without_a_file_is_said() {
    let place = Place::with(&[("a.txt", "a\n"), ("src/b.txt", "b\n")]);
    let worker = place.script("script", &[]);
    let outcome = place.job(&worker, &["--write", "a.txt", "--write", "src"]);
    assert!(outcome.stderr.contains("`src/**` is all that lies in it"), "{outcome:?}");
}

#[test]
fn help_and_version_go_to_stdout() {
    let place = Place::bare();
    for args in [&["--help"][..], &["run", "--help"], &["--version"], &["help", "accept"]] {
        let outcome = place.run(args).expect(0);
        assert!(outcome.stderr.is_empty() && !outcome.stdout.is_empty(), "{outcome:?}");
    }
    assert!(!place.run(&["--help"]).stdout.contains("sandbox-exec"), "hidden commands stay hidden");
}

#[test]
fn completions_name_the_commands() {
    let place = Place::bare();
    for shell in ["bash", "zsh", "fish"] {
        place.run(&["completions", shell]).expect(0).shows("resume");
    }
}

#[test]
fn a_contract_without_a_job_is_refused() {
    refused(&["run", "", "--write", "a.txt"], 2, "has no goal");
    refused(&["run", "x"], 3, "allows no change");
    refused(&["run", "x", "--write", "a.txt", "--forbid", "a.txt"], 3, "`a.txt` stands in `write`");
    refused(&["run", "x", "--write", "a.txt", "--forbid", "*.txt"], 3, "*.txt");
    refused(&["run", "x", "--write", "../a.txt"], 2, "`../a.txt` in `write` is no pattern");
    refused(&["run", "x", "--write", "a.txt", "--turns", "0"], 2, "limit `turns` is zero");
}

#[track_caller]
fn bad_contract(text: &str, code: i32, says: &str) {
    let place = Place::with(&[("a.txt", "a\n")]);
    let path = place.root().join("contract.toml");
    fs::write(&path, text).unwrap();
    place.run(&["run", "--contract", path.to_str().unwrap()]).expect(code).says(says);
    assert!(place.runs().is_empty());
}

#[test]
fn a_bad_contract_file_is_named_with_its_line() {
    bad_contract(
        "goal = 'x'\nwrite = ['a.txt']",
        2,
        "contract.toml, line 2: unknown field `write`",
    );
    bad_contract("goal = 'x'\n[scope]\nwrit = ['a']", 2, "line 3: unknown field `writ`");
    bad_contract("goal = 'x'\n[scope]\nwrite = 'a'", 2, "line 3");
    bad_contract("goal = ", 2, "line 1");
    bad_contract(
        "goal = 'x'\n[scope]\nwrite = ['a']\n[limits]\ntime = '1 day'",
        2,
        "is no duration",
    );
    bad_contract("goal = 'x'\n[scope]\nwrite = ['src/**']\nforbid = ['src/**']", 3, "which wins");
    bad_contract("goal = 'x'\n[scope]\nwrite = ['[']", 2, "`[` in `write` is no pattern");
    let two = "goal = 'x'\n[scope]\nwrite = ['a']\n[[check]]\nname = 'a'\nrun = ['a']\n[[check]]\nname = 'a'\nrun = ['b']";
    bad_contract(two, 2, "two checks are called `a`");
    refused(
        &["run", "--contract", "/nonexistent.toml"],
        2,
        "cannot read the contract /nonexistent.toml",
    );
}

#[test]
fn the_configuration_names_file_and_key() {
    let place = Place::with(&[("a.txt", "a\n")]);
    fs::create_dir_all(place.home()).unwrap();
    fs::write(place.home().join("config.toml"), "ctx = 512\nmodell = 'x'").unwrap();
    create(&place, &[]).expect(2).says("config.toml, line 2: unknown field `modell`");
}

#[test]
fn a_project_can_only_switch_gates_on() {
    let place = Place::with(&[(".chargehand/config.toml", "[gates]\nno_repeat = true")]);
    create(&place, &["--gate", "no_repeat=off", "--gate", "unique_piece=off"]).expect(0);
    let gates = place.report()["contract"]["gates"].clone();
    assert_eq!((&gates["no_repeat"], &gates["unique_piece"]), (&json!(true), &json!(false)));
    place.write(".chargehand/config.toml", "[gates]\nno_repeat = false");
    create(&place, &[]).expect(2).says("gate `no_repeat` cannot be switched off here");
}

#[test]
fn a_project_can_only_tighten() {
    let place = Place::with(&[
        ("a.txt", "a\n"),
        (".chargehand/config.toml", "forbid = ['new.*']\n[limits]\nturns = 7"),
    ]);
    create(&place, &[]).expect(3).says("`new.txt` stands in `create`, but `forbid` has `new.*`");
    place.write(".chargehand/config.toml", "[limits]\nturns = 7");
    create(&place, &["--turns", "9"]).expect(0);
    assert_eq!(place.report()["contract"]["limits"]["turns"], 7);
    place.write(".chargehand/config.toml", "model = '/tmp/evil.gguf'");
    create(&place, &[]).expect(2).says("config.toml, line 1: unknown field `model`");
    fs::remove_file(place.repo().join(".chargehand/config.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.repo().join(".chargehand/config.toml"))
        .unwrap();
    let outcome = create(&place, &[]).expect(2).says("symbolic link");
    assert!(!outcome.stderr.contains("root:"), "nothing of the user's is shown");
    fs::remove_dir_all(place.repo().join(".chargehand")).unwrap();
    fs::write(place.root().join("config.toml"), "secret = 'root:'").unwrap();
    std::os::unix::fs::symlink(place.root(), place.repo().join(".chargehand")).unwrap();
    let outcome = create(&place, &[]).expect(2).says("symbolic link");
    assert!(!outcome.stderr.contains("secret"), "nor by a link to the folder");
}

#[track_caller]
fn bad_model(bytes: Option<&[u8]>, says: &str) {
    let place = Place::with(&[("a.txt", "a\n")]);
    let path = place.root().join("m.gguf");
    if let Some(bytes) = bytes {
        fs::write(&path, bytes).unwrap();
    }
    let model = path.to_str().unwrap();
    let code = if bytes.is_some() { 3 } else { 2 };
    place
        .run(&["run", "x", "--write", "a.txt", "-m", model])
        .expect(code)
        .says(says)
        .says("m.gguf");
    place.run(&["plan", model]).expect(code).says(says);
    place.run(&["models", model]).expect(code).says(says);
    assert!(place.runs().is_empty());
}

#[test]
fn a_model_that_is_none_is_refused_before_anything_begins() {
    let whole = include_bytes!("../../models/apprentice.gguf");
    bad_model(None, "no such file");
    bad_model(Some(b""), "is empty");
    bad_model(Some(b"PK\x03\x04 this is a zip"), "not a GGUF file");
    bad_model(Some(&whole[..3]), "truncated");
    bad_model(Some(&whole[..whole.len() / 1000]), "truncated");
    bad_model(Some(&whole[..whole.len() / 2]), "truncated");
    bad_model(Some(&whole[..whole.len() - 1]), "truncated");
    let garbage: Vec<u8> = b"GGUF\x03\0\0\0"
        .iter()
        .copied()
        .chain((0..4096_u32).map(|n| (n * 31 % 251) as u8))
        .collect();
    bad_model(Some(&garbage), "m.gguf");
}

#[test]
fn errors_are_json_too() {
    let place = Place::with(&[("a.txt", "a\n")]);
    let outcome = place.run(&["run", "x", "--json"]).expect(3);
    let lines = outcome.lines();
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["type"], &last["kind"], &last["exit_code"]),
        (&json!("error"), &json!("refused"), &json!(3))
    );
}

#[test]
fn what_is_no_repository_is_refused() {
    let place = Place::bare();
    create(&place, &[]).expect(3).says("repo");
    assert!(place.runs().is_empty());
}

#[test]
fn an_index_that_cannot_be_read_is_refused_before_anything_begins() {
    let place = Place::with(&[("a.txt", "a\n")]);
    create(&place, &["--turns", "1"]).expect(4);
    let cut = place.runs().remove(0);
    create(&place, &[]).expect(0);
    place.git(&["config", "core.splitIndex", "true"]);
    place.git(&["update-index", "--split-index"]);
    let hint = "git update-index --no-split-index";
    place.run(&["accept", "last"]).expect(3).says(hint);
    create(&place, &[]).expect(3).says(hint);
    let cut = cut.file_name().unwrap().to_str().unwrap();
    place.run(&["resume", cut]).expect(3).says(hint);
    assert_eq!(place.runs().len(), 2);
    place.git(&["config", "core.splitIndex", "false"]);
    place.git(&["update-index", "--no-split-index"]);
    place.run(&["accept", "last"]).expect(0);
}

#[test]
fn a_state_folder_inside_the_repository_is_refused() {
    let place = Place::with(&[("a.txt", "a\n")]);
    let mut command = place.command(["run", "x", "--write", "a.txt"]);
    command.env("CHARGEHAND_HOME", place.repo().join("state"));
    Outcome::from(command.output().unwrap()).expect(3).says("inside the repository");
    assert!(!place.repo().join("state").exists());
}

#[test]
fn an_unborn_branch_gets_its_first_commit() {
    let place = Place::bare();
    place.git(&["init", "-q", "-b", "main"]);
    create(&place, &[]).expect(0);
    assert_eq!(place.report()["base"], Value::Null);
    place.git(&["config", "user.name", "Test"]);
    place.git(&["config", "user.email", "test@example.org"]);
    place.run(&["accept", "last"]).expect(0);
    assert_eq!(place.git(&["show", "main:new.txt"]), "x");
}

#[test]
fn an_empty_commit_is_a_base() {
    let place = Place::with(&[]);
    create(&place, &[]).expect(0);
    assert_eq!(place.report()["evidence"]["changes"][0]["path"], "new.txt");
}

#[test]
fn a_detached_head_works_until_accept() {
    let place = Place::with(&[("a.txt", "a\n")]);
    place.git(&["checkout", "-q", "--detach"]);
    create(&place, &[]).expect(0);
    let outcome = place.run(&["accept", "last"]);
    assert!(matches!(outcome.code, 0 | 3), "{outcome:?}");
    assert_eq!(place.git(&["rev-parse", "main"]), place.report()["base"].as_str().unwrap());
}

#[test]
fn a_submodule_is_left_alone() {
    let inner = Place::with(&[("inner.txt", "i\n")]);
    let place = Place::with(&[("a.txt", "a\n")]);
    let inner_path = inner.repo();
    place.git(&["submodule", "add", "-q", inner_path.to_str().unwrap(), "sub"]);
    place.commit(&[]);
    create(&place, &[]).expect(0);
    let changes = place.report()["evidence"]["changes"].clone();
    assert_eq!(changes.as_array().unwrap().len(), 1, "{changes}");
}

#[test]
fn odd_names_of_folders_and_files_work() {
    for name in ["mit leer zeichen", "größe-ß", "line\nbreak", "-dash", "a'b\"c"] {
        let place = Place::named(name);
        place.init();
        place.commit(&[("Übung/a b.txt", "a\n"), ("x\ny.txt", "odd\n")]);
        create(&place, &[]).expect(0);
        let edit = [
            ("read_file", json!({ "path": "Übung/a b.txt" })),
            ("edit_file", json!({ "path": "Übung/a b.txt", "old": "a", "new": "b" })),
            ("finish", json!({ "summary": "s" })),
        ];
        let script = place.script("edit.jsonl", &edit);
        place.job(&script, &["--write", "Übung/*"]).expect(0);
        place.run(&["accept", "last"]).expect(0);
        assert_eq!(place.read("Übung/a b.txt"), "b\n", "{name}");
        assert_eq!(place.read("x\ny.txt"), "odd\n", "{name}");
    }
}

/// The rights of root know no read-only folder; another user runs the program then.
fn as_nobody(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    if nix::unistd::getuid().is_root() {
        command.uid(65534).gid(65534);
    }
}

#[test]
fn a_read_only_state_folder_is_named() {
    let place = Place::with(&[("a.txt", "a\n")]);
    fs::create_dir(place.home()).unwrap();
    fs::set_permissions(place.home(), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.root().join("chargehand");
    fs::copy(env!("CARGO_BIN_EXE_chargehand"), &program).unwrap();
    let script = place.script("s.jsonl", &[write_call("new.txt", "x")]);
    if nix::unistd::getuid().is_root() {
        let owner = ["-R", "65534:65534"].map(std::ffi::OsStr::new);
        let chown = std::process::Command::new("chown").args(owner).arg(place.repo()).status();
        assert!(chown.unwrap().success());
    }
    let mut command = std::process::Command::new(&program);
    command
        .current_dir(place.repo())
        .env("CHARGEHAND_HOME", place.home())
        .env("HOME", place.root());
    command.args(["run", "x", "--create", "new.txt", "--worker", &script]);
    as_nobody(&mut command);
    let outcome = Outcome::from(command.output().unwrap());
    let home = place.home();
    assert_eq!(outcome.code, 74, "{outcome:?}");
    outcome.says(home.to_str().unwrap());
}

#[test]
fn a_read_only_checkout_is_no_obstacle() {
    let place = Place::with(&[("a.txt", "a\n")]);
    fs::set_permissions(place.repo(), fs::Permissions::from_mode(0o555)).unwrap();
    create(&place, &[]).expect(0);
    fs::set_permissions(place.repo(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// As git does it: the environment wins over the configuration, for the author and for who commits.
#[test]
fn the_environment_says_who_commits() {
    let place = Place::with(&[("a.txt", "one\n")]);
    let call = ("write_file", json!({ "path": "new.txt", "content": "x" }));
    let script = place.script("s", &[call]);
    place.job(&script, &["--create", "new.txt"]).expect(0);
    place.git(&["config", "--unset", "user.email"]);
    place.run(&["accept", "last"]).expect(3).says("user.email");
    let mut command = place.command(["accept", "last"]);
    command.env("GIT_AUTHOR_NAME", "An Author").env("GIT_AUTHOR_EMAIL", "author@example.org");
    command.env("GIT_COMMITTER_EMAIL", "committer@example.org");
    command.env("GIT_AUTHOR_DATE", "2001-02-03T04:05:06+0100");
    assert!(command.status().unwrap().success());
    let told = place.git(&["log", "-1", "--format=%an %ae %aI %cn %ce"]);
    let expect =
        "An Author author@example.org 2001-02-03T04:05:06+01:00 Test committer@example.org";
    assert_eq!(told, expect);
}

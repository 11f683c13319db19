//! The tools, under the contract and the gates.

use chargehand_core::mask::Secrets;
use chargehand_core::ports::Environment;
use chargehand_core::state::State;
use chargehand_core::tool::ToolCall;
use chargehand_core::tools::{self, MAX_OBSERVATION, Outcome};

use crate::world::{Seen, World, contract};

const CONTRACT: &str = "
    [scope]
    write = ['a.txt', 'src/**']
    create = ['docs/NEW.md']
    forbid = ['src/key']
    [[check]]
    name = 'there'
    run = ['docs/NEW.md']
";

/// Plays calls, such as `read_file {"path":"a"}`, and returns the last answer.
fn play(world: &mut World, calls: &[&str]) -> String {
    let contract = contract(CONTRACT);
    let mut state = State::new(&contract, world.files().unwrap(), &[]);
    let mut last = String::new();
    for line in calls {
        let (name, written) = line.split_once(' ').unwrap();
        let call = ToolCall::new(name, written).unwrap();
        last = match tools::run(&call, &mut state, world, &mut Seen::default()).unwrap() {
            Outcome::Observed(observation) => observation.text,
            Outcome::Stopped(stop) => format!("{stop:?}"),
        };
    }
    last
}

fn world() -> World {
    World::new(&[
        ("README.md", "hi\n"),
        ("a.txt", "one\ntwo\ntwo\n"),
        ("src/key", "k\n"),
        ("src/m.rs", "fn main() {}\n"),
    ])
}

#[track_caller]
fn check(calls: &[&str], expect: &str) {
    assert_eq!(play(&mut world(), calls), expect);
}

#[track_caller]
fn check_file(calls: &[&str], path: &str, expect: &str) {
    let mut world = world();
    let last = play(&mut world, calls);
    assert_eq!(world.text(path), expect, "{last}");
}

const READ: &str = r#"read_file {"path":"a.txt"}"#;

#[test]
fn directories_are_listed() {
    check(&[r#"list_dir {"path":"."}"#], "README.md\na.txt\nsrc/");
    check(&[r#"list_dir {"path":"src"}"#], "key\nm.rs");
    check(&[r#"list_dir {"path":"lib"}"#], "error: no such directory: lib");
}

#[test]
fn an_empty_repository_is_no_error() {
    let list = |call: &str| play(&mut World::default(), &[call]);
    assert_eq!(list(r#"list_dir {"path":"."}"#), "(empty)");
    assert_eq!(list(r#"list_dir {"path":"src"}"#), "error: no such directory: src");
}

#[test]
fn files_are_read() {
    check(&[READ], "one\ntwo\ntwo");
    check(&[r#"read_file {"path":"a.txt","start":3}"#], "two\n[lines 3 to 3 of 3]");
    check(
        &[r#"read_file {"path":"a.txt","start":4}"#],
        "error: a.txt has 3 lines, there is no line 4",
    );
    check(&[r#"read_file {"path":"no.txt"}"#], "error: no such file: no.txt");
    check(
        &[r#"read_file {"path":"../a"}"#],
        "error: `../a` has an empty, `.` or `..` part; write it as `src/file.rs`",
    );
}

#[test]
fn a_long_file_is_shown_in_parts() {
    let mut world = world();
    let line = "x".repeat(99);
    world.files.insert("long".to_owned(), format!("{line}\n").repeat(500).into_bytes());
    let first = play(&mut world, &[r#"read_file {"path":"long"}"#]);
    assert!(first.len() <= MAX_OBSERVATION, "{}", first.len());
    assert!(first.ends_with("[lines 1 to 121 of 500]"), "{}", &first[first.len() - 40..]);
    let rest = play(&mut world, &[r#"read_file {"path":"long","start":122}"#]);
    assert!(rest.contains("[lines 122 to"), "{rest}");
}

#[test]
fn a_line_that_is_cut_is_not_known() {
    let (long, fits) = (MAX_OBSERVATION + 1, MAX_OBSERVATION - 101);
    let mut world = world();
    world.files.insert("a.txt".to_owned(), "ä".repeat(long).into_bytes());
    let first = play(&mut world, &[READ]);
    assert!(first.len() <= MAX_OBSERVATION, "{}", first.len());
    let note = format!("[lines 1 to 1 of 1; of line 1 the first 12186 of {} bytes]", 2 * long);
    assert!(first.ends_with(&note), "{}", &first[first.len() - 80..]);
    let replace = r#"write_file {"path":"a.txt","content":"x"}"#;
    let unread = "error: you have not read all of a.txt; edit a piece that you have read";
    for (bytes, last) in [(fits, "replaced a.txt (1 line)"), (fits + 1, unread)] {
        world.files.insert("a.txt".to_owned(), "x".repeat(bytes).into_bytes());
        assert_eq!(play(&mut world, &[READ, replace]), last, "{bytes}");
    }
}

#[test]
fn texts_are_found() {
    check(&[r#"search {"text":"two"}"#], "a.txt:2: two\na.txt:3: two");
    check(&[r#"search {"text":"three"}"#], "no match");
    check(&[r#"search {"text":""}"#], "error: the text to find is empty");
    let mut world = world();
    world.files.insert("a.txt".to_owned(), "two\n".repeat(51).into_bytes());
    let found = play(&mut world, &[r#"search {"text":"two"}"#]);
    assert!(found.ends_with("\na.txt:50: two\n[1 more not shown]"), "{found}");
}

#[test]
fn the_same_question_is_not_answered_twice() {
    let asked = "error: you asked exactly this before, and the answer is still the same";
    check(&[r#"search {"text":"two"}"#, r#"search {"text":"two"}"#], asked);
    check(&[READ, READ], asked);
}

#[test]
fn a_listed_name_is_created_to_the_letter() {
    check_file(&[r#"write_file {"path":"docs/NEW.md","content":"Hi"}"#], "docs/NEW.md", "Hi\n");
    check(
        &[r#"write_file {"path":"docs/NEW.md","content":"Hi\nyou"}"#],
        "created docs/NEW.md (2 lines)",
    );
    check(
        &[r#"write_file {"path":"docs/new.md","content":"Hi"}"#],
        "error: the contract does not let docs/new.md be created",
    );
}

#[test]
fn writing_needs_reading_first() {
    check(
        &[r#"write_file {"path":"a.txt","content":"x"}"#],
        "error: a.txt exists; read it before you replace it",
    );
    check_file(&[READ, r#"write_file {"path":"a.txt","content":"x"}"#], "a.txt", "x\n");
    check(
        &[READ, r#"edit_file {"path":"src/m.rs","old":"","new":"x"}"#],
        "error: src/m.rs exists; read it before you replace it",
    );
    check(
        &[r#"edit_file {"path":"a.txt","old":"one","new":"1"}"#],
        "error: a.txt exists; read it before you replace it",
    );
}

#[test]
fn a_piece_is_replaced_where_it_occurs_once() {
    check_file(
        &[READ, r#"edit_file {"path":"a.txt","old":"one","new":"1"}"#],
        "a.txt",
        "1\ntwo\ntwo\n",
    );
    check(
        &[READ, r#"edit_file {"path":"a.txt","old":"two","new":"2"}"#],
        "error: `old` is in a.txt 2 times; give a longer piece",
    );
    check(
        &[READ, r#"edit_file {"path":"a.txt","old":"one more","new":"2"}"#],
        "error: `old` is not in a.txt; line 1 is `one`",
    );
    check(
        &[READ, r#"edit_file {"path":"a.txt","old":"xyz","new":"2"}"#],
        "error: `old` is not in a.txt",
    );
    check(
        &[READ, r#"edit_file {"path":"a.txt","old":"one","new":"one"}"#],
        "error: a.txt would stay as it is: `new` is the same as `old`",
    );
}

#[test]
fn an_empty_piece_appends_lines() {
    check_file(
        &[READ, r#"edit_file {"path":"a.txt","old":"","new":"end"}"#],
        "a.txt",
        "one\ntwo\ntwo\nend\n",
    );
    let mut world = world();
    world.files.insert("a.txt".to_owned(), b"one\r\ntwo".to_vec());
    play(&mut world, &[READ, r#"edit_file {"path":"a.txt","old":"","new":"end"}"#]);
    assert_eq!(world.text("a.txt"), "one\r\ntwo\r\nend\r\n");
}

#[test]
fn the_contract_is_asked_whoever_calls() {
    let read = r#"read_file {"path":"README.md"}"#;
    let read_key = r#"read_file {"path":"src/key"}"#;
    check(
        &[READ, read, r#"edit_file {"path":"README.md","old":"hi","new":"ho"}"#],
        "error: the contract does not let README.md change",
    );
    check(
        &[READ, read_key, r#"edit_file {"path":"src/key","old":"k","new":"x"}"#],
        "error: the contract does not let src/key change",
    );
    check(
        &[r#"write_file {"path":"src/evil.rs","content":""}"#],
        "error: the contract does not let src/evil.rs be created",
    );
}

#[test]
fn finishing_needs_a_change_and_passing_checks() {
    let finish = r#"finish {"summary":"done"}"#;
    let create = r#"write_file {"path":"docs/NEW.md","content":"x"}"#;
    let run = r#"run_check {"name":"there"}"#;
    check(&[finish], "error: finish is not possible now: nothing was changed");
    check(
        &[create, finish],
        "error: finish is not possible now: check `there` has not passed since the last change",
    );
    check(&[create, run], "pass\nlooked for docs/NEW.md");
    check(&[create, run, finish], "Finished(\"done\")");
    check(&[run], "fail (exit 1)\nlooked for docs/NEW.md");
    check(
        &[create, run, READ, r#"edit_file {"path":"a.txt","old":"one","new":"1"}"#, finish],
        "error: finish is not possible now: check `there` has not passed since the last change",
    );
    check(&[run, run], "error: check `there` was run since the last change");
}

#[track_caller]
fn check_output(output: &str, expect: &str) {
    let mut world = World { output: Some(output.to_owned()), ..world() };
    assert_eq!(play(&mut world, &[r#"run_check {"name":"there"}"#]), expect);
}

#[test]
fn the_end_of_an_output_is_shown() {
    const SHOWN: usize = 4096;
    let fits = "x".repeat(SHOWN);
    check_output(&fits, &format!("fail (exit 1)\n{fits}"));
    check_output(&format!("first\n{fits}\nlast"), "fail (exit 1)\nlast");
    check_output(&format!("{fits}last"), &format!("fail (exit 1)\n{}last", &fits[4..]));
    // A character that is cut in two is left out.
    check_output(&format!("ä{}", &fits[1..]), &format!("fail (exit 1)\n{}", &fits[1..]));
}

#[test]
fn malformed_arguments_reach_no_tool() {
    check(&["write_file {\"path\":\"docs/NEW.md\"}"], "error: argument `content` is missing");
    check(&["read_file {\"path\":7}"], "error: argument `path` must be a string");
    check(
        &["read_file {\"path\":\"a.txt\",\"start\":-1}"],
        "error: argument `start` must be a integer",
    );
    check(&["read_file {\"path\":\"a.txt\",\"mode\":\"x\"}"], "error: there is no argument `mode`");
    check(
        &["delete_file {\"path\":\"a.txt\"}"],
        "error: there is no tool `delete_file`; there are list_dir, read_file, search, write_file, edit_file, \
         run_check, finish, ask",
    );
}

#[test]
fn the_menu_follows_the_state() {
    let contract = contract(CONTRACT);
    let mut world = world();
    let mut state = State::new(&contract, world.files().unwrap(), &[]);
    let open = |state: &State<'_>| {
        tools::menu(state).entries.iter().map(|entry| entry.tool).collect::<Vec<_>>()
    };
    assert_eq!(open(&state), ["list_dir", "read_file", "search", "write_file", "run_check", "ask"]);
    let read = ToolCall::new("read_file", r#"{"path":"a.txt"}"#).unwrap();
    tools::run(&read, &mut state, &mut world, &mut Seen::default()).unwrap();
    assert!(open(&state).contains(&"edit_file"));
    assert!(!open(&state).contains(&"finish"));
}

/// A world in which the value of a setting is secret.
fn keeping_a_secret() -> World {
    let mut world = World::new(&[("a.txt", "key = sesame-open\nport = 1\n"), ("src/m.rs", "")]);
    world.secrets = Secrets::new([("KEY".to_owned(), "sesame-open".to_owned())]);
    world
}

#[test]
fn a_secret_is_read_by_its_name_and_stays_in_the_file() {
    let mut world = keeping_a_secret();
    let whole = r#"write_file {"path":"a.txt","content":"key = [secret KEY]\nport = 2\n"}"#;
    assert!(play(&mut world, &[READ, whole]).contains("you have not read all of a.txt"));
    let around = r#"edit_file {"path":"a.txt","old":"= sesame-open","new":"= x"}"#;
    assert!(play(&mut world, &[READ, around]).contains("you have not read this part of a.txt"));
    let beside = r#"edit_file {"path":"a.txt","old":"port = 1","new":"port = 2"}"#;
    play(&mut world, &[READ, beside]);
    assert_eq!(world.text("a.txt"), "key = sesame-open\nport = 2\n");
}

#[test]
fn a_secret_is_found_before_a_line_is_cut() {
    let mut world = keeping_a_secret();
    let line = format!("{}sesame-open port\n", "x".repeat(155));
    world.files.insert("a.txt".to_owned(), line.into_bytes());
    let found = play(&mut world, &[r#"search {"text":"port"}"#]);
    assert!(found.contains("[sec") && !found.contains("sesa"), "{found}");
}

#[test]
fn a_search_tells_nothing_of_a_secret() {
    let mut world = keeping_a_secret();
    for guess in ["sesame", "sesame-open", "-"] {
        let call = format!(r#"search {{"text":"{guess}"}}"#);
        assert_eq!(play(&mut world, &[&call]), "no match");
    }
    // A secret of several lines leaves the numbers of the others as they are.
    world.secrets = Secrets::new([("KEY".to_owned(), "sesame-open\nport".to_owned())]);
    world.files.insert("a.txt".to_owned(), b"key = sesame-open\nport\nhost\n".to_vec());
    assert_eq!(play(&mut world, &[r#"search {"text":"host"}"#]), "a.txt:3: host");
}

#[test]
fn no_cut_shows_half_a_secret() {
    let mut world = keeping_a_secret();
    for before in MAX_OBSERVATION - 120..MAX_OBSERVATION {
        let line = format!("{}sesame-open port{}\n", "x".repeat(before), "x".repeat(200));
        world.files.insert("a.txt".to_owned(), line.into_bytes());
        let missing = r#"edit_file {"path":"a.txt","old":"port three","new":"x"}"#;
        for calls in [&[READ][..], &[READ, missing]] {
            let told = play(&mut world, calls);
            assert!(!told.contains("ses") && told.len() <= MAX_OBSERVATION + 100, "{before}");
        }
    }
}

#[test]
fn a_failure_that_quotes_a_file_is_short_and_spells_out() {
    let mut world = world();
    let line = format!("two \u{202e}{}\n", "x".repeat(1 << 20));
    world.files.insert("a.txt".to_owned(), line.into_bytes());
    let missing = r#"edit_file {"path":"a.txt","old":"two three","new":"x"}"#;
    let told = play(&mut world, &[READ, missing]);
    assert!(told.len() <= MAX_OBSERVATION + 100 && !told.contains('\u{202e}'), "{}", told.len());
}

/// What stood there is not known, and not replaced: the system failed us, not the path the worker.
#[test]
fn what_a_broken_disk_hides_is_not_replaced() {
    let contract = contract(&format!("{CONTRACT}[gates]\nread_before_edit = false\n"));
    for call in [
        r#"write_file {"path":"a.txt","content":"x"}"#,
        r#"edit_file {"path":"a.txt","old":"one","new":"x"}"#,
        r#"read_file {"path":"a.txt"}"#,
        r#"search {"text":"one"}"#,
    ] {
        let mut world = World { broken: true, ..world() };
        let mut state = State::new(&contract, world.files().unwrap(), &[]);
        let (name, written) = call.split_once(' ').unwrap();
        let call = ToolCall::new(name, written).unwrap();
        let err = tools::run(&call, &mut state, &mut world, &mut Seen::default()).unwrap_err();
        assert_eq!(
            err.to_string(),
            format!(
                "cannot read {}: other error",
                match name {
                    "search" => "README.md",
                    _ => "a.txt",
                }
            )
        );
        assert_eq!(world.text("a.txt"), "one\ntwo\ntwo\n");
    }
}

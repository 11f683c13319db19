//! The gates: one test each, switched on and off, and what holds of all of them.

mod known;

use std::fs;
use std::path::Path;

use chargehand_core::contract::{Contract, Gate, parse_switch};
use chargehand_core::gates::GATES;
use chargehand_core::menu::{Menu, Values};
use chargehand_core::phase::{Phase, Seat};
use chargehand_core::ports::Environment;
use chargehand_core::state::State;
use chargehand_core::tool::ToolCall;
use chargehand_core::tools::{self, Outcome};

use crate::world::{Seen, World, contract};

const CONTRACT: &str = "
    [scope]
    write = ['a.txt', 'b.txt']
    create = ['new.txt']
    [limits]
    reads = 3
    [[check]]
    name = 'there'
    run = ['new.txt']
";
const LIST: &str = r#"list_dir {"path":"."}"#;
const READ: &str = r#"read_file {"path":"a.txt"}"#;
const SEARCH: &str = r#"search {"text":"two"}"#;
const EDIT: &str = r#"edit_file {"path":"a.txt","old":"one","new":"1"}"#;
const MISS: &str = r#"edit_file {"path":"a.txt","old":"six","new":"6"}"#;
const CREATE: &str = r#"write_file {"path":"new.txt","content":"x"}"#;
const CHECK: &str = r#"run_check {"name":"there"}"#;
const FINISH: &str = r#"finish {"summary":"done"}"#;

fn world() -> World {
    World::new(&[("a.txt", "one\ntwo\n"), ("b.txt", "two\n"), ("c/d.txt", "two\n")])
}

fn call(line: &str) -> ToolCall {
    let (name, written) = line.split_once(' ').unwrap();
    ToolCall::new(name, written).unwrap()
}

/// Plays `calls` in `world`, and returns the last answer and what may be called then.
fn play(contract: &Contract, world: &mut dyn Environment, calls: &[&str]) -> (String, Menu) {
    let mut state = State::new(contract, world.files().unwrap(), &[]);
    let mut last = String::new();
    for line in calls {
        last = match tools::run(&call(line), &mut state, world, &mut Seen::default()).unwrap() {
            Outcome::Observed(observation) => observation.text,
            Outcome::Stopped(stop) => format!("{stop:?}"),
        };
    }
    (last, tools::menu(&state))
}

fn without(gate: Gate, toml: &str) -> Contract {
    contract(&format!("{toml}\n[gates]\n{} = false\n", gate.name()))
}

/// Plays `calls` with `gate` and without it, and compares the last answers.
#[track_caller]
fn check(gate: Gate, calls: &[&str], on: &str, off: &str) {
    let last = |contract: &Contract| play(contract, &mut world(), calls).0;
    assert_eq!(last(&contract(CONTRACT)), on);
    assert_eq!(last(&without(gate, CONTRACT)), off);
}

/// Plays `calls`, and compares what the gates say of `tool`.
#[track_caller]
fn says(calls: &[&str], tool: &str, expect: &[(Gate, &str)]) {
    let (_, menu) = play(&contract(CONTRACT), &mut world(), calls);
    let said = menu.gates.iter().filter(|shut| shut.tool == tool);
    let said: Vec<_> = said.map(|shut| (shut.gate, shut.reason.as_str())).collect();
    assert_eq!(said, expect);
}

/// Returns the values of the first argument of the only way to call `tool`.
fn first<'m>(menu: &'m Menu, tool: &str) -> Option<&'m Values> {
    menu.entries_of(tool).next().map(|entry| &entry.arguments[0].values)
}

fn one_of(values: &[&str]) -> Values {
    Values::OneOf(values.iter().map(|value| (*value).to_owned()).collect())
}

#[test]
fn job_tools() {
    let toml = "[scope]\nwrite = ['a.txt']";
    let on = play(&contract(toml), &mut world(), &[CHECK]);
    let (off, menu) = play(&without(Gate::JobTools, toml), &mut world(), &[CHECK]);
    assert!(
        on.0.starts_with("error: there is no tool `run_check`; there are list_dir"),
        "{}",
        on.0
    );
    assert_eq!(off, "error: there is no check `there`");
    assert_eq!((on.1.specs.len(), menu.specs.len()), (7, 9));
    let said: Vec<_> = on.1.gates.iter().filter(|shut| shut.gate == Gate::JobTools).collect();
    assert_eq!(
        (said[0].tool.as_str(), said[0].reason.as_str()),
        ("delete_file", "the contract lets nothing go")
    );
    assert_eq!(
        (said[1].tool.as_str(), said[1].reason.as_str()),
        ("run_check", "the contract has no check")
    );
    assert_eq!(first(&menu, "run_check"), None, "there is no name to say");
}

#[test]
fn listed_values() {
    let missing = [r#"read_file {"path":"e.txt"}"#];
    check(Gate::ListedValues, &missing, "error: no such file: e.txt", "error: no such file: e.txt");
    let on = play(&contract(CONTRACT), &mut world(), &[READ]).1;
    let off = play(&without(Gate::ListedValues, CONTRACT), &mut world(), &[READ]).1;
    assert_eq!(first(&on, "read_file"), Some(&one_of(&["b.txt", "c/d.txt"])));
    assert_eq!(first(&on, "edit_file"), Some(&one_of(&["a.txt"])));
    for tool in ["list_dir", "read_file", "write_file", "edit_file", "run_check"] {
        assert_eq!(first(&off, tool), Some(&Values::Text), "{tool}");
        assert_eq!(off.entries_of(tool).count(), 1, "{tool}");
    }
    let empty = play(&contract(CONTRACT), &mut World::default(), &[]).1;
    let open: Vec<_> = empty.entries.iter().map(|entry| entry.tool).collect();
    assert_eq!(open, ["list_dir", "write_file", "run_check", "ask"]);
    let why = empty.gates.iter().find(|shut| shut.tool == "search").unwrap();
    assert_eq!((why.gate, why.reason.as_str()), (Gate::ListedValues, "there are no files"));
}

#[test]
fn unique_piece() {
    let old = |contract: &Contract| {
        let (_, menu) = play(contract, &mut world(), &[READ]);
        menu.entries_of("edit_file").next().unwrap().arguments[1].values.clone()
    };
    assert_eq!(old(&contract(CONTRACT)), Values::PieceOf("one\ntwo\n".to_owned()));
    assert_eq!(old(&without(Gate::UniquePiece, CONTRACT)), Values::Text);
}

#[test]
fn read_before_edit() {
    let unread = "error: a.txt exists; read it before you replace it";
    check(Gate::ReadBeforeEdit, &[EDIT], unread, "changed a.txt");
    let write = r#"write_file {"path":"a.txt","content":"x"}"#;
    check(Gate::ReadBeforeEdit, &[write], unread, "replaced a.txt (1 line)");
    check(Gate::ReadBeforeEdit, &[EDIT, READ], "one\ntwo", "1\ntwo");
    says(
        &[],
        "edit_file",
        &[(Gate::ReadBeforeEdit, "a.txt exists; read it before you replace it (and 1 more)")],
    );
    says(
        &[READ],
        "edit_file",
        &[(Gate::ReadBeforeEdit, "b.txt exists; read it before you replace it")],
    );
    let (_, menu) = play(&without(Gate::ReadBeforeEdit, CONTRACT), &mut world(), &[]);
    let open: Vec<_> = menu.entries_of("edit_file").map(|way| &way.arguments[0].values).collect();
    assert_eq!(open, [&one_of(&["a.txt"]), &one_of(&["b.txt"])]);
    assert_eq!(first(&menu, "write_file"), Some(&one_of(&["a.txt", "b.txt", "new.txt"])));
}

#[test]
fn finish_after_change() {
    let (not_yet, done) =
        ("error: finish is not possible now: nothing was changed", "Finished(\"done\")");
    let toml = "[scope]\nwrite = ['a.txt']";
    assert_eq!(play(&contract(toml), &mut world(), &[FINISH]).0, not_yet);
    assert_eq!(play(&without(Gate::FinishAfterChange, toml), &mut world(), &[FINISH]).0, done);
    assert_eq!(play(&contract(toml), &mut world(), &[READ, EDIT, FINISH]).0, done);
    let unchecked = "check `there` has not passed since the last change";
    let both =
        [(Gate::FinishAfterChange, "nothing was changed"), (Gate::FinishAfterChecks, unchecked)];
    says(&[], "finish", &both);
    says(&[READ, EDIT], "finish", &[(Gate::FinishAfterChecks, unchecked)]);
    says(&[CREATE, CHECK], "finish", &[]);
}

#[test]
fn finish_after_checks() {
    let not_yet =
        "error: finish is not possible now: check `there` has not passed since the last change";
    check(Gate::FinishAfterChecks, &[CREATE, FINISH], not_yet, "Finished(\"done\")");
    check(Gate::FinishAfterChecks, &[READ, EDIT, CHECK, FINISH], not_yet, "Finished(\"done\")");
    check(
        Gate::FinishAfterChecks,
        &[CREATE, CHECK, READ, EDIT, FINISH],
        not_yet,
        "Finished(\"done\")",
    );
    check(
        Gate::FinishAfterChecks,
        &[CREATE, CHECK, FINISH],
        "Finished(\"done\")",
        "Finished(\"done\")",
    );
}

#[test]
fn reading_budget() {
    let spent = "3 reading calls in a row changed nothing; read what may change, or act";
    let shut = format!("error: list_dir is not possible now: {spent}");
    let list = r#"list_dir {"path":"c"}"#;
    let other = r#"read_file {"path":"c/d.txt"}"#;
    let found = "a.txt:2: two\nb.txt:1: two\nc/d.txt:1: two";
    check(Gate::ReadingBudget, &[LIST, other, SEARCH], found, found);
    check(Gate::ReadingBudget, &[LIST, other, SEARCH, list], &shut, "d.txt");
    // A call that fails in a tool counts, one that a gate shuts does not; only a change begins anew.
    let missing = r#"list_dir {"path":"e"}"#;
    check(Gate::ReadingBudget, &[LIST, missing, READ, MISS, list], &shut, "d.txt");
    check(Gate::ReadingBudget, &[LIST, LIST, READ, list], "d.txt", "d.txt");
    check(Gate::ReadingBudget, &[LIST, READ, SEARCH, EDIT, list], "d.txt", "d.txt");
    // What may change can still be read, as a whole.
    check(Gate::ReadingBudget, &[LIST, SEARCH, list, READ], "one\ntwo", "one\ntwo");
    check(Gate::ReadingBudget, &[LIST, SEARCH, list, other], &format!("error: {spent}"), "two");
    let part = r#"read_file {"path":"a.txt","start":2}"#;
    let line = "two\n[lines 2 to 2 of 2]";
    check(Gate::ReadingBudget, &[LIST, MISS, list, other, part], &format!("error: {spent}"), line);
    check(Gate::ReadingBudget, &[LIST, SEARCH, list, part], line, line);
    let (_, menu) = play(&contract(CONTRACT), &mut world(), &[LIST, SEARCH, READ]);
    let mut open: Vec<_> = menu.entries.iter().map(|entry| entry.tool).collect();
    open.dedup();
    assert_eq!(open, ["read_file", "write_file", "edit_file", "run_check", "ask"]);
    let entry = menu.entries_of("read_file").next().unwrap();
    assert_eq!((entry.arguments.len(), &entry.arguments[0].values), (1, &one_of(&["b.txt"])));
    says(&[LIST, SEARCH, READ], "search", &[(Gate::ReadingBudget, spent)]);
    let none = contract("[scope]\nwrite = ['a.txt']\n[limits]\nreads = 0");
    let (last, menu) = play(&none, &mut world(), &[SEARCH]);
    assert!(last.contains("0 reading calls"), "{last}");
    assert_eq!(first(&menu, "read_file"), Some(&one_of(&["a.txt"])));
}

#[test]
fn no_repeat_of_a_question() {
    let asked = "error: you asked exactly this before, and the answer is still the same";
    let found = "a.txt:2: two\nb.txt:1: two\nc/d.txt:1: two";
    check(Gate::NoRepeat, &[SEARCH, SEARCH], asked, found);
    check(Gate::NoRepeat, &[SEARCH, r#"search { "text" : "tw\u006f" }"#], asked, found);
    check(Gate::NoRepeat, &[LIST, LIST], asked, "a.txt\nb.txt\nc/");
    check(Gate::NoRepeat, &[READ, READ], asked, "one\ntwo");
    let part = r#"read_file {"path":"a.txt","start":2}"#;
    let line = "two\n[lines 2 to 2 of 2]";
    check(Gate::NoRepeat, &[part, r#"read_file {"start":2,"path":"a.txt"}"#], asked, line);
    check(Gate::NoRepeat, &[READ, part], "error: you know all of a.txt", line);
    let again = "error: check `there` was run since the last change";
    check(Gate::NoRepeat, &[CHECK, CHECK], again, "fail (exit 1)\nlooked for new.txt");
    check(Gate::NoRepeat, &[SEARCH, CREATE, SEARCH], found, found);
    let missing = r#"read_file {"path":"e.txt"}"#;
    let failed = "error: exactly this failed before, and nothing has changed since";
    check(Gate::NoRepeat, &[missing, missing], failed, "error: no such file: e.txt");
}

#[test]
fn no_repeat_of_a_deed() {
    let failed = "error: exactly this failed before, and nothing has changed since";
    check(Gate::NoRepeat, &[READ, MISS, MISS], failed, "error: `old` is not in a.txt");
    check(
        Gate::NoRepeat,
        &[READ, MISS, EDIT, MISS],
        "error: `old` is not in a.txt",
        "error: `old` is not in a.txt",
    );
    // What a gate shut was never tried.
    check(Gate::NoRepeat, &[EDIT, READ, EDIT], "changed a.txt", "changed a.txt");
    let done = "error: you did exactly this before, and nothing has changed since";
    check(Gate::NoRepeat, &[CREATE, CREATE], done, "error: new.txt would stay as it is");
    let append = r#"edit_file {"path":"a.txt","old":"","new":"end"}"#;
    check(Gate::NoRepeat, &[READ, append, append], "changed a.txt", "changed a.txt");
}

#[test]
fn what_is_not_said_again_is_on_the_menu() {
    let part = r#"read_file {"path":"b.txt","start":1}"#;
    let calls = [LIST, READ, MISS, SEARCH, part, CREATE];
    let not = |calls: &[&str], tool: &str| {
        let (_, menu) = play(&contract(&CONTRACT.replace("reads = 3", "")), &mut world(), calls);
        let all: Vec<_> = menu.entries_of(tool).flat_map(|entry| entry.not.clone()).collect();
        for entry in menu.entries_of(tool) {
            assert!(entry.not.iter().all(|not| !entry.admits(&serde_json::from_str(not).unwrap())));
        }
        (all, first(&menu, tool).cloned())
    };
    // Where all that can be said is spelt out, a value goes; elsewhere the text of the call is named.
    assert_eq!(not(&calls[..5], "list_dir"), (Vec::new(), Some(one_of(&["c"]))));
    let (search, text) = not(&calls[..5], "search");
    assert_eq!((search, text), (vec![r#"{"text":"two"}"#.to_owned()], Some(Values::Text)));
    let miss = r#"{"path":"a.txt","old":"six","new":"6"}"#.to_owned();
    let old = |calls: &[&str]| not(calls, "edit_file").0;
    // It could not be said anyhow: `six` is no piece of the file.
    assert_eq!(old(&calls[..5]), Vec::<String>::new());
    let same = r#"edit_file {"path":"a.txt","old":"one","new":"one"}"#;
    assert_eq!(old(&[READ, same]), [same.split_once(' ').unwrap().1]);
    let free = without(Gate::UniquePiece, CONTRACT);
    let (_, menu) = play(&free, &mut world(), &calls[..3]);
    assert_eq!(menu.entries_of("edit_file").next().unwrap().not, [miss]);
    // A change makes everything worth asking again, but not what it just did.
    assert!(not(&calls, "search").0.is_empty());
    assert_eq!(not(&calls, "write_file").0, [r#"{"path":"new.txt","content":"x"}"#]);
}

#[test]
fn every_gate_has_one_row_and_leaves_a_call_open() {
    assert_eq!(GATES.iter().map(|row| row.gate).collect::<Vec<_>>(), Gate::ALL);
    let all = contract("[scope]\ndelete = ['a']\n[[check]]\nname = 'x'\nrun = ['y']");
    let seats = [Phase::Implement, Phase::Review].map(|phase| Seat { phase, attended: true });
    let specs = seats.map(|seat| tools::specs(&all, seat)).concat();
    for row in GATES {
        let is_there = |tool: &&str| specs.iter().any(|spec| spec.name == *tool);
        assert!(row.tools.iter().all(is_there) && !row.tools.contains(&"ask"), "{row:?}");
    }
}

#[test]
fn gates_are_switched_by_name() {
    let unknown = "there is no gate `x`; there are job_tools, listed_values, unique_piece, read_before_edit, \
                   finish_after_change, finish_after_checks, reading_budget, no_repeat";
    let err =
        Contract::parse("goal = 'g'\n[scope]\nwrite = ['a']\n[gates]\nx = false").unwrap_err();
    assert!(err.to_string().contains(unknown), "{err}");
    assert_eq!(parse_switch("no_repeat=off"), Ok((Gate::NoRepeat, false)));
    assert_eq!(parse_switch("no_repeat=on"), Ok((Gate::NoRepeat, true)));
    assert_eq!(parse_switch("x=on").unwrap_err(), unknown);
    assert_eq!(
        parse_switch("no_repeat").unwrap_err(),
        "`no_repeat` is no switch; write NAME=on or NAME=off"
    );
    assert!(parse_switch("no_repeat=maybe").is_err());
    let off = without(Gate::NoRepeat, CONTRACT);
    assert_eq!(off.gates.off().collect::<Vec<_>>(), [Gate::NoRepeat]);
    let written = toml::to_string(&off.source).unwrap();
    assert!(written.contains("[gates]\njob_tools = true\n"), "{written}");
    assert!(written.contains("no_repeat = false"), "{written}");
    assert_eq!(Contract::parse(&written).unwrap().gates, off.gates);
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

#[test]
fn the_reference_has_the_table() {
    let row = |row: &chargehand_core::gates::Row| {
        let tools = row.tools.iter().map(|tool| format!("`{tool}`")).collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {tools} |\n", row.gate.name(), row.demand)
    };
    let table: String = GATES.iter().map(row).collect();
    let table = format!("| gate | what it demands | tools |\n|---|---|---|\n{table}\n");
    assert!(read("docs/contract.md").contains(&table), "docs/contract.md must have\n{table}");
}

#[test]
fn the_published_form_of_a_report_has_the_gates() {
    let schema: serde_json::Value = serde_json::from_str(&read("docs/report.schema.json")).unwrap();
    let names = Gate::ALL.map(Gate::name);
    let gates = &schema["$defs"]["contract"]["properties"]["gates"];
    assert!(gates["properties"].as_object().unwrap().keys().eq(names));
    assert_eq!(gates["required"], serde_json::json!(names));
    assert_eq!(schema["$defs"]["shut"]["properties"]["gate"]["enum"], serde_json::json!(names));
}

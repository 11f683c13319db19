//! The reference of contracts, held against the code: each example with its results, and the table of classes.

use std::fs;
use std::path::Path;

use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::check::violations;
use chargehand_core::contract::{CLASSES, Class, Contract, Row};
use chargehand_core::evidence::{CheckEnd, CheckRun, Evidence, Guarded};

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    fs::read_to_string(path).unwrap()
}

/// One path of a result, with the lines that went and came where they are written out.
struct Touched<'a> {
    change: Change,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
}

/// Returns what is between back quotes.
fn spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn touched<'a>(text: &'a str) -> Option<Touched<'a>> {
    let (letter, rest) = text.split_once(' ')?;
    let kind = match letter {
        "M" => ChangeKind::Modified,
        "A" => ChangeKind::Added,
        "D" => ChangeKind::Deleted,
        _ => return None,
    };
    let (path, lines) = rest.split_once(' ').unwrap_or((rest, "0"));
    let change = Change {
        path: path.to_owned(),
        kind,
        regular: kind != ChangeKind::Deleted,
        added: lines.parse().unwrap(),
        removed: 0,
        bytes: 0,
    };
    Some(Touched { change, before: Vec::new(), after: Vec::new() })
}

fn check_run(text: &str) -> CheckRun {
    let (name, how) = text.split_once(' ').unwrap();
    let end = match how.split_once(' ') {
        Some(("exit", code)) => CheckEnd::Exit(code.parse().unwrap()),
        Some(("timed", "out")) => CheckEnd::TimedOut,
        _ => {
            assert_eq!(how, "flaky");
            CheckEnd::Flaky { passed: 2, runs: 3 }
        }
    };
    // What a run says of itself must not decide.
    let (name, output) = (name.to_owned(), String::new());
    CheckRun { name, passed: true, end, millis: 0, output, output_bytes: 0 }
}

fn evidence(contract: &Contract, cell: &str) -> Evidence {
    let (mut all, mut checks): (Vec<Touched<'_>>, _) = (Vec::new(), Vec::new());
    for span in spans(cell) {
        match (span.split_at(1), all.last_mut()) {
            (("-", line), Some(last)) => last.before.push(line),
            (("+", line), Some(last)) => last.after.push(line),
            _ => match touched(span) {
                Some(touched) => all.push(touched),
                None => checks.push(check_run(span)),
            },
        }
    }
    let mut guarded = Vec::new();
    for Touched { change, before, after } in &mut all {
        let (before, after) = (before.join("\n"), after.join("\n"));
        change.bytes = (before.len() + after.len()) as u64;
        let guards = contract.guards.iter().filter(|guard| guard.concerns(&change.path));
        guarded.extend(guards.filter_map(|guard| {
            Guarded::of(guard, &change.path, before.as_bytes(), after.as_bytes())
        }));
    }
    let changes = all.into_iter().map(|touched| touched.change).collect();
    Evidence { changes, guarded, checks, ..Evidence::default() }
}

#[track_caller]
fn check(toml: &str, row: &str) {
    let contract = Contract::parse(toml).unwrap_or_else(|err| panic!("{err}\n{toml}"));
    let (result, verdict) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
    let found = violations(&contract, &evidence(&contract, result));
    let messages: Vec<String> = found.into_iter().map(|violation| violation.message).collect();
    if verdict == "holds" {
        assert_eq!(messages, Vec::<String>::new(), "{result}");
    } else {
        assert!(messages.iter().any(|message| message.contains(verdict)), "{row}\n{messages:#?}");
    }
}

#[test]
fn each_example_has_the_verdict_that_is_written_beside_it() {
    let text = reference();
    let (_, examples) = text.split_once("\n## Examples\n").unwrap();
    let (examples, _) = examples.split_once("\n## ").unwrap();
    let mut count = 0;
    for example in examples.split("```toml\n").skip(1) {
        let (toml, rest) = example.split_once("```\n").unwrap();
        let rows = rest.lines().filter(|line| line.starts_with("| `"));
        for row in rows {
            check(toml, row);
            count += 1;
        }
    }
    assert!(count > 30, "only {count} rows were found");
}

#[test]
fn every_contract_of_the_reference_is_one() {
    let text = reference();
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```\n"));
    let contracts = blocks.map(|(toml, _)| toml).filter(|toml| toml.starts_with("goal"));
    let read: Vec<Contract> = contracts.map(|toml| Contract::parse(toml).unwrap()).collect();
    assert!(read.len() > 7);
}

#[test]
fn the_reference_lists_every_class() {
    let text = reference();
    let spans =
        |items: &[&str]| items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(" ");
    for Row { name, runs, globs, except, .. } in CLASSES {
        let but =
            if except.is_empty() { String::new() } else { format!(", but not {}", spans(except)) };
        let row = format!("| `{name}` | {} | {}{but} |", runs.unwrap_or("no"), spans(globs));
        assert!(text.contains(&row), "docs/contract.md wants this row:\n{row}");
    }
}

#[test]
fn each_class_has_a_row_and_a_name() {
    for row in CLASSES {
        assert_eq!(row.class.name(), row.name);
        assert_eq!(Class::parse(row.name).unwrap(), row.class);
        for glob in row.globs.iter().chain(row.except) {
            assert_eq!(*glob, glob.to_lowercase(), "paths are compared in small letters");
        }
    }
    let err = Class::parse("dependancies").unwrap_err().to_string();
    assert!(err.starts_with("there is no class `dependancies`; there are ci, hooks, "), "{err}");
}

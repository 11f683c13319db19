//! Holds the converter from JSON Schema to GBNF against public suites: how many schemas it compiles, and whether
//! the grammar then accepts exactly the valid instances.
//!
//! `schema-suites FOLDER.. [--documents FOLDER] [--every N] [--digits] [--annotate-formats] [--list]`
//!
//! A folder holds files of JSON-Schema-Test-Suite (a list of groups) or of MaskBench (one object with `schema` and
//! `tests`). Instances are tried with their members in three orders. Exit code 1 when an invalid one is accepted
//! or a grammar is not read back by our own parser.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

#[path = "../../../agent/grammar/tests/it/schema_match.rs"]
mod schema_match;

mod order;
mod time;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chargehand_grammar::Grammar;
use chargehand_grammar::schema::{Draft, Formats, Numbers, Options, SchemaError, compile_among};
use serde_json::Value;

fn main() -> ExitCode {
    // The matcher is recursive, and some instances are long.
    let work = std::thread::Builder::new().stack_size(2 << 30).spawn(run);
    work.map_or(ExitCode::FAILURE, |work| work.join().unwrap_or(ExitCode::FAILURE))
}

struct Flags {
    folders: Vec<PathBuf>,
    /// What schemas may refer to, by URI.
    documents: BTreeMap<String, Value>,
    every: usize,
    list: bool,
    options: Options,
}

fn flags() -> Result<Flags, String> {
    let options = Options::default();
    let (folders, documents) = (Vec::new(), BTreeMap::new());
    let mut flags = Flags { folders, documents, every: 1, list: false, options };
    let mut rest = std::env::args().skip(1);
    while let Some(flag) = rest.next() {
        match flag.as_str() {
            "--every" => {
                let number = rest.next().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
                flags.every = number.ok_or("--every needs a number above 0")?;
            }
            "--digits" => flags.options.numbers = Numbers::Digits,
            "--annotate-formats" => flags.options.formats = Formats::Annotate,
            "--documents" => {
                let folder = rest.next().ok_or("--documents needs a folder")?;
                flags.documents.extend(documents_in(Path::new(&folder)));
            }
            "--list" => flags.list = true,
            folder => flags.folders.push(PathBuf::from(folder)),
        }
    }
    if flags.folders.is_empty() {
        return Err("name a folder with a suite".to_owned());
    }
    Ok(flags)
}

/// What a suite says of one schema.
struct Group {
    name: String,
    schema: Value,
    tests: Vec<(Value, bool)>,
}

/// Schemas that take longer are listed.
const SLOW: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Tally {
    groups: usize,
    compiled: usize,
    refused: usize,
    right: usize,
    tests: usize,
    /// Grammars whose text our own parser, which refuses what llama.cpp misreads, does not take.
    unreadable: usize,
    accepts_invalid: usize,
    rejects_valid: usize,
    wrong_accept: usize,
    wrong_reject: usize,
    reasons: BTreeMap<String, usize>,
    times: Vec<(Duration, String)>,
}

fn run() -> ExitCode {
    let flags = match flags() {
        Ok(flags) => flags,
        Err(why) => {
            println!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut tally = Tally::default();
    let mut files: Vec<PathBuf> = flags.folders.iter().flat_map(|folder| files(folder)).collect();
    files.sort();
    for file in files.iter().step_by(flags.every) {
        let options = Options { draft: draft_of(file), ..flags.options };
        for group in groups(file) {
            check(&group, &flags, &options, &mut tally);
        }
    }
    report(&mut tally);
    if tally.accepts_invalid + tally.unreadable == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Returns the documents of a folder by their `$id`, and by the URI at which JSON-Schema-Test-Suite has them.
fn documents_in(folder: &Path) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for file in files(folder) {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
        let path = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let ids = ["$id", "id"].into_iter().filter_map(|key| value.get(key)?.as_str());
        let ids = ids.map(|id| id.trim_end_matches('#').to_owned());
        // Only whole URIs name a document.
        let names: Vec<String> = ids.filter(|id| id.contains(':') && !id.contains('#')).collect();
        for name in names.into_iter().chain([format!("http://localhost:1234/{path}")]) {
            all.insert(name, value.clone());
        }
    }
    all
}

/// Returns the draft that the folder of a file names.
fn draft_of(file: &Path) -> Draft {
    let folders = [
        ("draft4", Draft::Draft4),
        ("draft6", Draft::Draft6),
        ("draft7", Draft::Draft7),
        ("draft2019-09", Draft::Draft2019),
    ];
    let is_in = |folder: &str| file.components().any(|part| part.as_os_str() == folder);
    folders
        .into_iter()
        .find(|(folder, _)| is_in(folder))
        .map_or(Draft::Draft2020, |(_, draft)| draft)
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|e| e == "json"))
        .flat_map(|path| files(&path))
        .collect()
}

fn groups(file: &Path) -> Vec<Group> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        println!("not read: {}", file.display());
        return Vec::new();
    };
    let list = match value {
        Value::Array(list) => list,
        other => vec![other],
    };
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let group = |group: Value| {
        let tests = group.get("tests")?.as_array()?.iter();
        let tests = tests
            .filter_map(|test| Some((test.get("data")?.clone(), test.get("valid")?.as_bool()?)));
        let name = group.get("description").and_then(Value::as_str).unwrap_or_default();
        Some(Group {
            name: format!("{stem}: {name}"),
            schema: group.get("schema")?.clone(),
            tests: tests.collect(),
        })
    };
    list.into_iter().filter_map(group).collect()
}

fn check(group: &Group, flags: &Flags, options: &Options, tally: &mut Tally) {
    tally.groups += 1;
    let start = time::start();
    let compiled = compile_among(&group.schema, &flags.documents, options);
    let time = start.elapsed();
    if flags.list && time > SLOW {
        println!("slow {}: {time:?}", group.name);
    }
    tally.times.push((time, group.name.clone()));
    let grammar = match compiled {
        Ok(grammar) => Some(grammar),
        // Nothing satisfies the schema: that is an answer too, and the instances say whether it is right.
        Err(SchemaError::Unsatisfiable { .. }) => None,
        Err(error) => {
            tally.refused += 1;
            let kind = match &error {
                SchemaError::Unsupported { keyword, .. } => format!("cannot enforce {keyword}"),
                SchemaError::Malformed { keyword, .. } => format!("malformed {keyword}"),
                SchemaError::TooLarge { what, .. } => format!("too large: {what}"),
                SchemaError::Unsatisfiable { .. } => "unsatisfiable".to_owned(),
            };
            *tally.reasons.entry(kind).or_insert(0) += 1;
            if flags.list {
                println!("refused {}: {error}", group.name);
            }
            return;
        }
    };
    tally.compiled += 1;
    if let Some(Err(error)) = grammar.as_ref().map(|grammar| Grammar::parse(&grammar.to_string())) {
        tally.unreadable += 1;
        println!("NOT READ BACK {}: {error}", group.name);
    }
    let (mut wrong_accept, mut wrong_reject) = (0, 0);
    for (data, valid) in &group.tests {
        tally.tests += 1;
        let orders = [data.clone(), order::declared(&group.schema, data), order::sorted(data)];
        let accepted = grammar.as_ref().is_some_and(|grammar| {
            orders.iter().any(|data| schema_match::matches(grammar, &data.to_string()))
        });
        if accepted != *valid {
            let (kind, count) = match accepted {
                true => ("ACCEPTS INVALID", &mut wrong_accept),
                false => ("rejects valid", &mut wrong_reject),
            };
            *count += 1;
            if flags.list || accepted {
                println!("{kind} {}: {}", group.name, excerpt(grammar.as_ref(), &orders));
            }
        }
    }
    tally.wrong_accept += wrong_accept;
    tally.wrong_reject += wrong_reject;
    tally.accepts_invalid += usize::from(wrong_accept > 0);
    tally.rejects_valid += usize::from(wrong_reject > 0);
    tally.right += usize::from(wrong_accept + wrong_reject == 0);
}

/// Returns an instance around the place where it was refused in the order that got farthest.
fn excerpt(grammar: Option<&Grammar>, orders: &[Value]) -> String {
    let place = |data: &Value| {
        grammar.and_then(|grammar| schema_match::refusal(grammar, &data.to_string()))
    };
    let farthest = orders.iter().map(|data| (place(data).unwrap_or(0), data.to_string())).max();
    let (at, text) = farthest.unwrap_or_default();
    let before: String = text.chars().take(at).collect();
    let start = before.chars().count().saturating_sub(120);
    let before: String = before.chars().skip(start).collect();
    let after: String = text.chars().skip(at).take(80).collect();
    format!("{before} >>> {after}")
}

fn report(tally: &mut Tally) {
    let Tally { groups, compiled, refused, right, tests, .. } = *tally;
    println!(
        "schemas {groups}  compiled {compiled}  refused {refused}  fully right {right}  instances {tests}"
    );
    let Tally { accepts_invalid, wrong_accept, rejects_valid, wrong_reject, .. } = *tally;
    println!("accepts invalid: {accepts_invalid} schemas, {wrong_accept} instances");
    println!("rejects valid:   {rejects_valid} schemas, {wrong_reject} instances");
    println!("not read back by the parser: {} schemas", tally.unreadable);
    let mut reasons: Vec<_> = tally.reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in reasons {
        println!("{count:6}  {reason}");
    }
    tally.times.sort();
    if let (Some((median, _)), Some((longest, name))) =
        (tally.times.get(tally.times.len() / 2), tally.times.last())
    {
        let all: Duration = tally.times.iter().map(|(time, _)| *time).sum();
        println!("time to compile: all {all:?}, median {median:?}, longest {longest:?} ({name})");
    }
}

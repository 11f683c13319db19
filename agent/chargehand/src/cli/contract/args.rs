//! The contract of a run, put together from a file and from flags: flags add to lists and replace single values.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::contract::{
    Check, Class, Contract, ContractError, ContractFile, Gate, literal, parse_duration,
    parse_switch,
};
use chargehand_core::rel_path::RelPath;

use crate::config::{self, ProjectConfig};
use crate::error::{Error, Kind};

/// More than this is not even read; what a goal may have is the contract's to say.
const MAX_READ: u64 = 1 << 20;

/// What is to be done and within which limits.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ContractArgs {
    /// What is to be done, in your words; `-` reads it from stdin
    goal: Option<String>,
    /// A contract in TOML, `-` for stdin; the flags below add to its lists and replace its single values
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Existing files that may change
    #[arg(long, value_name = "GLOB")]
    write: Vec<String>,
    /// Files that may appear, exactly so spelt
    #[arg(long, value_name = "PATH")]
    create: Vec<String>,
    /// Files that may go
    #[arg(long, value_name = "GLOB")]
    delete: Vec<String>,
    /// Files that may not be touched, whatever else is allowed
    #[arg(long, value_name = "GLOB")]
    forbid: Vec<String>,
    /// Classes of files outside of which nothing may be touched, such as docs; `chargehand contract classes` lists them
    #[arg(long, value_name = "CLASS", value_parser = Class::parse)]
    only: Vec<Class>,
    /// Classes of files that may not be touched, such as dependencies, generated or config
    #[arg(long, value_name = "CLASS", value_parser = Class::parse)]
    frozen: Vec<Class>,
    /// Classes of files that run later on your machine and may be touched all the same, such as ci
    #[arg(long, value_name = "CLASS", value_parser = Class::parse)]
    sensitive: Vec<Class>,
    /// Files that the checks see as they were, such as tests; a class or a glob
    #[arg(long, value_name = "GLOB")]
    protect: Vec<String>,
    /// Files with secrets that the worker may read, exactly so spelt
    #[arg(long, value_name = "PATH")]
    reveal: Vec<String>,
    /// Added and removed lines together, at most
    #[arg(long, value_name = "N")]
    max_changed_lines: Option<u32>,
    /// Files that differ, at most
    #[arg(long, value_name = "N")]
    max_changed_files: Option<u32>,
    /// Files that appear, at most
    #[arg(long, value_name = "N")]
    max_new_files: Option<u32>,
    /// Files that go, at most
    #[arg(long, value_name = "N")]
    max_deleted_files: Option<u32>,
    /// A command that must pass, run without a shell; named after its program, or NAME=CMD
    #[arg(long, value_name = "CMD")]
    check: Vec<String>,
    /// A question that a review has to answer before the work is approved
    #[arg(long, value_name = "TEXT")]
    criterion: Vec<String>,
    /// How often a review, or a check, may send the work back; asks for a review
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// The weakest sandbox that commands may run in: 1 for namespaces of their own, 2 for Landlock and seccomp alone
    #[arg(long, value_name = "N")]
    tier: Option<u8>,
    /// Calls of the worker, at most
    #[arg(long, value_name = "N")]
    turns: Option<u32>,
    /// Time for the worker, such as 90s, 10m or 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    time: Option<Duration>,
    /// Switches a gate off or on; docs/contract.md lists them
    #[arg(long = "gate", value_name = "NAME=on|off", value_parser = parse_switch)]
    gates: Vec<(Gate, bool)>,
}

impl ContractArgs {
    /// Returns the contract, tightened by the `project` at `top`.
    pub(in crate::cli) fn contract(
        &self,
        project: &ProjectConfig,
        top: &Path,
    ) -> Result<Contract, Error> {
        let mut file = match &self.contract {
            Some(path) => read_file(path)?,
            None => ContractFile::default(),
        };
        self.put_over(&mut file)?;
        project.tighten(&mut file);
        file.scope.forbid.extend(self.contract.as_deref().and_then(|path| inside(path, top)));
        Contract::from_file(file).map_err(refuse)
    }

    fn put_over(&self, file: &mut ContractFile) -> Result<(), Error> {
        match self.goal.as_deref() {
            Some("-") => file.goal = read_stdin()?,
            Some(goal) => goal.clone_into(&mut file.goal),
            None if file.goal.trim().is_empty() && !io::stdin().is_terminal() => {
                file.goal = read_stdin()?;
            }
            None => {}
        }
        let scope = &mut file.scope;
        scope.write.extend_from_slice(&self.write);
        scope.create.extend_from_slice(&self.create);
        scope.delete.extend_from_slice(&self.delete);
        scope.forbid.extend_from_slice(&self.forbid);
        scope.only.extend_from_slice(&self.only);
        scope.frozen.extend_from_slice(&self.frozen);
        scope.sensitive.extend_from_slice(&self.sensitive);
        scope.protect.extend_from_slice(&self.protect);
        scope.reveal.extend_from_slice(&self.reveal);
        scope.max_changed_lines = self.max_changed_lines.or(scope.max_changed_lines);
        scope.max_changed_files = self.max_changed_files.or(scope.max_changed_files);
        scope.max_new_files = self.max_new_files.or(scope.max_new_files);
        scope.max_deleted_files = self.max_deleted_files.or(scope.max_deleted_files);
        if !self.criterion.is_empty() || self.rounds.is_some() {
            let review = file.review.get_or_insert_default();
            review.criteria.extend_from_slice(&self.criterion);
            review.rounds = self.rounds.unwrap_or(review.rounds);
        }
        file.sandbox.tier = self.tier.or(file.sandbox.tier);
        file.limits.turns = self.turns.unwrap_or(file.limits.turns);
        file.limits.time = self.time.unwrap_or(file.limits.time);
        for (gate, on) in &self.gates {
            if *on {
                file.gates.switch_on(*gate);
            } else {
                file.gates.switch_off(*gate);
            }
        }
        for text in &self.check {
            let check = parse_check(text, &file.checks)?;
            file.checks.push(check);
        }
        Ok(())
    }
}

/// Returns where a contract lies in the repository at `top`, if it does: no run may change what binds the next one.
fn inside(contract: &Path, top: &Path) -> Option<String> {
    let (contract, top) = (contract.canonicalize().ok()?, top.canonicalize().ok()?);
    let path = RelPath::parse(contract.strip_prefix(top).ok()?.to_str()?).ok()?;
    Some(literal(path.as_str()))
}

pub(super) fn read_file(path: &Path) -> Result<ContractFile, Error> {
    let unreadable = |err| {
        Error::new(Kind::Usage, format!("cannot read the contract {}: {err}", path.display()))
    };
    let text = if path == Path::new("-") {
        read_stdin()?
    } else {
        fs::read_to_string(path).map_err(unreadable)?
    };
    config::parse(path, &text).map_err(|err| {
        let date = toml::from_str(&text).ok().and_then(|table: toml::Table| date_in(&table));
        let shown = match date {
            // The parser calls it a map.
            Some((key, date)) => {
                let file = path.display();
                Error::new(Kind::Usage, format!("{file}: `{key}` is the date {date} and no text"))
                    .hint("put it in quotes")
            }
            None => Error::from_source(Kind::Usage, &err),
        };
        shown.hint("docs/contract.md lists the keys of a contract")
    })
}

/// Returns the first date in `table`, with its key.
fn date_in(table: &toml::Table) -> Option<(String, String)> {
    table.iter().find_map(|(key, value)| {
        let date = |value: &toml::Value| match value {
            toml::Value::Datetime(date) => Some((key.clone(), date.to_string())),
            toml::Value::Table(table) => date_in(table),
            _ => None,
        };
        match value {
            toml::Value::Array(values) => values.iter().find_map(date),
            value => date(value),
        }
    })
}

fn read_stdin() -> Result<String, Error> {
    let mut goal = String::new();
    let read = io::stdin().lock().take(MAX_READ + 1).read_to_string(&mut goal);
    read.map_err(|err| Error::new(Kind::Usage, format!("cannot read stdin: {err}")))?;
    if u64::try_from(goal.len()).unwrap_or(u64::MAX) > MAX_READ {
        return Err(Error::new(
            Kind::Usage,
            format!("what comes on stdin has more than {MAX_READ} bytes"),
        ));
    }
    // A goal that was written elsewhere may have the line ends of its system.
    Ok(goal.replace("\r\n", "\n"))
}

/// Parses the value of `--check`, which gets a name that none of `earlier` has.
fn parse_check(text: &str, earlier: &[Check]) -> Result<Check, Error> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_name_char);
    let (name, command) = match text.split_once('=') {
        Some((name, command)) if is_name(name) => (Some(name), command),
        Some(_) | None => (None, text),
    };
    let run = shell_words::split(command)
        .map_err(|err| Error::new(Kind::Usage, format!("--check `{text}`: {err}")))?;
    if let Some(sign) = sign_for_a_shell(command) {
        let message = format!("--check `{text}`: `{sign}` is for a shell, and there is none");
        let hint = "give several --check, put the sign in single quotes, or run `sh -c '…'`";
        return Err(Error::new(Kind::Usage, message).hint(hint));
    }
    let Some(program) = run.first() else {
        return Err(Error::new(Kind::Usage, format!("--check `{text}` has nothing to run")));
    };
    let name = match name {
        Some(name) => name.to_owned(),
        None => unique_name(program, earlier),
    };
    Ok(Check::new(&name, run))
}

/// Returns the first character that a shell would not take for a part of a word. As an argument it would do nothing,
/// and `a && b` would pass when `b` does not.
fn sign_for_a_shell(command: &str) -> Option<char> {
    let (mut quote, mut before) = (None, ' ');
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        let begins_word = std::mem::replace(&mut before, c).is_whitespace();
        match (c, quote) {
            ('\\', None | Some('"')) => drop(chars.next()),
            ('\'' | '"', None) => quote = Some(c),
            ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
            ('$' | '`', None | Some('"')) => return Some(c),
            ('&' | '|' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '\n', None) => return Some(c),
            ('~', None) if begins_word => return Some(c),
            _ => {}
        }
    }
    None
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Returns the base name of `program`, with a number where it is taken.
fn unique_name(program: &str, earlier: &[Check]) -> String {
    let base = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let base: String =
        base.chars().map(|c| if is_name_char(c) { c } else { '-' }).take(50).collect();
    let base = if base.is_empty() { "check".to_owned() } else { base };
    let taken = |name: &String| earlier.iter().any(|check| check.name == *name);
    let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base)
}

/// A scope that cannot be kept is refused beforehand; everything else is a contract that was written wrongly.
pub(super) fn refuse(err: ContractError) -> Error {
    match &err {
        ContractError::NoScope => Error::from_source(Kind::Refused, &err)
            .hint("say what may change: --write GLOB, --create PATH or --delete GLOB"),
        ContractError::Contradiction { .. } => Error::from_source(Kind::Refused, &err),
        ContractError::NoGoal => Error::from_source(Kind::Usage, &err)
            .hint("give it as the first argument, as `goal` in the contract, or on stdin with `-`"),
        ContractError::Syntax(_)
        | ContractError::Pattern { .. }
        | ContractError::Guard { .. }
        | ContractError::Variable { .. }
        | ContractError::NoExit(_)
        | ContractError::Repeat(..)
        | ContractError::SameName(_)
        | ContractError::CheckName(_)
        | ContractError::NoCommand(_)
        | ContractError::LongGoal(_)
        | ContractError::GoalCharacter(_)
        | ContractError::Nul(_)
        | ContractError::ZeroTimeout(_)
        | ContractError::Criteria(_)
        | ContractError::Criterion { .. }
        | ContractError::Rounds(_)
        | ContractError::Tier(_)
        | ContractError::ZeroLimit(_) => Error::from_source(Kind::Usage, &err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], expect: &[(&str, &[&str])]) {
        let mut checks = Vec::new();
        for text in texts {
            let check = parse_check(text, &checks).unwrap();
            checks.push(check);
        }
        let found: Vec<(&str, Vec<&str>)> = checks
            .iter()
            .map(|c| (c.name.as_str(), c.run.iter().map(String::as_str).collect()))
            .collect();
        let expect: Vec<(&str, Vec<&str>)> =
            expect.iter().map(|(name, run)| (*name, run.to_vec())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_check_is_named_after_its_program() {
        check(&["cargo test --offline"], &[("cargo", &["cargo", "test", "--offline"])]);
        check(&["/usr/bin/env true"], &[("env", &["/usr/bin/env", "true"])]);
        check(
            &["a b", "a c", "a d"],
            &[("a", &["a", "b"]), ("a-2", &["a", "c"]), ("a-3", &["a", "d"])],
        );
        check(&["./run.sh 'a b'"], &[("run-sh", &["./run.sh", "a b"])]);
        check(&["unit=python3 -m 'a=b'"], &[("unit", &["python3", "-m", "a=b"])]);
        check(&["./x=y z"], &[("x-y", &["./x=y", "z"])]);
    }

    #[test]
    fn what_only_a_shell_understands_is_refused() {
        let refused = [
            "a && b",
            "a || b",
            "a; b",
            "a | b",
            "a > b",
            "a $HOME",
            "a \"$HOME\"",
            "a *.md",
            "a ~/b",
        ];
        for text in refused {
            let err = parse_check(text, &[]).unwrap_err();
            assert!(err.kind == Kind::Usage && err.to_string().contains("for a shell"), "{text}");
        }
        for text in
            ["sh -c 'a && b > $c'", "a \"b; c\"", "grep -q 'a|b' x~", "grep -q ' ~x' a~", "a b\\&c"]
        {
            assert!(parse_check(text, &[]).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_check_without_a_command_is_refused() {
        for text in ["", "  ", "name=", "sh -c 'open"] {
            assert_eq!(parse_check(text, &[]).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}

//! `chargehand grammar check`: whether a text is a grammar, how large it is, and what else is to be said of it.

use std::process::ExitCode;
use std::sync::Arc;

use chargehand_grammar::matcher::CompileError;
use chargehand_grammar::{Constraint, Grammar, Limits, Vocabulary};
use serde_json::{Value, json};

use super::common::Common;
use super::notes::{self, Note};
use super::source::Source;
use crate::cli::out;
use crate::error::{Error, Kind};
use crate::report::{visible, words};

const EXAMPLE: &str = "\
Example:
  printf 'root ::= \"a\" |\\nb ::= \"c\"' | chargehand grammar check -";

/// Flags of `grammar check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Checks. A text that is no grammar, or one that cannot be enforced, ends with 1.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let source = args.common.source()?;
    let vocabulary = args.common.vocabulary()?;
    match compile(&source.text, vocabulary) {
        Ok((grammar, constraint)) => {
            show(args, &source, &grammar, &constraint)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(err) => refuse(args, &source, &err),
    }
}

fn compile(text: &str, vocabulary: Arc<Vocabulary>) -> Result<(Grammar, Constraint), CompileError> {
    let grammar = Grammar::parse(text)?;
    let constraint = Constraint::within(&grammar, vocabulary, &Limits::default())?;
    Ok((grammar, constraint))
}

fn show(
    args: &Args,
    source: &Source,
    grammar: &Grammar,
    constraint: &Constraint,
) -> Result<(), Error> {
    let rules = grammar.rules().count();
    let (positions, text_bytes) = (constraint.positions(), source.text.len());
    let notes = notes::of(grammar);
    if args.common.json {
        let notes: Vec<Value> = notes.iter().map(Note::json).collect();
        return out::json(&json!({
            "type": "checked", "source": source.name, "valid": true, "rules": rules,
            "positions": positions, "text_bytes": text_bytes, "warnings": notes,
        }));
    }
    let plural = |number: usize, what| words::plural(u64::try_from(number).unwrap_or(0), what);
    let (rules, positions) = (plural(rules, "rule"), plural(positions, "position"));
    let name = visible::line(&source.name).text;
    out::line(&format!("{name}: {rules}, {positions}, {}", plural(text_bytes, "byte")))?;
    notes.iter().try_for_each(|note| out::line(&format!("warning: {}", note.words())))
}

/// The place comes first, as editors read it.
fn refuse(args: &Args, source: &Source, err: &CompileError) -> Result<ExitCode, Error> {
    let (line, column) = place(err);
    if args.common.json {
        out::json(&json!({
            "type": "checked", "source": source.name, "valid": false, "line": line,
            "column": column, "message": err.to_string(),
        }))?;
    } else {
        let message = format!("{}: {err}", source.name);
        out::note(&format!("error: {}", visible::line(&message).text));
        if let Some(shown) = excerpt(&source.text, line, column) {
            out::note(&shown);
        }
        source.refused(Kind::Violated, err).hints().iter().for_each(|hint| {
            out::note(&format!("hint: {hint}"));
        });
    }
    Ok(ExitCode::from(Kind::Violated.code()))
}

fn place(err: &CompileError) -> (Option<usize>, Option<usize>) {
    match err {
        CompileError::Text(err) => (Some(err.line), Some(err.column)),
        CompileError::Undefined { place, .. }
        | CompileError::LeftRecursion { place, .. }
        | CompileError::Endless(place)
        | CompileError::Class { place, .. }
        | CompileError::Repetition { place, .. }
        | CompileError::Token { place, .. }
        | CompileError::Binding { place, .. }
        | CompileError::TooLarge { place, .. } => (place.line, None),
        CompileError::NoRoot(_) | CompileError::Start(_) | CompileError::UnusedBinding(_) => {
            (None, None)
        }
    }
}

/// Characters of a line that are shown before and after the place.
const AROUND: usize = 60;

/// Returns the line with a mark below the column.
fn excerpt(text: &str, line: Option<usize>, column: Option<usize>) -> Option<String> {
    let shown: Vec<char> = text.lines().nth(line?.checked_sub(1)?)?.chars().collect();
    let at = column.map_or(0, |column| column.saturating_sub(1)).min(shown.len());
    let from = at.saturating_sub(AROUND);
    let plain = |chars: &[char]| visible::line(&chars.iter().collect::<String>()).text;
    let before = plain(&shown[from..at]);
    let after = plain(&shown[at..(at + AROUND).min(shown.len())]);
    let mark =
        column.map_or_else(String::new, |_| format!("\n  {}^", " ".repeat(before.chars().count())));
    Some(format!("  {before}{after}{mark}"))
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[track_caller]
    fn check(line: usize, column: Option<usize>, expect: Option<&str>) {
        assert_eq!(excerpt("root ::= x\ny\t::= \"", Some(line), column).as_deref(), expect);
    }

    #[test]
    fn the_place_is_marked() {
        check(1, Some(10), Some("  root ::= x\n           ^"));
        check(1, None, Some("  root ::= x"));
        check(2, Some(3), Some("  y\\t::= \"\n     ^"));
        check(2, Some(99), Some("  y\\t::= \"\n          ^"));
        check(3, Some(1), None);
    }
}

//! `chargehand grammar explain`: what may come next after the beginning of a text.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use chargehand_grammar::matcher::{Expectation, Explanation, What};
use serde_json::{Value, json};

use super::common::Common;
use super::matching::{self, Verdict};
use crate::cli::out;
use crate::error::{Error, Kind};
use crate::report::visible;

const EXAMPLE: &str = "\
Example:
  echo 'root ::= \"yes\" | \"no\"' | chargehand grammar explain - y";

/// Flags of `grammar explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// The beginning of a text
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: OsString,
}

/// Explains. A beginning that the grammar does not allow is shown with its first wrong byte, and ends with 1.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let source = args.common.source()?;
    let mut constraint = source.constraint(&args.common.vocabulary()?)?;
    let prefix = args.prefix.as_bytes();
    let verdict = matching::hold(&mut constraint, prefix)?;
    let (explanation, refused) = match &verdict {
        Verdict::Matched(state) | Verdict::Unfinished(state) => (constraint.explain(*state), None),
        Verdict::Refused(at) => (constraint.explain(at.state), Some(at)),
    };
    if args.common.json {
        out::json(&json!({
            "type": "explanation", "prefix": String::from_utf8_lossy(prefix),
            "refused_at": refused.map(matching::At::json), "allowed": to_json(&explanation),
        }))?;
    } else {
        if let Some(at) = refused {
            out::line(&format!("refused {}", at.words(prefix)))?;
        }
        lines(&explanation).iter().try_for_each(|line| out::line(line))?;
    }
    Ok(match refused {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(Kind::Violated.code()),
    })
}

/// Returns what may come next, one line each.
pub(super) fn lines(explanation: &Explanation) -> Vec<String> {
    let shown = explanation.to_string();
    shown.lines().map(|line| format!("  {}", visible::line(line).text)).collect()
}

/// Returns what may come next, for a program.
pub(super) fn to_json(explanation: &Explanation) -> Value {
    let next: Vec<Value> = explanation.next.iter().map(expectation).collect();
    json!({ "end": explanation.accepting, "next": next, "more": explanation.more })
}

fn expectation(expectation: &Expectation) -> Value {
    let Expectation { what, rule, line, within } = expectation;
    let (kind, value) = match what {
        What::Text(bytes) => ("text", json!(String::from_utf8_lossy(bytes))),
        What::Bytes(ranges) => ("bytes", json!(ranges)),
        What::Bound(_, ranges) => ("bound", json!(ranges)),
        What::Token(token) => ("token", json!(token)),
        What::TokenBut(token) => ("token_but", json!(token)),
    };
    json!({
        "kind": kind, "value": value, "words": what.to_string(), "rule": rule, "line": line,
        "within": within,
    })
}

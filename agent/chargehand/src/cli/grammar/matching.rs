//! `chargehand grammar match`: texts held against a grammar, and where one is refused.

use std::ffi::OsString;
use std::process::ExitCode;

use chargehand_grammar::{Constraint, State};
use serde_json::{Value, json};

use super::common::Common;
use super::explain;
use super::source::{self, Texts};
use crate::cli::out;
use crate::error::{Error, Kind};
use crate::report::visible;

const EXAMPLE: &str = "\
Example:
  chargehand grammar match answer.gbnf yes maybe
  chargehand grammar match answer.gbnf < answers.txt";

/// Characters of a text that are shown.
const SHOWN: usize = 60;

/// Flags of `grammar match`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// The texts, or `-` for the lines of stdin, which are read where none is given
    #[arg(value_name = "TEXT")]
    texts: Vec<OsString>,
    /// Texts on stdin end with a NUL character instead of a line end
    #[arg(short = '0', long)]
    null: bool,
}

/// What became of a text.
pub(super) enum Verdict {
    /// It is whole.
    Matched(State),
    /// Something is missing at its end.
    Unfinished(State),
    /// It is wrong somewhere.
    Refused(At),
}

/// Where a text is refused.
pub(super) struct At {
    /// Bytes before the character that is wrong.
    pub(super) byte: usize,
    /// Characters before it.
    pub(super) character: usize,
    /// Where the grammar stood before it.
    pub(super) state: State,
}

/// Matches. Ends with 0 only where all texts match.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let Common { grammar, json, .. } = &args.common;
    let source = args.common.source()?;
    let separator = if args.null { 0 } else { b'\n' };
    let texts = Texts { given: &args.texts, grammar, separator };
    let texts = texts.read_or_stdin()?;
    let mut constraint = source.constraint(&args.common.vocabulary()?)?;
    let mut all = true;
    for text in &texts {
        let verdict = hold(&mut constraint, text)?;
        all &= matches!(verdict, Verdict::Matched(_));
        if *json {
            out::json(&to_json(&constraint, &verdict, text))?;
        } else {
            show(&constraint, &verdict, text)?;
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(Kind::Violated.code()) })
}

/// Holds `text` against `constraint`. A character is refused as a whole, whichever of its bytes is wrong.
pub(super) fn hold(constraint: &mut Constraint, text: &[u8]) -> Result<Verdict, Error> {
    let mut state = constraint.start();
    let mut at = At { byte: 0, character: 0, state };
    for (byte, value) in text.iter().enumerate() {
        // Every byte but those that go on with a character begins one, in a text that is none too.
        if value & 0xC0 != 0x80 {
            at = At { byte, character: at.character + usize::from(byte > 0), state };
        }
        match constraint.advance_byte(state, *value).map_err(|err| source::gave_up(&err))? {
            Some(next) => state = next,
            None => return Ok(Verdict::Refused(at)),
        }
    }
    Ok(match constraint.accepting(state) {
        true => Verdict::Matched(state),
        false => Verdict::Unfinished(state),
    })
}

fn show(constraint: &Constraint, verdict: &Verdict, text: &[u8]) -> Result<(), Error> {
    let shown = quoted(text);
    let state = match verdict {
        Verdict::Matched(_) => return out::line(&format!("matched     {shown}")),
        Verdict::Unfinished(state) => {
            out::line(&format!("unfinished  {shown}"))?;
            out::line(&format!("  ends after {} bytes; allowed there:", text.len()))?;
            *state
        }
        Verdict::Refused(at) => {
            out::line(&format!("refused     {shown}"))?;
            out::line(&format!("  {}; allowed there:", at.words(text)))?;
            at.state
        }
    };
    let lines = explain::lines(&constraint.explain(state));
    lines.iter().try_for_each(|line| out::line(&format!("  {line}")))
}

impl At {
    /// Returns the place in words.
    pub(super) fn words(&self, text: &[u8]) -> String {
        let rest = String::from_utf8_lossy(&text[self.byte..]);
        let got = rest.chars().next().unwrap_or_default();
        let got = visible::line(&got.to_string()).text;
        format!("at byte {} (character {}): `{got}`", self.byte, self.character)
    }

    /// Returns the place for a program.
    pub(super) fn json(&self) -> Value {
        json!({ "byte": self.byte, "character": self.character })
    }
}

fn to_json(constraint: &Constraint, verdict: &Verdict, text: &[u8]) -> Value {
    let (result, at, state) = match verdict {
        Verdict::Matched(_) => ("matched", None, None),
        Verdict::Unfinished(state) => ("unfinished", None, Some(*state)),
        Verdict::Refused(at) => ("refused", Some(at.json()), Some(at.state)),
    };
    let allowed = state.map(|state| explain::to_json(&constraint.explain(state)));
    json!({
        "type": "match", "text": String::from_utf8_lossy(text), "bytes": text.len(),
        "result": result, "refused_at": at, "allowed": allowed,
    })
}

/// Returns a text for one line of a terminal.
pub(super) fn quoted(text: &[u8]) -> String {
    let text = visible::line(&String::from_utf8_lossy(text)).text;
    format!("“{}”", visible::cut(&text, SHOWN))
}

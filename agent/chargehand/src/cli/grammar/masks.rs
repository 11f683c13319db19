//! `chargehand grammar mask`: what may be said before each token of a text, and after it.

use std::process::ExitCode;

use chargehand_grammar::{Constraint, Mask, State, TokenId, Vocabulary};
use serde_json::{Value, json};

use super::common::{Common, Spelt};
use super::source;
use super::table::{Column, table};
use crate::cli::out;
use crate::error::{Error, Kind};
use crate::report::visible;

const EXAMPLE: &str = "\
Example:
  chargehand grammar mask call.gbnf -m model.gguf '{\"tool\":\"read' --list";

/// Characters of a token or of forced bytes that are shown.
const SHOWN: usize = 40;

/// Flags of `grammar mask`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// The beginning of a text
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Lists the tokens that may come next
    #[arg(long)]
    list: bool,
}

/// The mask before a token.
struct Row {
    /// The token that is said; the last mask has none.
    token: Option<TokenId>,
    mask: Mask,
    forced: Vec<u8>,
    /// Whether the mask allows the token.
    is_allowed: bool,
}

/// Steps through the masks. A text that is refused ends with 1.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let source = args.common.source()?;
    // What is wrong with the grammar alone is told before a model is looked at.
    source.grammar()?;
    let Spelt { vocabulary, tokens } = args.common.spell(&args.prefix)?;
    let mut constraint = source.constraint(&vocabulary)?;
    let rows = rows(&mut constraint, &tokens)?;
    let is_allowed = rows.iter().all(|row| row.is_allowed);
    if args.common.json {
        rows.iter().enumerate().try_for_each(|(at, row)| {
            out::json(&to_json(row, at, &vocabulary, args.list && at + 1 == rows.len()))
        })?;
    } else {
        show(&rows, &vocabulary)?;
        if let Some(last) = rows.last().filter(|_| args.list) {
            list(&last.mask, &vocabulary)?;
        }
    }
    Ok(match is_allowed {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(Kind::Violated.code()),
    })
}

fn rows(constraint: &mut Constraint, tokens: &[TokenId]) -> Result<Vec<Row>, Error> {
    let gave_up = |err| source::gave_up(&err);
    let mut rows = Vec::new();
    let mut state: Option<State> = Some(constraint.start());
    for token in tokens.iter().copied().map(Some).chain([None]) {
        let Some(here) = state else { break };
        let mask = constraint.mask(here).map_err(gave_up)?.clone();
        let forced = constraint.forced_bytes(here).map_err(gave_up)?.bytes;
        state = match token {
            Some(token) => constraint.advance(here, token).map_err(gave_up)?,
            None => None,
        };
        rows.push(Row { token, mask, forced, is_allowed: token.is_none() || state.is_some() });
    }
    Ok(rows)
}

fn show(rows: &[Row], vocabulary: &Vocabulary) -> Result<(), Error> {
    let cells = |(at, row): (usize, &Row)| {
        let said = row.token.map_or_else(String::new, |token| token.to_string());
        let text = match (row.token, row.is_allowed) {
            (None, _) => "(next)".to_owned(),
            (Some(token), true) => shown(vocabulary.bytes(token).unwrap_or_default()),
            (Some(token), false) => {
                format!("{} REFUSED", shown(vocabulary.bytes(token).unwrap_or_default()))
            }
        };
        let forced = if row.forced.is_empty() { String::new() } else { shown(&row.forced) };
        let allowed = row.mask.count(vocabulary.len()).to_string();
        [at.to_string(), said, text, allowed, kind(&row.mask).to_owned(), forced]
    };
    let head = [
        ("step", Column::Right),
        ("token", Column::Right),
        ("text", Column::Left),
        ("allowed", Column::Right),
        ("mask", Column::Left),
        ("forced", Column::Left),
    ];
    let rows: Vec<_> = rows.iter().enumerate().map(cells).collect();
    out::raw(&table(head, &rows))?;
    out::line(&format!("{} tokens in the vocabulary", vocabulary.len()))
}

fn list(mask: &Mask, vocabulary: &Vocabulary) -> Result<(), Error> {
    let allowed = allowed(mask, vocabulary);
    let text = |token: TokenId| match vocabulary.ends().contains(&token) {
        true => "(the end)".to_owned(),
        false => shown(vocabulary.bytes(token).unwrap_or_default()),
    };
    let rows: Vec<_> = allowed.map(|token| [token.to_string(), text(token)]).collect();
    out::raw(&table([("token", Column::Right), ("text", Column::Left)], &rows))
}

fn allowed<'m>(mask: &'m Mask, vocabulary: &Vocabulary) -> impl Iterator<Item = TokenId> + 'm {
    (0..).take(vocabulary.len()).filter(|token| mask.allows(*token))
}

fn to_json(row: &Row, at: usize, vocabulary: &Vocabulary, with_list: bool) -> Value {
    let text = |token| String::from_utf8_lossy(vocabulary.bytes(token).unwrap_or_default());
    let listed = with_list.then(|| allowed(&row.mask, vocabulary).collect::<Vec<_>>());
    json!({
        "type": "mask", "step": at, "token": row.token, "text": row.token.map(text),
        "is_allowed": row.is_allowed, "allowed": row.mask.count(vocabulary.len()),
        "vocabulary": vocabulary.len(), "mask": kind(&row.mask),
        "forced": String::from_utf8_lossy(&row.forced), "list": listed,
    })
}

fn kind(mask: &Mask) -> &'static str {
    match mask {
        Mask::Allow(_) => "allow",
        Mask::Deny(_) => "deny",
        Mask::Bits(_) => "bits",
    }
}

fn shown(bytes: &[u8]) -> String {
    let text = visible::line(&String::from_utf8_lossy(bytes)).text;
    format!("`{}`", visible::cut(&text, SHOWN))
}

//! `chargehand eval cards`: which model may work alone, and at what.

use chargehand_core::eval::{Card, NEEDS, Shortfall, is_own};
use serde_json::{Value, json};

use crate::cli::{card, out};
use crate::config::Places;
use crate::error::Error;
use crate::report::visible;

/// Flags of `eval cards`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prints one JSON object a card
    #[arg(long)]
    pub(super) json: bool,
}

/// Lists the cards.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    for card in card::all(&places.state)? {
        if args.json {
            out::json(&value(&card))?;
        } else {
            show(&card)?;
        }
    }
    Ok(())
}

/// Returns the families that decide, and those of the card that are somebody's own.
fn families(card: &Card) -> Vec<&str> {
    let own = card.families.keys().map(String::as_str);
    let own = own.filter(|family| is_own(family));
    NEEDS.iter().map(|need| need.family).chain(own).collect()
}

fn value(card: &Card) -> Value {
    let shortfalls = card.shortfalls(&families(card));
    let shortfalls: Vec<String> = shortfalls.iter().map(Shortfall::to_string).collect();
    json!({ "type": "scorecard", "card": card, "shortfalls": shortfalls })
}

fn show(card: &Card) -> Result<(), Error> {
    let of = &card.of;
    out::line(&visible::line(&format!("{}  {}", of.name, of.model)).text)?;
    out::line(&format!("  llama.cpp {}, chargehand {}", of.llama_cpp, of.program))?;
    for family in families(card) {
        let passes = card.shortfalls(&[family]).is_empty();
        let sign = if passes { "✓" } else { "✗" };
        let right = card.families.get(family).map(|mark| mark.right);
        let right = right.map_or_else(
            || "not examined".to_owned(),
            |right| format!("{} of {}", right.of_these, right.of_all),
        );
        let need = NEEDS.iter().find(|need| need.family == family);
        let jobs = need.map_or("every job, as it is a family of your own", |need| need.jobs);
        out::line(&format!("  {sign} {family:<11} {right:<13} {jobs}"))?;
    }
    Ok(())
}

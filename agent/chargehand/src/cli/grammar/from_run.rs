//! The grammar of a turn of a recorded run. The log holds its text and its digests, and not what its rules are bound
//! to: the run is played again on its base up to that turn, and all is made of the state it has then.

use chargehand_grammar::Bindings;

use crate::audit::{self, Held, Line};
use crate::cli::played::{self, Sitting, Until};
use crate::cli::{drive, record, which};
use crate::config::Places;
use crate::error::{Error, Kind};

/// What the call of a turn was held to.
pub(super) struct Found {
    /// The run.
    pub(super) run: String,
    /// The text of the grammar.
    pub(super) gbnf: String,
    /// What its rules are bound to.
    pub(super) bindings: Bindings,
}

/// Returns what the turn `turn`, counted from 1 over all of the run, was held to.
pub(super) fn find(run: &str, turn: u32) -> Result<Found, Error> {
    let interrupt = drive::listen()?;
    let places = Places::find()?;
    let dir = which::open(&places, run)?;
    let id = dir.file().id.clone();
    let lines = audit::read(&dir.path().join("events.jsonl"))?;
    let turns: u32 = played::sittings(&lines).iter().map(|Sitting { turns, .. }| turns).sum();
    if turn == 0 || turn > turns {
        let message = format!("run {id} has turns 1 to {turns}, and no turn {turn}");
        return Err(Error::new(Kind::Usage, message));
    }
    let contract = record::contract(&dir)?;
    let played = played::play(&dir, &contract, &lines, &interrupt, Until::Turn(turn))?;
    let Some((gbnf, bindings)) = played.held else {
        let message =
            format!("the calls of the run do not lead to turn {turn} when they are played again");
        return Err(Error::new(Kind::Refused, message));
    };
    let logged = lines.iter().filter_map(Line::grammar).find(|held| held.turn == turn);
    let again = Held::of(turn, &gbnf, &bindings);
    if logged.is_some_and(|then| Held { text: None, ..then } != again) {
        let message = format!(
            "turn {turn} of run {id} was held to another grammar than this program makes for it"
        );
        return Err(Error::new(Kind::Refused, message));
    }
    Ok(Found { run: id, gbnf, bindings })
}

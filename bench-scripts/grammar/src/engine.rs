//! What is asked of every engine, and what a round of it measures.

use std::error::Error;
use std::time::Duration;

use chargehand_grammar::TokenId;

use crate::clock::Clock;
use crate::workloads::Workload;

/// Why an engine gave up.
pub(crate) type Failure = Box<dyn Error>;

/// Something that makes masks.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// One step of so many is masked.
    fn every(&self) -> usize {
        1
    }

    /// Takes the text of a grammar; `false` when the engine has no way to say it.
    fn take(&mut self, workload: &Workload) -> bool;

    /// Reads and compiles it anew.
    fn compile(&mut self) -> Result<(), Failure>;

    /// Stands before a text again, and keeps what it has found out.
    fn begin(&mut self) -> Result<(), Failure>;

    fn mask(&mut self) -> Result<(), Failure>;

    /// Returns whether the last mask allows a token.
    fn allows(&mut self, token: TokenId) -> bool;

    fn advance(&mut self, token: TokenId) -> Result<(), Failure>;

    fn is_whole(&mut self) -> Result<bool, Failure>;
}

/// What one round measured.
#[derive(Default)]
pub(crate) struct Round {
    /// Reading the grammar included.
    pub(crate) compile: Duration,
    pub(crate) masks: Vec<Duration>,
    pub(crate) advances: Vec<Duration>,
    /// The masks of the same texts once more.
    pub(crate) again: Vec<Duration>,
}

/// Compiles the grammar and takes the masks of all steps of all texts, twice.
pub(crate) fn round(
    clock: &Clock,
    engine: &mut dyn Engine,
    texts: &[Vec<TokenId>],
) -> Result<Round, Failure> {
    let mut round = Round::default();
    let begun = clock.now();
    engine.compile()?;
    round.compile = clock.since(begun);
    (round.masks, round.advances) = pass(clock, engine, texts)?;
    if engine.every() == 1 {
        (round.again, _) = pass(clock, engine, texts)?;
    }
    Ok(round)
}

fn pass(
    clock: &Clock,
    engine: &mut dyn Engine,
    texts: &[Vec<TokenId>],
) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let (mut masks, mut advances) = (Vec::new(), Vec::new());
    for (text, tokens) in texts.iter().enumerate() {
        engine.begin()?;
        for (at, token) in tokens.iter().enumerate() {
            if advances.len() % engine.every() == 0 {
                let begun = clock.now();
                engine.mask()?;
                masks.push(clock.since(begun));
                if !engine.allows(*token) {
                    return Err(format!("token {at} of text {text} is denied").into());
                }
            }
            let begun = clock.now();
            engine.advance(*token)?;
            advances.push(clock.since(begun));
        }
        if !engine.is_whole()? {
            return Err(format!("text {text} is not whole").into());
        }
    }
    Ok((masks, advances))
}

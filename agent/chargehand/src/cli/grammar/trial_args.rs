//! What `bench` and `diff` have in common: a grammar, a vocabulary, and texts that are given or made by chance.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chargehand_engine::lab::Trial;
use chargehand_grammar::sample::Sampler;

use super::common::Common;
use super::sample::Chance;
use super::source::Texts;
use crate::error::{Error, Kind};

/// Flags of `bench` and `diff`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TrialArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The texts, or `-` for the lines of stdin; without, some are made by chance
    #[arg(value_name = "TEXT")]
    texts: Vec<OsString>,
    #[command(flatten)]
    chance: Chance,
    /// llama.cpp gets so much time
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

/// A trial that can begin.
pub(super) struct Ready {
    /// The file with the vocabulary.
    pub(super) model: PathBuf,
    /// What is tried.
    pub(super) trial: Trial,
}

impl TrialArgs {
    /// Reads everything that the trial needs.
    pub(super) fn ready(&self) -> Result<Ready, Error> {
        let source = self.common.source()?;
        let grammar = source.grammar()?;
        let given = Texts { given: &self.texts, grammar: &self.common.grammar, separator: b'\n' };
        let mut texts = given.read()?;
        let model = self.common.model()?;
        if self.texts.is_empty() {
            let vocabulary = self.common.spell("")?.vocabulary;
            let sampler = Sampler::new(&grammar, &vocabulary)
                .map_err(|err| source.refused(Kind::Usage, &err))?;
            texts = self.chance.texts(&sampler)?;
        }
        if texts.is_empty() {
            return Err(Error::new(Kind::Usage, "there is no text to try"));
        }
        let texts = texts.into_iter().enumerate().map(|(at, text)| {
            let wrong = |_| Error::new(Kind::Usage, format!("text {} is no UTF-8", at + 1));
            String::from_utf8(text).map_err(wrong)
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let limit = Duration::from_secs(self.seconds);
        Ok(Ready { model, trial: Trial { gbnf: source.text, texts, limit } })
    }
}

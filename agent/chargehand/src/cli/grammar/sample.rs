//! `chargehand grammar sample`: random texts of a grammar.

use chargehand_grammar::sample::{Random, SampleError, Sampler};
use serde_json::json;

use super::common::Common;
use crate::cli::out;
use crate::error::{Error, Kind};
use crate::report::visible;

const EXAMPLE: &str = "\
Example:
  chargehand grammar from-schema call.json | chargehand grammar sample - -n 3 --seed 7";

/// More texts are asked for by mistake.
const MOST_TEXTS: i64 = 1_000_000;
/// So are longer ones.
const MOST_BYTES: u64 = 1 << 20;
/// Texts that are tried together have no more bytes.
const MOST_TOGETHER: usize = 16 << 20;

/// Flags of `grammar sample`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) chance: Chance,
    /// Ends each text with a NUL character instead of a line end, and prints it as it is
    #[arg(short = '0', long, conflicts_with = "json")]
    null: bool,
}

/// Which random texts, and how many.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Chance {
    /// How many texts
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=MOST_TEXTS))]
    count: u32,
    /// The same seed gives the same texts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// No text is longer
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(..=MOST_BYTES))]
    max_bytes: u64,
}

/// Prints random texts.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let source = args.common.source()?;
    let grammar = source.grammar()?;
    let sampler = Sampler::new(&grammar, &args.common.vocabulary()?)
        .map_err(|err| source.refused(Kind::Usage, &err))?;
    args.chance.each(&sampler).try_for_each(|text| {
        let text = text?;
        let text = String::from_utf8_lossy(&text);
        if args.common.json {
            return out::json(&json!({ "type": "text", "text": text, "bytes": text.len() }));
        }
        match args.null {
            true => out::raw(&format!("{text}\0")),
            false => out::line(&visible::line(&text).text),
        }
    })
}

impl Chance {
    /// Returns the texts.
    pub(super) fn texts(&self, sampler: &Sampler<'_>) -> Result<Vec<Vec<u8>>, Error> {
        let mut room = MOST_TOGETHER;
        let kept = self.each(sampler).map(|text| {
            let text = text?;
            let too_much = || format!("the texts have more than {MOST_TOGETHER} bytes together");
            let left = room.checked_sub(text.len());
            room = left.ok_or_else(|| Error::new(Kind::Usage, too_much()))?;
            Ok(text)
        });
        kept.collect()
    }

    /// Makes one text after the other.
    fn each(&self, sampler: &Sampler<'_>) -> impl Iterator<Item = Result<Vec<u8>, Error>> {
        let (limit, mut random) = (self.max_bytes, Random::new(self.seed));
        (0..self.count).map(move |_| sampler.text(&mut random, limit).map_err(|err| too_long(&err)))
    }
}

fn too_long(err: &SampleError) -> Error {
    let SampleError::TooLong { shortest, .. } = err;
    Error::from_source(Kind::Refused, err).hint(format!("--max-bytes {shortest} allows it"))
}

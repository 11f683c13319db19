//! `chargehand grammar diff`: our engine and llama.cpp's in lock step, until the first token on which they differ.

use std::process::ExitCode;

use chargehand_engine::lab::Compared;
use serde_json::json;

use super::matching::quoted;
use super::trial_args::{Ready, TrialArgs};
use crate::cli::out;
use crate::env::lab;
use crate::error::{Error, Kind};
use crate::report::{visible, words};

const EXAMPLE: &str = "\
Example:
  chargehand grammar diff call.gbnf -n 20 --seed 3";

/// Flags of `grammar diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) trial: TrialArgs,
}

/// Compares. A difference, or a text that both refuse, ends with 1; where the time was up, with 4.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let Ready { model, trial } = args.trial.ready()?;
    let texts = trial.texts.clone();
    let compared = lab::compare(&model, trial)?;
    for (text, found) in texts.iter().zip(&compared) {
        if args.trial.common.json {
            out::json(&json!({
                "type": "compared", "text": text, "tokens": found.tokens, "equal_masks": found.equal,
                "difference": found.difference, "refused_at": found.refused_at, "cut": found.is_cut,
            }))?;
        } else {
            out::line(&format!("{:<9} {}", verdict(found), quoted(text.as_bytes())))?;
            details(found).iter().try_for_each(|line| out::line(&format!("  {line}")))?;
        }
    }
    let masks = compared.iter().map(|found| found.equal).fold(0, usize::saturating_add);
    let differ = compared.iter().any(|found| found.difference.is_some());
    let refused = compared.iter().any(|found| found.refused_at.is_some());
    let is_cut = compared.iter().any(|found| found.is_cut);
    if !args.trial.common.json {
        let masks = words::plural(u64::try_from(masks).unwrap_or(u64::MAX), "equal mask");
        out::line(&format!("{masks} in {} texts", compared.len()))?;
    }
    Ok(match (differ || refused, is_cut) {
        (true, _) => ExitCode::from(Kind::Violated.code()),
        (false, true) => ExitCode::from(Kind::Limit.code()),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn verdict(found: &Compared) -> &'static str {
    match (&found.difference, found.refused_at, found.is_cut) {
        (Some(_), _, _) => "DIFFERENT",
        (None, Some(_), _) => "refused",
        (None, None, true) => "cut",
        (None, None, false) => "equal",
    }
}

fn details(found: &Compared) -> Vec<String> {
    let difference = found.difference.as_deref().map(|text| visible::line(text).text);
    let refused = found.refused_at.map(|at| format!("both refuse token {at}"));
    let cut = found.is_cut.then(|| "the time was up; --seconds gives it more".to_owned());
    [difference, refused, cut].into_iter().flatten().collect()
}

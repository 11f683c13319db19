//! What an examined model is hampered by: less grammar, a longer prompt, a fuller context. A run has none of it.

use std::path::PathBuf;

use chargehand_core::contract::{Contract, Gate};
use chargehand_core::menu::any_call;
use chargehand_core::phase::Seat;
use chargehand_core::prompt;
use chargehand_core::tools;
use serde::{Deserialize, Serialize};

use crate::cli::worker::Started;
use crate::env::lab;
use crate::env::speech::Speech;
use crate::error::{Error, Kind};

/// One question that is asked of a model by one command.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Question {
    /// What a grammar is worth: none, well-formed JSON, the state's calls, their arguments too.
    Grammar,
    /// What a long prompt costs: as it is, 40 lines more, 25 kB of ceremony more.
    Prompt,
    /// What a smaller KV cache costs.
    Kv,
    /// What a full context costs: 0, 50 and 90 % of it.
    Context,
}

impl Question {
    /// Returns what `--vary` says to ask the same.
    pub(super) fn vary(self) -> &'static str {
        match self {
            Self::Grammar => "grammar=off,json,gated,bound",
            Self::Prompt => "prompt=short,lines,ceremony",
            Self::Kv => "kv_type=f16,q8_0,q4_0",
            Self::Context => "filled=0,50,90",
        }
    }
}

/// How a model is hampered.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Ablation {
    /// What holds it while it writes.
    speech: Speech,
    /// What stands before the job.
    prompt: Prompt,
    /// So much of the context is taken before it begins, in percent.
    filled: u64,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Prompt {
    #[default]
    Short,
    Lines,
    Ceremony,
}

/// What a key of `--vary` does.
pub(super) enum Setting {
    /// It hampers.
    Ablation(Ablation),
    /// It switches gates off.
    Gates(Vec<Gate>),
    /// It is a key of the configuration.
    Config,
}

/// Returns what `key=value` of `--vary` does.
pub(super) fn setting(key: &str, value: &str) -> Result<Setting, Error> {
    let ablation = Ablation::default();
    let hamper = |ablation| Ok(Setting::Ablation(ablation));
    let speech = |speech| hamper(Ablation { speech, ..Ablation::default() });
    let prompt = |prompt| hamper(Ablation { prompt, ..Ablation::default() });
    match (key, value) {
        ("grammar", "off") => speech(Speech::Free),
        ("grammar", "json") => speech(Speech::Json),
        ("grammar", "gated") => Ok(Setting::Gates(vec![Gate::ListedValues, Gate::UniquePiece])),
        ("grammar", "bound") | ("prompt", "short") | ("filled", "0") => hamper(ablation),
        ("prompt", "lines") => prompt(Prompt::Lines),
        ("prompt", "ceremony") => prompt(Prompt::Ceremony),
        ("filled", percent) => match percent.parse() {
            Ok(filled @ 1..=99) => hamper(Ablation { filled, ..ablation }),
            Ok(_) | Err(_) => Err(unknown(key, value, "a number from 0 to 99")),
        },
        ("grammar", _) => Err(unknown(key, value, "off, json, gated or bound")),
        ("prompt", _) => Err(unknown(key, value, "short, lines or ceremony")),
        (_, _) => Ok(Setting::Config),
    }
}

fn unknown(key: &str, value: &str, known: &str) -> Error {
    Error::new(Kind::Usage, format!("--vary {key}={value}: {key} is {known}"))
}

impl Ablation {
    /// Returns whether nothing is different from a run.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Says so where it would be the same as another one: there is no form of any call where arguments stand in tags.
    pub(super) fn check(&self, file: impl FnOnce() -> Result<PathBuf, Error>) -> Result<(), Error> {
        match self.speech {
            Speech::Menu | Speech::Free => return Ok(()),
            Speech::Json => {}
        }
        let path = file()?;
        if any_call(&lab::envelope(&path)?).is_some() {
            return Ok(());
        }
        let why = "its template writes arguments between tags, so `json` is the same as `off`";
        let message = format!("--vary grammar=json: {}: {why}", path.display());
        Err(Error::new(Kind::Usage, message).hint("write --vary grammar=off,gated,bound"))
    }

    /// Hampers `worker` so from now on.
    ///
    /// What stands there at the beginning of a job, such as under `contract`, counts for a context that is filled.
    pub(super) fn apply(&self, worker: &mut Started, contract: &Contract) -> Result<(), Error> {
        let Started::Model(worker) = worker else { return Ok(()) };
        let text = match self.prompt {
            Prompt::Short => String::new(),
            Prompt::Lines => rules(40),
            Prompt::Ceremony => ceremony(),
        };
        let mut preface = if text.is_empty() { text } else { format!("{text}\n\n") };
        if self.filled > 0 {
            let (opening, tools) =
                (prompt::opening(contract, &[], None), tools::specs(contract, Seat::default()));
            let mut with = |lines| {
                worker.hamper(self.speech, filler(lines));
                worker.tokens_of(&opening, &tools)
            };
            let (empty, sample) = (with(0)?, with(10)?);
            let wanted = worker.n_ctx() * self.filled / 100;
            let lines = wanted.saturating_sub(empty) * 10 / sample.saturating_sub(empty).max(1);
            preface.push_str(&filler(lines));
        }
        worker.hamper(self.speech, preface);
        Ok(())
    }
}

/// What the rules of a ceremony are about.
const MATTERS: [&str; 20] = [
    "reading",
    "searching",
    "editing",
    "naming",
    "testing",
    "reviewing",
    "documenting",
    "reporting",
    "planning",
    "estimating",
    "escalating",
    "refactoring",
    "formatting",
    "releasing",
    "logging",
    "configuring",
    "migrating",
    "measuring",
    "recovering",
    "finishing",
];

/// What a ceremony says of each of them.
const RULES: [&str; 11] = [
    "Before {}, state in one sentence why it is necessary at this moment and which step of the plan it belongs to.",
    "Never begin {} while an earlier step is still open, unless the open step is listed in the journal of exceptions.",
    "Treat {} as a decision that another engineer will audit, and prefer the option that is easier to explain.",
    "When {} leads to a surprise, stop, restate the goal in your own words, and compare it with the original wording.",
    "Do not combine {} with any other activity; each activity has a beginning, a result and an explicit end.",
    "The quality of {} is rated on a scale from one to five, and everything below four has to be repeated.",
    "If two rules about {} contradict each other, the one that stands further down in this document wins.",
    "Keep {} proportionate: a small change deserves a small effort, a large change deserves an outline first.",
    "After {}, verify silently that no assumption was taken over from the conversation without being checked.",
    "Write down who answers for {}, and since when.",
    "Remember that {} is never an end in itself, and that the user is interested in the outcome alone.",
];

/// Returns the first `lines` rules, one a line.
fn rules(lines: usize) -> String {
    let all = MATTERS.iter().flat_map(|matter| RULES.iter().map(|rule| rule.replace("{}", matter)));
    all.take(lines).collect::<Vec<_>>().join("\n")
}

/// Returns 25 kB of rules that are no help.
fn ceremony() -> String {
    let mut text = String::new();
    for matter in MATTERS {
        text.push_str(&format!("\n## Protocol for {matter}\n"));
        for (at, rule) in RULES.iter().enumerate() {
            text.push_str(&format!("{}. {}\n", at + 1, rule.replace("{}", matter)));
        }
    }
    text
}

/// Returns notes that have nothing to do with any task.
fn filler(lines: u64) -> String {
    let line = |at: u64| {
        format!(
            "Note {at}: sack {} was weighed at {} and found dry.\n",
            at * 7 % 1000,
            at * 13 % 60
        )
    };
    (1..=lines).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceremony_has_25_kilobytes_and_the_short_form_40_lines() {
        assert!((24_000..27_000).contains(&ceremony().len()), "{}", ceremony().len());
        assert_eq!(rules(40).lines().count(), 40);
    }

    #[test]
    fn each_question_varies_what_is_known() {
        let questions = [Question::Grammar, Question::Prompt, Question::Kv, Question::Context];
        for question in questions {
            let (key, values) = question.vary().split_once('=').unwrap();
            assert!(values.split(',').all(|value| setting(key, value).is_ok()), "{question:?}");
        }
        assert!(setting("grammar", "on").is_err());
        assert!(setting("filled", "100").is_err());
    }
}

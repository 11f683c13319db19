//! `chargehand grammar trial`: how many answers of a model are valid, and how fast they come, with and without a
//! grammar.

use std::path::PathBuf;

use chargehand_core::event::Event;
use chargehand_core::ports::{Stop, Watch};
use chargehand_core::transcript::Message;
use chargehand_engine::session::Ending;
use chargehand_engine::wire::{Answer, Ask, Chat};
use chargehand_grammar::{Bindings, Constraint};
use serde_json::json;

use super::common;
use super::matching::{self, Verdict};
use super::source::Source;
use super::table::{Column, csv, table};
use crate::cli::held::{Asking, HeldMemory};
use crate::cli::model::{self, ModelArgs};
use crate::cli::{bounds, drive, out};
use crate::config::{Places, UserConfig};
use crate::env::worker::{ModelWorker, PATIENCE, WorkerError};
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

const EXAMPLE: &str = "\
Example:
  chargehand grammar trial -m model.gguf --grammar answer.gbnf prompts.txt --max-tokens 64";

/// Flags of `grammar trial`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The file with the grammar, or `-` for stdin
    #[arg(long, value_name = "GRAMMAR")]
    grammar: PathBuf,
    /// The file with the prompts, one a line
    #[arg(value_name = "PROMPTS")]
    prompts: PathBuf,
    /// What the model is told before each prompt
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// An answer has no more tokens
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    max_tokens: u32,
    /// Prints each answer as a line of CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Prints each answer as a JSON object, the totals last
    #[arg(long)]
    pub(super) json: bool,
}

/// Whether the grammar holds while a model writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Free,
    Held,
}

impl Mode {
    const ALL: [Self; 2] = [Self::Free, Self::Held];

    fn word(self) -> &'static str {
        match self {
            Self::Free => "without",
            Self::Held => "with",
        }
    }
}

/// What came of one prompt.
struct Row {
    prompt: usize,
    mode: Mode,
    is_valid: bool,
    answer: Answer,
}

/// Stops when the user says so.
struct Attention(Interrupt);

impl Watch for Attention {
    fn see(&mut self, _: &Event) {}

    fn stop(&mut self) -> Option<Stop> {
        self.0.is_set().then_some(Stop::Interrupted)
    }
}

/// Asks the model for each prompt twice, and shows each answer as it comes.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let source = Source::read(&args.grammar)?;
    let mut constraint = source.constraint(&common::bytes()).map_err(|err| {
        Error::new(err.kind, format!("{err}; what is judged is text, which has no tokens"))
    })?;
    let prompts = Source::read(&args.prompts)?;
    let prompts: Vec<&str> = prompts.text.lines().filter(|line| !line.trim().is_empty()).collect();
    if prompts.is_empty() {
        let shown = args.prompts.display();
        return Err(Error::new(Kind::Usage, format!("{shown} holds no prompt")));
    }
    let interrupt = drive::listen()?;
    let mut trial = Trial::start(args, &source.text, interrupt)?;
    if args.csv {
        out::line("prompt,grammar,valid,ending,tokens,ms,text")?;
    }
    let mut rows = Vec::new();
    for (at, prompt) in prompts.iter().enumerate() {
        for mode in Mode::ALL {
            let answer = trial.answer(prompt, mode)?;
            let is_valid = is_valid(&mut constraint, &answer)?;
            let row = Row { prompt: at + 1, mode, is_valid, answer };
            row.show(args)?;
            rows.push(row);
        }
    }
    totals(args, &rows)
}

/// An answer that broke off is not valid, whatever it reads.
fn is_valid(constraint: &mut Constraint, answer: &Answer) -> Result<bool, Error> {
    let verdict = matching::hold(constraint, answer.text.as_bytes())?;
    let is_whole = match answer.ending {
        Ending::Complete => true,
        Ending::Limit | Ending::ContextFull | Ending::Cancelled => false,
    };
    Ok(is_whole && matches!(verdict, Verdict::Matched(_)))
}

/// A model at work.
struct Trial<'a> {
    args: &'a Args,
    gbnf: &'a str,
    worker: ModelWorker,
    watch: Attention,
    sampling: chargehand_engine::sampler::Sampling,
}

impl<'a> Trial<'a> {
    fn start(args: &'a Args, gbnf: &'a str, interrupt: Interrupt) -> Result<Self, Error> {
        let places = Places::find()?;
        let config = UserConfig::read(places.config.as_deref(), &args.model.config)?;
        bounds::check(&config)?;
        let choice = args.model.choose(&config, &places)?;
        let asking = Asking { config: &config, places: &places, interrupt: &interrupt };
        let held = HeldMemory::of(model::known(&choice, &config, &places)?, asking)?;
        let sampling = args.model.sampling(&config);
        let patience = config.silence.unwrap_or(PATIENCE);
        let worker = held.start(sampling, patience, &|| interrupt.is_set())?;
        Ok(Self { args, gbnf, worker, watch: Attention(interrupt), sampling })
    }

    fn answer(&mut self, prompt: &str, mode: Mode) -> Result<Answer, Error> {
        let system = self.args.system.iter().map(|text| Message::System(text.clone()));
        let messages = system.chain([Message::User(prompt.to_owned())]).collect();
        let ask = Ask {
            chat: Chat { messages, tools: Vec::new() },
            grammar: match mode {
                Mode::Free => None,
                Mode::Held => Some(self.gbnf.to_owned()),
            },
            bindings: Bindings::new(),
            sampling: self.sampling,
            max_tokens: self.args.max_tokens,
        };
        let said = self.worker.answer(&ask, &mut self.watch);
        if self.watch.stop().is_some() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        said.map_err(|err| match err {
            WorkerError::Refused(_) => Error::from_source(Kind::Refused, &err),
            WorkerError::Start(_)
            | WorkerError::Died(_)
            | WorkerError::Failed(_)
            | WorkerError::File(_)
            | WorkerError::NoRoom(_)
            | WorkerError::Ledger(_)
            | WorkerError::Short(_)
            | WorkerError::Stopped
            | WorkerError::Replaced(_)
            | WorkerError::Gone(_) => err.into(),
        })
    }
}

impl Row {
    fn show(&self, args: &Args) -> Result<(), Error> {
        let Answer { text, timings, .. } = &self.answer;
        if args.json {
            return out::json(&json!({
                "type": "answer", "prompt": self.prompt, "grammar": self.mode == Mode::Held,
                "valid": self.is_valid, "ending": self.answer.ending, "text": text,
                "tokens": timings.predicted_n, "ms": timings.predicted_ms,
            }));
        }
        let ending = ending(self.answer.ending);
        if args.csv {
            let ms = format!("{:.3}", timings.predicted_ms);
            let cells = [
                self.prompt.to_string(),
                self.mode.word().to_owned(),
                self.is_valid.to_string(),
                ending.to_owned(),
                timings.predicted_n.to_string(),
                ms,
                text.clone(),
            ];
            return out::line(&csv(&cells));
        }
        let sign = if self.is_valid { "✓" } else { "✗" };
        let shown = matching::quoted(text.as_bytes());
        out::note(&format!(
            "{:>4} {sign} {:<8} {ending:<10} {shown}",
            self.prompt,
            self.mode.word()
        ));
        Ok(())
    }
}

/// What came of all prompts in one mode.
#[derive(Default)]
struct Total {
    answers: u32,
    valid: u32,
    broken_off: u32,
    tokens: u64,
    ms: f64,
}

impl Total {
    fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut total = Self::default();
        for Row { is_valid, answer, .. } in rows {
            total.answers += 1;
            total.valid += u32::from(*is_valid);
            total.broken_off += u32::from(answer.ending != Ending::Complete);
            // The count comes from a process that is not ours.
            total.tokens = total.tokens.saturating_add(answer.timings.predicted_n);
            total.ms += answer.timings.predicted_ms;
        }
        total
    }

    fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.tokens).unwrap_or(u32::MAX)) / (self.ms / 1e3)
    }
}

fn totals(args: &Args, rows: &[Row]) -> Result<(), Error> {
    let total = |mode| (mode, Total::of(rows.iter().filter(|row| row.mode == mode)));
    let totals = Mode::ALL.map(total);
    if args.csv {
        return Ok(());
    }
    if args.json {
        let each = totals.each_ref().map(|(mode, total)| {
            json!({
                "grammar": *mode == Mode::Held, "answers": total.answers, "valid": total.valid,
                "broken_off": total.broken_off, "tokens": total.tokens, "ms": total.ms,
                "tokens_per_second": total.rate(),
            })
        });
        return out::json(&json!({ "type": "trial", "totals": each }));
    }
    let right = Column::Right;
    let head = [
        ("grammar", Column::Left),
        ("answers", right),
        ("valid", right),
        ("broken off", right),
        ("tokens", right),
        ("tok/s", right),
    ];
    let rows = totals.each_ref().map(|(mode, total)| {
        let counts = [total.answers, total.valid, total.broken_off].map(|count| count.to_string());
        let [answers, valid, broken_off] = counts;
        let rate = if total.tokens == 0 { "-".to_owned() } else { format!("{:.0}", total.rate()) };
        [mode.word().to_owned(), answers, valid, broken_off, total.tokens.to_string(), rate]
    });
    out::raw(&table(head, &rows))
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::Limit => "limit",
        Ending::ContextFull => "context",
        Ending::Cancelled => "cancelled",
    }
}

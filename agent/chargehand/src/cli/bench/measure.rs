//! One model, measured in a worker as a run has it: a conversation that grows, and a few tokens said at each length.

use std::path::PathBuf;
use std::time::Instant;

use chargehand_core::bytes::Bytes;
use chargehand_core::event::Event;
use chargehand_core::memory::Footprint;
use chargehand_core::ports::{Stop, Watch};
use chargehand_core::transcript::Message;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::Timings;
use chargehand_engine::wire::{Ask, Chat};

use crate::cli::held::{Asking, HeldMemory};
use crate::cli::model::{self, Asked, Choice};
use crate::cli::out;
use crate::config::{Places, UserConfig};
use crate::env::probe;
use crate::env::worker::{ModelWorker, PATIENCE};
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// Lengths at which is measured, in tokens; the last one that fits is the end of the context.
const LENGTHS: [u64; 9] = [128, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 50_000];
/// A context that nobody has asked for is no shorter.
const LEAST: u32 = 2048;
/// Words whose tokens are counted: the words repeat after 112, and each counts as often as any other.
const SAMPLE: u64 = 2 * 112;
/// Letters that no text of 64 tokens has: the model goes on until it has said what it is asked for.
const ENDLESS: &str = "root ::= [a-z]{2000}";

/// Who is measured, and how.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The model, or the built-in one.
    pub(super) model: Option<PathBuf>,
    /// How it is loaded.
    pub(super) config: UserConfig,
    /// Tokens of context, where somebody has asked for them.
    pub(super) ctx: Option<u32>,
    /// Tokens that are said at each length.
    pub(super) say: u32,
}

/// What was measured of one subject.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// What it takes, as planned, and how it was loaded.
    pub(super) footprint: Footprint,
    /// Milliseconds until it was ready.
    pub(super) ready_ms: f64,
    /// One row a length.
    pub(super) rows: Vec<Row>,
}

/// What was measured at one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Tokens of the prompt.
    pub(super) length: u64,
    /// Prompt tokens a second, of those since the row before.
    pub(super) prefill: f64,
    /// Tokens a second while it speaks.
    pub(super) decode: f64,
    /// Milliseconds to the first token, had nothing been kept.
    pub(super) first_cold_ms: f64,
    /// Milliseconds to the first token with what was kept of the row before.
    pub(super) first_ms: f64,
    /// Memory of the process, and seconds since it was started.
    pub(super) resident: Option<Bytes>,
    pub(super) at_s: f64,
}

/// Says now what would be found wrong only when the turn of `subject` comes.
pub(super) fn check(subject: &Subject, places: &Places) -> Result<(), Error> {
    choose(subject, subject.ctx, places).map(drop)
}

/// Measures `subject`.
pub(super) fn measure(
    subject: &Subject,
    places: &Places,
    interrupt: &Interrupt,
) -> Result<Series, Error> {
    let held = reserve(subject, places, interrupt)?;
    let footprint = held.plan().footprints()[0].clone();
    let sampling = Sampling { forced: false, drafts: false, ..Sampling::default() };
    let begun = Instant::now();
    let worker = held.start(sampling, PATIENCE, &|| interrupt.is_set())?;
    let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
    let mut bench = Bench { worker, begun, interrupt, say: subject.say, sampling };
    let rows = bench.rows(&footprint.model)?;
    Ok(Series { footprint, ready_ms, rows })
}

/// Reserves memory for the longest context that is asked for; for a shorter one, where none is asked for and it does
/// not fit.
fn reserve(subject: &Subject, places: &Places, interrupt: &Interrupt) -> Result<HeldMemory, Error> {
    let asking = Asking { config: &subject.config, places, interrupt };
    let mut ctx = subject.ctx;
    if ctx.is_none() {
        let trained = choose(subject, None, places)?.header.context_length().unwrap_or(0);
        let most = u64::from(LEAST).max(LENGTHS[LENGTHS.len() - 1] + 2048).min(trained.max(256));
        ctx = u32::try_from(most).ok();
    }
    loop {
        let choice = choose(subject, ctx, places)?;
        let held = model::known(&choice, &subject.config, places)
            .and_then(|footprint| HeldMemory::of(footprint, asking));
        match (held, ctx) {
            (Err(err), Some(tokens))
                if err.kind == Kind::Refused && subject.ctx.is_none() && tokens / 2 >= LEAST =>
            {
                out::note(&format!("a context of {tokens} tokens does not fit: {err}"));
                ctx = Some(tokens / 2);
            }
            (held, _) => return held,
        }
    }
}

fn choose(subject: &Subject, ctx: Option<u32>, places: &Places) -> Result<Choice, Error> {
    model::choose(
        subject.model.as_deref(),
        &Asked { ctx, ..Asked::default() },
        &subject.config,
        places,
    )
}

/// A worker and the conversation with it.
struct Bench<'i> {
    worker: ModelWorker,
    begun: Instant,
    interrupt: &'i Interrupt,
    say: u32,
    sampling: Sampling,
}

impl Bench<'_> {
    fn rows(&mut self, name: &str) -> Result<Vec<Row>, Error> {
        let mut tokens = |words| self.worker.tokens_of(&[Message::User(words)], &[]);
        let empty = tokens("1".to_owned())?;
        let sample = tokens(words(SAMPLE))?.saturating_sub(empty).max(1);
        // A little is left for the words that a template puts around the text.
        let room = self.worker.n_ctx().saturating_sub(u64::from(self.say) + 64);
        let mut lengths: Vec<u64> = LENGTHS.into_iter().filter(|length| *length < room).collect();
        if room < LENGTHS[LENGTHS.len() - 1] {
            lengths.push(room);
        }
        let mut rows: Vec<Row> = Vec::new();
        for length in lengths {
            let text = words(length.saturating_sub(empty) * SAMPLE / sample);
            let timings = self.ask(text)?;
            if self.interrupt.is_set() {
                let message = format!("interrupted; what was measured of {name} is dropped");
                return Err(Error::new(Kind::Interrupted, message));
            }
            let before = rows.last().map_or(0.0, |row| row.first_cold_ms);
            let row = self.row(&timings, before);
            out::note(&format!("{name}: {} tokens, {:.0} tokens/s", row.length, row.decode));
            rows.push(row);
        }
        Ok(rows)
    }

    fn ask(&mut self, text: String) -> Result<Timings, Error> {
        let messages = vec![Message::User(text)];
        let ask = Ask {
            chat: Chat { messages, tools: Vec::new() },
            grammar: Some(ENDLESS.to_owned()),
            bindings: chargehand_grammar::Bindings::default(),
            sampling: self.sampling,
            max_tokens: self.say,
        };
        Ok(self.worker.answer(&ask, &mut Eyes(self.interrupt))?.timings)
    }

    fn row(&self, timings: &Timings, before_ms: f64) -> Row {
        // The first token needs no evaluation of its own: its logits came with the prompt.
        let said = timings.predicted_n.saturating_sub(1);
        let decode = per_second(said, timings.predicted_ms);
        Row {
            length: timings.cache_n + timings.prompt_n,
            prefill: per_second(timings.prompt_n, timings.prompt_ms),
            decode,
            first_cold_ms: before_ms + timings.prompt_ms,
            first_ms: timings.prompt_ms,
            resident: self.worker.pid().and_then(probe::resident),
            at_s: self.begun.elapsed().as_secs_f64(),
        }
    }
}

/// Returns so many words of a text that says nothing.
fn words(count: u64) -> String {
    const WORDS: [&str; 16] = [
        "the", "mill", "by", "river", "grinds", "rye", "and", "oats", "while", "a", "heron",
        "waits", "under", "old", "willow", "today",
    ];
    let word = |at: u64| WORDS[usize::try_from(at * at % 16 + at % 7).unwrap_or(0) % 16];
    (1..=count).map(word).collect::<Vec<_>>().join(" ")
}

fn per_second(count: u64, ms: f64) -> f64 {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if ms > 0.0 { count * 1e3 / ms } else { 0.0 }
}

/// Looks whether the user wants an end.
struct Eyes<'i>(&'i Interrupt);

impl Watch for Eyes<'_> {
    fn see(&mut self, _: &Event) {}

    fn stop(&mut self) -> Option<Stop> {
        self.0.is_set().then_some(Stop::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::{SAMPLE, words};

    #[test]
    fn a_sample_has_every_word_as_often_as_a_long_text() {
        let (one, ten) = (words(SAMPLE), words(10 * SAMPLE));
        assert_eq!(ten, [one.as_str(); 10].join(" "));
    }
}

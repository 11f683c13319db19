//! The model worker: our own program in a process of its own, with one model in it.
//!
//! Whatever happens to that process is an event here: it is started again, or the run ends with its evidence.

mod again;
mod settle;

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use chargehand_core::event::Event;
use chargehand_core::memory::guard::Alarm;
use chargehand_core::memory::taken::{Taken, at_least, residuals};
use chargehand_core::memory::{Footprint, Plan, Refusal};
use chargehand_core::ports::{Answer, Model, ModelError, Reply, Request, Usage, Watch};
use chargehand_core::tool::{Envelope, ToolSpec};
use chargehand_core::transcript::Message;
use chargehand_engine::client::ClientError;
use chargehand_engine::probe::Rung;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Ending, Timings};
use chargehand_engine::wire::{self, Ask, Failure, Loaded};
use thiserror::Error;

use super::child::GRACE;
use super::conversation::conversation;
use super::ledger::{LedgerError, Reservation};
use super::live::{Live, climb, tokens};
use super::speech::Speech;

pub use self::settle::settle_in;
pub use super::live::Terms;
pub use super::pulse::PATIENCE;

/// The hidden subcommand that serves a model.
pub const SUBCOMMAND: &str = "worker";
/// So often a worker is started again in one run.
const MAX_RESTARTS: u32 = 3;

/// Why there is no worker.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// The process could not be started.
    #[error("cannot start a worker: {0}")]
    Start(#[from] io::Error),
    /// It died on every rung of the ladder.
    #[error("the worker died while it loaded the model: {0}")]
    Died(String),
    /// It lives and says that the model cannot be loaded.
    #[error("the worker cannot load the model: {0}")]
    Failed(String),
    /// The file of the model is none that can be loaded.
    #[error("the worker cannot load the model: {0}")]
    File(String),
    /// The file of the model is another one than was planned.
    #[error("{0}")]
    Replaced(String),
    /// What it had before its process ended is taken by now.
    #[error("the model does not fit any more: {0}")]
    NoRoom(Refusal),
    /// Nobody can say whether it still fits.
    #[error(transparent)]
    Ledger(LedgerError),
    /// It ended while it was asked something.
    #[error("the worker ended: {0}")]
    Gone(String),
    /// It lives, and does not answer this.
    #[error(transparent)]
    Refused(Failure),
    /// Memory ran short while it loaded.
    #[error("the model was not loaded to its end: {0}")]
    Short(Alarm),
    /// Somebody said stop before it was ready.
    #[error("the worker was stopped while it loaded the model")]
    Stopped,
}

impl From<LedgerError> for WorkerError {
    fn from(err: LedgerError) -> Self {
        match err {
            LedgerError::Refused(refusal) => Self::NoRoom(refusal),
            LedgerError::Io { .. }
            | LedgerError::Unreadable { .. }
            | LedgerError::Shut(_)
            | LedgerError::Gone(_) => Self::Ledger(err),
        }
    }
}

/// A model in a worker process.
#[derive(Debug)]
pub struct ModelWorker {
    plan: Plan,
    sampling: Sampling,
    terms: Terms,
    live: Option<Live>,
    restarts: u32,
    loaded: Loaded,
    prompt_tokens: Option<u64>,
    /// What its process took when the model was there.
    taken: Option<Taken>,
    /// What people are to be told with the next answer.
    warning: Option<String>,
    speech: Speech,
    preface: String,
    /// Dropped behind the process that has the memory.
    held: Option<Arc<Reservation>>,
}

impl ModelWorker {
    /// Starts a worker with the first model of `plan`, on the first rung of the ladder that it survives. `stop` is asked
    /// while it loads.
    ///
    /// The worker ends with the thread that calls this.
    ///
    /// # Errors
    ///
    /// [`WorkerError`].
    pub fn start(
        plan: &Plan,
        sampling: Sampling,
        terms: Terms,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, WorkerError> {
        let mut hear = |_: Option<&wire::Event>| flow(stop());
        let before = terms.gauge.budget().devices();
        let (live, loaded) = climb(plan, Rung::Planned, &terms, &mut hear)?;
        let taken = live.taken().map(|taken| {
            let devices = Taken::of_devices(&before, &terms.gauge.budget().devices());
            Taken { devices, ..taken }
        });
        let warnings: Vec<String> = taken
            .iter()
            .flat_map(|taken| residuals(&plan.footprints()[0], taken))
            .map(|residual| residual.to_string())
            .collect();
        Ok(Self {
            plan: plan.clone(),
            sampling,
            terms,
            live: Some(live),
            restarts: 0,
            loaded,
            prompt_tokens: None,
            taken,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
            speech: Speech::default(),
            preface: String::new(),
            held: None,
        })
    }

    /// Returns what its process took of ordinary memory when the model was there, where the system says it.
    #[must_use]
    pub fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// Returns what it takes: what was planned, or what it took where that was more.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let planned = self.plan.footprints()[0].clone();
        match &self.taken {
            Some(taken) => at_least(planned, taken).0,
            None => planned,
        }
    }

    /// Keeps what was reserved for it until its process has ended.
    #[must_use]
    pub fn keeping(self, held: Arc<Reservation>) -> Self {
        Self { held: Some(held), ..self }
    }

    /// Returns the tokens of the system prompt and the tools; they are counted with the first turn.
    #[must_use]
    pub fn prompt_tokens(&self) -> Option<u64> {
        self.prompt_tokens
    }

    /// Begins another job, with its own seed and its own count of restarts.
    pub fn begin(&mut self, seed: u32) {
        (self.sampling.seed, self.restarts) = (seed, 0);
    }

    /// Lets it write so from now on, and puts `preface` before the first word of the user: an examination finds out
    /// what that does to a model.
    pub fn hamper(&mut self, speech: Speech, preface: String) {
        (self.speech, self.preface) = (speech, preface);
    }

    /// Returns the tokens of a conversation.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Gone`].
    pub fn tokens_of(
        &mut self,
        messages: &[Message],
        tools: &[ToolSpec],
    ) -> Result<u64, WorkerError> {
        let mut live = self.live.take().ok_or_else(|| WorkerError::Gone("before".to_owned()))?;
        let chat = conversation(&self.loaded.model, &self.preface, messages, tools);
        let counted = live.attend(GRACE, |talk, _| talk.render(chat), &mut |_| flow(false));
        let tokens = counted.map_err(|err| WorkerError::Gone(err.to_string()))?.tokens;
        self.live = Some(live);
        Ok(tokens)
    }

    /// Returns the tokens that its context holds.
    #[must_use]
    pub fn n_ctx(&self) -> u64 {
        self.loaded.n_ctx
    }

    /// Returns the number of its process, while it lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.live.as_ref().map(Live::pid)
    }

    /// Asks for one answer, whatever it is about. A process that dies is not asked again.
    ///
    /// # Errors
    ///
    /// [`WorkerError`].
    pub fn answer(
        &mut self,
        ask: &Ask,
        watch: &mut dyn Watch,
    ) -> Result<wire::Answer, WorkerError> {
        self.ask(ask, watch).map_err(|lost| match lost {
            AskError::Gone(how) => WorkerError::Gone(how),
            AskError::Failed(failure) => WorkerError::Refused(failure),
            AskError::Start(err) => err,
        })
    }

    /// Asks once. The process that gives no answer is gone afterwards.
    fn ask(&mut self, ask: &Ask, watch: &mut dyn Watch) -> Result<wire::Answer, AskError> {
        if let Some(reason) = self.warning.take() {
            watch.see(&Event::MemoryWarned { reason });
        }
        let mut live = match self.live.take() {
            Some(live) => match live.ended_for() {
                None => live,
                Some(alarm) => {
                    let reason = format!("{alarm}; the model was idle and made room");
                    watch.see(&Event::MemoryWarned { reason });
                    self.start_again(watch).map_err(AskError::Start)?
                }
            },
            None => self.start_again(watch).map_err(AskError::Start)?,
        };
        let is_counted = self.prompt_tokens.is_some();
        let answer = live.attend(
            GRACE,
            |talk, tell| {
                let fixed =
                    if is_counted { None } else { Some(talk.render(ask.chat.clone())?.fixed) };
                Ok((fixed, talk.generate(ask.clone(), tell)?))
            },
            &mut |event| {
                if let Some(tokens) = event.and_then(tokens) {
                    watch.see(&tokens);
                }
                flow(watch.stop().is_some())
            },
        );
        self.warning = live.alarm().map(|alarm| alarm.to_string());
        match answer {
            Ok((fixed, answer)) => {
                if let Some(reason) = answer.warning.clone() {
                    watch.see(&Event::MemoryWarned { reason });
                }
                self.live = Some(live);
                self.prompt_tokens = self.prompt_tokens.or(fixed);
                Ok(answer)
            }
            Err(ClientError::Failed(failure)) => {
                self.live = Some(live);
                Err(AskError::Failed(failure))
            }
            Err(ClientError::Ended(_)) => Err(AskError::Gone(live.end())),
            Err(ClientError::Protocol(what)) => {
                Err(AskError::Gone(format!("{what}; {}", live.end())))
            }
        }
    }

    /// Reads an answer as a call. One that broke off is never read as a call.
    fn read(
        &self,
        answer: &wire::Answer,
        envelope: &Envelope,
        request: &Request<'_>,
    ) -> Result<Answer, ModelError> {
        let (tools, max_tokens) = (&request.menu.specs, request.max_tokens);
        let malformed =
            |reason: String| Ok(Answer::Malformed { text: answer.text.clone(), reason });
        match answer.ending {
            Ending::Complete => match envelope.parse(&answer.text, tools) {
                Ok(call) => Ok(Answer::Call(call)),
                Err(err) => malformed(err.to_string()),
            },
            Ending::Limit => malformed(format!(
                "the call was cut off after {max_tokens} tokens and not run; write a shorter one"
            )),
            Ending::ContextFull => Err(ModelError::Full(self.loaded.n_ctx)),
            Ending::Cancelled => Err(ModelError::Interrupted),
        }
    }
}

fn flow(stop: bool) -> ControlFlow<()> {
    if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Why a question was not answered.
enum AskError {
    /// The process is gone, and how.
    Gone(String),
    /// It lives and says no.
    Failed(Failure),
    /// It could not be started again.
    Start(WorkerError),
}

impl Model for ModelWorker {
    fn next_call(
        &mut self,
        request: &Request<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Reply, ModelError> {
        let envelope = self.loaded.model.envelope.clone();
        let (grammar, bindings) = self.speech.grammar(request.menu, &envelope);
        if let Some(grammar) = &grammar {
            watch.hold(grammar, &bindings);
        }
        let ask = Ask {
            chat: conversation(
                &self.loaded.model,
                &self.preface,
                request.messages,
                &request.menu.specs,
            ),
            grammar,
            bindings,
            sampling: self.sampling,
            max_tokens: request.max_tokens,
        };
        loop {
            let lost = match self.ask(&ask, watch) {
                Ok(answer) => {
                    let usage = usage(&answer.timings);
                    let reasoning = answer.reasoning.clone();
                    let answer = self.read(&answer, &envelope, request)?;
                    return Ok(Reply { reasoning, answer, usage });
                }
                Err(lost) => lost,
            };
            if watch.stop().is_some() {
                return Err(ModelError::Interrupted);
            }
            match lost {
                AskError::Failed(Failure::PromptTooLong { n_ctx, .. }) => {
                    return Err(ModelError::Full(n_ctx));
                }
                AskError::Failed(failure) => return Err(ModelError::Failed(failure.to_string())),
                AskError::Start(err) => return Err(ModelError::Ended(err.to_string())),
                AskError::Gone(how) if self.restarts < MAX_RESTARTS => {
                    self.restarts += 1;
                    watch.see(&Event::WorkerRestarted { reason: how });
                }
                AskError::Gone(how) => {
                    return Err(ModelError::Ended(format!(
                        "{how}; it was started again {MAX_RESTARTS} times"
                    )));
                }
            }
        }
    }
}

fn usage(timings: &Timings) -> Usage {
    Usage {
        prompt_n: timings.prompt_n,
        cache_n: timings.cache_n,
        prompt_ms: timings.prompt_ms,
        predicted_n: timings.predicted_n,
        predicted_ms: timings.predicted_ms,
    }
}

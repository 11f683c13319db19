//! The model worker: our own program in a process of its own, with one model in it.
//!
//! Whatever happens to that process is an event here: it is started again, or the run ends with its evidence.

use std::io;
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chargehand_core::event::Event;
use chargehand_core::memory::Plan;
use chargehand_core::ports::{Answer, Model, ModelError, Reply, Request, Usage, Watch};
use chargehand_core::tool::ToolSpec;
use chargehand_core::transcript::Message;
use chargehand_engine::client::{Client, ClientError};
use chargehand_engine::probe::Rung;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Ending, Timings};
use chargehand_engine::wire::{self, Ask, Chat, Failure, Loaded};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use thiserror::Error;

use super::process::{self, LastWords};
use super::pulse::{Heard, PATIENCE, Pulse, guard};

/// The hidden subcommand that serves a model.
pub const SUBCOMMAND: &str = "worker";
/// So often a worker is started again in one run.
const MAX_RESTARTS: u32 = 3;
/// A worker that is told to end has so long.
const GRACE: Duration = Duration::from_secs(2);

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
}

/// A model in a worker process.
#[derive(Debug)]
pub struct ModelWorker {
    plan: Plan,
    sampling: Sampling,
    live: Option<Live>,
    restarts: u32,
    loaded: Loaded,
    prompt_tokens: Option<u64>,
}

impl ModelWorker {
    /// Starts a worker with the first model of `plan`, on the first rung of the ladder that it survives.
    ///
    /// # Errors
    ///
    /// [`WorkerError`].
    pub fn start(plan: &Plan, sampling: Sampling) -> Result<Self, WorkerError> {
        let (live, loaded) = climb(plan, Rung::Planned)?;
        let plan = plan.clone();
        Ok(Self { plan, sampling, live: Some(live), restarts: 0, loaded, prompt_tokens: None })
    }

    /// Returns what was loaded, and how.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Returns the process, while there is one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.live.as_ref().map(Live::id)
    }

    /// Returns the tokens of the system prompt and the tools; they are counted with the first turn.
    #[must_use]
    pub fn prompt_tokens(&self) -> Option<u64> {
        self.prompt_tokens
    }

    fn chat(&self, request: &Request<'_>) -> Chat {
        let mut messages = request.messages.to_vec();
        if !self.loaded.model.lists_tools
            && let Some(Message::System(text)) = messages.first_mut()
        {
            text.push_str(&describe(&request.menu.specs));
        }
        Chat { messages, tools: request.menu.specs.clone() }
    }

    /// Asks once. The process that gives no answer is gone afterwards.
    fn ask(&mut self, ask: &Ask, watch: &mut dyn Watch) -> Result<wire::Answer, AskError> {
        let mut live = match self.live.take() {
            Some(live) => live,
            None => {
                let (live, loaded) =
                    climb(&self.plan, self.loaded.rung).map_err(AskError::Start)?;
                self.loaded = loaded;
                live
            }
        };
        if self.prompt_tokens.is_none() {
            match live.client.render(ask.chat.clone()) {
                Ok(rendered) => self.prompt_tokens = Some(rendered.fixed),
                Err(err) => return Err(live.lost(err, &mut self.live)),
            }
        }
        let answer = live.client.generate(ask.clone(), |event| {
            if let wire::Event::Tokens { text, count, .. } = event {
                watch.see(&Event::Tokens { text: text.clone(), count: *count });
            }
            if watch.stop().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match answer {
            Ok(answer) => {
                live.rest();
                self.live = Some(live);
                Ok(answer)
            }
            Err(err) => Err(live.lost(err, &mut self.live)),
        }
    }
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
        let ask = Ask {
            chat: self.chat(request),
            grammar: Some(request.menu.grammar(&envelope)),
            sampling: self.sampling,
            max_tokens: request.max_tokens,
        };
        loop {
            match self.ask(&ask, watch) {
                Ok(answer) => {
                    let usage = usage(&answer.timings);
                    return Ok(Reply {
                        answer: read(&answer, &envelope, request.max_tokens)?,
                        usage,
                    });
                }
                Err(AskError::Failed(failure)) => {
                    return Err(ModelError::Failed(failure.to_string()));
                }
                Err(AskError::Start(err)) => return Err(ModelError::Ended(err.to_string())),
                Err(AskError::Gone(how)) if self.restarts < MAX_RESTARTS => {
                    self.restarts += 1;
                    watch.see(&Event::WorkerRestarted { reason: how });
                }
                Err(AskError::Gone(how)) => {
                    return Err(ModelError::Ended(format!(
                        "{how}; it was started again {MAX_RESTARTS} times"
                    )));
                }
            }
            if watch.stop().is_some() {
                return Err(ModelError::Interrupted);
            }
        }
    }
}

/// Reads an answer as a call. One that broke off is never read as a call.
fn read(
    answer: &wire::Answer,
    envelope: &chargehand_core::tool::Envelope,
    max_tokens: u32,
) -> Result<Answer, ModelError> {
    let malformed = |reason: String| Ok(Answer::Malformed { text: answer.text.clone(), reason });
    match answer.ending {
        Ending::Complete => match envelope.parse(&answer.text) {
            Ok(call) => Ok(Answer::Call(call)),
            Err(err) => malformed(err.to_string()),
        },
        Ending::Limit => malformed(format!(
            "the call was cut off after {max_tokens} tokens and not run; write a shorter one"
        )),
        Ending::ContextFull => Err(ModelError::Failed(
            "the context is full; give the model a longer one with --ctx".to_owned(),
        )),
        Ending::Cancelled => Err(ModelError::Interrupted),
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

/// Describes the tools to a model whose template does not.
fn describe(tools: &[ToolSpec]) -> String {
    let line = |tool: &ToolSpec| {
        format!("\n{}: {} Arguments: {}", tool.name, tool.description, tool.parameters)
    };
    let lines: String = tools.iter().map(line).collect();
    format!(
        "\n\nAnswer with one call and nothing else, as {{\"tool\":NAME,\"args\":ARGUMENTS}}. The tools:{lines}"
    )
}

/// Starts a worker on `rung`, or on the next one that it survives.
fn climb(plan: &Plan, mut rung: Rung) -> Result<(Live, Loaded), WorkerError> {
    loop {
        let mut live = Live::start()?;
        match live.client.load(plan, 0, rung) {
            Ok(loaded) => {
                live.rest();
                return Ok((live, loaded));
            }
            Err(ClientError::Failed(failure)) => {
                return Err(WorkerError::Failed(failure.to_string()));
            }
            Err(ClientError::Protocol(what)) => return Err(WorkerError::Failed(what)),
            Err(ClientError::Ended(stage)) => {
                let how = live.end();
                match rung.next().filter(|_| stage.is_tried_again()) {
                    Some(next) => rung = next,
                    None => return Err(WorkerError::Died(how)),
                }
            }
        }
    }
}

/// A process that lives.
#[derive(Debug)]
struct Live {
    client: Client<Heard<ChildStdout>, ChildStdin>,
    child: Arc<Mutex<Child>>,
    words: Option<LastWords>,
    pulse: Arc<Pulse>,
}

impl Live {
    fn start() -> io::Result<Self> {
        let mut child = process::ourselves(SUBCOMMAND)?.spawn()?;
        let words = LastWords::of(&mut child);
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("BUG: the worker was started without pipes"));
        };
        let child = Arc::new(Mutex::new(child));
        let pulse = Arc::new(Pulse::new());
        guard(Arc::clone(&child), Arc::clone(&pulse));
        let client = Client::new(Heard { inner: stdout, pulse: Arc::clone(&pulse) }, stdin);
        Ok(Self { client, child, words: Some(words), pulse })
    }

    fn id(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Notes that nothing is asked of it, so that silence means nothing.
    fn rest(&self) {
        self.pulse.awaited.store(false, Ordering::Release);
    }

    /// Decides what becomes of a process that gave no answer.
    fn lost(self, err: ClientError, keep: &mut Option<Self>) -> AskError {
        match err {
            ClientError::Failed(failure) => {
                self.rest();
                *keep = Some(self);
                AskError::Failed(failure)
            }
            ClientError::Ended(_) => AskError::Gone(self.end()),
            ClientError::Protocol(what) => AskError::Gone(format!("{what}; {}", self.end())),
        }
    }

    /// Ends what is left of it and says how it ended.
    fn end(mut self) -> String {
        let hung = self.pulse.hung.load(Ordering::Acquire);
        let how = match reap(&self.child) {
            _ if hung => format!("it said nothing for {} s and was killed", PATIENCE.as_secs()),
            Ok(status) => process::how(status),
            Err(err) => err.to_string(),
        };
        match self.words.take().map(LastWords::text).filter(|words| !words.is_empty()) {
            Some(words) => format!("{how}: {words}"),
            None => how,
        }
    }
}

impl Drop for Live {
    /// The model is unloaded by the end of its process.
    fn drop(&mut self) {
        self.pulse.awaited.store(false, Ordering::Release);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Killed, not asked: it holds nothing but its model.
        if child.try_wait().is_ok_and(|status| status.is_none()) {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// Waits a moment for a process whose pipe is closed, then kills it.
fn reap(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() > GRACE {
            child.kill()?;
            return child.wait();
        }
        drop(child);
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a worker process does to itself at its start: it ends with its parent, and it is the first to go when
/// memory runs out.
///
/// # Errors
///
/// When the kernel does not let it end with its parent.
pub fn settle_in() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Not every kernel lets us.
    std::fs::write("/proc/self/oom_score_adj", "800").unwrap_or_default();
    Ok(())
}

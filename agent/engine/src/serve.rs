//! The main loop of a worker process. One thread reads, so that a cancellation and the death of the parent are
//! noticed while a model works; the other one thinks.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use chargehand_core::memory::LoadOptions;
use chargehand_core::transcript::Message;
use thiserror::Error;

use crate::engine::{Backend, Engine, EngineError};
use crate::gguf::{Fault, GgufError};
use crate::probe::{self, Rung, Stage};
use crate::reply::{self, Reply, ReplyError};
use crate::sampler::to_llama;
use crate::session::{Observer, Outcome, Parked, Progress, Session, SessionError, Wish};
use crate::template::{Segment, TemplateError};
use crate::wire::{
    Answer, Ask, Chat, Event, Failure, Loaded, Rendered, Request, WireError, read_message,
    write_message,
};

/// Why a worker ended other than by the end of its input.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The parent does not listen any more.
    #[error("the parent does not listen any more: {0}")]
    Deaf(#[from] io::Error),
    /// The model could not be loaded; the parent was told.
    #[error("there is no model: {0}")]
    NoModel(Failure),
}

/// Serves requests from `reader` until it ends. The model is gone when this returns.
///
/// # Errors
///
/// [`ServeError`], when the parent does not listen or no model could be loaded.
pub fn serve<R, W>(backend: &Backend, reader: R, writer: W) -> Result<(), ServeError>
where
    R: BufRead + Send + 'static,
    W: Write,
{
    let line = Arc::new(Line::default());
    let (sender, inbox) = channel();
    let ears = Arc::clone(&line);
    // Not joined: it may wait for a line for ever, and ends with the process.
    thread::spawn(move || listen(reader, &ears, &sender));
    let mut worker = Worker { backend, inbox, line, writer };
    worker.say(&Event::Stage { stage: Stage::Started })?;
    worker.run()
}

/// What the listening thread tells the thinking one outside the queue.
#[derive(Debug, Default)]
struct Line {
    /// The number of the request that was cancelled last.
    cancelled: AtomicU64,
    closed: AtomicBool,
}

fn listen(mut reader: impl BufRead, line: &Line, sender: &Sender<Result<Request, WireError>>) {
    loop {
        match read_message(&mut reader) {
            Ok(Some(Request::Cancel { id })) => line.cancelled.store(id, Ordering::Relaxed),
            Ok(Some(request)) => {
                if sender.send(Ok(request)).is_err() {
                    return;
                }
            }
            Ok(None) | Err(WireError::Io(_) | WireError::TooLong) => {
                line.closed.store(true, Ordering::Relaxed);
                return;
            }
            Err(error @ WireError::Garbled { .. }) => {
                if sender.send(Err(error)).is_err() {
                    return;
                }
            }
        }
    }
}

struct Worker<'b, W> {
    backend: &'b Backend,
    inbox: Receiver<Result<Request, WireError>>,
    line: Arc<Line>,
    writer: W,
}

impl<W: Write> Worker<'_, W> {
    fn run(&mut self) -> Result<(), ServeError> {
        let Some((options, rung)) = self.wait_for_load()? else { return Ok(()) };
        let begun = Instant::now();
        self.say(&Event::Stage { stage: Stage::Load })?;
        let engine = match Engine::load(self.backend, rung.apply(&options)) {
            Ok(engine) => engine,
            Err(error) => return self.no_model(load_failure(&error)),
        };
        self.say(&Event::Stage { stage: Stage::Context })?;
        let mut session = match Session::new(&engine) {
            Ok(session) => session,
            Err(error) => return self.no_model(load_failure(&error)),
        };
        self.say(&Event::Stage { stage: Stage::Canary })?;
        if let Err(error) = probe::canary(&mut session, to_llama(engine.vocab.heads[0])) {
            return self.no_model(Failure::Load { reason: error.to_string() });
        }
        self.say(&Event::Stage { stage: Stage::Ready })?;
        let load_ms = begun.elapsed().as_secs_f64() * 1e3;
        let (model, n_ctx) = (engine.facts(), count(session.n_ctx()));
        self.say(&Event::Loaded(Loaded { model, n_ctx, rung, load_ms }))?;
        self.answer_all(&engine, &mut session)
    }

    fn wait_for_load(&mut self) -> Result<Option<(LoadOptions, Rung)>, ServeError> {
        while let Ok(message) = self.inbox.recv() {
            match message {
                Ok(Request::Load { options, rung }) => return Ok(Some((options, rung))),
                Ok(
                    Request::Render { id, .. }
                    | Request::Generate { id, .. }
                    | Request::Park { id, .. }
                    | Request::Restore { id, .. },
                ) => {
                    self.refuse(id, "no model is loaded yet")?;
                }
                Ok(Request::Cancel { .. }) => {}
                Err(error) => self.refuse(0, &error.to_string())?,
            }
        }
        Ok(None)
    }

    fn answer_all(
        &mut self,
        engine: &Engine<'_>,
        session: &mut Session<'_>,
    ) -> Result<(), ServeError> {
        while let Ok(message) = self.inbox.recv() {
            match message {
                Ok(Request::Render { id, chat }) => {
                    let event = match render(engine, session, &chat) {
                        Ok(rendered) => Event::Rendered { id, rendered },
                        Err(failure) => Event::Failed { id, failure },
                    };
                    self.say(&event)?;
                }
                Ok(Request::Generate { id, ask }) => self.generate(engine, session, id, &ask)?,
                Ok(Request::Park { id, file }) => self.parked(id, session.park(&file))?,
                Ok(Request::Restore { id, file, parked }) => {
                    self.parked(id, session.restore(&file, parked))?;
                }
                Ok(Request::Load { .. }) => {
                    self.refuse(0, "a worker loads one model in its life")?;
                }
                Ok(Request::Cancel { .. }) => {}
                Err(error) => self.refuse(0, &error.to_string())?,
            }
            if self.line.closed.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn generate(
        &mut self,
        engine: &Engine<'_>,
        session: &mut Session<'_>,
        id: u64,
        ask: &Ask,
    ) -> Result<(), ServeError> {
        let mut teller = Teller { id, line: &self.line, writer: &mut self.writer, deaf: None };
        let answer = answer(engine, session, ask, &mut teller);
        if let Some(error) = teller.deaf {
            return Err(error.into());
        }
        self.say(&match answer {
            Ok(answer) => Event::Done { id, answer },
            Err(failure) => Event::Failed { id, failure },
        })
    }

    fn parked(&mut self, id: u64, done: Result<Parked, SessionError>) -> Result<(), ServeError> {
        self.say(&match done {
            Ok(parked) => Event::Parked { id, parked },
            Err(error) => Event::Failed { id, failure: session_failure(error) },
        })
    }

    fn say(&mut self, event: &Event) -> Result<(), ServeError> {
        Ok(write_message(&mut self.writer, event)?)
    }

    fn refuse(&mut self, id: u64, reason: &str) -> Result<(), ServeError> {
        let failure = Failure::Request { reason: reason.to_owned() };
        self.say(&Event::Failed { id, failure })
    }

    fn no_model(&mut self, failure: Failure) -> Result<(), ServeError> {
        self.say(&Event::Failed { id: 0, failure: failure.clone() })?;
        Err(ServeError::NoModel(failure))
    }
}

/// Passes news on to the parent and looks whether it still wants them.
struct Teller<'t, W> {
    id: u64,
    line: &'t Line,
    writer: &'t mut W,
    deaf: Option<io::Error>,
}

impl<W: Write> Observer for Teller<'_, W> {
    fn see(&mut self, progress: Progress) {
        let id = self.id;
        let event = match progress {
            Progress::Prompt { done, total } => {
                Event::Prompt { id, done: count(done), total: count(total) }
            }
            Progress::Reasoning { text, count } => Event::Reasoning { id, text, count },
            Progress::Text { text, count } => Event::Tokens { id, text, count },
        };
        if self.deaf.is_none() {
            self.deaf = write_message(self.writer, &event).err();
        }
    }

    fn wants_stop(&self) -> bool {
        self.deaf.is_some()
            || self.line.closed.load(Ordering::Relaxed)
            || self.line.cancelled.load(Ordering::Relaxed) == self.id
    }
}

fn answer(
    engine: &Engine<'_>,
    session: &mut Session<'_>,
    ask: &Ask,
    observer: &mut dyn Observer,
) -> Result<Answer, Failure> {
    let (grammar, max_tokens) = (ask.grammar.as_deref(), ask.max_tokens);
    let bindings = &ask.bindings;
    let wish = Wish { grammar, bindings, sampling: ask.sampling, max_tokens };
    let Chat { messages, tools } = &ask.chat;
    let reply = reply::reply(engine, session, (messages, tools), &wish, observer);
    let Reply { reasoning, outcome } = reply.map_err(|error| match error {
        ReplyError::Template(error) => Failure::Template { reason: error.to_string() },
        ReplyError::Session(error) => session_failure(error),
    })?;
    let Outcome { text, ending, timings, warning } = outcome;
    Ok(Answer { reasoning, text, ending, timings, warning })
}

/// Counts a prompt. What two conversations have in common that differ in their first word is the fixed part.
fn render(
    engine: &Engine<'_>,
    session: &mut Session<'_>,
    chat: &Chat,
) -> Result<Rendered, Failure> {
    let system = chat.messages.iter().filter(|message| matches!(message, Message::System(_)));
    let system: Vec<Message> = system.cloned().collect();
    let mut begun_with = |word: &str| {
        let mut messages = system.clone();
        messages.push(Message::User(word.to_owned()));
        let chat = Chat { messages, tools: chat.tools.clone() };
        prompt(engine, &chat).map(|prompt| session.tokenize(&prompt))
    };
    let (one, other) = (begun_with("1")?, begun_with("2")?);
    let fixed = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let tokens = session.tokenize(&prompt(engine, chat)?).len();
    let envelope = engine.template().envelope().clone();
    Ok(Rendered { tokens: count(tokens), fixed: count(fixed), envelope })
}

fn prompt(engine: &Engine<'_>, chat: &Chat) -> Result<Vec<Segment>, Failure> {
    let refused = |error: TemplateError| Failure::Template { reason: error.to_string() };
    engine.template().render(&chat.messages, &chat.tools).map_err(refused)
}

fn load_failure(error: &EngineError) -> Failure {
    let reason = error.to_string();
    match error {
        EngineError::Replaced(_) => Failure::Replaced { reason },
        // The system did not let it be read, which says nothing about the file.
        EngineError::File(
            GgufError::Unreadable { .. } | GgufError::Bad { fault: Fault::Io(_), .. },
        ) => Failure::Load { reason },
        EngineError::File(_)
        | EngineError::Load { .. }
        | EngineError::NoVocabulary(_)
        | EngineError::Vocabulary(_)
        | EngineError::Template(_) => Failure::File { reason },
        EngineError::SecondBackend
        | EngineError::KvType(_)
        | EngineError::NotLoaded { .. }
        | EngineError::Context { .. }
        | EngineError::NoMtp { .. }
        | EngineError::OtherTokens(_) => Failure::Load { reason },
    }
}

fn session_failure(error: SessionError) -> Failure {
    let reason = error.to_string();
    match error {
        SessionError::PromptTooLong { prompt, n_ctx } => {
            Failure::PromptTooLong { prompt: count(prompt), n_ctx: count(n_ctx) }
        }
        SessionError::Constraint(_) => Failure::Grammar { reason },
        SessionError::Parking(_) => Failure::Parking { reason },
        SessionError::EmptyPrompt | SessionError::Logits(_) | SessionError::Decode { .. } => {
            Failure::Evaluation { reason }
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[track_caller]
    fn check(error: &EngineError, is_of_the_file: bool) {
        let failure = load_failure(error);
        assert_eq!(matches!(failure, Failure::File { .. }), is_of_the_file, "{failure:?}");
    }

    #[test]
    fn only_what_is_wrong_with_a_file_is_said_of_it() {
        let path = || PathBuf::from("m.gguf");
        let reason = || "no room".to_owned();
        let bad = |fault| EngineError::File(GgufError::Bad { path: path(), fault });
        let source = || io::Error::other("disk");
        check(&EngineError::Load { path: path(), reason: reason() }, true);
        check(&EngineError::NotLoaded { path: path(), reason: reason() }, false);
        check(&bad(Fault::Empty), true);
        check(&bad(Fault::Io(source())), false);
        check(&EngineError::File(GgufError::Unreadable { path: path(), source: source() }), false);
        check(&EngineError::File(GgufError::Missing(path())), true);
    }
}

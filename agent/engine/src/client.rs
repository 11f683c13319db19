//! The parent's end of the wire: asks a worker and waits for its answer. It starts no process.

use std::io::{BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use chargehand_core::memory::Plan;
use thiserror::Error;

use crate::probe::{Rung, Stage};
use crate::session::Parked;
use crate::wire::{
    Answer, Ask, Chat, Event, Failure, Loaded, Rendered, Request, WireError, read_message,
    write_message,
};

/// Why a worker gave no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The process is gone. Whoever started it knows how it ended.
    #[error("the worker process ended in stage {0:?}")]
    Ended(Stage),
    /// The worker lives and says that it cannot.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The worker says something that is no event, or the wrong one.
    #[error("the worker does not keep to the protocol: {0}")]
    Protocol(String),
}

/// A worker as its parent sees it.
#[derive(Debug)]
pub struct Client<R, W> {
    reader: BufReader<R>,
    writer: W,
    stage: Stage,
    last_id: u64,
}

impl<R: Read, W: Write> Client<R, W> {
    /// Returns a client for the worker that writes what `reader` reads.
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader: BufReader::new(reader), writer, stage: Stage::Started, last_id: 0 }
    }

    /// Has the worker load the model number `index` of `plan`, as `rung` changes it.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. After [`ClientError::Ended`] a new worker may be tried on the next rung, if
    /// [`Stage::is_tried_again`] says so.
    ///
    /// # Panics
    ///
    /// When the plan has no such model.
    pub fn load(&mut self, plan: &Plan, index: usize, rung: Rung) -> Result<Loaded, ClientError> {
        let options = plan.footprints()[index].options.clone();
        self.send(&Request::Load { options, rung })?;
        loop {
            match self.receive()? {
                Event::Loaded(loaded) => return Ok(loaded),
                Event::Failed { failure, .. } => return Err(failure.into()),
                other => Self::only_stage(&other)?,
            }
        }
    }

    /// Has the worker count the tokens of a prompt.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn render(&mut self, chat: Chat) -> Result<Rendered, ClientError> {
        let id = self.next_id();
        self.send(&Request::Render { id, chat })?;
        loop {
            match self.receive()? {
                Event::Rendered { id: of, rendered } if of == id => return Ok(rendered),
                Event::Failed { id: of, failure } if of == id => return Err(failure.into()),
                other => Self::only_stage(&other)?,
            }
        }
    }

    /// Has the worker generate an answer. `watch` sees every event on the way; when it breaks, the worker is
    /// told to stop and the answer so far comes back as cancelled.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn generate(
        &mut self,
        ask: Ask,
        mut watch: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Answer, ClientError> {
        let id = self.next_id();
        self.send(&Request::Generate { id, ask })?;
        let mut is_cancelled = false;
        loop {
            let event = self.receive()?;
            match event {
                Event::Done { id: of, answer } if of == id => return Ok(answer),
                Event::Failed { id: of, failure } if of == id => return Err(failure.into()),
                Event::Prompt { .. } | Event::Reasoning { .. } | Event::Tokens { .. } => {}
                other => {
                    Self::only_stage(&other)?;
                    continue;
                }
            }
            if watch(&event).is_break() && !is_cancelled {
                is_cancelled = true;
                self.send(&Request::Cancel { id })?;
            }
        }
    }

    /// Has the worker write what its model remembers to `file`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn park(&mut self, file: &Path) -> Result<Parked, ClientError> {
        let (id, file) = (self.next_id(), file.to_owned());
        self.moved(id, &Request::Park { id, file })
    }

    /// Has the worker take back what was written to `file`, which is `parked`.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. A worker that lives can be asked anything, and remembers nothing.
    pub fn restore(&mut self, file: &Path, parked: Parked) -> Result<Parked, ClientError> {
        let (id, file) = (self.next_id(), file.to_owned());
        self.moved(id, &Request::Restore { id, file, parked })
    }

    fn moved(&mut self, id: u64, request: &Request) -> Result<Parked, ClientError> {
        self.send(request)?;
        loop {
            match self.receive()? {
                Event::Parked { id: of, parked } if of == id => return Ok(parked),
                Event::Failed { id: of, failure } if of == id => return Err(failure.into()),
                other => Self::only_stage(&other)?,
            }
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        write_message(&mut self.writer, request).map_err(|_| ClientError::Ended(self.stage))
    }

    fn receive(&mut self) -> Result<Event, ClientError> {
        let event = match read_message(&mut self.reader) {
            Ok(Some(event)) => event,
            Ok(None) | Err(WireError::Io(_)) => return Err(ClientError::Ended(self.stage)),
            Err(error @ (WireError::Garbled { .. } | WireError::TooLong)) => {
                return Err(ClientError::Protocol(error.to_string()));
            }
        };
        if let Event::Stage { stage } = event {
            self.stage = stage;
        }
        Ok(event)
    }

    fn only_stage(event: &Event) -> Result<(), ClientError> {
        match event {
            Event::Stage { .. } => Ok(()),
            other => Err(ClientError::Protocol(format!("unexpected {other:?}"))),
        }
    }
}

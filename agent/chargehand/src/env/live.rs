//! One worker process: started on a rung that it survives, listened to, ended. It knows nothing of runs.

use std::io;
use std::ops::ControlFlow;
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use chargehand_core::event::{self, Part};
use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::guard::Alarm;
use chargehand_core::memory::taken::Taken;
use chargehand_core::memory::{Footprint, Plan};
use chargehand_engine::client::{Client, ClientError};
use chargehand_engine::probe::Rung;
use chargehand_engine::wire::{Event, Failure, Loaded};

use super::child::Child;
use super::parking::Parking;
use super::pressure::Gauge;
use super::probe;
use super::process;
use super::pulse::Heard;
use super::worker::{SUBCOMMAND, WorkerError};

/// How often whoever waits for a worker is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

/// The parent's end of the wire.
pub(super) type Talk = Client<Heard<ChildStdout>, ChildStdin>;
/// Whoever waits: sees what the worker says, or that it said nothing for a moment, and may say stop.
pub(super) type Hear<'a> = &'a mut dyn FnMut(Option<&Event>) -> ControlFlow<()>;

/// A process that lives.
#[derive(Debug)]
pub(super) struct Live {
    client: Talk,
    child: Child,
}

/// What a worker is held to.
#[derive(Debug)]
pub struct Terms {
    /// One that says nothing for so long while it is asked something is killed.
    pub patience: Duration,
    /// When this says that memory is short, a load is broken off, and a worker that is asked nothing ends until it is
    /// needed.
    pub gauge: Gauge,
    /// Where it may leave what it remembers; without that it cannot be parked.
    pub parking: Option<Parking>,
}

/// Starts a worker on `rung`, or on the next one that it survives.
///
/// The process ends with the thread that calls this.
pub(super) fn climb(
    plan: &Plan,
    mut rung: Rung,
    terms: &Terms,
    hear: Hear<'_>,
) -> Result<(Live, Loaded), WorkerError> {
    loop {
        let mut live = Live::start(plan, terms)?;
        // Loading cannot be cancelled, so there is nothing to wait for.
        let loaded = live.attend(Duration::ZERO, |talk, _| talk.load(plan, 0, rung), hear);
        match loaded {
            Ok(loaded) => {
                live.child.pulse().loaded();
                return Ok((live, loaded));
            }
            Err(ClientError::Failed(Failure::Replaced { reason })) => {
                return Err(WorkerError::Replaced(reason));
            }
            Err(ClientError::Failed(Failure::File { reason })) => {
                return Err(WorkerError::File(reason));
            }
            Err(ClientError::Failed(failure)) => {
                return Err(WorkerError::Failed(failure.to_string()));
            }
            Err(ClientError::Protocol(what)) => return Err(WorkerError::Failed(what)),
            Err(ClientError::Ended(_)) if hear(None).is_break() => {
                return Err(WorkerError::Stopped);
            }
            Err(ClientError::Ended(stage)) => {
                if let Some(alarm) = live.ended_for() {
                    return Err(WorkerError::Short(alarm));
                }
                let how = live.end();
                match rung.next().filter(|_| stage.is_tried_again()) {
                    Some(next) => rung = next,
                    None => return Err(WorkerError::Died(how)),
                }
            }
        }
    }
}

impl Live {
    fn start(plan: &Plan, terms: &Terms) -> io::Result<Self> {
        let files = |footprint: &Footprint| {
            let beside = footprint.options.beside.iter().filter_map(Beside::path);
            [&*footprint.options.path]
                .into_iter()
                .chain(beside)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let models = plan.footprints().iter().flat_map(files);
        let mut command = process::ourselves(SUBCOMMAND)?;
        if let Some(parking) = &terms.parking {
            command.arg("--parking").arg(parking.path());
        }
        command.arg("--").args(models);
        let gauge = Some(terms.gauge.clone());
        let (child, stdout, stdin) = Child::start(&mut command, terms.patience, gauge)?;
        Ok(Self { client: Client::new(stdout, stdin), child })
    }

    /// Returns why it was ended, if that was because memory ran short.
    pub(super) fn ended_for(&self) -> Option<Alarm> {
        self.child.pulse().ended_for()
    }

    /// Returns why memory has been short since it was last asked that.
    pub(super) fn alarm(&self) -> Option<Alarm> {
        self.child.pulse().alarm()
    }

    /// Returns what its process takes of ordinary memory, where the system says it.
    pub(super) fn taken(&self) -> Option<Taken> {
        probe::taken(self.child.id())
    }

    /// Lets `talk` talk to the worker and asks `hear` whether to go on, also while the worker says nothing: one
    /// that hangs would otherwise keep Ctrl-C and the time limit waiting. When `hear` breaks, the worker is told
    /// so, and killed after `grace`.
    pub(super) fn attend<T: Send>(
        &mut self,
        grace: Duration,
        talk: impl FnOnce(&mut Talk, &mut Tell<'_>) -> Result<T, ClientError> + Send,
        hear: Hear<'_>,
    ) -> Result<T, ClientError> {
        let (sender, heard) = channel();
        let is_stopped = AtomicBool::new(false);
        let (client, child, is_stopped) = (&mut self.client, &self.child, &is_stopped);
        // Only the talking is done there: a process ends with the thread that has started it.
        let said = child.while_asked(|| {
            thread::scope(|scope| {
                let talking = scope.spawn(move || {
                    talk(client, &mut |event| {
                        let is_heard = sender.send(event.clone()).is_ok();
                        let goes_on = is_heard && !is_stopped.load(Ordering::Acquire);
                        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    })
                });
                let mut stopped_at = None;
                loop {
                    let event = match heard.recv_timeout(TICK) {
                        Ok(event) => Some(event),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => break,
                    };
                    if hear(event.as_ref()).is_break() {
                        is_stopped.store(true, Ordering::Release);
                        if stopped_at.get_or_insert_with(Instant::now).elapsed() >= grace {
                            child.kill();
                        }
                    }
                }
                talking.join()
            })
        });
        said.unwrap_or_else(|_| Err(ClientError::Protocol("BUG: the talking panicked".to_owned())))
    }

    /// Returns the number of its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends what is left of it and says how it ended.
    pub(super) fn end(self) -> String {
        self.child.end()
    }
}

/// Hears what a worker says while it answers.
type Tell<'a> = dyn FnMut(&Event) -> ControlFlow<()> + 'a;

/// Returns what there is to tell of tokens that arrived.
pub(super) fn tokens(event: &Event) -> Option<event::Event> {
    let (part, text, count) = match event {
        Event::Tokens { text, count, .. } => (Part::Call, text, count),
        Event::Reasoning { text, count, .. } => (Part::Reasoning, text, count),
        Event::Stage { .. }
        | Event::Loaded(_)
        | Event::Rendered { .. }
        | Event::Prompt { .. }
        | Event::Parked { .. }
        | Event::Done { .. }
        | Event::Failed { .. } => return None,
    };
    Some(event::Event::Tokens { part, text: text.clone(), count: *count })
}

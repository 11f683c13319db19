//! Whoever works on a run: a worker, and where the user wants it another one who reviews. Two models that do not fit into
//! memory side by side take turns: one is parked on the disk while the other works.

use std::mem;
use std::path::Path;
use std::time::Instant;

use chargehand_core::event::Event;
use chargehand_core::ports::{Model, ModelError, Watch};
use chargehand_core::roles::{Carried, Handover, Role};
use chargehand_core::runner::Crew;

use super::held::Asking;
use super::out;
use super::worker::{Ready, Started, WorkerSpec};
use crate::error::{Error, Kind};

/// Somebody who reviews and does not work.
pub(super) struct Reviewer {
    /// Who, as the log has it.
    pub(super) spec: WorkerSpec,
    /// The same in person.
    pub(super) ready: Ready,
    /// Why it takes turns with the worker, where it does.
    pub(super) turns: Option<String>,
}

/// The two of them. A reviewer begins with the first review.
pub(super) struct Pair<'a> {
    coder: &'a mut Started,
    judge: Judge,
    turns: Option<Turns>,
    /// Asked while somebody begins.
    stop: &'a dyn Fn() -> bool,
}

/// Who reviews.
enum Judge {
    /// Who works does it, with a fresh context.
    Nobody,
    /// Nobody has asked it yet.
    Waiting(Box<Ready>),
    /// It is there, or parked.
    Begun(Box<Started>),
    /// It could not be started. The runner then ends the job, so nobody asks for it again; one that did would be told.
    Missing,
}

/// How two models share a place.
struct Turns {
    /// Whose it was last.
    at_work: Role,
    /// Why.
    reason: String,
}

impl Reviewer {
    /// Makes a reviewer ready beside `worker`.
    pub(super) fn beside(
        worker: &Ready,
        spec: WorkerSpec,
        asking: Asking<'_>,
    ) -> Result<Self, Error> {
        let (ready, turns) = spec.ready_beside(worker, asking)?;
        if let Some(reason) = &turns {
            out::note(&format!("worker and reviewer take turns: {reason}"));
        }
        Ok(Self { spec, ready, turns })
    }
}

/// Gives a worker and its reviewer places in the folder of their run to leave what they remember, if they take turns.
pub(super) fn with_places(
    worker: Ready,
    reviewer: Option<Reviewer>,
    run: &Path,
) -> Result<(Ready, Option<Reviewer>), Error> {
    Ok(match reviewer {
        Some(Reviewer { spec, ready, turns: Some(reason) }) => {
            let ready = ready.parking(run, Role::Judge)?;
            let reviewer = Reviewer { spec, ready, turns: Some(reason) };
            (worker.parking(run, Role::Coder)?, Some(reviewer))
        }
        beside => (worker, beside),
    })
}

impl<'a> Pair<'a> {
    /// Returns `coder`, who is at work, and whoever reviews.
    pub(super) fn new(
        coder: &'a mut Started,
        reviewer: Option<Reviewer>,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let (judge, reason) = match reviewer {
            Some(Reviewer { ready, turns, .. }) => (Judge::Waiting(Box::new(ready)), turns),
            None => (Judge::Nobody, None),
        };
        let turns = reason.map(|reason| Turns { at_work: Role::Coder, reason });
        Self { coder, judge, turns, stop }
    }

    /// Gives `to` its turn, if it is another one's.
    fn hand_over(&mut self, to: Role, watch: &mut dyn Watch) -> Result<(), Error> {
        let Some(Turns { at_work: from, reason }) = &self.turns else { return Ok(()) };
        let (from, reason) = (*from, reason.clone());
        if from == to {
            return Ok(());
        }
        let (parked, restored) = match &mut self.judge {
            Judge::Begun(judge) if to == Role::Judge => {
                (self.coder.park(watch), judge.wake(watch)?)
            }
            Judge::Begun(judge) => (judge.park(watch), self.coder.wake(watch)?),
            Judge::Waiting(_) | Judge::Missing | Judge::Nobody => {
                let parked = self.coder.park(watch);
                let begun = Instant::now();
                self.begin()?;
                let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                (parked, Carried { millis, ..Carried::default() })
            }
        };
        if let Some(turns) = &mut self.turns {
            turns.at_work = to;
        }
        watch.see(&Event::ModelChanged(Handover { from, to, reason, parked, restored }));
        Ok(())
    }

    /// Starts the reviewer, if it was not asked before.
    fn begin(&mut self) -> Result<(), Error> {
        self.judge = match mem::replace(&mut self.judge, Judge::Missing) {
            Judge::Waiting(ready) => Judge::Begun(Box::new(ready.start(self.stop)?)),
            judge @ (Judge::Begun(_) | Judge::Nobody) => judge,
            Judge::Missing => {
                return Err(Error::new(Kind::Failed, "the reviewer could not be started"));
            }
        };
        Ok(())
    }
}

impl Crew for Pair<'_> {
    fn take(&mut self, role: Role, watch: &mut dyn Watch) -> Result<&mut dyn Model, ModelError> {
        let failed = |err: Error| ModelError::Failed(err.to_string());
        let is_review = role == Role::Judge && !matches!(self.judge, Judge::Nobody);
        self.hand_over(if is_review { Role::Judge } else { Role::Coder }, watch).map_err(failed)?;
        if is_review {
            self.begin().map_err(failed)?;
        }
        Ok(match &mut self.judge {
            Judge::Begun(judge) if is_review => judge.model(),
            Judge::Begun(_) | Judge::Waiting(_) | Judge::Missing | Judge::Nobody => {
                self.coder.model()
            }
        })
    }
}

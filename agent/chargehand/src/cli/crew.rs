//! Whoever works on a run: a worker, and where the user wants it another one who reviews.

use chargehand_core::ports::{Model, ModelError};
use chargehand_core::roles::Role;
use chargehand_core::runner::Crew;

use super::worker::{Ready, Started, WorkerSpec};

/// Somebody who reviews and does not work.
pub(super) struct Reviewer {
    /// Who, as the log has it.
    pub(super) spec: WorkerSpec,
    /// The same in person.
    pub(super) ready: Ready,
}

/// The two of them. A reviewer begins with the first review.
pub(super) struct Pair<'a> {
    /// Who works.
    pub(super) coder: &'a mut Started,
    /// Who reviews; without one, who works does it, with a fresh context.
    pub(super) reviewer: Option<Reviewer>,
    /// The reviewer at work.
    pub(super) started: Option<Started>,
    /// Asked while somebody begins.
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Crew for Pair<'_> {
    fn take(&mut self, role: Role) -> Result<&mut dyn Model, ModelError> {
        match role {
            Role::Judge => self.judge(),
            Role::Coder | Role::Orchestrator | Role::Describer | Role::Backup => {
                Ok(self.coder.model())
            }
        }
    }
}

impl Pair<'_> {
    fn judge(&mut self) -> Result<&mut dyn Model, ModelError> {
        if let Some(Reviewer { ready, .. }) = self.reviewer.take() {
            let started = ready.start(self.stop);
            self.started = Some(started.map_err(|err| ModelError::Failed(err.to_string()))?);
        }
        Ok(match &mut self.started {
            Some(reviewer) => reviewer.model(),
            None => self.coder.model(),
        })
    }
}

//! Where the phases of a run happen: its workspace, and what is measured of it.

use chargehand_core::contract::Contract;
use chargehand_core::ports::{Environment, Watch};
use chargehand_core::runner::{Measured, Site};

use super::measure::{self, Taken};
use super::watch::Brake;
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::Workspace;
use crate::error::Error;

/// The site of a run.
pub(super) struct RunSite<'a> {
    /// The folder of the run.
    pub(super) dir: &'a RunDir,
    /// What it is held to.
    pub(super) contract: &'a Contract,
    /// What holds its commands.
    pub(super) sandbox: Option<&'a Sandbox>,
    /// When to end.
    pub(super) brake: &'a Brake,
    /// What its worker works on.
    pub(super) workspace: Workspace<'a>,
    /// What was measured last.
    pub(super) taken: Option<Taken>,
}

impl Site for RunSite<'_> {
    type Error = Error;

    fn workspace(&mut self) -> &mut dyn Environment {
        &mut self.workspace
    }

    fn measure(&mut self, watch: &mut dyn Watch) -> Result<Measured, Error> {
        let (contract, sandbox) = (self.contract, self.sandbox);
        let taken =
            measure::measure(contract, sandbox, self.dir, self.brake, (self.taken.take(), watch))?;
        let (evidence, patch) = (taken.evidence.clone(), taken.changes.shown.clone());
        self.taken = Some(taken);
        Ok(Measured { evidence, patch })
    }
}

//! Memory that is reserved for a model before it is loaded, and kept until its process has ended.

use std::time::Duration;

use chargehand_core::memory::{Footprint, Plan};
use chargehand_engine::sampler::Sampling;

use super::model;
use crate::config::{Places, UserConfig};
use crate::env::ledger::{Ledger, Reservation};
use crate::env::worker::ModelWorker;
use crate::error::Error;

/// A plan whose memory nobody else is given.
#[derive(Debug)]
pub(super) struct Held {
    plan: Plan,
    reservation: Reservation,
}

impl Held {
    /// Reserves what `footprint` takes, or says with numbers why it does not fit.
    pub(super) fn of(
        footprint: Footprint,
        config: &UserConfig,
        places: &Places,
    ) -> Result<Self, Error> {
        let ledger = Ledger::at(&places.ledger);
        let (plan, reservation) = ledger.reserve(footprint, &|| model::machine(config))?;
        Ok(Self { plan, reservation })
    }

    /// Returns the plan.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Starts a worker with the model. `stop` is asked on the way.
    pub(super) fn start(
        self,
        sampling: Sampling,
        patience: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<ModelWorker, Error> {
        let Self { plan, mut reservation } = self;
        let worker = ModelWorker::start(&plan, sampling, patience, stop)?;
        reservation.resident()?;
        Ok(worker.keeping(reservation))
    }
}

//! Memory that is reserved for a model before it is loaded, and kept until its process has ended.

use std::cell::RefCell;
use std::time::Duration;

use chargehand_core::memory::taken::at_least;
use chargehand_core::memory::{Footprint, Plan, Pool};
use chargehand_engine::sampler::Sampling;

use super::meter;
use super::model::{self, pinned};
use crate::config::{Places, UserConfig};
use crate::env::kept::Kept;
use crate::env::ledger::{Ledger, Reservation};
use crate::env::pressure::{CALM, Gauge};
use crate::env::worker::ModelWorker;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// A plan whose memory nobody else is given.
#[derive(Debug)]
pub(super) struct Held {
    plan: Plan,
    reservation: Reservation,
    gauge: Gauge,
    kept: Kept,
    devices: Vec<Pool>,
}

impl Held {
    /// Reserves what `footprint` takes, or says with numbers why it does not fit. No model works that is pinned and is
    /// not what was pinned. While memory is short, `interrupt` is looked at.
    pub(super) fn of(
        footprint: Footprint,
        config: &UserConfig,
        places: &Places,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        pinned::check(&footprint, places)?;
        let gauge = Gauge::here(&config.memory);
        if let Some(alarm) = gauge.wait(CALM, &mut || interrupt.is_set()) {
            if interrupt.is_set() {
                return Err(Error::new(Kind::Interrupted, "interrupted before a model was loaded"));
            }
            let hint = "nothing is loaded while memory is short; try again when there is more";
            return Err(Error::new(Kind::Refused, alarm).hint(hint));
        }
        let ledger = Ledger::at(&places.ledger);
        let devices = RefCell::new(Vec::new());
        let machine = || {
            let machine = model::machine(config);
            devices.replace(machine.devices());
            machine
        };
        let (plan, reservation) = ledger.reserve(footprint, &machine)?;
        let (kept, devices) = (Kept::below(&places.state), devices.into_inner());
        Ok(Self { plan, reservation, gauge, kept, devices })
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
        let Self { plan, reservation, gauge, kept, devices } = self;
        let worker = ModelWorker::start(&plan, sampling, patience, gauge, stop)?;
        let footprint = &plan.footprints()[0];
        let most = match worker.taken().cloned() {
            Some(taken) => {
                let most = at_least(footprint.clone(), &taken).0;
                meter::learn(&kept, footprint, &devices, taken);
                most
            }
            None => footprint.clone(),
        };
        reservation.resident(most)?;
        Ok(worker.keeping(reservation))
    }
}

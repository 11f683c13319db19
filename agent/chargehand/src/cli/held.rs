//! Memory that is reserved for a model before it is loaded, and kept until its process has ended.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use chargehand_core::memory::{Footprint, Plan, Pool};
use chargehand_engine::sampler::Sampling;

use super::meter;
use super::model::{self, pinned};
use crate::config::{Places, UserConfig};
use crate::env::kept::Kept;
use crate::env::ledger::{Ledger, LedgerError, Reservation};
use crate::env::parking::Parking;
use crate::env::pressure::{CALM, Gauge};
use crate::env::worker::{ModelWorker, Terms, WorkerError};
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// A plan whose memory nobody else is given.
#[derive(Debug)]
pub(super) struct HeldMemory {
    plan: Plan,
    reservation: Arc<Reservation>,
    gauge: Gauge,
    kept: Kept,
    devices: Vec<Pool>,
    /// Where it leaves what it remembers, if it takes turns with another one.
    parking: Option<Parking>,
}

/// Where memory is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'d> {
    /// What the user has set.
    pub(super) config: &'d UserConfig,
    /// Where the ledger and the pins lie.
    pub(super) places: &'d Places,
    /// Looked at while memory is short.
    pub(super) interrupt: &'d Interrupt,
}

impl HeldMemory {
    /// Reserves what `footprint` takes, or says with numbers why it does not fit. No model works that is pinned and is
    /// not what was pinned.
    pub(super) fn of(footprint: Footprint, asking: Asking<'_>) -> Result<Self, Error> {
        let gauge = admit(&footprint, asking)?;
        Ok(Self::reserve(footprint, asking, gauge)?)
    }

    /// Reserves what `footprint` takes beside this; where that is too much, they take turns, and why is returned too.
    pub(super) fn beside(
        &self,
        footprint: Footprint,
        asking: Asking<'_>,
    ) -> Result<(Self, Option<String>), Error> {
        let gauge = admit(&footprint, asking)?;
        let refusal = match Self::reserve(footprint.clone(), asking, gauge.clone()) {
            Ok(held) => return Ok((held, None)),
            Err(LedgerError::Refused(refusal)) => refusal,
            Err(err) => return Err(err.into()),
        };
        let shared = self.reservation.share(footprint, &|| model::machine(asking.config));
        let plan = shared.map_err(|err| {
            Error::from(err).hint("`chargehand plan` shows what each of them takes")
        })?;
        let reservation = Arc::clone(&self.reservation);
        let (kept, devices) = (Kept::below(&asking.places.state), self.devices.clone());
        let other = Self { plan, reservation, gauge, kept, devices, parking: None };
        Ok((other, Some(format!("beside {}, {refusal}", self.plan.footprints()[0].model))))
    }

    fn reserve(
        footprint: Footprint,
        asking: Asking<'_>,
        gauge: Gauge,
    ) -> Result<Self, LedgerError> {
        let devices = RefCell::new(Vec::new());
        let machine = || {
            let machine = model::machine(asking.config);
            devices.replace(machine.devices());
            machine
        };
        let (plan, reservation) = Ledger::at(&asking.places.ledger).reserve(footprint, &machine)?;
        let (kept, devices) = (Kept::below(&asking.places.state), devices.into_inner());
        let reservation = Arc::new(reservation);
        Ok(Self { plan, reservation, gauge, kept, devices, parking: None })
    }

    /// Returns the plan.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Lets it leave in `parking` what it remembers.
    pub(super) fn parking(self, parking: Parking) -> Self {
        Self { parking: Some(parking), ..self }
    }

    /// Starts a worker with the model. `stop` is asked on the way.
    pub(super) fn start(
        self,
        sampling: Sampling,
        patience: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<ModelWorker, Error> {
        let Self { plan, reservation, gauge, kept, devices, parking } = self;
        let footprint = plan.footprints()[0].clone();
        let plan = match &parking {
            // What is reserved is for whoever has its turn, and that is this one now.
            Some(_) => {
                let plan = reservation.again(footprint.clone(), &|| gauge.budget());
                plan.map_err(WorkerError::from)?
            }
            None => plan,
        };
        let worker = ModelWorker::start(&plan, sampling, Terms { patience, gauge, parking }, stop)?;
        if let Some(taken) = worker.taken().cloned() {
            meter::learn(&kept, &footprint, &devices, taken);
        }
        reservation.resident(worker.footprint()).map_err(WorkerError::from)?;
        Ok(worker.keeping(reservation))
    }
}

/// Lets nothing be loaded that is not what was pinned, or while memory is short.
fn admit(footprint: &Footprint, asking: Asking<'_>) -> Result<Gauge, Error> {
    let Asking { config, places, interrupt } = asking;
    pinned::check(footprint, places)?;
    let gauge = Gauge::here(&config.memory);
    let Some(alarm) = gauge.wait(CALM, &mut || interrupt.is_set()) else { return Ok(gauge) };
    if interrupt.is_set() {
        return Err(Error::new(Kind::Interrupted, "interrupted before a model was loaded"));
    }
    let hint = "nothing is loaded while memory is short; try again when there is more";
    Err(Error::new(Kind::Refused, alarm).hint(hint))
}

//! How a worker comes back: after its process died, after it made room, after another model had its turn.

use std::time::{Duration, Instant};

use chargehand_core::bytes::Bytes;
use chargehand_core::memory;
use chargehand_core::ports::Watch;
use chargehand_core::roles::Carried;
use chargehand_engine::session::Parked;
use chargehand_engine::wire;

use super::super::ledger::Reservation;
use super::super::live::{Live, climb};
use super::super::parking::Parking;
use super::super::pressure::CALM;
use super::{ModelWorker, WorkerError, flow};

impl ModelWorker {
    /// Writes what it remembers to the disk and ends its process. What cannot be written is evaluated again.
    pub fn park(&mut self, watch: &mut dyn Watch) -> Carried {
        let begun = Instant::now();
        let held = self.held.as_deref();
        let left = match (self.live.take(), &mut self.terms.parking) {
            (Some(live), Some(parking)) => leave(live, held, parking, watch),
            // It died or made room, or has no place: it remembers nothing.
            (live, _) => {
                keep_place(held);
                drop(live);
                Ok(Parked::default())
            }
        };
        carried(left, begun)
    }

    /// Loads its model again, if that is away, with what was parked. What does not come back is evaluated again.
    ///
    /// # Errors
    ///
    /// [`WorkerError`].
    pub fn wake(&mut self, watch: &mut dyn Watch) -> Result<Carried, WorkerError> {
        let begun = Instant::now();
        if self.live.is_some() {
            return Ok(Carried::default());
        }
        let mut stop = || watch.stop().is_some();
        let found = self.terms.parking.as_mut().map_or(Ok(None), |parking| parking.look(&mut stop));
        let mut live = self.start_again(watch)?;
        let restored = match (found, &self.terms.parking) {
            (Err(err), _) => Err(err.to_string()),
            (Ok(None), _) | (_, None) => Ok(Parked::default()),
            (Ok(Some(parked)), Some(parking)) => take_back(&mut live, parking, parked, watch),
        };
        // One that died of it is started again when it is asked.
        self.live = Some(live);
        Ok(carried(restored, begun))
    }

    /// Starts a process in place of the one that ended. Memory is looked at once more: if that was why it ended,
    /// there may be none for the next one either.
    pub(super) fn start_again(&mut self, watch: &mut dyn Watch) -> Result<Live, WorkerError> {
        if let Some(held) = &self.held {
            held.keep_place()?;
        }
        if let Some(alarm) = self.terms.gauge.wait(CALM, &mut || watch.stop().is_some()) {
            return Err(WorkerError::Short(alarm));
        }
        let (machine, footprint) =
            (|| self.terms.gauge.budget(), self.plan.footprints()[0].clone());
        let plan = match &self.held {
            Some(held) => held.again(footprint, &machine)?,
            None => memory::plan(vec![footprint], &machine()).map_err(WorkerError::NoRoom)?,
        };
        let mut hear = |_: Option<&wire::Event>| flow(watch.stop().is_some());
        let (live, loaded) = climb(&plan, self.loaded.rung, &self.terms, &mut hear)?;
        self.loaded = loaded;
        if let Some(held) = &self.held {
            held.resident(self.footprint())?;
        }
        Ok(live)
    }
}

/// Keeps the place of a model whose process is about to end: nobody else takes its memory meanwhile. Until it has
/// ended, that is both used and held, so it is asked for as late as can be.
fn keep_place(held: Option<&Reservation>) {
    if let Some(held) = held {
        // What hinders this hinders the next load too, which says so.
        held.keep_place().unwrap_or_default();
    }
}

/// Has a worker write what it remembers, and ends it.
fn leave(
    mut live: Live,
    held: Option<&Reservation>,
    parking: &mut Parking,
    watch: &mut dyn Watch,
) -> Result<Parked, String> {
    let file = parking.path().to_owned();
    let mut hear = |_: Option<&wire::Event>| flow(watch.stop().is_some());
    let left = live.attend(Duration::ZERO, |talk, _| talk.park(&file), &mut hear);
    keep_place(held);
    drop(live);
    let kept = left.map_err(|err| err.to_string()).and_then(|parked| match parked.tokens {
        0 => Ok(parked),
        _ => {
            let kept = parking.keep(parked, &mut || watch.stop().is_some());
            kept.map(|()| parked).map_err(|err| err.to_string())
        }
    });
    if !kept.as_ref().is_ok_and(|parked| parked.tokens > 0) {
        // Half a file takes room on a disk that may be full, whatever its writer says is in it; the next process needs
        // one to write to.
        drop(parking.renew());
    }
    kept
}

/// Has a worker take back what was written.
fn take_back(
    live: &mut Live,
    parking: &Parking,
    parked: Parked,
    watch: &mut dyn Watch,
) -> Result<Parked, String> {
    let mut hear = |_: Option<&wire::Event>| flow(watch.stop().is_some());
    let restored =
        live.attend(Duration::ZERO, |talk, _| talk.restore(parking.path(), parked), &mut hear);
    parking.clear();
    restored.map_err(|err| err.to_string())
}

fn carried(moved: Result<Parked, String>, begun: Instant) -> Carried {
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match moved {
        Ok(Parked { tokens, bytes }) => Carried { tokens, bytes: Bytes(bytes), millis, lost: None },
        Err(reason) => Carried { millis, lost: Some(reason), ..Carried::default() },
    }
}

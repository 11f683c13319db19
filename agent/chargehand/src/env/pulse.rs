//! Whether a worker still lives: when it was last heard, and what is done with one that hangs, or that sits on memory
//! while it is short.

use std::io::{self, Read};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chargehand_core::memory::guard::{Alarm, Doing, Order};

use super::pressure::Gauge;

/// A worker that says nothing for so long while it is asked something hangs, unless the user's configuration says
/// otherwise. To load 80 GB from a disk of 500 MB/s takes 160 s, and loading says nothing in between.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How often a worker is looked at.
const TICK: Duration = Duration::from_millis(100);

/// When a worker was last heard.
#[derive(Debug)]
pub(crate) struct Pulse {
    patience: Duration,
    /// Grows with all that is asked and all that is heard.
    beats: AtomicU64,
    /// Whether an answer is awaited; otherwise silence means nothing.
    awaited: AtomicBool,
    /// Whether its model is being loaded.
    loading: AtomicBool,
    /// Whether it was killed for its silence.
    hung: AtomicBool,
    /// Why memory is short, and whether the worker was ended for it.
    short: Mutex<Option<(Alarm, bool)>>,
}

impl Pulse {
    /// Returns the pulse of a worker that may be silent for `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        let [awaited, loading, hung] = [false, true, false].map(AtomicBool::new);
        Self { patience, beats: AtomicU64::new(0), awaited, loading, hung, short: Mutex::new(None) }
    }

    /// Notes that an answer is awaited from now on, already while the question is being written: the pipe to a
    /// worker that hangs fills up.
    pub(crate) fn ask(&self) {
        self.beat();
        self.awaited.store(true, Ordering::Release);
    }

    /// Notes that nothing is asked of it, so that silence means nothing.
    pub(crate) fn rest(&self) {
        self.awaited.store(false, Ordering::Release);
    }

    /// Returns the patience that was lost, if it was killed for its silence.
    pub(crate) fn lost_patience(&self) -> Option<Duration> {
        self.hung.load(Ordering::Acquire).then_some(self.patience)
    }

    /// Notes that the model is there.
    pub(crate) fn loaded(&self) {
        self.loading.store(false, Ordering::Release);
    }

    /// Returns why it was ended, if that was because memory ran short.
    pub(crate) fn ended_for(&self) -> Option<Alarm> {
        self.shortage().filter(|(_, is_ended)| *is_ended).map(|(alarm, _)| alarm)
    }

    /// Returns why memory has been short since it was last asked that.
    pub(crate) fn alarm(&self) -> Option<Alarm> {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        short.take_if(|(_, is_ended)| !*is_ended).map(|(alarm, _)| alarm)
    }

    fn shortage(&self) -> Option<(Alarm, bool)> {
        *self.short.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_short(&self, alarm: Alarm, is_ended: bool) {
        *self.short.lock().unwrap_or_else(PoisonError::into_inner) = Some((alarm, is_ended));
    }

    fn doing(&self) -> Doing {
        match (self.loading.load(Ordering::Acquire), self.awaited.load(Ordering::Acquire)) {
            (true, _) => Doing::Loading,
            (false, true) => Doing::Answering,
            (false, false) => Doing::Idle,
        }
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::AcqRel);
    }
}

/// Kills a worker that hangs, and one that must go because memory is short, where there is a gauge for it. Ends with
/// the process.
///
/// Silence is counted in looks, not in time: while we are stopped ourselves (Ctrl-Z) nobody looks, and a worker
/// that has answered meanwhile must not be killed before its answer is read.
pub(crate) fn guard(child: Arc<Mutex<Child>>, pulse: Arc<Pulse>, gauge: Option<Gauge>) {
    thread::spawn(move || {
        let mut rounds = Rounds::default();
        loop {
            thread::sleep(TICK);
            if !rounds.look(&child, &pulse, gauge.as_ref()) {
                return;
            }
        }
    });
}

/// What was seen of a worker so far.
#[derive(Debug, Default)]
struct Rounds {
    beats: u64,
    silent: Duration,
    short: Duration,
}

impl Rounds {
    /// Looks once, a tick after the last time; returns whether the process was there.
    fn look(&mut self, child: &Mutex<Child>, pulse: &Pulse, gauge: Option<&Gauge>) -> bool {
        let order = gauge.map_or(Order::GoOn, |gauge| {
            let look = gauge.look();
            self.short = if look.alarm().is_some() { self.short + TICK } else { Duration::ZERO };
            look.order(pulse.doing(), u64::try_from(self.short.as_millis()).unwrap_or(u64::MAX))
        });
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if !child.try_wait().is_ok_and(|status| status.is_none()) {
            return false;
        }
        let beats = pulse.beats.load(Ordering::Acquire);
        let is_silent = beats == self.beats && pulse.awaited.load(Ordering::Acquire);
        self.silent = if is_silent { self.silent + TICK } else { Duration::ZERO };
        self.beats = beats;
        if self.silent > pulse.patience {
            pulse.hung.store(true, Ordering::Release);
            child.kill().unwrap_or_default();
        }
        match order {
            Order::GoOn => {}
            // People are told once, until memory is there again.
            Order::Warn(alarm) if self.short <= TICK => pulse.set_short(alarm, false),
            Order::Warn(_) => {}
            Order::End(alarm) => {
                pulse.set_short(alarm, true);
                child.kill().unwrap_or_default();
            }
        }
        true
    }
}

/// A pipe that tells when something came.
#[derive(Debug)]
pub(crate) struct Heard<R> {
    pub(crate) inner: R,
    pub(crate) pulse: Arc<Pulse>,
}

impl<R: Read> Read for Heard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.pulse.beat();
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// A machine of 1,000 MiB with 50 of them available, on which 250 stay free.
    fn short() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let info = "MemTotal: 1024000 kB\nMemAvailable: 51200 kB\n";
        fs::write(root.path().join("proc/meminfo"), info).unwrap();
        root
    }

    /// Returns after how many looks a process ends that is in the state of `pulse`; it is looked at for three seconds.
    fn ends(pulse: &Pulse, root: &std::path::Path) -> Option<u64> {
        let child = Mutex::new(Command::new("sleep").arg("60").spawn().unwrap());
        let (mut rounds, gauge) = (Rounds::default(), Gauge::at(root));
        let ended = (1..=30).find(|_| {
            assert!(rounds.look(&child, pulse, Some(&gauge)), "it has ended by itself");
            pulse.ended_for().is_some()
        });
        let mut child = child.lock().unwrap();
        if ended.is_none() {
            child.kill().unwrap();
        }
        // Whoever was ended was killed: otherwise this would take a minute.
        child.wait().unwrap();
        ended
    }

    #[test]
    fn who_loads_or_is_idle_ends_when_memory_is_short() {
        let root = short();
        let loading = Pulse::new(PATIENCE);
        assert_eq!((ends(&loading, root.path()), loading.alarm()), (Some(1), None));
        let idle = Pulse::new(PATIENCE);
        idle.loaded();
        assert_eq!(ends(&idle, root.path()), Some(20));
        let answering = Pulse::new(PATIENCE);
        answering.loaded();
        answering.ask();
        assert_eq!(ends(&answering, root.path()), None);
        // It is said once.
        assert!(answering.alarm().is_some() && answering.alarm().is_none());
    }
}

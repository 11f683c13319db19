//! The CPU time of this thread, without that of the clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A clock that knows what looking at it takes.
pub(crate) struct Clock {
    own: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let clock = Self { own: Duration::ZERO };
        let looks = (0..1_000).map(|_| clock.since(clock.now()));
        Self { own: median(looks) }
    }

    pub(crate) fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let part = |number: i64| u64::try_from(number).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
    }

    pub(crate) fn since(&self, begun: Duration) -> Duration {
        self.now().saturating_sub(begun).saturating_sub(self.own)
    }
}

pub(crate) fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

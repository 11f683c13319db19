//! How long something takes, whatever other jobs run on the machine.

use std::time::{Duration, Instant};

/// Below this the system's count of CPU time is too coarse.
const COARSE: Duration = Duration::from_millis(50);

/// A point in time.
pub(crate) struct Start {
    wall: Instant,
    processor: Option<Duration>,
}

/// Returns the present.
pub(crate) fn start() -> Start {
    Start { wall: Instant::now(), processor: processor() }
}

impl Start {
    /// Returns the time since then: what has passed, or the CPU time of this thread where that is long and known.
    pub(crate) fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed();
        let processor = processor().zip(self.processor).map(|(end, start)| end - start);
        processor.filter(|_| wall > COARSE).unwrap_or(wall)
    }
}

fn processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

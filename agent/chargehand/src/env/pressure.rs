//! How short memory is at this moment: what the kernel says of tasks that wait for it, and what is available. What
//! follows from it is decided in core.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chargehand_core::memory::Budget;
use chargehand_core::memory::guard::{Alarm, Look};

use super::probe;
use crate::config::MemoryConfig;

/// So long whoever wants to load a model waits for memory that is short; the kernel's figure is of ten seconds.
pub const CALM: Duration = Duration::from_secs(12);
/// How often whoever waits looks again.
const TICK: Duration = Duration::from_millis(250);

/// Looks at a machine.
#[derive(Clone, Debug)]
pub struct Gauge {
    root: PathBuf,
    set: MemoryConfig,
}

impl Gauge {
    /// Returns a gauge of this machine, on which as much stays free as the user has `set`.
    #[must_use]
    pub fn here(set: &MemoryConfig) -> Self {
        Self { root: PathBuf::from("/"), set: set.clone() }
    }

    /// Returns a gauge of the machine below `root`: what a test puts in the place of `/`.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), set: MemoryConfig::default() }
    }

    /// Returns what the machine has for models.
    #[must_use]
    pub fn budget(&self) -> Budget {
        probe::budget(&self.set)
    }

    /// Looks once.
    #[must_use]
    pub fn look(&self) -> Look {
        let pool = probe::host(&self.root);
        let groups = probe::own_groups(&self.root).into_iter();
        let files = groups.map(|group| group.join("memory.pressure"));
        let all = files.chain([self.root.join("proc/pressure/memory")]);
        // A kernel without these files has nothing to say of it; then what is available decides alone.
        let stalled = all.filter_map(|path| stalled(&fs::read_to_string(path).ok()?)).max();
        Look {
            stalled: stalled.unwrap_or(0),
            available: pool.available,
            headroom: self.set.host_headroom.unwrap_or(pool.headroom),
        }
    }

    /// Waits until memory is no longer short, for `patience` at most and while `stop` does not say so; then returns why
    /// it still is.
    #[must_use]
    pub fn wait(&self, patience: Duration, stop: &mut dyn FnMut() -> bool) -> Option<Alarm> {
        let begin = Instant::now();
        loop {
            let alarm = self.look().alarm()?;
            if begin.elapsed() >= patience || stop() {
                return Some(alarm);
            }
            thread::sleep(TICK);
        }
    }
}

/// Reads `full avg10=1.23 ..` as hundredths of a percent.
fn stalled(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("full "))?;
    let value = line.split_whitespace().find_map(|part| part.strip_prefix("avg10="))?;
    let (whole, part) = value.split_once('.')?;
    let part = part.get(..2)?.parse::<u32>().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_can_be_told_to_stop() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let info = "MemTotal: 1024000 kB\nMemAvailable: 51200 kB\n";
        fs::write(root.path().join("proc/meminfo"), info).unwrap();
        let gauge = Gauge::at(root.path());
        let mut looks = 0;
        let mut stop = || {
            looks += 1;
            looks == 2
        };
        assert!(gauge.wait(Duration::from_secs(60), &mut stop).is_some());
        assert_eq!(looks, 2);
        assert!(gauge.wait(Duration::ZERO, &mut || false).is_some());
        fs::write(root.path().join("proc/meminfo"), info.replace("51200", "900000")).unwrap();
        assert!(gauge.wait(Duration::ZERO, &mut || true).is_none());
    }

    #[test]
    fn pressure_is_read() {
        let text = "some avg10=9.99 avg60=0.00 avg300=0.00 total=7\nfull avg10=5.01 avg60=0.00 avg300=0.00 total=2\n";
        assert_eq!(stalled(text), Some(501));
        assert_eq!(stalled("full avg10=100.00 total=2"), Some(10_000));
        for nonsense in
            ["", "full", "full avg10=", "full avg10=1", "full avg10=x.00", "full avg10=1.2"]
        {
            assert_eq!(stalled(nonsense), None, "{nonsense}");
        }
    }
}

//! What a process with a model does to itself before it reads one.

use std::io;
use std::path::PathBuf;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;

use super::super::sandbox::model::confine;

/// What a worker process does to itself at its start: it ends with its parent, it is the first to go when memory
/// runs out, it leaves no core file, which would be as large as its model, and it gives up all but `models` and `files`,
/// which it may write.
///
/// # Errors
///
/// When the kernel does not let it end with its parent, or be confined.
pub fn settle_in(models: &[PathBuf], files: &[PathBuf]) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Not every kernel lets us.
    std::fs::write("/proc/self/oom_score_adj", "800").unwrap_or_default();
    // 0 would not do: a pipe to a collector of core files is used at any limit but 1.
    setrlimit(Resource::RLIMIT_CORE, 1, 1).unwrap_or_default();
    confine(models, files)
}

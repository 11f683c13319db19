//! The rights of root that go beyond those of an owner: a process that root started gives them up, for good.
//!
//! With them the rest does not hold: whoever may watch the performance of the machine may read the environment of every
//! process, whatever Landlock says.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

/// Gives up all capabilities. A program that is started later gets none back, because Landlock and seccomp are entered
/// with the promise of no new privileges.
///
/// # Errors
///
/// When the kernel refuses.
pub fn give_up() -> io::Result<()> {
    let none = CapabilitySet::empty();
    Ok(set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )?)
}

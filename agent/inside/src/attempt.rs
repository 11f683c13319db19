//! A command of ours that tries what a sandbox must refuse. It runs before any command of the user does.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A connection on one machine takes microseconds.
const CONNECT: Duration = Duration::from_millis(200);

/// What is tried, and the bit of the exit code that tells that it succeeded.
const WROTE: u8 = 1;
const READ: u8 = 2;
const CONNECTED: u8 = 4;
/// The one thing that must work did not: writing into the workspace.
const NO_WORK: u8 = 8;

/// The places that are tried.
#[derive(Debug)]
pub struct Targets {
    /// A file outside, which exists and holds a secret.
    pub secret: PathBuf,
    /// A port of this machine on which somebody listens.
    pub port: u16,
}

impl Targets {
    /// Returns the arguments that say this.
    #[must_use]
    pub fn to_args(&self) -> [OsString; 2] {
        [self.secret.clone().into(), self.port.to_string().into()]
    }
}

/// Tries everything and returns the bits of what succeeded.
pub(crate) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let secret = PathBuf::from(args.next().unwrap_or_default());
    let port = args.next().and_then(|port| port.to_str()?.parse().ok()).unwrap_or(0);
    ExitCode::from(attempts(&secret, port))
}

fn attempts(secret: &Path, port: u16) -> u8 {
    let beside = secret.with_file_name("written-from-inside");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tried = [
        (WROTE, fs::write(beside, "x").is_ok() || fs::write(secret, "x").is_ok()),
        (READ, fs::read(secret).is_ok()),
        (CONNECTED, TcpStream::connect_timeout(&address, CONNECT).is_ok()),
        (NO_WORK, fs::write("attempt", "x").is_err()),
    ];
    tried.into_iter().filter(|(_, succeeded)| *succeeded).map(|(bit, _)| bit).sum()
}

/// Returns in words what an exit code says that went wrong; nothing for zero.
#[must_use]
pub fn findings(code: i32) -> Vec<&'static str> {
    let words = [
        (WROTE, "a file outside could be written"),
        (READ, "a file outside could be read"),
        (CONNECTED, "a server on this machine could be reached"),
        (NO_WORK, "the workspace could not be written"),
    ];
    words.into_iter().filter(|(bit, _)| code & i32::from(*bit) != 0).map(|(_, text)| text).collect()
}

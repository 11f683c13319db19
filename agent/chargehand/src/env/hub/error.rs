//! Why a file was not fetched, and whether it is worth trying again.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use chargehand_core::bytes::Bytes;
use thiserror::Error;

/// Why a file was not fetched.
#[derive(Debug, Error)]
pub enum HubError {
    /// The address of the hub cannot be used.
    #[error("the endpoint `{endpoint}` cannot be used: {reason}")]
    Endpoint {
        /// The address.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nobody is there, or nobody who speaks HTTP.
    #[error("cannot reach {host}: {reason}")]
    Unreachable {
        /// Whom.
        host: String,
        /// What the library says.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("{host} sent nothing for {} s", time.as_secs_f32())]
    Silent {
        /// Who.
        host: String,
        /// How long.
        time: Duration,
    },
    /// The hub wants to know who asks, or does not want this one.
    #[error(
        "{host} answers {status}: it wants a token, or another one, or there is no such repository"
    )]
    Denied {
        /// Who.
        host: String,
        /// 401 or 403.
        status: u16,
    },
    /// There is no such repository, file or revision.
    #[error("{host} answers 404: there is no {path}")]
    NotFound {
        /// Who.
        host: String,
        /// What was asked for.
        path: String,
    },
    /// The hub answers with something else.
    #[error("{host} answers {status}")]
    Status {
        /// Who.
        host: String,
        /// The number.
        status: u16,
    },
    /// The hub sends us where we do not go.
    #[error("{host} sends us on, and {reason}")]
    Redirect {
        /// Who.
        host: String,
        /// Why not.
        reason: String,
    },
    /// It is not known what the file must be.
    #[error("the hub does not say which SHA-256 the file has")]
    NoHash,
    /// The hub has another file than the user wants.
    #[error("the hub has a file with the SHA-256 {said}, and {wanted} is wanted")]
    OtherHash {
        /// What the user wants.
        wanted: String,
        /// What the hub says.
        said: String,
    },
    /// It is not known how large the file is.
    #[error("the hub does not say how large the file is")]
    NoSize,
    /// The hub sends another part than was asked for.
    #[error("asked for the bytes from {asked} on, the hub sends those from {start} on")]
    Start {
        /// Where it was to begin.
        asked: u64,
        /// Where it begins.
        start: u64,
    },
    /// More comes than there is.
    #[error("the hub sends more than the {total} bytes that it announced")]
    TooLong {
        /// All there is.
        total: u64,
    },
    /// It ended early.
    #[error("the file broke off after {have} of {total} bytes")]
    BrokeOff {
        /// What came.
        have: u64,
        /// All there is.
        total: u64,
    },
    /// The file on the hub is another one than a moment ago.
    #[error("{0} has changed on the hub in the meantime")]
    Changed(String),
    /// Every byte came, and they are not the right ones.
    #[error("the file that came has the SHA-256 {found} and not {sha256}: it was thrown away")]
    WrongHash {
        /// What it must have.
        sha256: String,
        /// What it has.
        found: String,
    },
    /// Another file has the name.
    #[error("{} is another file: its SHA-256 is {found} and not {sha256}", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What it would have.
        sha256: String,
    },
    /// Another process fetches it.
    #[error("another process is fetching {}", .0.display())]
    Busy(PathBuf),
    /// The disk is too small.
    #[error("{} needs {need}, its disk has {have}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// What is missing of it.
        need: Bytes,
        /// What is free.
        have: Bytes,
    },
    /// The disk does not do what it should.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user said stop.
    #[error("stopped; what came so far is kept")]
    Stopped,
}

impl HubError {
    /// Returns whether the next attempt may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::BrokeOff { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Endpoint { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::NoHash
            | Self::OtherHash { .. }
            | Self::NoSize
            | Self::Start { .. }
            | Self::TooLong { .. }
            | Self::Changed(_)
            | Self::WrongHash { .. }
            | Self::Occupied { .. }
            | Self::Busy(_)
            | Self::NoRoom { .. }
            | Self::Io { .. }
            | Self::Stopped => false,
        }
    }
}

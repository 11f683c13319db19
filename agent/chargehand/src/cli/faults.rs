//! What the errors of the rooms below mean for the user: the exit code, and where it helps a hint.

use chargehand_core::memory::estimate::EstimateError;
use chargehand_core::memory::{Refusal, WhatIfError};
use chargehand_core::ports::EnvError;
use chargehand_engine::gguf::GgufError;
use chargehand_engine::lab::Failure;

use crate::audit::AuditError;
use crate::config::ConfigError;
use crate::env::accept::AcceptError;
use crate::env::dir::DiskError;
use crate::env::hub::{HubError, SourceError};
use crate::env::lab::LabError;
use crate::env::ledger::LedgerError;
use crate::env::pins::PinError;
use crate::env::prober::ProbeError;
use crate::env::registry::RegistryError;
use crate::env::repo::RepoError;
use crate::env::run_dir::RunDirError;
use crate::env::sandbox::SandboxError;
use crate::env::store::StoreError;
use crate::env::worker::WorkerError;
use crate::env::workspace::WorkspaceError;
use crate::error::{Error, Kind};

impl From<ConfigError> for Error {
    fn from(err: ConfigError) -> Self {
        let shown = Self::from_source(Kind::Usage, &err);
        match err {
            ConfigError::NoHome => {
                shown.hint("set CHARGEHAND_HOME to a folder that may be written to")
            }
            ConfigError::Unreadable { .. } | ConfigError::Invalid { .. } => shown,
        }
    }
}

impl From<AuditError> for Error {
    fn from(err: AuditError) -> Self {
        Self::from_source(Kind::Failed, &err)
    }
}

impl From<DiskError> for Error {
    fn from(err: DiskError) -> Self {
        Self::from_source(Kind::Failed, &err)
    }
}

impl From<RepoError> for Error {
    fn from(err: RepoError) -> Self {
        let kind = match err {
            RepoError::Io { .. } => Kind::Usage,
            RepoError::NotFound(_)
            | RepoError::Bare(_)
            | RepoError::Owner(_)
            | RepoError::Elsewhere { .. }
            | RepoError::Unsound(_)
            | RepoError::OddHead { .. }
            | RepoError::Index { .. }
            | RepoError::Git { .. } => Kind::Refused,
        };
        Self::from_source(kind, &err)
    }
}

impl From<RunDirError> for Error {
    fn from(err: RunDirError) -> Self {
        match err {
            RunDirError::Repo(err) => err.into(),
            RunDirError::NotFound { .. }
            | RunDirError::NoneHere { .. }
            | RunDirError::Ambiguous { .. } => Self::from_source(Kind::Usage, &err),
            RunDirError::Busy { .. } => {
                Self::from_source(Kind::Refused, &err).hint("wait for it, or stop it with Ctrl-C")
            }
            RunDirError::Schema { .. } | RunDirError::Damaged(_) => {
                Self::from_source(Kind::Refused, &err)
            }
            RunDirError::Disk(_) => Self::from_source(Kind::Failed, &err),
        }
    }
}

impl From<StoreError> for Error {
    fn from(err: StoreError) -> Self {
        let kind = match err {
            StoreError::Disk(_) | StoreError::Git { .. } => Kind::Failed,
            StoreError::Missing { .. } | StoreError::Name(_) | StoreError::TooLarge(_) => {
                Kind::Refused
            }
        };
        Self::from_source(kind, &err)
    }
}

impl From<WorkspaceError> for Error {
    fn from(err: WorkspaceError) -> Self {
        let kind = match err {
            WorkspaceError::Store(err) => return err.into(),
            WorkspaceError::Disk(_) => Kind::Failed,
            WorkspaceError::Gone(_) | WorkspaceError::Names { .. } => Kind::Refused,
        };
        Self::from_source(kind, &err)
    }
}

impl From<AcceptError> for Error {
    fn from(err: AcceptError) -> Self {
        match err {
            AcceptError::Run(err) => err.into(),
            AcceptError::Workspace(err) => err.into(),
            AcceptError::Repo(err) => err.into(),
            AcceptError::Git { ref source, .. } if source.code() == git2::ErrorCode::Locked => {
                Self::from_source(Kind::Refused, &err)
                    .hint("another git command is at work, or has left its lock; try again")
            }
            AcceptError::Disk(_)
            | AcceptError::Report { .. }
            | AcceptError::Git { .. }
            | AcceptError::Stuck(_)
            | AcceptError::Landed { .. } => Self::from_source(Kind::Failed, &err),
            AcceptError::State { .. }
            | AcceptError::OtherRepo { .. }
            | AcceptError::Verdict { .. }
            | AcceptError::Open(_)
            | AcceptError::Tampered(_)
            | AcceptError::Nothing(_)
            | AcceptError::Uncommittable { .. }
            | AcceptError::Moved { .. }
            | AcceptError::Met(_)
            | AcceptError::Unfinished(_)
            | AcceptError::Dirty(_)
            | AcceptError::InTheWay(_)
            | AcceptError::Locked(_)
            | AcceptError::NoAuthor(_) => Self::from_source(Kind::Refused, &err),
        }
    }
}

impl From<SandboxError> for Error {
    fn from(err: SandboxError) -> Self {
        Self::from_source(Kind::Refused, &err).hint(err.hint())
    }
}

impl From<ProbeError> for Error {
    fn from(err: ProbeError) -> Self {
        let kind = match err {
            ProbeError::Io(_) => Kind::Failed,
            ProbeError::Died { .. } | ProbeError::Failed(_) => Kind::Refused,
        };
        Self::from_source(kind, &err)
    }
}

impl From<LedgerError> for Error {
    fn from(err: LedgerError) -> Self {
        match err {
            LedgerError::Refused(refusal) => refusal.into(),
            LedgerError::Shut(_) | LedgerError::Gone(_) | LedgerError::Unreadable { .. } => {
                Self::from_source(Kind::Refused, &err)
            }
            LedgerError::Io { .. } => Self::from_source(Kind::Failed, &err),
        }
    }
}

impl From<EstimateError> for Error {
    fn from(err: EstimateError) -> Self {
        Self::from_source(Kind::Refused, &err)
    }
}

impl From<WhatIfError> for Error {
    fn from(err: WhatIfError) -> Self {
        Self::from_source(Kind::Usage, &err)
    }
}

impl From<LabError> for Error {
    fn from(err: LabError) -> Self {
        let kind = match &err {
            LabError::Io(_) => Kind::Failed,
            LabError::Failed(Failure::NoFile(_) | Failure::Grammar(_)) => Kind::Usage,
            LabError::Failed(Failure::Refused { .. }) => Kind::Violated,
            LabError::Died { .. }
            | LabError::Failed(
                Failure::Model(_)
                | Failure::GrammarOfLlama(_)
                | Failure::Match(_)
                | Failure::Unspeakable(_),
            ) => Kind::Refused,
        };
        Self::from_source(kind, &err)
    }
}

impl From<WorkerError> for Error {
    fn from(err: WorkerError) -> Self {
        match &err {
            WorkerError::Replaced(_) => {
                Self::from_source(Kind::Refused, &err).hint("run it again: it is planned anew")
            }
            // The dry run skips vocabularies, so what is wrong with one comes out here.
            WorkerError::File(_) => Self::from_source(Kind::Refused, &err)
                .hint("the file may be damaged, or too new for this llama.cpp"),
            WorkerError::Start(_)
            | WorkerError::Died(_)
            | WorkerError::Failed(_)
            | WorkerError::NoRoom(_)
            | WorkerError::Ledger(_)
            | WorkerError::Gone(_)
            | WorkerError::Refused(_)
            | WorkerError::Short(_)
            | WorkerError::Stopped => Self::from_source(Kind::Failed, &err),
        }
    }
}

impl From<GgufError> for Error {
    fn from(err: GgufError) -> Self {
        let kind = match err {
            GgufError::Missing(_) | GgufError::Unreadable { .. } | GgufError::NotAFile(_) => {
                Kind::Usage
            }
            GgufError::Bad { .. } | GgufError::PartMissing { .. } => Kind::Refused,
        };
        Self::from_source(kind, &err)
    }
}

impl From<SourceError> for Error {
    fn from(err: SourceError) -> Self {
        Self::from_source(Kind::Usage, &err)
    }
}

impl From<RegistryError> for Error {
    fn from(err: RegistryError) -> Self {
        match err {
            RegistryError::Name(_) => Self::from_source(Kind::Usage, &err),
            RegistryError::Taken { .. } => Self::from_source(Kind::Refused, &err)
                .hint("give it anew with --replace, or take another name"),
            RegistryError::File(err) => err.into(),
            RegistryError::Disk(err) => err.into(),
        }
    }
}

impl From<PinError> for Error {
    fn from(err: PinError) -> Self {
        match err {
            PinError::File(err) => err.into(),
            PinError::Disk(err) => err.into(),
        }
    }
}

impl From<HubError> for Error {
    fn from(err: HubError) -> Self {
        let as_kind = |kind| Self::from_source(kind, &err);
        let again = "the same command again goes on where it ended";
        match err {
            HubError::Endpoint { .. } | HubError::NotFound { .. } => as_kind(Kind::Usage),
            HubError::Denied { .. } => as_kind(Kind::Refused).hint(
                "put a token that may read it into HF_TOKEN; some pages ask for a consent first",
            ),
            HubError::NoHash => as_kind(Kind::Refused).hint("give it with --sha256"),
            HubError::Busy(_) => as_kind(Kind::Refused).hint("wait for it"),
            HubError::Occupied { .. } => {
                as_kind(Kind::Refused).hint("move it away, or name another folder with --to")
            }
            HubError::OtherHash { .. } | HubError::NoRoom { .. } => as_kind(Kind::Refused),
            HubError::Unreachable { .. }
            | HubError::Silent { .. }
            | HubError::Status { .. }
            | HubError::BrokeOff { .. }
            | HubError::Changed(_)
            | HubError::Io { .. } => as_kind(Kind::Failed).hint(again),
            HubError::Redirect { .. }
            | HubError::NoSize
            | HubError::Start { .. }
            | HubError::TooLong { .. }
            | HubError::WrongHash { .. } => as_kind(Kind::Failed),
            HubError::Stopped => as_kind(Kind::Interrupted).hint(again),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(Kind::Refused, refusal)
            .hint("`chargehand plan MODEL` shows every buffer and what would fit")
    }
}

impl From<EnvError> for Error {
    fn from(err: EnvError) -> Self {
        Self::from_source(Kind::Failed, &err)
    }
}

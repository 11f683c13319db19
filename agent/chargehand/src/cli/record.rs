//! What a run that came to its verdict left in its folder, read back.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use chargehand_core::contract::{Contract, ContractFile};
use chargehand_core::report::{Report, SCHEMA};
use serde::Deserialize;
use serde_json::{Value, json};

use super::leave::Leave;
use crate::audit::Line;
use crate::env::path_text::escape;
use crate::env::run_dir::{RunDir, Status};
use crate::error::{Error, Kind};

/// The files of a run, read and understood.
pub(super) struct Record {
    /// `contract.toml`.
    pub(super) contract: Contract,
    /// `report.json`.
    pub(super) report: Report,
    /// The same as it stands there.
    pub(super) json: Vec<u8>,
    /// `diff.patch`.
    pub(super) patch: String,
}

impl Record {
    /// Reads the record of a run that has a verdict and still has its workspace.
    pub(super) fn read(dir: &RunDir) -> Result<Self, Error> {
        let id = &dir.file().id;
        let refused = |why| Err(Error::new(Kind::Refused, format!("run {id} {why}")));
        match dir.file().status {
            Status::Done | Status::Accepted => {}
            Status::Running => return refused("has not come to its verdict"),
            Status::Rejected => return refused("was rejected; its workspace is gone"),
        }
        let json = text(dir, "report.json")?.into_bytes();
        let broken = |name: &str, why: &dyn std::fmt::Display| {
            Error::new(Kind::Failed, format!("{}: {why}", dir.path().join(name).display()))
        };
        let report: Report =
            serde_json::from_slice(&json).map_err(|err| broken("report.json", &err))?;
        if report.schema != SCHEMA {
            let why = format!("it has schema {}, this program reads {SCHEMA}", report.schema);
            return Err(broken("report.json", &why));
        }
        Ok(Self { contract: contract(dir)?, report, json, patch: text(dir, "diff.patch")? })
    }
}

/// Reads the contract of a run.
pub(super) fn contract(dir: &RunDir) -> Result<Contract, Error> {
    let path = dir.path().join("contract.toml");
    Contract::parse(&text(dir, "contract.toml")?)
        .map_err(|err| Error::new(Kind::Failed, format!("{}: {err}", path.display())))
}

/// Returns the contract that a run began with, as its log has it. A log of before a key was there says it without.
pub(super) fn agreed(lines: &[Line]) -> Option<ContractFile> {
    let contract = lines.first()?.fields.get("facts")?.get("contract")?;
    ContractFile::deserialize(contract).ok()
}

/// Returns the repository of a run, as its log has it.
pub(super) fn repo(dir: &RunDir) -> String {
    escape(dir.file().repo.as_os_str().as_bytes())
}

/// Returns whether `run.json` has the run where its log has it: what is accepted goes nowhere else.
pub(super) fn belongs(dir: &RunDir, lines: &[Line]) -> bool {
    let facts = lines.first().and_then(|line| line.fields.get("facts"));
    let is = |key: &str, now: Value| {
        facts.and_then(|facts| facts.get(key)).is_none_or(|then| *then == now)
    };
    let file = dir.file();
    is("repo", json!(repo(dir))) && is("branch", json!(file.branch)) && is("base", json!(file.base))
}

/// Returns what the user said to a run in any of its sittings: who looked on took whatever tier there was.
pub(super) fn leave(lines: &[Line]) -> Leave {
    let said = |key: &str| {
        let facts = lines.iter().filter_map(|line| line.fields.get("facts"));
        facts.filter_map(|facts| facts.get(key)).any(|value| *value == true)
    };
    Leave { attended: said("attended"), network: said("network") }
}

fn text(dir: &RunDir, name: &str) -> Result<String, Error> {
    let path = dir.path().join(name);
    fs::read_to_string(&path)
        .map_err(|err| Error::new(Kind::Failed, format!("cannot read {}: {err}", path.display())))
}

//! After the worker: what really changed, the required commands run by us, and the files that tell of both.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use chargehand_core::contract::Contract;
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckRun, Evidence};
use chargehand_core::ports::Watch;
use chargehand_core::report::Report;

use super::watch::{Brake, RunWatch};
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::Workspace;
use crate::error::{Error, Kind};
use crate::report::html;

/// Returns what changed and how the required commands ended, with the difference as a patch.
///
/// The commands run in a fresh copy that nothing else has touched. One that the user interrupts is no evidence.
pub(super) fn measure(
    contract: &Contract,
    sandbox: Option<&Sandbox>,
    dir: &RunDir,
    brake: &Brake,
    watch: &mut RunWatch<'_>,
) -> Result<(Evidence, String), Error> {
    let mut workspace = Workspace::open(dir)?;
    let changes = workspace.changes()?;
    let checks = match sandbox {
        Some(sandbox) if !brake.is_interrupted() => {
            let copy = workspace.final_copy()?;
            run_checks(contract, sandbox, dir, &copy, brake, watch)?
        }
        Some(_) | None => Vec::new(),
    };
    workspace.remove_copies()?;
    Ok((Evidence { changes: changes.list, checks }, changes.patch))
}

fn run_checks(
    contract: &Contract,
    sandbox: &Sandbox,
    dir: &RunDir,
    copy: &Path,
    brake: &Brake,
    watch: &mut RunWatch<'_>,
) -> Result<Vec<CheckRun>, Error> {
    let logs = dir.path().join("checks");
    fs::create_dir_all(&logs).map_err(|err| {
        Error::new(Kind::Failed, format!("cannot make {}: {err}", logs.display()))
    })?;
    let mut runs = Vec::new();
    for check in &contract.checks {
        let log = logs.join(format!("{}.log", check.name));
        let run = sandbox.run(check, copy, Some(&log), &|| brake.is_interrupted());
        if brake.is_interrupted() {
            break;
        }
        watch.see(&Event::Checked { run: run.clone() });
        runs.push(run);
    }
    Ok(runs)
}

/// Writes the report in its forms, each as a whole or not at all.
pub(super) fn write_report(dir: &Path, report: &Report, patch: &str) -> Result<(), Error> {
    let json = serde_json::to_vec_pretty(report).expect("our own types have text keys only");
    let html = html::render(report, patch);
    let files = [
        ("diff.patch", patch.as_bytes()),
        ("report.html", html.as_bytes()),
        ("report.json", &json),
    ];
    for (name, content) in files {
        replace(&dir.join(name), content)?;
    }
    Ok(())
}

/// Replaces a file by one that is on the disk as a whole.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|err| {
        // Half a file helps nobody; only the first error is worth telling.
        drop(fs::remove_file(&new));
        Error::new(Kind::Failed, format!("cannot write {}: {err}", path.display()))
    })
}

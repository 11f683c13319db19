//! After the worker: what really changed, the required commands run by us, and the files that tell of both.

use std::fs;
use std::path::Path;

use chargehand_core::contract::Contract;
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckRun, Evidence};
use chargehand_core::ports::Watch;
use chargehand_core::report::Report;

use super::watch::{Brake, RunWatch};
use crate::env::dir::write_file;
use crate::env::run_dir::RunDir;
use crate::env::sandbox::Sandbox;
use crate::env::workspace::{Changes, Workspace};
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
) -> Result<(Evidence, Changes), Error> {
    let mut workspace = Workspace::open(dir)?;
    let changes = workspace.changes()?;
    let logs = dir.path().join("checks");
    let stop = || brake.is_interrupted();
    let mut seen = |run: &CheckRun| watch.see(&Event::Checked { run: run.clone() });
    let checks = run_checks(contract, sandbox, &mut workspace, Some(&logs), &stop, &mut seen)?;
    Ok((Evidence { changes: changes.list.clone(), checks }, changes))
}

/// Runs the required commands in a fresh copy of the workspace, until `stop` says so; one that it ends is left out.
pub(super) fn run_checks(
    contract: &Contract,
    sandbox: Option<&Sandbox>,
    workspace: &mut Workspace<'_>,
    logs: Option<&Path>,
    stop: &dyn Fn() -> bool,
    seen: &mut dyn FnMut(&CheckRun),
) -> Result<Vec<CheckRun>, Error> {
    let mut runs = Vec::new();
    if let Some(sandbox) = sandbox.filter(|_| !stop()) {
        let copy = workspace.final_copy()?;
        if let Some(logs) = logs {
            fs::create_dir_all(logs).map_err(|err| {
                Error::new(Kind::Failed, format!("cannot make {}: {err}", logs.display()))
            })?;
        }
        for check in &contract.checks {
            let log = logs.map(|logs| logs.join(format!("{}.log", check.name)));
            let run = sandbox.run(check, &copy, log.as_deref(), stop);
            if stop() {
                break;
            }
            seen(&run);
            runs.push(run);
        }
    }
    // Whatever a command left there must not cost the verdict; `reject` and `accept` try again.
    drop(workspace.remove_copies());
    Ok(runs)
}

/// Writes the report in its forms, each as a whole or not at all, and returns the one for programs.
pub(super) fn write_report(dir: &Path, report: &Report, patch: &str) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec_pretty(report).expect("our own types have text keys only");
    let html = html::render(report, patch);
    let files = [
        ("diff.patch", patch.as_bytes()),
        ("report.html", html.as_bytes()),
        ("report.json", &json),
    ];
    for (name, content) in files {
        write_file(dir, name, content)?;
    }
    Ok(json)
}

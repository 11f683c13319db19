//! Whether a contract can be kept at all: what it names is there, or is not there yet.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chargehand_core::contract::{Check, Contract, Deed};
use chargehand_core::rel_path::RelPath;
use rustix::fs::{Access, access};

use super::out;
use crate::config;
use crate::env::workspace::{Workspace, lies_in};
use crate::error::{Error, Kind};
use crate::report::visible;

/// Refuses a contract that names what the base does not have, and warns of patterns that match nothing there.
pub(super) fn held_against(contract: &Contract, workspace: &Workspace<'_>) -> Result<(), Error> {
    not_there_yet(contract, workspace)?;
    protects_something(contract, workspace)?;
    changes_something(contract, workspace)
}

/// Refuses a check whose program is nowhere, before a model works for nothing. One inside the repository may be
/// what the job is to make.
pub(super) fn has_programs(contract: &Contract) -> Result<(), Error> {
    let path = config::variables().remove(OsStr::new("PATH")).unwrap_or_default();
    let can_start = |file: &Path| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let is_missing = |check: &&Check| {
        let program = Path::new(&check.run[0]);
        match program.components().count() {
            _ if program.is_absolute() => !can_start(program),
            1 if !check.run[0].contains('/') && !check.env.contains_key("PATH") => {
                !std::env::split_paths(&path).any(|folder| can_start(&folder.join(program)))
            }
            _ => false,
        }
    };
    let Some(check) = contract.checks.iter().find(is_missing) else { return Ok(()) };
    let message = format!(
        "check `{}` cannot start: there is no program `{}`",
        check.name,
        visible::line(&check.run[0]).text
    );
    Err(Error::new(Kind::Refused, message).hint("install it, or name it with its path"))
}

/// Refuses a report that would take the place of a file of the repository, or of git's own.
pub(super) fn spares(workspace: &Workspace<'_>, output: Option<&Path>) -> Result<(), Error> {
    let Some(path) = output else { return Ok(()) };
    let is_git = path.components().next().is_some_and(|first| first.as_os_str() == ".git");
    let is_tracked = workspace.base().entries.contains_key(path.as_os_str().as_bytes());
    if !is_git && !is_tracked {
        return Ok(());
    }
    let message = format!("-o would replace {}, which belongs to the repository", path.display());
    Err(Error::new(Kind::Refused, message).hint("give the report a name of its own"))
}

/// A pattern that matches nothing is mostly a slip of the pen; where none does, there is nothing to do.
fn changes_something(contract: &Contract, workspace: &Workspace<'_>) -> Result<(), Error> {
    let scope = &contract.scope;
    let paths = || workspace.base().entries.keys().filter_map(|path| str::from_utf8(path).ok());
    let unmatched = |deed| scope.unmatched(deed, paths());
    let (write, delete) = (unmatched(Deed::Write), unmatched(Deed::Delete));
    let of = |deed| scope.patterns(deed).len();
    let is_idle =
        of(Deed::Create) == 0 && write.len() + delete.len() == of(Deed::Write) + of(Deed::Delete);
    let Some(first) = write.first().or(delete.first()) else { return Ok(()) };
    let folder = format!("{}/", first.trim_end_matches('/'));
    let message = format!("`{}` matches no file of the base", visible::line(first).text);
    let hint = if paths().any(|path| path.starts_with(&folder)) {
        format!("it is a folder; `{folder}**` is all that lies in it")
    } else if let Some(other) = paths().find(|path| path.eq_ignore_ascii_case(first)) {
        format!(
            "did you mean `{}`? Paths begin at the top of the repository",
            visible::line(other).text
        )
    } else {
        "paths begin at the top of the repository; a file that is to appear belongs under `create`"
            .to_owned()
    };
    if is_idle {
        return Err(Error::new(Kind::Refused, message).hint(&hint));
    }
    out::note(&format!("warning: {message}; {hint}"));
    Ok(())
}

/// A file that is there cannot appear: whoever lists it under `create` means `write`, or another name. Nor can one
/// in a submodule, which is another repository.
fn not_there_yet(contract: &Contract, workspace: &Workspace<'_>) -> Result<(), Error> {
    let submodules = workspace.base().submodules();
    for path in contract.scope.creatable() {
        let is_there = workspace.base().entries.contains_key(path.as_bytes());
        if is_there && !contract.scope.may_write(path) {
            let message = format!("`{path}` is to be created, but the base has it already");
            let hint = "list it under `write`, or give another name";
            return Err(Error::new(Kind::Refused, message).hint(hint));
        }
        let inside = RelPath::parse(path).ok();
        if submodules.iter().any(|place| inside.as_ref().is_some_and(|path| lies_in(path, place))) {
            let message = format!("`{path}` is to be created, but it lies in a submodule");
            return Err(Error::new(Kind::Refused, message).hint("run the job in the submodule"));
        }
    }
    Ok(())
}

/// A name that protects nothing is a slip of the pen, and would be believed to protect.
fn protects_something(contract: &Contract, workspace: &Workspace<'_>) -> Result<(), Error> {
    let base = &workspace.base().entries;
    let is_missing = |path: &&str| !base.contains_key(path.as_bytes());
    match contract.scope.protected_names().find(is_missing) {
        None => Ok(()),
        Some(name) => {
            let message = format!("`{name}` is to be protected, but the base has no such file");
            let hint = "`chargehand contract classes` lists the classes that can stand there";
            Err(Error::new(Kind::Refused, message).hint(hint))
        }
    }
}

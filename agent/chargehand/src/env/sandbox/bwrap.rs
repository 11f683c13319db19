//! The command line of bubblewrap: what is mounted where, and which namespaces are new.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use super::etc::Shown;
use super::view::ETC;
use super::{Folders, Sandbox};

/// The only place it is taken from: distributions allow user namespaces to this very path, and what stands
/// earlier in `PATH` may be anything.
pub(crate) const PATH: &str = "/usr/bin/bwrap";

/// Where the program stands inside that supervises.
pub(crate) const HELPER: &str = "/run/chargehand";

/// What keeps a command from the network.
const NO_NETWORK: &str = "--unshare-net";

/// Everything that may be is new; what the kernel does not have is skipped for the control groups only.
const NAMESPACES: &[&str] = &[
    "--unshare-user",
    "--unshare-pid",
    NO_NETWORK,
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    // Without a session of its own a command can type into our terminal (CVE-2017-5226).
    "--new-session",
    "--cap-drop",
    "ALL",
];

/// Returns the version, such as `bubblewrap 0.8.0`.
///
/// # Errors
///
/// In words, when it cannot be started.
pub(crate) fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null());
    let output = command.output().map_err(|err| format!("{}: {err}", program.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the command that runs `helper` inside; its arguments and its environment come next.
pub(super) fn command(
    helper: &Path,
    sandbox: &Sandbox,
    folders: &Folders<'_>,
    etc: &Shown,
) -> Command {
    let Sandbox { machine, view, network, .. } = sandbox;
    let namespaces = NAMESPACES.iter().filter(|flag| !(*network && **flag == NO_NETWORK));
    let mut args = Args(namespaces.map(OsString::from).collect());
    args.add(["--proc", "/proc"]);
    // Root owns these files, and started by root a command is still their owner.
    args.mount("--ro-bind", Path::new("/proc/sys"), Path::new("/proc/sys"));
    args.add(["--dev", "/dev"]);
    for (target, link) in &view.links {
        args.add([OsStr::new("--symlink"), target.as_ref(), link.as_ref()]);
    }
    // What is mounted later lies above: the private folders first, so that nothing they hold covers the rest.
    args.mount("--bind", &folders.temporary, Path::new("/tmp"));
    args.add(["--symlink", "/tmp", "/var/tmp"]);
    args.mount("--bind", &folders.home, &view.home);
    args.mount("--ro-bind", &etc.path(), Path::new(ETC));
    let elsewhere = view.read.iter().filter(|path| !path.starts_with(ETC));
    for path in etc.mounts.iter().chain(elsewhere) {
        args.mount("--ro-bind", path, path);
    }
    for path in &view.cargo {
        let name = path.file_name().unwrap_or_default();
        args.mount("--ro-bind", path, &view.home.join(".cargo").join(name));
    }
    args.mount("--ro-bind", helper, Path::new(HELPER));
    args.mount("--bind", folders.work, folders.work);
    args.add(["--remount-ro", "/"]);
    args.add([OsStr::new("--chdir"), folders.work.as_ref()]);
    args.add(["--", HELPER]);

    let mut command = Command::new(&machine.bwrap);
    command.args(args.0);
    command
}

struct Args(Vec<OsString>);

impl Args {
    fn add<const N: usize>(&mut self, args: [impl Into<OsString>; N]) {
        self.0.extend(args.map(Into::into));
    }

    fn mount(&mut self, how: &str, from: &Path, to: &Path) {
        self.add([OsStr::new(how), from.as_ref(), to.as_ref()]);
    }
}

//! Finds out which sandbox holds here, by trying it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use chargehand_inside::attempt::{self, Targets};
use chargehand_inside::spec::Tier;
use chargehand_inside::supervise::{End, Told};
use chargehand_inside::{ATTEMPT, SUBCOMMAND, calls};

use super::supervisor::Supervisor;
use super::view::View;
use super::{Machine, Sandbox, SandboxError, bwrap, told};
use crate::env::command::{Cause, Watch};

/// The attempt takes some 50 ms; this is for a machine under load.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Landlock versions below this one do not keep signals and abstract sockets inside.
const LANDLOCK_SCOPES: i32 = 6;

/// Returns the first tier that holds.
pub(super) fn best(machine: Machine) -> Result<Sandbox, SandboxError> {
    let sandbox = Sandbox::untried(machine)?;
    let bubblewrap = match in_namespaces(&sandbox)? {
        Ok(sandbox) => return Ok(sandbox),
        Err(reason) => reason,
    };
    match by_landlock(Sandbox { tier: Tier::Landlock, ..sandbox }, &bubblewrap)? {
        Ok(sandbox) => Ok(sandbox),
        Err(landlock) => Err(SandboxError::Unusable { bubblewrap, landlock }),
    }
}

type Tried = io::Result<Result<Sandbox, String>>;

fn in_namespaces(sandbox: &Sandbox) -> Tried {
    let machine = &sandbox.machine;
    if !machine.bwrap.exists() {
        return Ok(Err(format!("{} is not installed", machine.bwrap.display())));
    }
    let version = match bwrap::version(&machine.bwrap) {
        Ok(version) => version,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(attempt(sandbox)?.map(|abi| sandbox.clone().with_layers(namespace_layers(&version, abi))))
}

fn by_landlock(sandbox: Sandbox, bubblewrap: &str) -> Tried {
    Ok(attempt(&sandbox)?.map(|abi| sandbox.with_layers(landlock_layers(bubblewrap, abi))))
}

impl Sandbox {
    fn untried(machine: Machine) -> io::Result<Self> {
        let view = View::new(&|name| {
            let value = machine.variables.get(&OsString::from(name));
            value.filter(|value| !value.is_empty()).cloned()
        });
        Ok(Self {
            tier: Tier::Namespaces,
            supervisor: Supervisor::beside(&machine.helper),
            etc: Arc::default(),
            machine,
            view,
            layers: vec![],
            limits: None,
            network: false,
        })
    }

    fn with_layers(self, layers: Vec<String>) -> Self {
        Self { layers, ..self }
    }
}

/// Returns the Landlock version that held while all attempts were refused, or which was not.
fn attempt(sandbox: &Sandbox) -> io::Result<Result<i32, String>> {
    let folder = tempfile::Builder::new().prefix("chargehand-attempt-").tempdir()?;
    let (work, outside) = (folder.path().join("run/work"), folder.path().join("outside"));
    fs::create_dir_all(&work)?;
    fs::create_dir(&outside)?;
    let secret = outside.join("secret");
    fs::write(&secret, "s")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let targets = Targets { secret, port: listener.local_addr()?.port() };

    let helper = match sandbox.tier {
        Tier::Namespaces => bwrap::HELPER.into(),
        Tier::Landlock => sandbox.supervisor().into(),
    };
    let mut command: Vec<OsString> = vec![helper, SUBCOMMAND.into(), ATTEMPT.into()];
    command.extend(targets.to_args());
    let watch = Watch { timeout: TIMEOUT, stop: &|| false, log: None };
    let ended = sandbox.execute(&command, &work, &watch)?;
    if ended.cause != Cause::Itself {
        return Ok(Err(format!("the attempt did not end within {} s", TIMEOUT.as_secs())));
    }
    Ok(match told(&ended) {
        Ok(Told { end: End::Exit(0), landlock, .. }) => Ok(landlock),
        Ok(Told { end: End::Exit(code), .. }) => Err(found(code)),
        Ok(Told { end: End::NotStarted(reason), .. }) => Err(reason),
        Ok(Told { end: End::Signal(signal), .. }) => {
            Err(format!("signal {signal} ended the attempt"))
        }
        Err(end) => Err(end.to_string()),
    })
}

fn found(code: i32) -> String {
    let findings = attempt::findings(code);
    if findings.is_empty() {
        return format!("the attempt ended with {code}");
    }
    findings.join(", ")
}

fn namespace_layers(version: &str, landlock: i32) -> Vec<String> {
    let mut layers = vec![format!(
        "{version}: system and toolchains read-only, home and /tmp private, own processes, no network"
    )];
    layers.push(match landlock {
        0 => "missing: Landlock, which this kernel does not have".to_owned(),
        version => {
            format!("Landlock {version}: writes only in the workspace, the private home and /tmp")
        }
    });
    layers.push(format!("seccomp: {} system calls refused", calls::REFUSED_COUNT));
    layers.push(LIMITS.to_owned());
    layers
}

const LIMITS: &str =
    "clean environment, limits on tasks, memory, room on the disk, file size and open files";

/// Without a right of root beyond those of an owner, root still owns the system.
fn files_of_user() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "every file that root owns, those of the system among them"
    } else {
        "the user's own files"
    }
}

fn landlock_layers(bubblewrap: &str, landlock: i32) -> Vec<String> {
    let mut layers = vec![
        format!("missing: bubblewrap ({bubblewrap})"),
        format!(
            "Landlock {landlock}: reads only the system and toolchains, writes only its own folders"
        ),
        format!("seccomp: {} system calls refused, and every socket", calls::REFUSED_COUNT),
        LIMITS.to_owned(),
        format!("not stopped: changes of mode, times and attributes of {}", files_of_user()),
        "not stopped: a look at the names and arguments of other processes".to_owned(),
        "not stopped: a command whose supervisor somebody else has killed".to_owned(),
    ];
    if landlock < LANDLOCK_SCOPES {
        layers.push("not stopped: signals to other processes of the user".to_owned());
    }
    layers
}

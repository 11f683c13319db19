//! What a sandboxed process is told on its command line and in its environment, by us to us.
//!
//! Plain arguments and no JSON: a path need not be text. Values of variables may be secret, and everybody may read
//! arguments, so they stand in the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::SOURCE;

/// Variables and their values.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// How a command is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tier {
    /// In namespaces of its own, made by bubblewrap, with Landlock where the kernel has it, and seccomp.
    Namespaces,
    /// By Landlock and seccomp alone.
    Landlock,
}

/// What a command and all that it starts may take together. It is ended when it takes more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Processes and threads at a time.
    pub tasks: u64,
    /// Bytes of memory that are not a file's.
    pub memory: u64,
    /// Bytes that stay free on the disk of the workspace.
    pub disk_left: u64,
}

/// What holds inside a sandbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spec {
    /// How it is held.
    pub tier: Tier,
    /// Whether it reaches the network of the machine.
    pub network: bool,
    /// The user may have so many tasks while it runs.
    pub max_tasks: u64,
    /// What it may take.
    pub limits: Limits,
    /// Processes and threads that get no signal from it.
    pub protect: Vec<i32>,
    /// What may be read and executed.
    pub read: Vec<PathBuf>,
    /// What may be changed, too.
    pub write: Vec<PathBuf>,
}

const END: &str = "--";
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

impl Spec {
    /// Returns the arguments that say all this.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let tier = match self.tier {
            Tier::Namespaces => "namespaces",
            Tier::Landlock => "landlock",
        };
        let Limits { tasks, memory, disk_left } = self.limits;
        let numbers = [self.max_tasks, tasks, memory, disk_left];
        let network = if self.network { ONLINE } else { OFFLINE };
        let mut args = [SOURCE, tier, network].map(OsString::from).to_vec();
        args.extend(numbers.map(|number| OsString::from(number.to_string())));
        let mut add =
            |key: &str, value: &OsStr| args.extend([OsString::from(key), value.to_owned()]);
        for pid in &self.protect {
            add("protect", pid.to_string().as_ref());
        }
        for path in &self.read {
            add("read", path.as_os_str());
        }
        for path in &self.write {
            add("write", path.as_os_str());
        }
        args.push(END.into());
        args
    }

    /// Reads what [`Spec::to_args`] of the very same source wrote and leaves the command in `args`.
    pub(crate) fn from_args(args: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        args.next().filter(|source| source == SOURCE)?;
        let tier = match args.next()?.to_str()? {
            "namespaces" => Tier::Namespaces,
            "landlock" => Tier::Landlock,
            _ => return None,
        };
        let network = match args.next()?.to_str()? {
            ONLINE => true,
            OFFLINE => false,
            _ => return None,
        };
        let mut number = || args.next()?.to_str()?.parse().ok();
        let max_tasks = number()?;
        let limits = Limits { tasks: number()?, memory: number()?, disk_left: number()? };
        let (mut protect, mut read, mut write) = (vec![], vec![], vec![]);
        loop {
            match args.next()?.to_str()? {
                END => {
                    return Some(Self { tier, network, max_tasks, limits, protect, read, write });
                }
                "protect" => protect.push(args.next()?.to_str()?.parse().ok()?),
                "read" => read.push(args.next()?.into()),
                "write" => write.push(args.next()?.into()),
                _ => return None,
            }
        }
    }
}

/// Stands before the name of each variable that is for the command. What starts it must not obey them: a linker that
/// is told of a library in the workspace would load it into a process that still has its rights.
const ASIDE: &[u8] = b"for the command: ";

/// Returns the name under which a variable of the command is handed on.
#[must_use]
pub fn put_aside(name: &OsStr) -> OsString {
    OsString::from_vec([ASIDE, name.as_bytes()].concat())
}

/// Returns the environment of the command out of ours.
pub(crate) fn for_command(own: impl Iterator<Item = (OsString, OsString)>) -> Environment {
    let name = |name: &OsStr| Some(OsStr::from_bytes(name.as_bytes().strip_prefix(ASIDE)?).into());
    own.filter_map(|(own, value)| Some((name(&own)?, value))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let odd = PathBuf::from(OsString::from_vec(b"/a b/\xff\n--".to_vec()));
        let spec = Spec {
            tier: Tier::Landlock,
            network: true,
            max_tasks: 7,
            limits: Limits { tasks: 1, memory: 2, disk_left: u64::MAX },
            protect: vec![1, 20],
            read: vec!["/usr".into(), "--".into(), odd.clone()],
            write: vec![odd],
        };
        let command = [OsString::from("true"), "--".into()];
        let mut args = spec.to_args().into_iter().chain(command.clone());
        assert_eq!(Spec::from_args(&mut args).as_ref(), Some(&spec));
        assert_eq!(args.collect::<Vec<_>>(), command);
        // One of another source may mean something else.
        let mut args = spec.to_args().into_iter();
        args.next();
        let mut args = [OsString::from("0123456789abcdef")].into_iter().chain(args);
        assert_eq!(Spec::from_args(&mut args), None);
    }
}

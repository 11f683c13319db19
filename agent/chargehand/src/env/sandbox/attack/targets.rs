//! What the attempts aim at: files, sockets and a process of ours, set up for them and gone afterwards.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

use super::super::{Machine, inside};
use crate::env::dir::random_hex;

/// A variable of the user's that no command sees.
pub(super) const VARIABLE: &str = "CHARGEHAND_ATTEMPT_TOKEN";

/// What an attempt is told, as an argument.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Targets {
    /// A folder outside of everything that is shown.
    pub(super) outside: PathBuf,
    /// A file in the user's home, where one can be made.
    pub(super) home: Option<PathBuf>,
    /// A file in the shared memory of the machine, likewise.
    pub(super) shared: Option<PathBuf>,
    /// A port on which somebody listens.
    pub(super) tcp: u16,
    /// A port on which somebody takes datagrams.
    pub(super) udp: u16,
    /// The process that waits to be reached.
    pub(super) victim: i32,
    /// What stands in each of these, and is the name of a socket without a path.
    pub(super) marker: String,
}

impl Targets {
    /// Returns a file outside, with the marker in it.
    pub(super) fn secret(&self) -> PathBuf {
        self.outside.join("secret")
    }

    /// Returns the file that a process which holds a model may read.
    pub(super) fn model(&self) -> PathBuf {
        self.outside.join("model")
    }

    /// Returns what only the victim has.
    pub(super) fn mark_of_victim(&self) -> String {
        format!("{}-victim", self.marker)
    }

    /// Returns a file of the victim under `/proc`.
    pub(super) fn of_victim(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.victim.to_string()).join(name)
    }

    pub(super) fn to_arg(&self) -> io::Result<OsString> {
        Ok(serde_json::to_string(self)?.into())
    }

    pub(super) fn from_arg(text: &OsStr) -> Option<Self> {
        serde_json::from_str(text.to_str()?).ok()
    }
}

/// Everything that the targets name.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) targets: Targets,
    work: PathBuf,
    victim: Child,
    _holders: (TempDir, Vec<NamedTempFile>, File),
    _listeners: (TcpListener, UdpSocket, UnixListener, UnixListener, UnixDatagram),
}

impl Scene {
    pub(super) fn create(machine: &Machine) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("chargehand-attempt-").tempdir()?;
        let marker = format!("chargehand-{}", random_hex::<16>()?);
        let (work, outside) = (folder.path().join("run/work"), folder.path().join("outside"));
        fs::create_dir_all(&work)?;
        fs::create_dir(&outside)?;
        for name in ["secret", "model"] {
            fs::write(outside.join(name), &marker)?;
        }
        let held = File::open(outside.join("secret"))?;
        // Left open for whoever is started, as a careless caller of ours would.
        rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty())?;
        let home = machine.variables.get(OsStr::new("HOME")).map(PathBuf::from);
        let files: Vec<Option<NamedTempFile>> = [home, Some("/dev/shm".into())]
            .into_iter()
            .map(|place| marked(&place?, &marker).ok())
            .collect();
        let path = |file: &Option<NamedTempFile>| file.as_ref().map(|file| file.path().to_owned());
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let with_path = UnixListener::bind(outside.join("socket"))?;
        let letters = UnixDatagram::bind(outside.join("letters"))?;
        let without = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&marker)?)?;
        let mark = format!("{marker}-victim");
        let victim = Command::new(&machine.helper)
            .args([inside::SUBCOMMAND, inside::VICTIM, &mark])
            .env_clear()
            .env(VARIABLE, &mark)
            .stdin(Stdio::piped())
            .spawn()?;
        let targets = Targets {
            outside,
            home: path(&files[0]),
            shared: path(&files[1]),
            tcp: tcp.local_addr()?.port(),
            udp: udp.local_addr()?.port(),
            victim: victim.id().cast_signed(),
            marker,
        };
        let files = files.into_iter().flatten().collect();
        let _listeners = (tcp, udp, with_path, without, letters);
        Ok(Self { targets, work, victim, _holders: (folder, files, held), _listeners })
    }

    /// Returns the workspace in which the attempts are made.
    pub(super) fn work(&self) -> &Path {
        &self.work
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // It may have been ended by an attempt.
        self.victim.kill().unwrap_or_default();
        drop(self.victim.wait());
    }
}

fn marked(place: &Path, marker: &str) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix(".chargehand-attempt-").tempfile_in(place)?;
    fs::write(file.path(), marker)?;
    Ok(file)
}

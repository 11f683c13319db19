//! Attempts on files: of the user, of the system, of the machine.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::{Attempt, Outcome, must_fail, must_not_hold};

const VIEW: &str = "bubblewrap";
const RULES: &str = "Landlock";
const CALLS: &str = "seccomp";

pub(super) const ALL: &[Attempt] = &[
    Attempt {
        name: "write_outside",
        what: "write a new file outside",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let path = targets.outside.join("new");
            let written = must_fail(fs::write(&path, "x"));
            fs::remove_file(path).unwrap_or_default();
            written
        },
    },
    Attempt {
        name: "overwrite_outside",
        what: "open a file outside for writing",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| must_fail(open_to_write(&targets.secret())),
    },
    Attempt {
        name: "read_outside",
        what: "read a file outside",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| must_not_hold(fs::read(targets.secret()), &targets.marker),
    },
    Attempt {
        name: "read_home",
        what: "read a file of the user's home, where keys lie",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| read_if_made(targets.home.as_deref(), &targets.marker),
    },
    Attempt {
        name: "read_shared_memory",
        what: "read the shared memory of the machine",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: true,
        deed: |targets| read_if_made(targets.shared.as_deref(), &targets.marker),
    },
    Attempt {
        name: "symbolic_link",
        what: "read a file outside through a symbolic link",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            fs::remove_file("link").unwrap_or_default();
            let read = symlink(targets.secret(), "link").and_then(|()| fs::read("link"));
            must_not_hold(read, &targets.marker)
        },
    },
    Attempt {
        name: "hard_link",
        what: "give a file outside a name in the workspace",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            fs::remove_file("second-name").unwrap_or_default();
            must_fail(fs::hard_link(targets.secret(), "second-name"))
        },
    },
    Attempt {
        name: "move_outside",
        what: "move a file outside away",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |targets| {
            let moved = must_fail(fs::rename(targets.secret(), targets.outside.join("moved")));
            fs::rename(targets.outside.join("moved"), targets.secret()).unwrap_or_default();
            moved
        },
    },
    Attempt {
        name: "mode_outside",
        what: "change the mode of a file outside",
        layers: [VIEW, "nothing", ""],
        residue: Some("not stopped: changes of mode, times"),
        is_harmless: true,
        deed: |targets| {
            must_fail(fs::set_permissions(targets.secret(), Permissions::from_mode(0o600)))
        },
    },
    Attempt {
        name: "setuid",
        what: "make a program that lends its owner's rights",
        layers: [CALLS, CALLS, ""],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(lend_rights(Path::new("lends"))),
    },
    Attempt {
        name: "device",
        what: "make a device file",
        layers: [RULES, RULES, ""],
        residue: None,
        is_harmless: false,
        deed: |_| must_fail(mknod("device", SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 3))),
    },
    Attempt {
        name: "disk",
        what: "read a disk of the machine past its files",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: false,
        deed: |_| open_disk(),
    },
    Attempt {
        name: "system",
        what: "write a file of the system",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: false,
        deed: |_| must_fail(File::create("/usr/chargehand-attempt")),
    },
    Attempt {
        name: "shadow",
        what: "read the passwords of the machine",
        layers: [VIEW, RULES, ""],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(fs::read("/etc/shadow")),
    },
    Attempt {
        name: "core_pattern",
        what: "name the program that the kernel starts for a crash",
        layers: [VIEW, RULES, RULES],
        residue: None,
        is_harmless: true,
        deed: |_| must_fail(open_to_write(Path::new("/proc/sys/kernel/core_pattern"))),
    },
    Attempt {
        name: "many_files",
        what: "open more files than allowed",
        layers: ["limits", "limits", ""],
        residue: None,
        is_harmless: false,
        deed: |_| {
            must_fail((0..5000).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>())
        },
    },
];

fn open_to_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn read_if_made(path: Option<&Path>, marker: &str) -> Outcome {
    match path {
        Some(path) => must_not_hold(fs::read(path), marker),
        None => Outcome::NotTried("no file could be made there to be read".to_owned()),
    }
}

fn lend_rights(path: &Path) -> io::Result<()> {
    const SETUID: u32 = 0o4000;
    fs::write(path, "x")?;
    fs::set_permissions(path, Permissions::from_mode(SETUID | 0o755))?;
    let is_set = fs::metadata(path)?.mode() & SETUID != 0;
    if is_set { Ok(()) } else { Err(io::Error::other("the mode is not set")) }
}

/// Opens the first disk that the kernel lists.
fn open_disk() -> Outcome {
    let list = fs::read_to_string("/proc/partitions").unwrap_or_default();
    let names = list.lines().skip(2).filter_map(|line| line.split_whitespace().nth(3));
    match names.map(|name| PathBuf::from("/dev").join(name)).next() {
        Some(path) => must_fail(File::open(path)),
        None => Outcome::Stopped("no disk is to be seen".to_owned()),
    }
}

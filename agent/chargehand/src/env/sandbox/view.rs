//! What a sandboxed command sees of this machine: the system and toolchains, read-only, and a clean environment.
//!
//! A list of what is shown, not of what is hidden: a file that nobody thought of is not there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::cargo_config;

/// Directories of the system. On many machines some of these are links into `/usr`.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// Settings of the machine.
pub(crate) const ETC: &str = "/etc";

/// What is needed of `/etc`: the dynamic linker, names, time zones, certificates and where languages have their
/// settings. Nothing here is secret; `/etc/ssl/private` and the like are left out.
const SHOWN_ETC: &[&str] = &[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "passwd",
    "group",
    "nsswitch.conf",
    "hosts",
    "host.conf",
    "protocols",
    "services",
    "localtime",
    "timezone",
    "locale.alias",
    "locale.conf",
    "os-release",
    "debian_version",
    "lsb-release",
    "mime.types",
    "magic",
    "inputrc",
    "profile",
    "bash.bashrc",
    "shells",
    "terminfo",
    "ssl/certs",
    "ssl/cert.pem",
    "ssl/openssl.cnf",
    "ca-certificates",
    "pki/tls/certs",
    "pki/ca-trust",
    "java-8-openjdk",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java",
    "maven",
    "perl",
    "python3",
    "fonts",
    "xml",
    "crypto-policies",
];

/// The number of processors is read here.
const CPUS: &str = "/sys/devices/system/cpu";

/// Toolchains that people keep in their home. Their caches and programs only: settings of the same tools may
/// hold tokens.
const TOOLCHAINS: &[&str] = &[
    ".cargo/bin",
    ".rustup",
    ".pyenv",
    ".nvm",
    ".rbenv",
    ".nodenv",
    ".volta",
    ".asdf",
    ".sdkman",
    ".bun/bin",
    ".deno/bin",
    ".ghcup",
    ".elan",
    ".juliaup",
    ".opam",
    "go/bin",
    "go/pkg/mod",
    ".local/bin",
    ".local/lib",
    ".local/pipx/venvs",
    ".local/share/uv",
    ".local/share/mise",
    ".m2/repository",
    ".npm/_cacache",
];

/// Variables that name the place of a toolchain; the place is shown and the variable kept.
const PLACES: &[&str] =
    &["RUSTUP_HOME", "VIRTUAL_ENV", "PYENV_ROOT", "NVM_DIR", "JAVA_HOME", "GOROOT"];

/// Variables that are kept as they are.
const KEPT: &[&str] = &["LANG", "LC_ALL", "LC_CTYPE", "TZ", "RUSTUP_TOOLCHAIN", "PYENV_VERSION"];

/// Variables that say the same to every command: there is no person.
const FIXED: &[(&str, &str)] =
    &[("TERM", "dumb"), ("GIT_TERMINAL_PROMPT", "0"), ("PYTHONDONTWRITEBYTECODE", "1")];

/// Variables that say that there is no network.
const OFFLINE: &[(&str, &str)] =
    &[("CARGO_NET_OFFLINE", "true"), ("GOPROXY", "off"), ("PIP_NO_INDEX", "1")];

/// Where names are looked up, for those who reach the network.
const RESOLVER: &str = "/etc/resolv.conf";

/// Where a home is shown when there is none, or one that holds the system.
const NO_HOME: &str = "/home/chargehand";

/// What is shown of this machine.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The user's home; inside, a private one stands in its place.
    pub(crate) home: PathBuf,
    /// Directories of the system that are links: target and link.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
    /// What may be read and executed.
    pub(crate) read: Vec<PathBuf>,
    /// What of cargo's home is shown in the private one.
    pub(crate) cargo: Vec<PathBuf>,
    /// Cargo's settings, without the ones that do not concern a build.
    pub(crate) cargo_config: Option<String>,
    /// The environment, without the home.
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl View {
    /// Looks what there is. `variable` returns an environment variable.
    pub(crate) fn new(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let home = home(variable("HOME"));
        let mut view = Self {
            links: vec![],
            read: vec![],
            cargo: vec![],
            cargo_config: None,
            env: FIXED
                .iter()
                .chain(OFFLINE)
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            home,
        };
        view.add_system();
        view.add_home(variable);
        view.add_variables(variable);
        view.add_path(variable("PATH"));
        view
    }

    /// Shows what somebody needs who reaches the network.
    pub(crate) fn open(&mut self) {
        self.add(Path::new(RESOLVER));
        self.env.retain(|(name, _)| !OFFLINE.iter().any(|(offline, _)| name == offline));
    }

    fn add_system(&mut self) {
        for path in SYSTEM.iter().map(Path::new) {
            match std::fs::read_link(path) {
                Ok(target) => self.links.push((target, path.to_owned())),
                Err(_) => self.add(path),
            }
        }
        for name in SHOWN_ETC {
            self.add(&Path::new(ETC).join(name));
        }
        self.add(Path::new(CPUS));
    }

    fn add_home(&mut self, variable: &dyn Fn(&str) -> Option<OsString>) {
        for name in TOOLCHAINS {
            self.add(&self.home.join(name));
        }
        let cargo = variable("CARGO_HOME").map_or_else(|| self.home.join(".cargo"), PathBuf::from);
        let shown = ["registry", "git"].map(|name| cargo.join(name));
        self.cargo = shown.into_iter().filter(|path| path.is_dir()).collect();
        if let Some(config) = cargo_config::read(&cargo) {
            for vendored in &config.directories {
                self.add(vendored);
            }
            self.cargo_config = Some(config.text);
        }
    }

    fn add_variables(&mut self, variable: &dyn Fn(&str) -> Option<OsString>) {
        let rustup = Some(self.home.join(".rustup")).filter(|path| path.is_dir());
        for name in PLACES {
            let fallback = rustup.clone().filter(|_| *name == "RUSTUP_HOME");
            let Some(place) = variable(name).map(PathBuf::from).or(fallback) else { continue };
            if self.may_show(&place) {
                self.add(&place);
                self.env.push((name.into(), place.into()));
            }
        }
        for name in KEPT {
            if let Some(value) = variable(name) {
                self.env.push((name.into(), value));
            }
        }
    }

    fn add_path(&mut self, path: Option<OsString>) {
        let path = path.unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut kept: Vec<PathBuf> = Vec::new();
        for entry in std::env::split_paths(&path) {
            if self.may_show(&entry) && entry.is_dir() && !kept.contains(&entry) {
                self.add(&entry);
                kept.push(entry);
            }
        }
        // Cannot fail: the entries were split at the very separator that would be refused.
        self.env.push(("PATH".into(), std::env::join_paths(kept).unwrap_or_default()));
    }

    /// Shows `path`, unless it is not there or shown already.
    pub(super) fn add(&mut self, path: &Path) {
        let below = |shown: &PathBuf| path.starts_with(shown);
        let is_linked = self.links.iter().any(|(_, link)| path.starts_with(link));
        let holds_home = self.home.starts_with(path);
        if path.exists() && !is_linked && !holds_home && !self.read.iter().any(below) {
            self.read.push(path.to_owned());
        }
    }

    /// Returns whether `path`, which a variable names, is a place of its own and not one that holds everything.
    fn may_show(&self, path: &Path) -> bool {
        let is_plain =
            path.is_absolute() && !path.components().any(|part| part.as_os_str() == "..");
        let in_home = ["", ".local/share", ".config"].map(|name| self.home.join(name));
        let outside = [
            "/usr", "/etc", "/var", "/run", "/tmp", "/dev", "/proc", "/sys", "/home", "/root",
            "/mnt",
        ];
        let holds = |path: &Path| {
            let mut inner =
                in_home.iter().map(PathBuf::as_path).chain(outside.iter().map(Path::new));
            inner.any(|inner| inner.starts_with(path))
        };
        is_plain && !holds(path) && path.canonicalize().is_ok_and(|real| !holds(&real))
    }
}

fn home(variable: Option<OsString>) -> PathBuf {
    let home = variable.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.and_then(|path| path.canonicalize().ok());
    let holds_system = |path: &Path| {
        let shown = SYSTEM.iter().chain(&["/etc", "/dev", "/proc", "/tmp", "/run"]).map(Path::new);
        shown.into_iter().any(|system| system.starts_with(path) || path == system)
            || path.starts_with("/usr")
            || path.starts_with("/dev")
            || path.starts_with("/proc")
    };
    home.filter(|path| !holds_system(path)).unwrap_or_else(|| NO_HOME.into())
}

/// Returns the variables that depend on where the private folders are.
pub(crate) fn home_variables(home: &Path, temporary: &Path) -> Vec<(OsString, OsString)> {
    let cargo = home.join(".cargo");
    let pair = |name: &str, path: &OsStr| (OsString::from(name), path.to_owned());
    vec![
        pair("HOME", home.as_os_str()),
        pair("CARGO_HOME", cargo.as_os_str()),
        pair("TMPDIR", temporary.as_os_str()),
    ]
}

//! Where things lie and what the user and the project have set. The only place that reads environment variables.
//!
//! A project's own file comes with the repository and is not trusted; `project` reads it.

mod models;
mod places;
mod project;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargehand_core::bytes::Bytes;
use chargehand_core::contract::parse_duration;
use chargehand_core::roles::Role;
use chargehand_engine::sampler::MatcherKind;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

pub use models::{MTP, ModelConfig, is_path};
pub use places::Places;
pub use project::{ProjectConfig, ProjectLimits};

/// More than this no configuration file has.
const MAX_FILE: u64 = 64 * 1024;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Nobody says where the state goes.
    #[error("none of CHARGEHAND_HOME, XDG_STATE_HOME and HOME is set")]
    NoHome,
    /// A file is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or a flag has a key or a value that is not known.
    #[error("{origin}: {message}")]
    Invalid {
        /// The file with its line, or the flag.
        origin: String,
        /// What is wrong, with the key.
        message: String,
    },
}

/// Returns what is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the hub that models are fetched from and the token for it, by the names that its own tools have.
#[must_use]
pub fn hub() -> (Option<String>, Option<String>) {
    let text = |name| variable(name).and_then(|value| value.into_string().ok());
    (text("HF_ENDPOINT"), text("HF_TOKEN"))
}

/// Returns the proxy by which this machine reaches others, as `HTTPS_PROXY` and its like name it.
#[must_use]
pub fn proxy() -> Option<ureq::Proxy> {
    ureq::Proxy::try_from_env()
}

/// Returns all of it, for the list from which the environment of a command is made.
#[must_use]
pub fn variables() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}

/// Returns `NO_COLOR`.
#[must_use]
pub fn no_color() -> Option<OsString> {
    std::env::var_os("NO_COLOR")
}

/// Returns the kind of terminal, `TERM`.
#[must_use]
pub fn term() -> Option<OsString> {
    std::env::var_os("TERM")
}

/// What the user has set, in `config.toml` and with `--config`. Flags win over it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// The model that works unless `-m` or the role of the coder says otherwise.
    pub model: Option<PathBuf>,
    /// Names of models, each with its file and how it is loaded.
    pub models: BTreeMap<String, ModelConfig>,
    /// The address of the hub that models are pulled from.
    pub hub: Option<String>,
    /// Which model does what.
    pub roles: BTreeMap<Role, String>,
    /// Tokens of context.
    pub ctx: Option<u32>,
    /// Layers on a GPU.
    pub gpu_layers: Option<u32>,
    /// The type of the KV cache.
    pub kv_type: Option<String>,
    /// Threads for computing.
    pub threads: Option<u32>,
    /// A worker that says nothing for so long while it is asked something is killed, such as `30m`.
    #[serde(deserialize_with = "duration")]
    pub silence: Option<Duration>,
    /// How tokens are picked.
    pub sampling: SamplingConfig,
    /// What must stay free of the memory.
    pub memory: MemoryConfig,
    /// How long runs are kept.
    pub runs: RunsConfig,
}

/// The `[runs]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct RunsConfig {
    /// What all runs may take of the disk, such as `20GiB`; `docs/runs.md` has the default.
    #[serde(deserialize_with = "size")]
    pub max_disk: Option<Bytes>,
}

/// The `[memory]` table; `docs/memory.md` has the defaults and their reason.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Of ordinary memory, such as `4GiB`.
    #[serde(deserialize_with = "size")]
    pub host_headroom: Option<Bytes>,
    /// Of each GPU.
    #[serde(deserialize_with = "size")]
    pub gpu_headroom: Option<Bytes>,
}

/// The `[sampling]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// 0 picks the most likely token.
    pub temperature: Option<f32>,
    /// How many of the most likely tokens stay.
    pub top_k: Option<u32>,
    /// The share of probability that stays.
    pub top_p: Option<f32>,
    /// The share of the best token's probability that a token needs.
    pub min_p: Option<f32>,
    /// The same seed gives the same tokens.
    pub seed: Option<u32>,
    /// What holds the grammar of a turn against the tokens: `own`, `llama` or `llguidance`; `lockstep` for ours and
    /// llama.cpp's, `lockstep-llguidance` for ours and llguidance's.
    #[serde(deserialize_with = "matcher")]
    pub matcher: Option<MatcherKind>,
    /// Text that the grammar leaves no choice about is said without asking the model.
    pub forced: Option<bool>,
    /// Under a grammar, text that repeats is guessed and evaluated in one go.
    pub drafts: Option<bool>,
    /// Tokens of reasoning before a call, of a model that knows how; 0 for none.
    pub reasoning: Option<u32>,
}

impl UserConfig {
    /// Reads `file`, when it is there, and puts each `key=value` of `--config` over it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file or the flag, and the key.
    pub fn read(file: Option<&Path>, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut table = toml::Table::new();
        if let Some(path) = file {
            let text = read_small(path, open(path))?;
            // On its own first, so that the message names the file.
            if let Some((key, relative)) = parse::<Self>(path, &text)?.relative() {
                let message =
                    format!("`{key}` is {}: write the path from the root on", relative.display());
                return Err(ConfigError::Invalid { origin: path.display().to_string(), message });
            }
            table = parse(path, &text)?;
        }
        for text in overrides {
            let invalid = |message: String| ConfigError::Invalid {
                origin: format!("--config {text}"),
                message,
            };
            let one = parse_override(text).map_err(invalid)?;
            one.clone().try_into::<Self>().map_err(|err| invalid(err.message().to_owned()))?;
            merge(&mut table, one);
        }
        let invalid = |err: toml::de::Error| ConfigError::Invalid {
            origin: "the configuration".to_owned(),
            message: err.message().to_owned(),
        };
        table.try_into().map_err(invalid)
    }
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

fn matcher<'de, D: Deserializer<'de>>(from: D) -> Result<Option<MatcherKind>, D::Error> {
    let kind = MatcherKind::deserialize(from)?;
    if kind.is_built_in() {
        return Ok(Some(kind));
    }
    Err(serde::de::Error::custom(
        "llguidance is not in this build: it takes the feature `llguidance`",
    ))
}

/// For reading, and a pipe is not waited for.
const READ: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn open(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, READ, Mode::empty())?.into())
}

/// As [`open`], but follows no link below `top`: it could lead to a file of the user's, whose words an error
/// message would repeat.
fn open_beneath(top: &Path, path: &str) -> io::Result<File> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(File::open(top)?, path, READ, Mode::empty(), resolve) {
        Err(Errno::LOOP) => Err(io::Error::other("a symbolic link leads to it")),
        opened => Ok(opened?.into()),
    }
}

/// Returns what a file says, nothing if it is not there. A folder, a pipe or a huge file is an error.
fn read_small(path: &Path, file: io::Result<File>) -> Result<String, ConfigError> {
    let refuse = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = match file {
        Ok(file) => file,
        Err(err)
            if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(String::new());
        }
        Err(err) => return Err(refuse(err)),
    };
    if !file.metadata().map_err(refuse)?.is_file() {
        return Err(refuse(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(refuse)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(refuse(io::Error::other(format!("it has more than {MAX_FILE} bytes"))));
    }
    Ok(text)
}

/// Reads a table that this program has written, nothing if it is not there.
///
/// # Errors
///
/// As [`UserConfig::read`].
pub fn read_table<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    parse(path, &read_small(path, open(path))?)
}

/// Parses a TOML file; the error names the file and the line.
///
/// # Errors
///
/// [`ConfigError::Invalid`].
pub fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|err: toml::de::Error| {
        let line = err
            .span()
            .and_then(|span| text.get(..span.start))
            .map(|before| before.matches('\n').count() + 1);
        let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
        ConfigError::Invalid {
            origin: format!("{}{line}", path.display()),
            message: err.message().to_owned(),
        }
    })
}

/// Parses `key=value`, where the value is TOML, or a text that is none.
fn parse_override(text: &str) -> Result<toml::Table, String> {
    let (key, value) =
        text.split_once('=').ok_or("write it as key=value, with the value in TOML")?;
    let (key, value) = (key.trim(), value.trim());
    toml::from_str(&format!("{key} = {value}"))
        .or_else(|_| toml::from_str(&format!("{key} = {}", toml::Value::from(value))))
        .map_err(|err| err.message().to_owned())
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn overrides(texts: &[&str], expect: Result<UserConfig, &str>) {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        match (UserConfig::read(None, &texts), expect) {
            (Ok(found), expect) => assert_eq!(Ok(found), expect),
            (Err(err), Err(part)) => assert!(err.to_string().contains(part), "{err}"),
            (Err(err), Ok(_)) => panic!("{err}"),
        }
    }

    #[test]
    fn overrides_are_toml_and_unknown_keys_are_errors() {
        let sampling =
            SamplingConfig { temperature: Some(0.5), seed: Some(7), ..SamplingConfig::default() };
        let expect = UserConfig { ctx: Some(4096), sampling, ..UserConfig::default() };
        overrides(&["ctx=4096", "sampling.temperature=0.5", "sampling.seed = 7"], Ok(expect));
        let model = UserConfig { model: Some("a b.gguf".into()), ..UserConfig::default() };
        overrides(&["model=a b.gguf"], Ok(model.clone()));
        overrides(&["model='a b.gguf'"], Ok(model));
        let silence = Some(Duration::from_secs(1800));
        overrides(&["silence=30m"], Ok(UserConfig { silence, ..UserConfig::default() }));
        let memory = MemoryConfig { host_headroom: Some(Bytes::mib(4096)), gpu_headroom: None };
        overrides(
            &["memory.host_headroom=4GiB"],
            Ok(UserConfig { memory, ..UserConfig::default() }),
        );
        overrides(&["memory.gpu_headroom=some"], Err("`some` is no size"));
        overrides(&["silence=30d"], Err("`30d` is no duration"));
        overrides(&["contxt=1"], Err("--config contxt=1: unknown field `contxt`"));
        overrides(&["ctx=x"], Err("--config ctx=x: invalid type"));
        overrides(&["ctx"], Err("key=value"));
    }

    #[test]
    fn a_matcher_that_is_not_built_in_is_an_error() {
        let with = |kind| {
            let sampling = SamplingConfig { matcher: Some(kind), ..SamplingConfig::default() };
            Ok(UserConfig { sampling, ..UserConfig::default() })
        };
        overrides(&["sampling.matcher=lockstep"], with(MatcherKind::Lockstep));
        overrides(&["sampling.matcher=lockstep-llama"], with(MatcherKind::Lockstep));
        let peer = ("llguidance", MatcherKind::Llguidance);
        for (name, kind) in [peer, ("lockstep-llguidance", MatcherKind::LockstepLlguidance)] {
            let refused = Err("llguidance is not in this build: it takes the feature `llguidance`");
            let expect = if kind.is_built_in() { with(kind) } else { refused };
            overrides(&[&format!("sampling.matcher={name}")], expect);
        }
    }
}

//! Cargo's settings of the user, reduced to what decides a build.
//!
//! Where crates come from decides their names in the cache, so an offline build needs this; a token it does not.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The tables that are kept.
const KEPT: &[&str] = &["source", "build", "target", "profile", "registries", "registry"];

/// The keys that are dropped, wherever they stand: secrets, and settings that name programs and places which are
/// not there.
const DROPPED: &[&str] = &[
    "token",
    "secret-key",
    "credential-provider",
    "target-dir",
    "build-dir",
    "rustc-wrapper",
    "runner",
];

/// What is left of the settings.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct CargoConfig {
    /// As TOML.
    pub(crate) text: String,
    /// Directories with vendored crates.
    pub(crate) directories: Vec<PathBuf>,
}

/// Reads the settings in `cargo_home`; without any, or with some that cannot be read, there is nothing.
pub(crate) fn read(cargo_home: &Path) -> Option<CargoConfig> {
    let names = ["config.toml", "config"].map(|name| cargo_home.join(name));
    let text = names.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    reduce(&text)
}

fn reduce(text: &str) -> Option<CargoConfig> {
    let mut table: Table = text.parse().ok()?;
    table.retain(|key, _| KEPT.contains(&key));
    drop_keys(&mut table);
    let sources = table.get("source").and_then(Value::as_table).into_iter().flatten();
    let directories = sources.filter_map(|(_, source)| source.get("directory")?.as_str());
    let directories = directories.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    Some(CargoConfig { text: table.to_string(), directories })
}

fn drop_keys(table: &mut Table) {
    table.retain(|key, _| !DROPPED.contains(&key));
    for (_, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            drop_keys(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reduce;

    #[test]
    fn secrets_go_and_sources_stay() {
        let config = reduce(
            "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"/v\"\n\
             [registries.mine]\nindex = \"i\"\ntoken = \"s3cret\"\n[http]\nproxy = \"u:s3cret@p\"\n\
             [build]\njobs = 2\ntarget-dir = \"/elsewhere\"\nrustc-wrapper = \"sccache\"\n",
        )
        .unwrap();
        assert_eq!(config.directories, [std::path::Path::new("/v")]);
        assert!(!config.text.contains("s3cret") && !config.text.contains("elsewhere"));
        assert!(!config.text.contains("sccache"));
        for kept in ["replace-with", "index", "jobs"] {
            assert!(config.text.contains(kept), "{kept} is not in {}", config.text);
        }
    }

    #[test]
    fn what_is_no_toml_is_nothing() {
        assert_eq!(reduce("[broken"), None);
    }
}

//! By which name a model is known: the built-in one, `[models]` of the configuration, what was added or pulled.

use std::path::{Path, PathBuf};

use crate::cli::embedded;
use crate::config::{ModelConfig, Places, UserConfig, is_path};
use crate::env::registry;
use crate::error::{Error, Kind};

/// A model that was found.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Known {
    /// The name people know it by.
    pub(in crate::cli) name: String,
    /// Its file, the first of several.
    pub(in crate::cli) path: PathBuf,
    /// Whether it is part of the program.
    pub(in crate::cli) is_built_in: bool,
    /// Where it came from.
    pub(in crate::cli) from: Option<String>,
    /// What the configuration says of it.
    pub(in crate::cli) set: ModelConfig,
    sha256: Option<String>,
}

impl Known {
    /// Returns its hash, where that is known without reading it and where it has one file only.
    pub(in crate::cli) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }
}

/// Returns the model that is meant by `asked`: a path if it looks like one, otherwise a name. A file of the current folder
/// that is called like a name is none: the folder may be a repository of strangers.
pub(in crate::cli) fn find(
    asked: &Path,
    config: &UserConfig,
    places: &Places,
) -> Result<Known, Error> {
    let text = asked.to_str().unwrap_or_default();
    if text == embedded::NAME {
        return built_in(places);
    }
    if is_path(text) || text.is_empty() {
        return Ok(Known { name: name_of(asked), path: asked.to_owned(), ..Known::default() });
    }
    let mut all = all(config, places)?;
    if let Some(at) = all.iter().position(|known| known.name == text) {
        return Ok(all.swap_remove(at));
    }
    let names: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
    let err = Error::new(Kind::Usage, format!("{text}: no model has this name"))
        .hint(format!("known are {}", names.join(", ")));
    Err(if asked.exists() { err.hint(format!("the file is meant by ./{text}")) } else { err })
}

/// Returns every model that has a name. What the configuration says goes over what was added.
pub(in crate::cli) fn all(config: &UserConfig, places: &Places) -> Result<Vec<Known>, Error> {
    let mut all = vec![built_in(places)?];
    let added = registry::read(&places.models())?;
    all.extend(config.models.iter().map(|(name, set)| Known {
        name: name.clone(),
        path: set.path.clone(),
        set: set.clone(),
        ..Known::default()
    }));
    let rest = added.into_iter().filter(|(name, _)| !config.models.contains_key(name));
    all.extend(rest.map(|(name, entry)| {
        let mut hashes = entry.sha256.into_values();
        let (first, second) = (hashes.next(), hashes.next());
        let sha256 = first.filter(|_| second.is_none());
        Known { name, path: entry.path, from: entry.from, sha256, ..Known::default() }
    }));
    Ok(all)
}

fn built_in(places: &Places) -> Result<Known, Error> {
    Ok(Known {
        name: embedded::NAME.to_owned(),
        path: embedded::unpack(&places.state)?,
        is_built_in: true,
        sha256: Some(embedded::hash()),
        ..Known::default()
    })
}

/// Returns what a model is called by its file.
pub(in crate::cli) fn name_of(path: &Path) -> String {
    path.file_stem()
        .filter(|_| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf")))
        .or(path.file_name())
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

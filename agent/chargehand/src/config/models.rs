//! The `[models]` table: a name, and the file or how the file is to be loaded.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::UserConfig;

/// What stands in place of a model that guesses where layers of the model itself do.
pub const MTP: &str = "mtp";

/// A model by its name: a path alone, or a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The GGUF file.
    pub path: PathBuf,
    /// What turns its pictures into tokens, in a file of its own.
    pub mmproj: Option<PathBuf>,
    /// A small model that guesses for it, or [`MTP`].
    pub draft: Option<PathBuf>,
    /// Tokens of context of each sequence.
    pub ctx: Option<u32>,
    /// The type of the KV cache.
    pub kv_type: Option<String>,
    /// Layers on a GPU.
    pub gpu_layers: Option<u32>,
}

/// Returns whether whoever writes `text` for a model means a file: a name has neither a slash nor this ending.
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.contains('/') || text.to_ascii_lowercase().ends_with(".gguf")
}

impl UserConfig {
    /// Returns the first key that names the file of a model from the current folder on, with what it says: that folder
    /// may be a repository of strangers.
    pub(super) fn relative(&self) -> Option<(String, &Path)> {
        let words =
            self.roles.iter().map(|(role, text)| (format!("roles.{role}"), Path::new(text)));
        let model = self.model.iter().map(|path| ("model".to_owned(), path.as_path()));
        let mut files = words.chain(model).filter(|(_, path)| path.to_str().is_none_or(is_path));
        let mut named = self.models.iter().flat_map(|(name, model)| {
            let mmproj =
                model.mmproj.iter().map(move |path| (format!("models.{name}.mmproj"), &**path));
            let draft = model.draft.iter().filter(|path| path.as_path() != Path::new(MTP));
            let draft = draft.map(move |path| (format!("models.{name}.draft"), &**path));
            mmproj.chain(draft).chain([(format!("models.{name}"), &*model.path)])
        });
        let is_relative = |(_, path): &(String, &Path)| path.is_relative();
        files.find(is_relative).or_else(|| named.find(is_relative))
    }
}

/// The same as it stands in a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    path: PathBuf,
    mmproj: Option<PathBuf>,
    draft: Option<PathBuf>,
    ctx: Option<u32>,
    kv_type: Option<String>,
    gpu_layers: Option<u32>,
}

/// By hand: derived, an unknown key would be told as `data did not match any variant`.
impl<'de> Deserialize<'de> for ModelConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PathOrTable)
    }
}

struct PathOrTable;

impl<'de> Visitor<'de> for PathOrTable {
    type Value = ModelConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a model, or a table with `path`")
    }

    fn visit_str<E>(self, path: &str) -> Result<ModelConfig, E> {
        Ok(ModelConfig { path: path.into(), ..ModelConfig::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelConfig, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let Table { path, mmproj, draft, ctx, kv_type, gpu_layers } = table;
        Ok(ModelConfig { path, mmproj, draft, ctx, kv_type, gpu_layers })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::UserConfig;

    #[track_caller]
    fn wrong(text: &str, expect: &str) {
        let err = toml::from_str::<UserConfig>(text).unwrap_err();
        assert!(err.message().contains(expect), "{err}");
    }

    #[test]
    fn a_model_is_a_path_or_a_table() {
        let text = "[models]\na = '/a'\nb = { path = '/b', ctx = 512, mmproj = '/p', draft = '/d' }\n[roles]\ncoder = 'a'";
        let config: UserConfig = toml::from_str(text).unwrap();
        assert_eq!(config.models["a"].path.to_str(), Some("/a"));
        assert_eq!(config.models["b"].draft.as_deref(), Some(Path::new("/d")));
        assert_eq!((config.models["b"].ctx, config.roles.len()), (Some(512), 1));
        wrong("[models]\na = 7", "expected the path of a model, or a table with `path`");
        wrong("[models.a]\nctx = 512", "missing field `path`");
        wrong("[models.a]\npath = '/a'\nquant = 4", "unknown field `quant`");
        wrong("[roles]\ncook = 'a'", "unknown variant `cook`, expected one of `coder`");
        wrong("[roles]\ncoder = 7", "expected a string");
    }
}

//! Which paths may change, as globs with the texts they came from.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{ContractError, ScopeFile};
use crate::rel_path::{RelPath, folded, is_normal};

/// Which paths may change and how.
#[derive(Clone, Debug)]
pub struct Scope {
    write: Patterns,
    create: Patterns,
    delete: Patterns,
    forbid: Patterns,
    /// The sum of added and removed lines that is allowed.
    pub max_changed_lines: Option<u32>,
}

impl Scope {
    pub(super) fn new(file: &ScopeFile) -> Result<Self, ContractError> {
        if file.write.is_empty() && file.create.is_empty() && file.delete.is_empty() {
            return Err(ContractError::NoScope);
        }
        let forbid = Patterns::new("forbid", &file.forbid)?;
        for (list, patterns) in
            [("write", &file.write), ("create", &file.create), ("delete", &file.delete)]
        {
            for path in patterns {
                if let Some(forbid) = forbid.texts.iter().find(|text| *text == path) {
                    return Err(contradiction(list, path, forbid));
                }
                let winner = forbid.set.matches(path).first().map(|at| &forbid.texts[*at]);
                if let Some(winner) = winner.filter(|_| !is_glob(path)) {
                    return Err(contradiction(list, path, winner));
                }
            }
        }
        Ok(Self {
            write: Patterns::new("write", &file.write)?,
            create: Patterns::new("create", &file.create)?,
            delete: Patterns::new("delete", &file.delete)?,
            forbid,
            max_changed_lines: file.max_changed_lines,
        })
    }

    /// Returns whether a file of the base may change.
    #[must_use]
    pub fn may_write(&self, path: &str) -> bool {
        self.write.set.is_match(path) && !self.forbids(path)
    }

    /// Returns whether a file may appear. A glob lets no name appear that has a twin which looks the same.
    #[must_use]
    pub fn may_create(&self, path: &str) -> bool {
        let is_named = || self.create.texts.iter().any(|text| text == path);
        self.create.set.is_match(path) && !self.forbids(path) && (is_normal(path) || is_named())
    }

    /// Returns whether a file of the base may go.
    #[must_use]
    pub fn may_delete(&self, path: &str) -> bool {
        self.delete.set.is_match(path) && !self.forbids(path)
    }

    /// Returns whether the path is forbidden whatever else is allowed. Capitals and look-alike characters make no
    /// difference: other systems, and people, read the same name.
    #[must_use]
    pub fn forbids(&self, path: &str) -> bool {
        self.forbid.set.is_match(path) || self.forbid.set.is_match(folded(path))
    }

    /// Returns the names under `create` that are spelt out.
    pub fn creatable(&self) -> impl Iterator<Item = &str> {
        self.create.texts.iter().map(String::as_str).filter(|text| !is_glob(text))
    }

    /// Returns whether `create` has a glob, so that a new name is the worker's to choose.
    #[must_use]
    pub fn creates_freely(&self) -> bool {
        self.create.texts.iter().any(|text| is_glob(text))
    }

    /// Returns the patterns under `write`.
    #[must_use]
    pub fn write_patterns(&self) -> &[String] {
        &self.write.texts
    }

    /// Returns the patterns under `create`.
    #[must_use]
    pub fn create_patterns(&self) -> &[String] {
        &self.create.texts
    }

    /// Returns the patterns under `delete`.
    #[must_use]
    pub fn delete_patterns(&self) -> &[String] {
        &self.delete.texts
    }
}

/// Globs with the texts they came from.
#[derive(Clone, Debug)]
struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    fn new(list: &'static str, texts: &[String]) -> Result<Self, ContractError> {
        let refuse = |pattern: &str, reason: String| ContractError::Pattern {
            list,
            pattern: pattern.escape_debug().to_string(),
            reason,
        };
        let mut set = GlobSetBuilder::new();
        for text in texts {
            // A pattern is a plain relative path too, with `*` and the like inside its parts.
            RelPath::parse(text).map_err(|err| refuse(text, err.to_string()))?;
            // In a glob `*` stops at `/`; a literal name is matched to the letter; capitals count except in `forbid`.
            let text_as_glob = if is_glob(text) { text.clone() } else { globset::escape(text) };
            let mut glob = GlobBuilder::new(&text_as_glob);
            let glob = glob.literal_separator(true).case_insensitive(list == "forbid").build();
            set.add(glob.map_err(|err| refuse(text, err.kind().to_string()))?);
        }
        let set = set.build().map_err(|err| refuse("", err.to_string()))?;
        Ok(Self { texts: texts.to_vec(), set })
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn contradiction(list: &'static str, path: &str, forbid: &str) -> ContractError {
    ContractError::Contradiction { list, path: path.to_owned(), forbid: forbid.to_owned() }
}

//! Which paths may change, as globs and classes with the texts they came from.

use std::fmt::{self, Display, Formatter};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::class::{Class, Classes};
use super::{ContractError, ScopeFile};
use crate::look_alike::has_disguise;
use crate::rel_path::{RelPath, folded, is_normal};

/// Which paths may change and how.
#[derive(Clone, Debug)]
pub struct Scope {
    write: Patterns,
    create: Patterns,
    delete: Patterns,
    forbid: Patterns,
    protect: Patterns,
    protected: Vec<Class>,
    only: Vec<Class>,
    frozen: Vec<Class>,
    sensitive: Vec<Class>,
    reveal: Vec<String>,
    classes: &'static Classes,
    /// How much may change.
    pub size: Sizes,
}

/// How much may change at most; what is not there has no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sizes {
    /// Added and removed lines together.
    pub lines: Option<u64>,
    /// The bytes of these lines.
    pub bytes: Option<u64>,
    /// Files that differ, in whatever way.
    pub files: Option<u64>,
    /// Files that appear.
    pub new: Option<u64>,
    /// Files that go.
    pub deleted: Option<u64>,
}

/// What happens to a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// A file that is there changes.
    Write,
    /// A file appears.
    Create,
    /// A file goes.
    Delete,
}

/// Why something may not happen to a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Objection {
    /// `forbid` has it.
    Forbidden,
    /// No list allows it.
    Unlisted,
    /// It belongs to a class that is frozen.
    Frozen(Class),
    /// It belongs to none of the classes that may be touched.
    Outside,
    /// It would appear with a letter in its name that passes for another.
    Disguised,
    /// It runs later, outside of our sandbox, and no line of the contract says that this is meant.
    Later(Class, Deed),
}

impl Scope {
    pub(super) fn new(file: &ScopeFile) -> Result<Self, ContractError> {
        if file.write.is_empty() && file.create.is_empty() && file.delete.is_empty() {
            return Err(ContractError::NoScope);
        }
        let (protected, protect) = split(&file.protect);
        let scope = Self {
            write: Patterns::new("write", &file.write)?,
            create: Patterns::new("create", &file.create)?,
            delete: Patterns::new("delete", &file.delete)?,
            forbid: Patterns::new("forbid", &file.forbid)?,
            protect: Patterns::new("protect", &protect)?,
            protected,
            only: file.only.clone(),
            frozen: file.frozen.clone(),
            sensitive: file.sensitive.clone(),
            reveal: file.reveal.clone(),
            classes: Classes::get(),
            size: Sizes {
                lines: file.max_changed_lines.map(u64::from),
                bytes: file.max_changed_bytes,
                files: file.max_changed_files.map(u64::from),
                new: file.max_new_files.map(u64::from),
                deleted: file.max_deleted_files.map(u64::from),
            },
        };
        // A path to reveal is one file.
        Patterns::new("reveal", &file.reveal)?;
        for deed in [Deed::Write, Deed::Create, Deed::Delete] {
            let list = scope.list(deed);
            list.texts.iter().try_for_each(|path| scope.contradicts(deed.list(), path))?;
        }
        Ok(scope)
    }

    /// Returns why `deed` may not happen to `path`.
    #[must_use]
    pub fn objection(&self, deed: Deed, path: &str) -> Option<Objection> {
        if self.forbids(path) {
            return Some(Objection::Forbidden);
        }
        if !self.list(deed).is_match(path) {
            return Some(Objection::Unlisted);
        }
        let is_named = self.list(deed).names(path);
        let has_twin = || has_disguise(path) || !is_normal(path);
        if deed == Deed::Create && !is_named && has_twin() {
            return Some(Objection::Disguised);
        }
        let classes = self.classes.of(path);
        if let Some(class) = classes.iter().find(|class| self.frozen.contains(class)) {
            return Some(Objection::Frozen(*class));
        }
        if !self.only.is_empty() && !classes.iter().any(|class| self.only.contains(class)) {
            return Some(Objection::Outside);
        }
        let runs = |class: &&Class| class.row().runs.is_some() && !self.sensitive.contains(class);
        let later = classes.iter().find(runs).filter(|_| !is_named);
        later.map(|class| Objection::Later(*class, deed))
    }

    /// Returns whether a file of the base may change.
    #[must_use]
    pub fn may_write(&self, path: &str) -> bool {
        self.objection(Deed::Write, path).is_none()
    }

    /// Returns whether a file may appear. A glob lets no name appear that has a twin which looks the same.
    #[must_use]
    pub fn may_create(&self, path: &str) -> bool {
        self.objection(Deed::Create, path).is_none()
    }

    /// Returns whether a file of the base may go.
    #[must_use]
    pub fn may_delete(&self, path: &str) -> bool {
        self.objection(Deed::Delete, path).is_none()
    }

    /// Returns whether the path is forbidden whatever else is allowed. Capitals and look-alike characters make no
    /// difference: other systems, and people, read the same name.
    #[must_use]
    pub fn forbids(&self, path: &str) -> bool {
        self.forbid.is_match(path) || self.forbid.is_match(&folded(path))
    }

    /// Returns whether commands see `path` as it was at the base.
    #[must_use]
    pub fn protects(&self, path: &str) -> bool {
        self.protect.is_match(path)
            || !self.protected.is_empty()
                && self.classes.of(path).iter().any(|class| self.protected.contains(class))
    }

    /// Returns the names under `protect` that are spelt out.
    pub fn protected_names(&self) -> impl Iterator<Item = &str> {
        self.protect.texts.iter().map(String::as_str).filter(|text| !is_glob(text))
    }

    /// Returns whether anything is protected.
    #[must_use]
    pub fn protects_any(&self) -> bool {
        !self.protected.is_empty() || !self.protect.texts.is_empty()
    }

    /// Returns whether `path` holds secrets which the contract does not name. No tool reads such a file.
    #[must_use]
    pub fn hides(&self, path: &str) -> bool {
        let named = self.reveal.iter().any(|text| text == path)
            || self.write.names(path)
            || self.create.names(path);
        !named && self.classes.of(path).contains(&Class::Secrets)
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

    /// Returns the patterns under `write`, `create` or `delete`.
    #[must_use]
    pub fn patterns(&self, deed: Deed) -> &[String] {
        &self.list(deed).texts
    }

    /// Returns the patterns under `write`, `create` or `delete` that none of `paths` matches.
    pub fn unmatched<'p>(&self, deed: Deed, paths: impl IntoIterator<Item = &'p str>) -> Vec<&str> {
        let list = self.list(deed);
        let mut matched = vec![false; list.texts.len()];
        for path in paths {
            for at in list.set.matches(path) {
                matched[at] = true;
            }
        }
        let texts = list.texts.iter().zip(matched);
        texts.filter(|(_, matched)| !matched).map(|(text, _)| text.as_str()).collect()
    }

    /// Returns the classes outside of which nothing may be touched; without any, there is no such limit.
    #[must_use]
    pub fn only(&self) -> &[Class] {
        &self.only
    }

    /// Returns the classes that may not be touched.
    #[must_use]
    pub fn frozen(&self) -> &[Class] {
        &self.frozen
    }

    fn list(&self, deed: Deed) -> &Patterns {
        match deed {
            Deed::Write => &self.write,
            Deed::Create => &self.create,
            Deed::Delete => &self.delete,
        }
    }

    /// Refuses an entry that nothing can come of, because something else wins over it.
    fn contradicts(&self, list: &'static str, path: &str) -> Result<(), ContractError> {
        let beaten = |key, winner: &str| {
            let (path, winner) = (path.to_owned(), winner.to_owned());
            Err(ContractError::Contradiction { list, path, key, winner })
        };
        if let Some(same) = self.forbid.texts.iter().find(|text| *text == path) {
            return beaten("forbid", same);
        }
        if is_glob(path) {
            return Ok(());
        }
        if let Some(at) = self.forbid.set.matches(path).first() {
            return beaten("forbid", &self.forbid.texts[*at]);
        }
        let classes = self.classes.of(path);
        if let Some(class) = classes.iter().find(|class| self.frozen.contains(class)) {
            return beaten("frozen", class.name());
        }
        if !self.only.is_empty() && !classes.iter().any(|class| self.only.contains(class)) {
            return beaten("only", &names(&self.only));
        }
        Ok(())
    }
}

impl Deed {
    /// Returns the list of the contract that allows it.
    #[must_use]
    pub const fn list(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

impl Display for Objection {
    /// Goes on from "was changed, ".
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden => f.write_str("but `forbid` has it"),
            Self::Unlisted => f.write_str("which the contract does not allow"),
            Self::Frozen(class) => write!(f, "but `frozen` has `{}`", class.name()),
            Self::Outside => f.write_str("but it belongs to none of the classes under `only`"),
            Self::Disguised => f.write_str("but a letter of its name passes for another"),
            Self::Later(class, deed) => {
                let (name, runs) = (class.name(), class.row().runs.unwrap_or_default());
                let list = deed.list();
                write!(
                    f,
                    "but {runs} (class `{name}`) and no line names it: spell it out under `{list}`, or add \
                     `sensitive = [\"{name}\"]` to `[scope]`"
                )
            }
        }
    }
}

/// Globs with the texts they came from.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    pub(super) fn new(list: &'static str, texts: &[String]) -> Result<Self, ContractError> {
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

    pub(super) fn is_match(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Returns whether an entry spells `path` out.
    fn names(&self, path: &str) -> bool {
        self.texts.iter().any(|text| text == path && !is_glob(text))
    }
}

/// Returns the entries that name a class, and the others.
fn split(entries: &[String]) -> (Vec<Class>, Vec<String>) {
    let is_class = |entry: &&String| Class::parse(entry).is_ok();
    let (classes, globs): (Vec<&String>, Vec<&String>) = entries.iter().partition(is_class);
    let classes = classes.into_iter().filter_map(|name| Class::parse(name).ok());
    (classes.collect(), globs.into_iter().cloned().collect())
}

fn names(classes: &[Class]) -> String {
    classes.iter().map(|class| class.name()).collect::<Vec<_>>().join(", ")
}

/// Returns the pattern that matches `path` to the letter.
#[must_use]
pub fn literal(path: &str) -> String {
    if is_glob(path) { globset::escape(path) } else { path.to_owned() }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

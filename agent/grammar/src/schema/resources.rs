//! The identifiers of the documents: where `$id`, `$anchor` and `$dynamicAnchor` stand, and where references lead.
//!
//! JSON Schema Core 8.2 and 9.1. A place is a JSON pointer (RFC 6901), after `uri#` where it is not in the schema itself.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::budget::Exceeded;
use super::document::escaped;
use super::error::SchemaError;
use super::options::Draft;
use super::uri::{decoded, resolve, split};

/// How deep the values of a document may stand inside each other.
const MAX_NESTING: usize = 500;

/// What a value of the document is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Position {
    /// It is a schema, or a list of them.
    Schema,
    /// Its members are schemas, whatever their names.
    Named,
    /// Nobody knows; references may lead into it all the same.
    Unknown,
}

impl Position {
    /// Returns what the member `key` is for, unless it is data.
    fn below(self, key: &str) -> Option<Self> {
        Some(match (self, key) {
            (Self::Named, _) => Self::Schema,
            (Self::Unknown, _) => Self::Unknown,
            (Self::Schema, "enum" | "const" | "default" | "examples") => return None,
            (
                Self::Schema,
                "$defs" | "definitions" | "properties" | "patternProperties" | "dependentSchemas"
                | "dependencies",
            ) => Self::Named,
            (
                Self::Schema,
                "allOf"
                | "anyOf"
                | "oneOf"
                | "not"
                | "if"
                | "then"
                | "else"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames",
            ) => Self::Schema,
            (Self::Schema, _) => Self::Unknown,
        })
    }
}

/// The places of one identifier.
#[derive(Debug, Default)]
struct Places {
    schemas: Vec<String>,
    unknown: Vec<String>,
}

impl Places {
    fn add(&mut self, pointer: &str, position: Position) {
        match position {
            Position::Schema => self.schemas.push(pointer.to_owned()),
            Position::Named => {}
            Position::Unknown => self.unknown.push(pointer.to_owned()),
        }
    }

    /// Returns the place, if it is the only one; what looks like a schema counts where no schema is there.
    fn only(&self) -> Option<&str> {
        match (self.schemas.as_slice(), self.unknown.as_slice()) {
            ([only], _) | ([], [only]) => Some(only),
            _ => None,
        }
    }
}

/// The identifiers of a schema and of the documents it may refer to.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) draft: Draft,
    /// From a URI without fragment to where it is the `$id`.
    resources: HashMap<String, Places>,
    /// From a URI and the name of an anchor in it to where it stands.
    anchors: HashMap<(String, String), Places>,
    /// The anchors of each resource that a `$dynamicRef` may lead to; that of `$recursiveAnchor` has no name.
    dynamic: HashMap<String, BTreeMap<String, String>>,
}

/// Where a reference leads.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) pointer: String,
    /// The anchor it names, when that is dynamic.
    pub(super) dynamic: Option<String>,
}

impl Resources {
    /// Reads the identifiers of the schema `root` and of other documents by their URI.
    pub(super) fn new(
        root: &Value,
        documents: &BTreeMap<String, Value>,
        default: Draft,
    ) -> Result<Self, SchemaError> {
        let draft = draft_of(root, "")?.unwrap_or(default);
        let (resources, anchors, dynamic) = Default::default();
        let mut all = Self { draft, resources, anchors, dynamic };
        all.resources.entry(String::new()).or_default().add("", Position::Schema);
        all.index(root, "", "", Position::Schema, 0)?;
        for (uri, document) in documents {
            // One in another draft, or in none that is known, is as if it were not there.
            let own = draft_of(document, "");
            let is_alike = own.is_ok_and(|own| own.is_none_or(|own| own == draft));
            if is_alike && !all.resources.contains_key(uri) {
                all.add(uri, document)?;
            }
        }
        all.forget_single_anchors();
        Ok(all)
    }

    /// Adds a document. One that is given twice, by where it was found and by its `$id`, is there once.
    fn add(&mut self, uri: &str, document: &Value) -> Result<(), SchemaError> {
        let own = document.as_object().map(|members| self.base_of(members, uri));
        let known = own.and_then(|own| self.resources.get(&own)?.only().map(str::to_owned));
        let place = known.clone().unwrap_or_else(|| format!("{uri}#"));
        self.resources.entry(uri.to_owned()).or_default().add(&place, Position::Schema);
        if known.is_some() {
            return Ok(());
        }
        self.index(document, &place, uri, Position::Schema, 0)
    }

    /// Keeps only those dynamic anchors that are there more than once; of the others it is known what they mean.
    fn forget_single_anchors(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for name in self.dynamic.values().flat_map(BTreeMap::keys) {
            *counts.entry(name.clone()).or_default() += 1;
        }
        for anchors in self.dynamic.values_mut() {
            anchors.retain(|name, _| counts[name] > 1);
        }
        self.dynamic.retain(|_, anchors| !anchors.is_empty());
    }

    /// Reads the identifiers in `value` and below.
    fn index(
        &mut self,
        value: &Value,
        pointer: &str,
        base: &str,
        position: Position,
        depth: usize,
    ) -> Result<(), SchemaError> {
        if depth > MAX_NESTING {
            let what = "values inside each other";
            return Err(Exceeded { what, limit: MAX_NESTING }.at(pointer));
        }
        match value {
            Value::Object(members) => {
                let base = self.identify(members, pointer, base, position)?;
                for (key, member) in members {
                    let Some(position) = position.below(key) else { continue };
                    let pointer = format!("{pointer}/{}", escaped(key));
                    self.index(member, &pointer, &base, position, depth + 1)?;
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.index(item, &format!("{pointer}/{at}"), base, position, depth + 1)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    fn identify(
        &mut self,
        members: &Map<String, Value>,
        pointer: &str,
        base: &str,
        position: Position,
    ) -> Result<String, SchemaError> {
        let base_here = self.base_of(members, base);
        if base_here != base {
            self.resources.entry(base_here.clone()).or_default().add(pointer, position);
            if !pointer.is_empty() && position == Position::Schema {
                self.check_draft(members, pointer)?;
            }
        }
        let mut anchors: Vec<&str> = Vec::new();
        // What begins with `/` is a JSON pointer, which leads where it says.
        let fragment = self.id_of(members).map_or("", |id| split(id).1);
        anchors.extend(Some(fragment).filter(|name| !name.is_empty() && !name.starts_with('/')));
        if self.draft >= Draft::Draft2019 {
            let text = |key| members.get(key).and_then(Value::as_str);
            anchors.extend(text("$anchor").into_iter().chain(text("$dynamicAnchor")));
            let is_recursive = members.get("$recursiveAnchor") == Some(&Value::Bool(true));
            for name in text("$dynamicAnchor").into_iter().chain(is_recursive.then_some("")) {
                let anchors = self.dynamic.entry(base_here.clone()).or_default();
                anchors.entry(name.to_owned()).or_insert_with(|| pointer.to_owned());
            }
        }
        for name in anchors {
            let key = (base_here.clone(), name.to_owned());
            self.anchors.entry(key).or_default().add(pointer, position);
        }
        Ok(base_here)
    }

    /// Refuses a resource that is written in another draft than the document.
    fn check_draft(&self, members: &Map<String, Value>, pointer: &str) -> Result<(), SchemaError> {
        let own = schema_of(members.get("$schema"), pointer)?;
        if own.is_none_or(|own| own == self.draft) {
            return Ok(());
        }
        let hint = "a part of a document is read as the draft of the whole";
        Err(unsupported(&format!("{pointer}/$schema"), "$schema", hint))
    }

    fn id_of<'m>(&self, members: &'m Map<String, Value>) -> Option<&'m str> {
        // Beside `$ref`, older drafts see nothing else.
        if self.draft < Draft::Draft2019 && members.contains_key("$ref") {
            return None;
        }
        let keyword = if self.draft == Draft::Draft4 { "id" } else { "$id" };
        members.get(keyword).and_then(Value::as_str)
    }

    /// Returns the base URI of a part that stands where it is `base`.
    pub(super) fn base_of(&self, members: &Map<String, Value>, base: &str) -> String {
        let id = self.id_of(members).map_or("", |id| split(id).0);
        resolve(base, id)
    }

    /// Returns where the reference `text` leads from a part whose base URI is `base`.
    pub(super) fn find(
        &self,
        base: &str,
        place: &str,
        keyword: &str,
        text: &str,
    ) -> Result<Target, SchemaError> {
        let (document, fragment) = split(text);
        let uri = resolve(base, document);
        let wrong = |hint: String| malformed(place, keyword, &hint);
        let only = |places: &Places| {
            let only = places.only().map(str::to_owned);
            only.ok_or_else(|| wrong(format!("`{text}` is there twice")))
        };
        let Some(resource) = self.resources.get(&uri).map(only).transpose()? else {
            let hint = format!(
                "`{text}` is another document, which is not given in this draft; put it under `$defs`"
            );
            return Err(unsupported(place, keyword, hint));
        };
        let fragment = decoded(fragment)
            .ok_or_else(|| wrong(format!("`{text}` has a malformed percent escape")))?;
        if fragment.is_empty() || fragment.starts_with('/') {
            let is_dynamic = self.anchors_of(&uri).is_some_and(|all| all.contains_key(""));
            let dynamic = (fragment.is_empty() && is_dynamic).then(String::new);
            return Ok(Target { pointer: format!("{resource}{fragment}"), dynamic });
        }
        let is_dynamic = self.anchors_of(&uri).is_some_and(|all| all.contains_key(&fragment));
        let dynamic = is_dynamic.then(|| fragment.clone());
        let found = self.anchors.get(&(uri, fragment)).map(only).transpose()?;
        let pointer = found.ok_or_else(|| wrong(format!("`{text}` leads nowhere")))?;
        Ok(Target { pointer, dynamic })
    }

    /// Returns the dynamic anchors of a resource that others have too.
    pub(super) fn anchors_of(&self, uri: &str) -> Option<&BTreeMap<String, String>> {
        self.dynamic.get(uri)
    }
}

/// Returns the error that a keyword has a value that is none.
pub(super) fn malformed(pointer: &str, keyword: &str, hint: &str) -> SchemaError {
    SchemaError::Malformed {
        pointer: pointer.to_owned(),
        keyword: keyword.to_owned(),
        hint: hint.to_owned(),
    }
}

fn unsupported(pointer: &str, keyword: &str, hint: impl Into<String>) -> SchemaError {
    SchemaError::Unsupported {
        pointer: pointer.to_owned(),
        keyword: keyword.to_owned(),
        hint: hint.into(),
    }
}

/// Returns the draft that the `$schema` of the part at `pointer` names, if there is one.
fn draft_of(value: &Value, pointer: &str) -> Result<Option<Draft>, SchemaError> {
    schema_of(value.get("$schema"), pointer)
}

/// Returns the draft that a `$schema` names.
fn schema_of(named: Option<&Value>, pointer: &str) -> Result<Option<Draft>, SchemaError> {
    let place = format!("{pointer}/$schema");
    let uri = match named {
        None => return Ok(None),
        Some(Value::String(uri)) => uri.trim_end_matches('#'),
        Some(_) => return Err(malformed(&place, "$schema", "a URI is expected")),
    };
    let name = uri.split_once("://json-schema.org/").map_or(uri, |(_, name)| name);
    match name {
        "schema" => Ok(None),
        "draft-04/schema" | "draft-05/schema" => Ok(Some(Draft::Draft4)),
        "draft-06/schema" => Ok(Some(Draft::Draft6)),
        "draft-07/schema" => Ok(Some(Draft::Draft7)),
        "draft/2019-09/schema" => Ok(Some(Draft::Draft2019)),
        "draft/2020-12/schema" => Ok(Some(Draft::Draft2020)),
        _ => {
            // Which keywords such a dialect has, only its own schema says.
            let hint = format!(
                "`{uri}` is none of the drafts 4 to 2020-12; leave it out if the schema is in one of them"
            );
            Err(unsupported(&place, "$schema", hint))
        }
    }
}

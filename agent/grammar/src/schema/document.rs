//! The schema as a document: its parts by JSON pointer, its identifiers, and where references lead.
//!
//! JSON Schema Core 8.2 and 9.1, RFC 6901. Only this document is known: a reference to another one is refused.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::budget::Exceeded;
use super::error::SchemaError;
use super::options::Draft;
use super::uri::{decoded, resolve, split};

/// A part of the document, by its place in a list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct SchemaId(usize);

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

/// What is known of one part.
#[derive(Debug)]
struct Part<'a> {
    pointer: String,
    value: &'a Value,
    /// The URI that references in it are relative to.
    base: String,
}

/// The document that is compiled.
#[derive(Debug)]
pub(super) struct Document<'a> {
    root: &'a Value,
    pub(super) draft: Draft,
    parts: Vec<Part<'a>>,
    ids: HashMap<String, SchemaId>,
    /// From a URI without fragment to where it is the `$id`.
    resources: HashMap<String, Places>,
    /// From a URI and the name of an anchor in it to where it stands.
    anchors: HashMap<(String, String), Places>,
    /// How often each `$dynamicAnchor` is there.
    dynamic: HashMap<String, usize>,
    has_recursive_anchor: bool,
}

impl<'a> Document<'a> {
    /// Returns the document with its identifiers read.
    pub(super) fn new(root: &'a Value, default: Draft) -> Result<Self, SchemaError> {
        let draft = match root.get("$schema") {
            Some(Value::String(uri)) => draft_of(uri)?.unwrap_or(default),
            Some(_) => return Err(malformed("/$schema", "$schema", "a URI is expected")),
            None => default,
        };
        let mut document = Self {
            root,
            draft,
            parts: Vec::new(),
            ids: HashMap::new(),
            resources: HashMap::new(),
            anchors: HashMap::new(),
            dynamic: HashMap::new(),
            has_recursive_anchor: false,
        };
        document.resources.entry(String::new()).or_default().add("", Position::Schema);
        document.index(root, "", "", Position::Schema, 0)?;
        Ok(document)
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
        if self.draft == Draft::Draft2020 {
            let text = |key| members.get(key).and_then(Value::as_str);
            anchors.extend(text("$anchor").into_iter().chain(text("$dynamicAnchor")));
            self.has_recursive_anchor |=
                members.get("$recursiveAnchor") == Some(&Value::Bool(true));
            if let Some(name) = text("$dynamicAnchor") {
                *self.dynamic.entry(name.to_owned()).or_insert(0) += 1;
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
        let Some(Value::String(uri)) = members.get("$schema") else { return Ok(()) };
        if draft_of(uri)?.is_none_or(|draft| draft == self.draft) {
            return Ok(());
        }
        Err(SchemaError::Unsupported {
            pointer: format!("{pointer}/$schema"),
            keyword: "$schema".to_owned(),
            hint: "a part of a document is read as the draft of the whole".to_owned(),
        })
    }

    fn id_of<'m>(&self, members: &'m Map<String, Value>) -> Option<&'m str> {
        // Beside `$ref`, older drafts see nothing else.
        if self.draft < Draft::Draft2020 && members.contains_key("$ref") {
            return None;
        }
        let keyword = if self.draft == Draft::Draft4 { "id" } else { "$id" };
        members.get(keyword).and_then(Value::as_str)
    }

    fn base_of(&self, members: &Map<String, Value>, base: &str) -> String {
        let id = self.id_of(members).map_or("", |id| split(id).0);
        resolve(base, id)
    }

    /// Returns the part that `pointer` leads to.
    pub(super) fn part(&mut self, pointer: &str) -> Option<SchemaId> {
        if let Some(id) = self.ids.get(pointer) {
            return Some(*id);
        }
        let mut value = self.root;
        let mut base = String::new();
        for token in pointer.split('/').skip(1) {
            if let Value::Object(members) = value {
                base = self.base_of(members, &base);
            }
            let token = token.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Object(members) => members.get(&token)?,
                // RFC 6901 section 4: no sign and no leading zero.
                Value::Array(items) => {
                    let place = token.parse::<usize>().ok()?;
                    items.get(place).filter(|_| place.to_string() == token)?
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        if let Value::Object(members) = value {
            base = self.base_of(members, &base);
        }
        let id = SchemaId(self.parts.len());
        self.parts.push(Part { pointer: pointer.to_owned(), value, base });
        self.ids.insert(pointer.to_owned(), id);
        Some(id)
    }

    /// Returns the part below `at` with these names.
    pub(super) fn below(&mut self, at: SchemaId, names: &[&str]) -> SchemaId {
        let mut pointer = self.pointer(at).to_owned();
        for name in names {
            pointer = format!("{pointer}/{}", escaped(name));
        }
        self.part(&pointer).expect("BUG: a part of the schema is asked for that is not there")
    }

    /// Returns the JSON pointer of a part.
    pub(super) fn pointer(&self, at: SchemaId) -> &str {
        &self.parts[at.0].pointer
    }

    /// Returns the value of a part.
    pub(super) fn value(&self, at: SchemaId) -> &'a Value {
        self.parts[at.0].value
    }

    /// Returns the value of the keyword `key` of a part.
    pub(super) fn get(&self, at: SchemaId, key: &str) -> Option<&'a Value> {
        self.value(at).get(key)
    }

    /// Returns where the reference `text` of the part `at` leads.
    pub(super) fn target(
        &mut self,
        at: SchemaId,
        keyword: &str,
        text: &str,
    ) -> Result<SchemaId, SchemaError> {
        let place = format!("{}/{keyword}", self.pointer(at));
        let (document, fragment) = split(text);
        let uri = resolve(&self.parts[at.0].base, document);
        let wrong = |hint: String| malformed(&place, keyword, &hint);
        let only = |places: &Places| {
            places
                .only()
                .map(str::to_owned)
                .ok_or_else(|| wrong(format!("`{text}` is there twice")))
        };
        let Some(resource) = self.resources.get(&uri).map(only).transpose()? else {
            return Err(SchemaError::Unsupported {
                pointer: place,
                keyword: keyword.to_owned(),
                hint: format!("`{text}` is another document; put it under `$defs`"),
            });
        };
        let fragment = decoded(fragment)
            .ok_or_else(|| wrong(format!("`{text}` has a malformed percent escape")))?;
        let pointer = if fragment.is_empty() || fragment.starts_with('/') {
            Some(format!("{resource}{fragment}"))
        } else {
            self.anchors.get(&(uri, fragment)).map(only).transpose()?
        };
        let found = pointer.and_then(|pointer| self.part(&pointer));
        found.ok_or_else(|| wrong(format!("`{text}` leads nowhere")))
    }

    /// Returns whether a `$recursiveRef` may lead to more than one place.
    pub(super) fn has_recursive_anchor(&self) -> bool {
        self.has_recursive_anchor
    }

    /// Returns whether a `$dynamicRef` to the anchor `name` can lead to one place only.
    pub(super) fn is_static(&self, name: &str) -> bool {
        self.dynamic.get(name).is_none_or(|count| *count <= 1)
    }
}

fn malformed(pointer: &str, keyword: &str, hint: &str) -> SchemaError {
    SchemaError::Malformed {
        pointer: pointer.to_owned(),
        keyword: keyword.to_owned(),
        hint: hint.to_owned(),
    }
}

/// Returns the draft that a `$schema` names.
fn draft_of(uri: &str) -> Result<Option<Draft>, SchemaError> {
    let name = uri.trim_end_matches('#');
    let name = name.rsplit_once("json-schema.org/").map_or(name, |(_, name)| name);
    Ok(match name {
        "draft-03/schema" => {
            return Err(SchemaError::Unsupported {
                pointer: "/$schema".to_owned(),
                keyword: "$schema".to_owned(),
                hint: "draft 3 is too old; draft 4 and later are read".to_owned(),
            });
        }
        "draft-04/schema" | "draft-05/schema" => Some(Draft::Draft4),
        "draft-06/schema" | "draft-07/schema" => Some(Draft::Draft7),
        "draft/2019-09/schema" | "draft/2020-12/schema" => Some(Draft::Draft2020),
        _ => None,
    })
}

/// Returns `name` as a token of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

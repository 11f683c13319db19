//! The schema as a document: its parts by JSON pointer, its identifiers, and where references lead.
//!
//! JSON Schema Core 8.2 and 9.1, RFC 6901. Only this document is known: a reference to another one is refused.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::SchemaError;
use super::options::Draft;
use super::uri::{decoded, resolve, split};

/// A part of the document, by its place in a list.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct SchemaId(usize);

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
    /// From a URI without fragment to the pointer that has it as `$id`.
    resources: HashMap<String, String>,
    /// From a URI and the name of an anchor in it to the pointer.
    anchors: HashMap<(String, String), String>,
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
            resources: HashMap::from([(String::new(), String::new())]),
            anchors: HashMap::new(),
            dynamic: HashMap::new(),
            has_recursive_anchor: false,
        };
        document.index(root, String::new(), String::new())?;
        Ok(document)
    }

    /// Reads the identifiers in `value` and below.
    fn index(&mut self, value: &Value, pointer: String, base: String) -> Result<(), SchemaError> {
        match value {
            Value::Object(members) => {
                let base = self.identify(members, &pointer, base)?;
                for (key, member) in members {
                    // Values that look like schemas, and are none.
                    if !matches!(key.as_str(), "enum" | "const" | "default" | "examples") {
                        self.index(member, format!("{pointer}/{}", escaped(key)), base.clone())?;
                    }
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.index(item, format!("{pointer}/{at}"), base.clone())?;
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
        base: String,
    ) -> Result<String, SchemaError> {
        let base_here = self.base_of(members, &base);
        if base_here != base {
            self.resources.insert(base_here.clone(), pointer.to_owned());
        }
        if let Some((_, anchor)) =
            self.id_of(members).map(split).filter(|(_, anchor)| !anchor.is_empty())
        {
            self.anchor(&base_here, anchor, pointer)?;
        }
        if self.draft == Draft::Draft2020 {
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(Value::String(name)) = members.get(keyword) {
                    self.anchor(&base_here, name, pointer)?;
                }
            }
            self.has_recursive_anchor |=
                members.get("$recursiveAnchor") == Some(&Value::Bool(true));
            if let Some(Value::String(name)) = members.get("$dynamicAnchor") {
                *self.dynamic.entry(name.clone()).or_insert(0) += 1;
            }
        }
        Ok(base_here)
    }

    fn anchor(&mut self, base: &str, name: &str, pointer: &str) -> Result<(), SchemaError> {
        let key = (base.to_owned(), name.to_owned());
        let known = self.anchors.insert(key, pointer.to_owned());
        if known.is_some_and(|known| known != pointer) {
            return Err(malformed(pointer, "$anchor", &format!("`{name}` is there twice")));
        }
        Ok(())
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
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
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
        let Some(resource) = self.resources.get(&uri).cloned() else {
            return Err(SchemaError::Unsupported {
                pointer: place,
                keyword: keyword.to_owned(),
                hint: format!("`{text}` is another document; put it under `$defs`"),
            });
        };
        let wrong = |hint: String| malformed(&place, keyword, &hint);
        let fragment = decoded(fragment)
            .ok_or_else(|| wrong(format!("`{text}` has a malformed percent escape")))?;
        let pointer = if fragment.is_empty() || fragment.starts_with('/') {
            Some(format!("{resource}{fragment}"))
        } else {
            self.anchors.get(&(uri, fragment)).cloned()
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
        "draft-04/schema" => Some(Draft::Draft4),
        "draft-06/schema" | "draft-07/schema" => Some(Draft::Draft7),
        "draft/2019-09/schema" | "draft/2020-12/schema" => Some(Draft::Draft2020),
        _ => None,
    })
}

/// Returns `name` as a token of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

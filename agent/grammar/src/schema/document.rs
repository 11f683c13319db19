//! The schema as a document: its parts, and where references lead from them.
//!
//! A part is a place (RFC 6901) and the dynamic scope in which it is met (JSON Schema Core 7.1), so that a part that is
//! reached in two scopes is two parts. Only this document and those given beside it are known.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::Value;

use super::error::SchemaError;
use super::options::Draft;
use super::resources::{Resources, malformed};

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
    scope: Scope,
}

/// The places that dynamic anchors have come to mean on the way to a part, by its number in a list.
type Scope = usize;

/// The place that each dynamic anchor has come to mean.
type Anchors = BTreeMap<String, String>;

/// The document that is compiled, and those beside it.
#[derive(Debug)]
pub(super) struct Document<'a> {
    root: &'a Value,
    others: &'a BTreeMap<String, Value>,
    resources: Resources,
    parts: Vec<Part<'a>>,
    scopes: Vec<Rc<Anchors>>,
    /// The number of each scope: there may be as many as parts.
    known_scopes: HashMap<Rc<Anchors>, Scope>,
    /// The parts of each scope by their place.
    ids: Vec<HashMap<String, SchemaId>>,
}

impl<'a> Document<'a> {
    /// Returns the document with its identifiers read.
    pub(super) fn new(
        root: &'a Value,
        others: &'a BTreeMap<String, Value>,
        default: Draft,
    ) -> Result<Self, SchemaError> {
        let nothing = Rc::new(Anchors::new());
        Ok(Self {
            root,
            others,
            resources: Resources::new(root, others, default)?,
            parts: Vec::new(),
            known_scopes: HashMap::from([(Rc::clone(&nothing), 0)]),
            scopes: vec![nothing],
            ids: vec![HashMap::new()],
        })
    }

    /// Returns the draft of the document.
    pub(super) fn draft(&self) -> Draft {
        self.resources.draft
    }

    /// Returns the part that is the whole document.
    pub(super) fn whole(&mut self) -> SchemaId {
        self.part("", 0).expect("BUG: the whole document is a part of it")
    }

    /// Returns the part that `pointer` leads to, met in `scope`.
    fn part(&mut self, pointer: &str, scope: Scope) -> Option<SchemaId> {
        if let Some(id) = self.ids[scope].get(pointer) {
            return Some(*id);
        }
        let (value, base) = self.locate(pointer)?;
        let inner = self.entered(scope, &base);
        let fresh = SchemaId(self.parts.len());
        let id = *self.ids[inner].entry(pointer.to_owned()).or_insert(fresh);
        if id == fresh {
            self.parts.push(Part { pointer: pointer.to_owned(), value, base, scope: inner });
        }
        self.ids[scope].insert(pointer.to_owned(), id);
        Some(id)
    }

    /// Returns the value that `pointer` leads to and its base URI.
    fn locate(&self, pointer: &str) -> Option<(&'a Value, String)> {
        let (mut value, mut base, path) = if pointer.is_empty() || pointer.starts_with('/') {
            (self.root, String::new(), pointer)
        } else {
            let with_path = |(uri, value): (&String, &'a Value)| {
                let path = pointer.strip_prefix(uri.as_str())?.strip_prefix('#')?;
                Some((value, uri.clone(), path))
            };
            self.others.iter().find_map(with_path)?
        };
        let base_of = |value: &Value, base: String| match value {
            Value::Object(members) => self.resources.base_of(members, &base),
            _ => base,
        };
        for token in path.split('/').skip(1) {
            base = base_of(value, base);
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
        Some((value, base_of(value, base)))
    }

    /// Returns the scope after the resource `uri` was entered: what an anchor came to mean first, it means for good.
    fn entered(&mut self, scope: Scope, uri: &str) -> Scope {
        let Some(anchors) = self.resources.anchors_of(uri) else { return scope };
        let mut inner = Anchors::clone(&self.scopes[scope]);
        for (name, place) in anchors {
            inner.entry(name.clone()).or_insert_with(|| place.clone());
        }
        if let Some(known) = self.known_scopes.get(&inner) {
            return *known;
        }
        let (inner, number) = (Rc::new(inner), self.scopes.len());
        self.known_scopes.insert(Rc::clone(&inner), number);
        self.scopes.push(inner);
        self.ids.push(HashMap::new());
        number
    }

    /// Returns the part below `at` with these names.
    pub(super) fn below(&mut self, at: SchemaId, names: &[&str]) -> SchemaId {
        let mut pointer = self.pointer(at).to_owned();
        for name in names {
            pointer = format!("{pointer}/{}", escaped(name));
        }
        let found = self.part(&pointer, self.parts[at.0].scope);
        found.expect("BUG: a part of the schema is asked for that is not there")
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

    /// Returns where the reference `text` of the part `at` leads. Dynamic ones lead to what their anchor came to mean
    /// first on the way here.
    pub(super) fn target(
        &mut self,
        at: SchemaId,
        keyword: &str,
        text: &str,
    ) -> Result<SchemaId, SchemaError> {
        let part = &self.parts[at.0];
        let place = format!("{}/{keyword}", part.pointer);
        let found = self.resources.find(&part.base, &place, keyword, text)?;
        let scope = part.scope;
        let meant = found.dynamic.filter(|name| is_dynamic(keyword, name));
        let meant = meant.and_then(|name| self.scopes[scope].get(&name).cloned());
        let found = self.part(&meant.unwrap_or(found.pointer), scope);
        found.ok_or_else(|| malformed(&place, keyword, &format!("`{text}` leads nowhere")))
    }
}

/// Returns whether a reference under `keyword` follows the dynamic anchor `name`.
fn is_dynamic(keyword: &str, name: &str) -> bool {
    match keyword {
        "$dynamicRef" => !name.is_empty(),
        "$recursiveRef" => name.is_empty(),
        _ => false,
    }
}

/// Returns `name` as a token of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

//! All keywords, in one list: which of them belong together, since which draft, and who reads them.

use serde_json::Value;

use super::compiler::{Choices, Compiler, Wanted};
use super::document::SchemaId;
use super::error::SchemaError;
use super::options::{Draft, Unknown};
use super::shape::Shape;
use super::{arrays, combine, objects, scalars, unevaluated, values};

/// Reads keywords of a part of the schema: what satisfies them, or what does not.
type Read = fn(&mut Compiler<'_>, SchemaId, Wanted) -> Result<Choices, SchemaError>;

/// Keywords that are read together.
struct Keyword {
    names: &'static [&'static str],
    since: Draft,
    read: Read,
}

const fn since(since: Draft, names: &'static [&'static str], read: Read) -> Keyword {
    Keyword { names, since, read }
}

use Draft::{Draft4, Draft6, Draft7, Draft2019, Draft2020};

/// The keywords that say something of a value. The order decides the order of members: those of a schema itself
/// stand before those of the schemas that it refers to.
const KEYWORDS: &[Keyword] = &[
    since(Draft4, &["type"], scalars::kinds),
    since(Draft6, &["const"], values::constant),
    since(Draft4, &["enum"], values::one_of),
    since(Draft4, &["minimum"], scalars::minimum),
    since(Draft4, &["maximum"], scalars::maximum),
    since(Draft6, &["exclusiveMinimum"], scalars::exclusive_minimum),
    since(Draft6, &["exclusiveMaximum"], scalars::exclusive_maximum),
    since(Draft4, &["multipleOf"], scalars::multiple_of),
    since(Draft4, &["minLength"], scalars::min_length),
    since(Draft4, &["maxLength"], scalars::max_length),
    since(Draft4, &["pattern"], scalars::pattern),
    since(Draft4, &["format"], scalars::format),
    since(Draft4, &["properties", "patternProperties", "additionalProperties"], objects::members),
    since(Draft4, &["required"], objects::required),
    since(Draft4, &["minProperties"], objects::min_properties),
    since(Draft4, &["maxProperties"], objects::max_properties),
    since(Draft6, &["propertyNames"], objects::names),
    since(Draft4, &["items", "additionalItems", "prefixItems"], arrays::items),
    since(Draft4, &["minItems"], arrays::min_items),
    since(Draft4, &["maxItems"], arrays::max_items),
    since(Draft4, &["uniqueItems"], arrays::unique),
    since(Draft6, &["contains", "minContains", "maxContains"], arrays::contains),
    since(Draft4, &["dependencies"], combine::dependencies),
    since(Draft2019, &["dependentRequired"], combine::dependent_required),
    since(Draft2019, &["dependentSchemas"], combine::dependent_schemas),
    since(Draft4, &["$ref"], combine::reference),
    since(Draft2020, &["$dynamicRef"], combine::dynamic_reference),
    since(Draft2019, &["$recursiveRef"], combine::recursive_reference),
    since(Draft4, &["allOf"], combine::all_of),
    since(Draft4, &["anyOf"], combine::any_of),
    since(Draft4, &["oneOf"], combine::one_of),
    since(Draft4, &["not"], combine::not),
    since(Draft7, &["if", "then", "else"], combine::conditional),
    since(Draft2019, &["unevaluatedProperties"], unevaluated::properties),
    since(Draft2019, &["unevaluatedItems"], unevaluated::items),
];

/// Keywords that are younger than those they are read with.
const LATER: &[(&str, Draft)] =
    &[("prefixItems", Draft2020), ("minContains", Draft2019), ("maxContains", Draft2019)];

/// The keywords that say nothing of a value (JSON Schema Core 8, Validation 8 and 9).
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

/// Returns what satisfies the part `at` of the schema, or what does not.
pub(super) fn read(
    compiler: &mut Compiler<'_>,
    at: SchemaId,
    wanted: Wanted,
) -> Result<Choices, SchemaError> {
    let members = match (compiler.document.value(at), wanted) {
        (Value::Bool(true), Wanted::Holds) | (Value::Bool(false), Wanted::Fails) => {
            return Ok(vec![Shape::any()]);
        }
        (Value::Bool(false), Wanted::Holds) | (Value::Bool(true), Wanted::Fails) => {
            return Ok(Vec::new());
        }
        (Value::Object(members), Wanted::Holds | Wanted::Fails) => members,
        (Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_), _) => {
            let pointer = compiler.document.pointer(at).to_owned();
            let keyword = pointer.rsplit('/').next().unwrap_or_default().to_owned();
            let hint = "a schema is expected, which is an object, true or false".to_owned();
            return Err(SchemaError::Malformed { pointer, keyword, hint });
        }
    };
    let draft = compiler.document.draft();
    let hides_others = draft < Draft2019 && members.contains_key("$ref");
    let is_read = |name: &str| members.contains_key(name) && (!hides_others || name == "$ref");
    for name in members.keys().filter(|name| is_read(name)) {
        check_name(compiler, at, name)?;
    }
    let mut all = match wanted {
        Wanted::Holds => vec![Shape::any()],
        Wanted::Fails => Vec::new(),
    };
    for keyword in KEYWORDS.iter().filter(|keyword| keyword.since <= draft) {
        if !keyword.names.iter().any(|name| is_read(name)) {
            continue;
        }
        let found = (keyword.read)(compiler, at, wanted)?;
        match wanted {
            Wanted::Holds => {
                let both = compiler.both(&all, &found);
                let name = keyword.names.iter().find(|name| is_read(name)).unwrap_or(&"");
                all = both.map_err(|error| compiler.exceeded(at, name, error))?;
            }
            Wanted::Fails => all.extend(found),
        }
    }
    Ok(all)
}

/// Returns what those keywords of the part `at` say that combine no schemas.
pub(super) fn beside(compiler: &mut Compiler<'_>, at: SchemaId) -> Result<Choices, SchemaError> {
    let draft = compiler.document.draft();
    let mut all = vec![Shape::any()];
    let plain = KEYWORDS.iter().take_while(|keyword| keyword.names != ["dependencies"]);
    for keyword in plain.filter(|keyword| keyword.since <= draft) {
        if keyword.names.iter().any(|name| compiler.document.get(at, name).is_some()) {
            let found = (keyword.read)(compiler, at, Wanted::Holds)?;
            let both = compiler.both(&all, &found);
            all = both.map_err(|error| compiler.exceeded(at, keyword.names[0], error))?;
        }
    }
    Ok(all)
}

/// Refuses a flag that is none, and a keyword that nobody knows where the user wants that.
fn check_name(compiler: &Compiler<'_>, at: SchemaId, name: &str) -> Result<(), SchemaError> {
    let draft = compiler.document.draft();
    let is_keyword = |keyword: &&Keyword| keyword.since <= draft && keyword.names.contains(&name);
    let flags = ["exclusiveMinimum", "exclusiveMaximum"];
    let value = compiler.document.get(at, name);
    if draft == Draft4 && flags.contains(&name) && !value.is_some_and(Value::is_boolean) {
        return Err(compiler.malformed(at, name, "draft 4 expects true or false"));
    }
    let is_later = LATER.iter().any(|(later, since)| *later == name && draft < *since);
    let is_known = ANNOTATIONS.contains(&name)
        || KEYWORDS.iter().any(|keyword| is_keyword(&keyword))
        || (draft == Draft4 && flags.contains(&name));
    if (!is_known || is_later) && compiler.options.unknown == Unknown::Refuse {
        let hint = "it is no keyword of this draft; leave it out or let unknown keywords pass";
        return Err(compiler.unsupported(at, name, hint));
    }
    Ok(())
}

//! JSON Schema to GBNF: each keyword is enforced or refused with its place, and nothing is dropped silently.
//!
//! Versions 2020-12, 2019-09, 7, 6 and 4 are read, as `$schema` or [`Options::draft`] says.
//!
//! ```
//! use chargehand_grammar::schema::{Options, compile};
//!
//! let schema = serde_json::json!({
//!     "type": "object",
//!     "properties": {"path": {"enum": ["src/a.rs", "src/b.rs"]}, "line": {"type": "integer", "minimum": 1}},
//!     "required": ["path"],
//!     "additionalProperties": false
//! });
//! let grammar = compile(&schema, &Options::default())?;
//! assert!(grammar.to_string().starts_with("root ::= \"{\\\"path\\\":"));
//! # Ok::<(), chargehand_grammar::schema::SchemaError>(())
//! ```
//!
//! | keywords | source | |
//! |---|---|---|
//! | `type` `const` `enum` | Validation 6.1 | enforced; a tree of prefixes for strings |
//! | `minimum` `maximum` `exclusive..` `multipleOf` | Validation 6.2 | enforced, for numbers with a fraction too |
//! | `minLength` `maxLength` `pattern` | Validation 6.3, ECMA-262 | enforced, in code points, found anywhere |
//! | `format` | Validation 7.3, its RFCs | enforced or refused; unknown names are unknown keywords |
//! | `format` of integers (`int8` to `uint128`) | OpenAPI's registry | enforced as bounds, for `schemars` |
//! | `properties` `patternProperties` `additionalProperties` `propertyNames` | Core 10.3.2 | enforced |
//! | `required` `minProperties` `maxProperties` `dependent..` `dependencies` | Validation 6.5, Core 10.2.2.4 | enforced |
//! | `items` `prefixItems` `additionalItems` `contains` `minContains` `maxContains` | Core 10.3.1, Validation 6.4 | enforced |
//! | `minItems` `maxItems` | Validation 6.4 | enforced |
//! | `uniqueItems` | Validation 6.4.3 | enforced for at most 8 given scalars, else refused |
//! | `allOf` `anyOf` `not` `if` `then` `else` | Core 10.2 | enforced |
//! | `oneOf` | Core 10.2.1.3 | enforced; a branch excludes what the others allow, where that can be said |
//! | `$ref` `$defs` `definitions` `$id` `id` `$anchor` | Core 8.2 | followed within the document and those given ([`compile_among`]) |
//! | `$dynamicRef` `$recursiveRef` | Core 8.2.3.2 | followed, on each way to what its anchor came to mean first |
//! | `unevaluatedProperties` `unevaluatedItems` | Core 11 | enforced, for each way in which something is evaluated |
//! | `$schema` | Core 8.1.1 | drafts 4 to 2020-12, else refused |
//! | `title` `description` `default` `examples` `deprecated` `readOnly` `writeOnly` `$comment` `content..` | Validation 8, 9 | annotations |
//! | all others | Core 6.5 | annotations, or refused ([`Unknown`]) |
//!
//! What a grammar can say, it says of **texts**. These are the limits that follow; a value that satisfies the
//! schema always has a text within them:
//! - members stand in the order of `properties`, those of a schema before those of the schemas it refers to, then all
//!   others, in any order; only when more than 5 names are required and not declared, these stand before the others,
//!   in the order of `required` or `dependent..` (there a member, then what it needs). Objects of `const` and `enum`
//!   with more than 5 members have those in the order of the schema;
//! - a name that stands in the schema is spelt one way; so are the strings of `const`, `enum`, `pattern` and
//!   `format`, each character that needs no escape without one, and DEL, where it is the only character that may
//!   come, with one. Other strings have every spelling of RFC 8259; surrogates come in pairs only;
//! - an integer has no fraction and no exponent, but `1.0` is one unless [`Numbers::Digits`] forbids it; a number with bounds
//!   has an exponent of at most two digits, after one digit before the point that is not 0 (`2.5e-6`); one with a
//!   divisor has none; a number of `const` and `enum` has its shortest form;
//! - other members are not kept from having the same name twice, which counts twice for `minProperties`, and of
//!   which a parser may keep the one that nothing asked for;
//! - a number without bounds may have more digits, or a larger exponent, than a 64-bit float holds;
//! - some formats are narrower than their RFC, and so are their opposites: years begin at 0001, the second 60 exists
//!   at 23:59 UTC only, a host name has at most 3 labels or 12 of 20 characters and no Punycode, a quoted name of
//!   an e-mail address has no `@`.
//!
//! And a limit of what is read: integers of the schema beyond 64 bits are as exact as `serde_json` gives them.
//!
//! How it works: a node is a set of parts of the schema that hold for one value. Its alternatives are multiplied
//! out (`anyOf`, `oneOf`, `not`, `if` and so on), each a conjunction of demands. Strings and numbers are automata
//! over characters, so that "and" and "not" are exact. Members and items are nodes again; recursion is a node that
//! is met twice.
//!
//! Refused: references to documents that are not given, `uniqueItems` unless the items are a few given scalars, back
//! references, look-behind and word boundaries in patterns, the formats `regex`, `idn-hostname` and `idn-email`,
//! `multipleOf` with more than 4,000 remainders, and the opposite of `uniqueItems` and most formats.

mod arrays;
mod bounds;
mod budget;
mod combine;
mod compiler;
mod decimal;
mod dfa;
mod distinct;
mod document;
mod ecma;
mod emit;
mod emit_array;
mod emit_counted;
mod emit_object;
mod error;
mod evaluated;
mod formats;
mod keywords;
mod lang;
mod names;
mod nodes;
mod number;
mod objects;
mod options;
mod regex;
mod resources;
mod rules;
mod scalars;
mod shape;
mod text;
mod unevaluated;
mod uri;
mod values;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::gbnf::Grammar;
use compiler::Compiler;
use emit::Emitter;

pub use error::SchemaError;
pub use options::{Draft, Formats, Limits, Numbers, Objects, Options, Space, Unknown};

/// Returns the grammar of the JSON texts that satisfy `schema`.
///
/// # Errors
///
/// When a keyword cannot be enforced, when the schema is malformed, when nothing satisfies it, or when the grammar
/// would be too large. The error names the place as a JSON pointer, the keyword, and what to do.
pub fn compile(schema: &Value, options: &Options) -> Result<Grammar, SchemaError> {
    compile_among(schema, &BTreeMap::new(), options)
}

/// Returns the grammar of the JSON texts that satisfy `schema`, which may refer to other documents by their URI.
///
/// # Errors
///
/// As [`compile`]. A document that is written in another draft than `schema` is as if it were not given.
pub fn compile_among(
    schema: &Value,
    documents: &BTreeMap<String, Value>,
    options: &Options,
) -> Result<Grammar, SchemaError> {
    Emitter::new(Compiler::new(schema, documents, *options)?).grammar()
}

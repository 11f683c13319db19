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
//! | `$ref` `$defs` `definitions` `$id` `id` `$anchor` | Core 8.2 | followed within the document |
//! | `$dynamicRef` `$recursiveRef` | Core 8.2.3.2 | followed where only one target is possible, else refused |
//! | `unevaluatedProperties` `unevaluatedItems` | Core 11 | enforced beside `$ref` and `allOf`, else refused |
//! | `title` `description` `default` `examples` `deprecated` `readOnly` `writeOnly` `$comment` `content..` | Validation 8, 9 | annotations |
//! | all others | Core 6.5 | annotations, or refused ([`Unknown`]) |
//!
//! What a grammar can say, it says of **texts**. These are the limits that follow; a value that satisfies the
//! schema always has a text within them:
//! - members stand in the order of `properties`, those of a schema before those of the schemas it refers to, then
//!   the names that are only in `required` or `dependent..` (there a member, then what it needs), then all others; another order of an equal object is
//!   not accepted;
//! - a name that stands in the schema is spelt one way; so are the strings of `const`, `enum`, `pattern` and
//!   `format`, each character that needs no escape without one, and DEL
//!   with one. Other strings have every spelling of RFC 8259;
//!   surrogates come in pairs only;
//! - an integer has no fraction and no exponent, unless [`Numbers::Fractions`] allows `1.0`; a number with bounds
//!   or a divisor has no exponent; a number of `const` and `enum` has its shortest form;
//! - other members are not kept from having the same name twice, which counts twice for `minProperties`, and of
//!   which a parser may keep the one that nothing asked for;
//! - objects of `const` and `enum` have their members in the order of the schema;
//! - a number without bounds may have more digits, or a larger exponent, than a 64-bit float holds;
//! - some formats are narrower than their RFC, and so are their opposites: years begin at 0001, the second 60 exists
//!   at 23:59 UTC only, a host name has at most 3 labels or 12 of 20 characters and no Punycode, a quoted name of
//!   an e-mail address has no `@`.
//!
//! And two limits of what is read: a `$schema` that is none of JSON Schema's is read as [`Options::draft`], with all
//! vocabularies; integers of the schema beyond 64 bits are as exact as `serde_json` gives them.
//!
//! How it works: a node is a set of parts of the schema that hold for one value. Its alternatives are multiplied
//! out (`anyOf`, `oneOf`, `not`, `if` and so on), each a conjunction of demands. Strings and numbers are automata
//! over characters, so that "and" and "not" are exact. Members and items are nodes again; recursion is a node that
//! is met twice.
//!
//! Refused: references to other documents, `uniqueItems` unless the items are a few given scalars, back references,
//! look-behind and word boundaries in patterns, the formats `regex`, `idn-hostname` and `idn-email`, `$dynamicRef` with
//! several targets, `unevaluatedProperties` and `unevaluatedItems` beside an "or", `multipleOf` with more than
//! 4,000 remainders, and the opposite of `uniqueItems`, `unevaluated*` and most formats.

mod arrays;
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
mod emit_object;
mod error;
mod formats;
mod keywords;
mod lang;
mod names;
mod nodes;
mod number;
mod objects;
mod options;
mod regex;
mod rules;
mod scalars;
mod shape;
mod text;
mod unevaluated;
mod uri;
mod values;

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
    Emitter::new(Compiler::new(schema, *options)?).grammar()
}

//! What the grammar crate promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bindings;
mod gbnf;
mod gbnf_parse;
mod json;
mod matcher;
mod piece;
mod schema;
mod schema_inner;
mod schema_match;
mod schema_random;

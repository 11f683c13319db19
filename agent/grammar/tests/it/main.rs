//! What the grammar crate promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bindings;
mod dice;
mod fuzz;
mod gbnf;
mod gbnf_parse;
mod hostile;
mod json;
mod lark;
mod matcher;
mod memory;
mod piece;
mod raw;
mod sample;
mod schema;
mod schema_dice;
mod schema_evaluated;
mod schema_format;
mod schema_fuzz;
mod schema_hostile;
mod schema_inner;
mod schema_match;
mod schema_pattern;
mod schema_random;
mod schema_typed;
mod schema_valid;

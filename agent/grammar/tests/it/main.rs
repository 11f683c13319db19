//! What the grammar crate promises.

mod gbnf;
mod piece;

//! GBNF, the grammar language of llama.cpp, for people who constrain what a model may write.
//!
//! This crate knows text and tokens, and nothing of agents, models or files. [`gbnf`] reads and writes grammars,
//! [`matcher`] says which tokens of a [`vocabulary`] may come next under one, and [`bindings`] narrow its rules to what
//! a text cannot say: a piece of a file that occurs in it once.
#![forbid(unsafe_code)]

pub mod bindings;
pub mod gbnf;
pub mod json;
pub mod lark;
pub mod limits;
pub mod matcher;
mod piece;
pub mod raw;
pub mod sample;
pub mod schema;
pub mod vocabulary;

pub use bindings::{Binding, Bindings};
pub use gbnf::{Bound, Expr, Grammar};
pub use limits::Limits;
pub use matcher::{Constraint, Mask, State};
pub use vocabulary::{TokenId, Vocabulary};

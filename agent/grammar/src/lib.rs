//! GBNF, the grammar language of llama.cpp, for people who constrain what a model may write.
//!
//! This crate knows text and tokens, and nothing of agents, models or files. [`gbnf`] reads and writes grammars,
//! [`matcher`] says which tokens of a [`vocabulary`] may come next under one.
#![forbid(unsafe_code)]

pub mod gbnf;
pub mod json;
pub mod limits;
pub mod matcher;
pub mod piece;
pub mod schema;
pub mod vocabulary;

pub use gbnf::{Expr, Grammar};
pub use limits::Limits;
pub use matcher::{Constraint, Mask, State};
pub use vocabulary::{TokenId, Vocabulary};

//! GBNF, the grammar language of llama.cpp, for people who constrain what a model may write.
//!
//! This crate knows text and nothing of agents, models or files. It writes grammars today; the parser, the
//! matcher and the masks that replace llama.cpp's sampler have their own place here when they come.
#![forbid(unsafe_code)]

pub mod gbnf;
pub mod json;
pub mod piece;

pub use gbnf::{Expr, Grammar};

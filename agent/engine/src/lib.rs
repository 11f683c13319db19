//! Thinks: llama.cpp behind a small safe interface, in a worker process of its own.
//!
//! It knows models, prompts, tokens and grammars. It opens no file but the model's, has no network, sees no
//! workspace, and decides nothing: what may be said comes in as a grammar, how much memory there is as a plan.
//! All unsafe code of the workspace stands in `ffi.rs`.

pub mod client;
pub mod constraint;
pub mod devices;
pub mod dry_run;
pub mod engine;
mod ffi;
pub mod gguf;
mod guess;
mod head;
pub mod lab;
mod log;
mod output;
#[cfg(feature = "llguidance")]
mod peer;
pub mod probe;
mod prompt;
pub mod reply;
pub mod sampler;
pub mod serve;
pub mod session;
pub mod template;
mod vocab;
pub mod wire;

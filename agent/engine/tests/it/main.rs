//! The tests of the engine, in one binary.
//!
//! What needs a model takes the one in `CHARGEHAND_TEST_MODEL`, or the one that is embedded in the program.
//! Without either these tests say so on standard error, past the test harness, and prove nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod corpus;
#[path = "../../../grammar/tests/it/dice.rs"]
mod dice;
mod distribution;
mod dry_run;
mod families;
mod gguf;
mod grammar;
mod llama_grammar;
mod mtp;
mod room;
mod session;
mod template;
mod tokenizers;
mod worker;

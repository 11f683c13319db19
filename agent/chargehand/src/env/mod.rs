//! Touches the world: repositories, workspaces, sandboxed commands, worker processes, memory.

pub mod accept;
mod bounds;
mod checkout;
mod command;
pub mod diff;
pub mod dir;
mod edits;
pub mod exam;
pub mod lab;
pub mod ledger;
mod live;
pub mod manifest;
pub mod path_text;
pub mod probe;
mod process;
mod pulse;
mod question;
mod replica;
pub mod repo;
pub mod run_dir;
pub mod sandbox;
mod scratch;
mod secrets;
pub mod store;
mod tree;
pub mod worker;
pub mod workspace;

//! Acts. The program: command line, workspaces, sandbox, worker processes, audit log.
//!
//! It decides nothing about a result: `chargehand-core` does. It computes no token: `chargehand-engine` does, in
//! a process of its own. `docs/architecture.md` has the map.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod config;
pub mod env;
pub mod error;
pub mod report;
pub mod signal;
pub mod ui;

pub use cli::main;

//! Decides. Values in, values out: contract, change, check, memory plan, tools and the agent loop.
//!
//! There is no file, clock, process, socket, thread or native code here; the world comes in through the traits
//! in [`ports`]. `docs/architecture.md` has the map.
#![forbid(unsafe_code)]

pub mod agent;
pub mod bytes;
pub mod change;
pub mod check;
pub mod contract;
pub mod eval;
pub mod event;
pub mod evidence;
pub mod gates;
pub mod known;
pub mod look_alike;
pub mod mask;
pub mod memory;
pub mod menu;
pub mod opinion;
pub mod phase;
pub mod ports;
pub mod prompt;
pub mod rel_path;
pub mod report;
pub mod roles;
pub mod runner;
pub mod script;
pub mod seal;
pub mod state;
pub mod tool;
pub mod tools;
pub mod transcript;

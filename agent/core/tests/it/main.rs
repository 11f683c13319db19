//! Tests of the decisions: values in, values out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agent;
mod approvals;
mod card;
mod check;
mod contract;
mod estimate;
mod eval;
mod formats;
mod gates;
mod mask;
mod memory;
mod memory_load;
mod menu;
mod pin;
mod reference;
mod rel_path;
mod report;
mod roles;
mod runner;
mod seal;
mod tidy;
mod tool;
mod tools;
mod walk;
mod world;

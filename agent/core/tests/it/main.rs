//! Tests of the decisions: values in, values out.

mod agent;
mod check;
mod contract;
mod memory;
mod menu;
mod rel_path;
mod report;
mod tidy;
mod tool;
mod tools;
mod world;

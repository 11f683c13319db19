//! Tests of the program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accept;
mod apprentice;
mod attacks;
mod attended;
mod attest;
mod autonomy;
mod bench;
mod bounds;
mod changes;
mod checkout;
mod cli;
mod contract;
mod contract_schema;
mod copies;
mod doctor;
mod estimate;
mod eval;
mod families;
mod golden;
mod grammar;
mod grammar_model;
mod guard;
mod hub;
mod hub_server;
mod judged;
mod ledger;
mod loads;
mod models;
mod output;
mod parking;
mod passed;
mod phases;
mod place;
mod plan;
#[cfg(target_arch = "x86_64")]
mod power;
mod probe;
mod race;
mod repo;
mod report;
mod resume;
mod roles;
mod run;
mod runs;
mod sample;
mod sandbox;
mod schema;
mod second_suite;
mod temp_repo;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod ui;
mod verify;
mod worker;
mod workspace;

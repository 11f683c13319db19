//! The report for people: one HTML file, and the words that the terminal uses too.
//!
//! The form for programs, `report.json`, is in `chargehand_core::report`; `docs/report.md` describes it.

pub mod attestation;
pub mod chart;
mod diff;
pub mod exam;
mod facts;
pub mod html;
mod markup;
mod rounds;
mod turns;
pub mod visible;
pub mod words;

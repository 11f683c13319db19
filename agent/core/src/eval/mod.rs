//! Examinations: a model does tasks whose right answer is known, and is counted.
//!
//! A task is a small repository, a contract and a grader that the model never sees. What a contract demands and what
//! a grader demands are two things: a contract can hold while the wrong text was written.

mod card;
mod grade;
mod narrow;
mod needs;
mod score;
mod suite;
mod trial;

pub use card::{Card, Fingerprint, MIN_TASKS, Mark, Shortfall, is_telling};
pub use grade::{Fault, Files, grade};
pub use narrow::{
    BYTES as NARROW_BYTES, FILES as NARROW_FILES, LINES as NARROW_LINES, TooWide, narrow,
};
pub use needs::{NEEDS, Need, is_own, is_wide, needed};
pub use score::{Count, FamilyScore, score};
pub use suite::{Grader, MAX_DEPTH, MAX_TEXT, Suite, SuiteError, Task, TaskEnd};
pub use trial::{Trial, breaches};

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

pub use card::{Card, Fingerprint, MIN_TASKS, Mark, Shortfall};
pub use grade::{Fault, Files, grade};
pub use narrow::{FILES as NARROW_FILES, LINES as NARROW_LINES, TooWide, narrow};
pub use needs::{NEEDS, Need, is_wide, needed};
pub use score::{Count, FamilyScore, score};
pub use suite::{Grader, Suite, SuiteError, Task, TaskEnd};
pub use trial::Trial;

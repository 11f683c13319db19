//! What was said in a run, in order.

use serde::{Deserialize, Serialize};

use crate::tool::{Observation, ToolCall};

/// One message.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Our standing instructions.
    System(String),
    /// The job, or a later word of ours.
    User(String),
    /// What the worker thought before the call that follows. Its template decides whether it reads that again.
    Reasoned(String),
    /// What the worker called.
    Call(ToolCall),
    /// What the tool answered.
    Observed(Observation),
    /// Text of the worker that was no call; it is shown to it again so that it can do better.
    Malformed(String),
}

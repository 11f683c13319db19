//! The start-up canary. On some machines llama.cpp dies at the first prompt (AMX units that the hypervisor
//! announces and the kernel refuses). The worker tries itself out before it says that it is ready; whoever
//! started it takes the next rung of the ladder when it died. Nothing is measured here.

use chargehand_core::memory::{LoadOptions, OUTPUTS};
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

use crate::session::{Session, SessionError};

/// What the process that starts workers sets in their environment.
///
/// Without the first, an abort in llama.cpp forks a debugger that never comes back where it cannot trace.
pub const WORKER_ENV: [(&str, &str); 1] = [("GGML_NO_BACKTRACE", "1")];

/// A way to load a model that may work where the one before crashed. None takes more memory than the plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// As planned.
    Planned,
    /// Without weights repacked for special units of the CPU (AMX among them).
    PlainBuffers,
    /// That, and one thread.
    OneThread,
}

impl Rung {
    /// Returns `options` as this rung has them.
    #[must_use]
    pub fn apply(self, options: &LoadOptions) -> LoadOptions {
        let planned = options.clone();
        match self {
            Self::Planned => planned,
            Self::PlainBuffers => LoadOptions { extra_buffers: false, ..planned },
            Self::OneThread => LoadOptions { extra_buffers: false, threads: 1, ..planned },
        }
    }

    /// Returns the next rung, unless this is the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Planned => Some(Self::PlainBuffers),
            Self::PlainBuffers => Some(Self::OneThread),
            Self::OneThread => None,
        }
    }
}

/// How far a worker came. It says so before each stage, so that the last word of a dead worker tells where it died.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The process runs.
    Started,
    /// The model is being loaded.
    Load,
    /// The context is being made.
    Context,
    /// The first evaluations are under way.
    Canary,
    /// It waits for requests, or works on one.
    Ready,
}

impl Stage {
    /// Returns whether a death in this stage may be one that the next rung avoids.
    #[must_use]
    pub fn is_tried_again(self) -> bool {
        match self {
            Self::Load | Self::Context | Self::Canary => true,
            Self::Started | Self::Ready => false,
        }
    }
}

/// How many tokens the canary's prompt has: a full tile of the AMX unit and one more row.
const PROMPT: usize = 17;

/// Evaluates a short prompt and one token more, then as many with logits each as a draft has, and forgets them.
///
/// # Errors
///
/// [`SessionError`], when llama.cpp says no, or what it computes is no number. Where it dies instead, nobody returns
/// from here.
pub(crate) fn canary(session: &mut Session<'_>, token: LlamaToken) -> Result<(), SessionError> {
    let prompt = PROMPT.min(session.n_ctx().saturating_sub(1)).min(session.n_batch()).max(1);
    session.evaluate(&vec![token; prompt], 1)?;
    session.evaluate(&[token], 1)?;
    session.look(1)?;
    session.forget();
    let outputs = usize::try_from(OUTPUTS).unwrap_or(1);
    let outputs = outputs.min(session.n_ctx()).min(session.n_batch());
    session.evaluate(&vec![token; outputs], outputs)?;
    session.look(outputs)?;
    session.forget();
    Ok(())
}

//! What an examined model is held to while it writes a call: in a run always to its menu, here also to less, so that
//! the worth of a grammar can be measured.

use chargehand_core::menu::{Menu, any_call};
use chargehand_core::tool::Envelope;
use chargehand_grammar::Bindings;
use serde::{Deserialize, Serialize};

/// How a model may write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speech {
    /// As the menu of the turn has it.
    #[default]
    Menu,
    /// Any well-formed call.
    Json,
    /// Anything.
    Free,
}

impl Speech {
    /// Returns the grammar of the next answer and what its rules are bound to.
    #[must_use]
    pub fn grammar(self, menu: &Menu, envelope: &Envelope) -> (Option<String>, Bindings) {
        match self {
            Self::Menu => {
                let (grammar, bindings) = menu.grammar(envelope);
                (Some(grammar), bindings)
            }
            Self::Json => (any_call(envelope), Bindings::default()),
            Self::Free => (None, Bindings::default()),
        }
    }
}

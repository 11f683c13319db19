//! What may be said next under a grammar: states, steps and masks.
//!
//! A grammar is compiled to byte-level steps. A state is a set of places in them together with the stacks of
//! callers; sets are hash-consed, so that a state is a small number, equal states are one, and an old state stays
//! good for ever: rollback and trees of drafts cost nothing. Transitions and masks are found out when they are
//! first asked for, as in a lazy automaton, and kept under a limit of memory.
//!
//! Four things make it fast. Inside fixed text, a tree of names or the bytes of a character the state is one
//! place, and masks are found without making a state. Beginnings that alternatives share are written once, and a
//! branch looks at the next byte. Where all safe characters lead the same way, as in strings, only the tokens with
//! other characters are looked at. And the tree of tokens is walked only where the grammar can go.
//!
//! A rule may be bound to data beside the text, a [binding](crate::bindings). What that allows is run natively, as
//! places beyond the end of the program, or narrows what the program does: facts that were said earlier and still
//! matter are part of a place, and are forgotten when they do not.
//!
//! It deliberately does not know models, logits, or tokenizers, and it never allows everything: what is too large,
//! too ambiguous or wrong is an error.
//!
//! ```
//! use std::sync::Arc;
//! use chargehand_grammar::{Constraint, Limits, vocabulary::{Kind, Vocabulary}};
//!
//! let tokens = [(Kind::Text, "yes"), (Kind::Text, "no"), (Kind::Text, "maybe"), (Kind::End, "</s>")];
//! let vocabulary = Arc::new(Vocabulary::new(tokens)?);
//! let mut constraint = Constraint::from_text(r#"root ::= "yes" | "no""#, vocabulary, &Limits::default())?;
//! let start = constraint.start();
//! let mask = constraint.mask(start)?;
//! assert!(mask.allows(0) && mask.allows(1) && !mask.allows(2) && !mask.allows(3));
//! let said = constraint.advance(start, 1)?.expect("the mask allows it");
//! assert!(constraint.accepting(said) && constraint.mask(said)?.allows(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ahead;
mod alive;
mod alone;
mod analysis;
mod bind;
mod bound;
mod choice;
mod closure;
mod completion;
mod constraint;
mod contexts;
mod correct;
mod denied;
mod distances;
mod emit;
mod emit_bound;
mod error;
mod explain;
mod forbidden;
mod include;
mod inside;
mod kept;
mod making;
mod mask;
mod native;
mod order;
mod places;
mod program;
mod shortest;
mod states;
mod step;
mod strings;
mod table;
mod utf8;
mod walk;

pub use ahead::Forced;
pub use completion::Landing;
pub use constraint::{Constraint, State};
pub use denied::Denied;
pub use error::{BindingProblem, CompileError, MatchError, Place, TokenProblem};
pub use explain::{Expectation, Explanation, What};
pub use mask::Mask;

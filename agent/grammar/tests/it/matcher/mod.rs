//! The matcher: what it allows, what it refuses, what it costs.

mod alone;
mod landing;
mod masks;
mod random;
mod refusals;
pub(crate) mod slow;
mod strings;

use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, Vocabulary};
use chargehand_grammar::{Constraint, Limits, State};

/// Returns a vocabulary of all single bytes, these texts, a control token `<think>` and an end `</s>`.
pub(crate) fn vocabulary(texts: &[&str]) -> Arc<Vocabulary> {
    let bytes = (0..=u8::MAX).map(|byte| (Kind::Text, vec![byte]));
    let texts = texts.iter().map(|text| (Kind::Text, text.as_bytes().to_vec()));
    let special = [(Kind::Control, b"<think>".to_vec()), (Kind::End, b"</s>".to_vec())];
    Arc::new(Vocabulary::new(bytes.chain(texts).chain(special)).unwrap())
}

/// Returns a constraint over single bytes.
#[track_caller]
pub(crate) fn constraint(text: &str) -> Constraint {
    Constraint::from_text(text, vocabulary(&[]), &Limits::default())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns the state after `text`, if it is the beginning of something.
pub(crate) fn after(constraint: &mut Constraint, text: &str) -> Option<State> {
    let start = constraint.start();
    constraint.advance_bytes(start, text.as_bytes()).unwrap()
}

/// Returns whether `text` is whole under the grammar.
#[track_caller]
pub(crate) fn accepts(grammar: &str, text: &str) -> bool {
    let mut constraint = constraint(grammar);
    after(&mut constraint, text).is_some_and(|state| constraint.accepting(state))
}

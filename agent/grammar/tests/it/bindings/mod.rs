//! Bindings: what they allow, against slow and obvious searches; what is refused.

mod late;
mod random;
mod raw;
mod refusals;
mod strings;

use std::sync::Arc;

use chargehand_grammar::matcher::CompileError;
use chargehand_grammar::vocabulary::Vocabulary;
use chargehand_grammar::{Bindings, Constraint, Grammar, Limits, State, json};

use crate::matcher::vocabulary;

/// Returns `rules` with the rule `json-string`.
pub(crate) fn with_strings(rules: &str) -> Grammar {
    let mut strings = Grammar::new(chargehand_grammar::Expr::literal(""));
    json::string(&mut strings);
    let strings = strings.to_string().replace("root ::= \"\"\n", "");
    let text = format!("{rules}\n{strings}");
    Grammar::parse(&text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

pub(crate) fn compiled(
    grammar: &Grammar,
    bindings: &Bindings,
    vocabulary: Arc<Vocabulary>,
) -> Result<Constraint, CompileError> {
    Constraint::bound(grammar, bindings, vocabulary, &Limits::default())
}

/// Returns a constraint over single bytes.
#[track_caller]
pub(crate) fn bound(rules: &str, bindings: &Bindings) -> Constraint {
    let grammar = with_strings(rules);
    compiled(&grammar, bindings, vocabulary(&[])).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the state after `text`, if it is the beginning of something.
pub(crate) fn after(constraint: &mut Constraint, text: &str) -> Option<State> {
    let start = constraint.start();
    constraint.advance_bytes(start, text.as_bytes()).unwrap()
}

pub(crate) fn accepts(constraint: &mut Constraint, text: &str) -> bool {
    after(constraint, text).is_some_and(|state| constraint.accepting(state))
}

/// Holds the mask of a state against what advances, and returns the tokens that do.
#[track_caller]
pub(crate) fn checked_mask(constraint: &mut Constraint, state: State) -> Vec<u32> {
    let mask = constraint.mask(state).unwrap().clone();
    let count = u32::try_from(constraint.vocabulary().len()).unwrap();
    let mut allowed = Vec::new();
    for token in 0..count {
        let possible = constraint.advance(state, token).unwrap().is_some();
        let bytes = constraint.vocabulary().bytes(token).map(String::from_utf8_lossy);
        assert_eq!(mask.allows(token), possible, "token {token} {bytes:?}");
        allowed.extend(Some(token).filter(|_| possible));
    }
    assert_eq!(mask.count(count as usize), allowed.len());
    allowed
}

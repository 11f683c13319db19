//! How a text can end soon, and how to bring it to its end within a number of tokens.

use super::constraint::{Constraint, State};
use super::error::MatchError;
use super::shortest::Part;
use crate::vocabulary::{TokenId, Vocabulary};

impl Constraint {
    /// Returns the tokens of a text that is as short as can be and makes the text whole from here, the longest
    /// tokens first; nothing when this vocabulary cannot spell it.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn completion(&mut self, state: State) -> Result<Option<Vec<TokenId>>, MatchError> {
        self.completion_within(state, usize::MAX)
    }

    /// Returns the same, unless it has more than `most` bytes and named tokens.
    fn completion_within(
        &mut self,
        state: State,
        most: usize,
    ) -> Result<Option<Vec<TokenId>>, MatchError> {
        let Some(way) = self.shortest(state, most)? else { return Ok(None) };
        let mut tokens = Vec::new();
        let mut bytes = Vec::new();
        for part in way {
            match part {
                Part::Byte(byte) => bytes.push(byte),
                Part::Token(token) => {
                    if !spell(&self.vocabulary, &bytes, &mut tokens) {
                        return Ok(None);
                    }
                    bytes.clear();
                    tokens.push(token);
                }
            }
        }
        let spelt = spell(&self.vocabulary, &bytes, &mut tokens);
        Ok((spelt && self.can_say(state, &tokens)?).then_some(tokens))
    }

    /// Returns whether each of these tokens, whose bytes are allowed, may end where it does.
    fn can_say(&mut self, start: State, tokens: &[TokenId]) -> Result<bool, MatchError> {
        if self.states.program.no_rest.is_empty() {
            return Ok(true);
        }
        let mut state = start;
        for token in tokens {
            match self.advance(state, *token)? {
                Some(next) => state = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Returns how a text can be made whole from here with `left` more tokens, if it can.
    fn way_within(&mut self, state: State, left: usize) -> Result<Option<Way>, MatchError> {
        if self.vocabulary.spells_every_byte() && self.distance(state) <= left {
            return Ok(Some(Way::ByteByByte));
        }
        // A small grammar may have no text below a gigabyte: no more is looked at than the tokens can say.
        let most = left.saturating_mul(self.vocabulary.longest());
        let tokens = self.completion_within(state, most)?.filter(|tokens| tokens.len() <= left);
        Ok(tokens.map(Way::These))
    }
}

/// How a text can be made whole.
enum Way {
    /// Even when each byte takes a token.
    ByteByByte,
    /// With these tokens.
    These(Vec<TokenId>),
}

/// Appends the tokens of `bytes`, the longest first; returns whether there are some.
fn spell(vocabulary: &Vocabulary, bytes: &[u8], tokens: &mut Vec<TokenId>) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((token, length)) = vocabulary.trie().longest(rest) else { return false };
        tokens.push(token);
        rest = &rest[length..];
    }
    true
}

/// Brings a text to its end within a number of tokens, whatever the model would say.
///
/// While there is room it changes nothing. A token after which the text could not be made whole any more is
/// replaced by the next one of a shortest completion.
///
/// ```
/// use std::sync::Arc;
/// use chargehand_grammar::{Constraint, Limits, matcher::Landing, vocabulary::{Kind, Vocabulary}};
///
/// let tokens = [(Kind::Text, "\""), (Kind::Text, "a"), (Kind::End, "</s>")];
/// let vocabulary = Arc::new(Vocabulary::new(tokens)?);
/// let mut constraint = Constraint::from_text(r#"root ::= "\"" "a"* "\"""#, vocabulary, &Limits::default())?;
/// let mut landing = Landing::new(&mut constraint, 4)?.expect("two tokens are enough");
/// let (mut state, mut said) = (constraint.start(), Vec::new());
/// for left in (1..=4).rev() {
///     // A model that never stops of itself.
///     let wanted = if said.is_empty() { 0 } else { 1 };
///     let Some(token) = landing.steer(&mut constraint, state, wanted, left)? else { break };
///     state = constraint.advance(state, token)?.expect("it is allowed");
///     said.push(token);
/// }
/// assert_eq!(said, [0, 1, 1, 0]);
/// assert!(constraint.accepting(state));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Landing {
    /// The completion that is known to be short enough: where it goes on, and with what, backwards. Another search
    /// may find one that is as short in bytes and longer in tokens.
    plan: Option<(State, Vec<TokenId>)>,
}

impl Landing {
    /// Returns a landing for a text of at most `left` tokens; nothing when no text is so short.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn new(constraint: &mut Constraint, left: usize) -> Result<Option<Self>, MatchError> {
        let start = constraint.start();
        let mut landing = Self::default();
        Ok(landing.is_near(constraint, start, left)?.then_some(landing))
    }

    /// Returns `token`, which is allowed in `state`, or what must be said instead where `left` tokens may still be
    /// said, this one included; nothing where the text is whole and must end now.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn steer(
        &mut self,
        constraint: &mut Constraint,
        state: State,
        token: TokenId,
        left: usize,
    ) -> Result<Option<TokenId>, MatchError> {
        if self.takes(constraint, state, token, left)? {
            return Ok(Some(token));
        }
        let mut rest = match self.plan.take() {
            Some((at, rest)) if at == state => rest,
            Some(_) | None => {
                // Where no way is found there is none to lead.
                let Some(mut rest) = constraint.completion(state)? else { return Ok(Some(token)) };
                rest.reverse();
                rest
            }
        };
        let Some(token) = rest.pop() else { return Ok(None) };
        self.plan = constraint.advance(state, token)?.map(|next| (next, rest));
        Ok(Some(token))
    }

    /// Returns whether `token` may be said in `state` as it is, where `left` tokens may still be said, this one
    /// included. If so it must be said; if not, nothing is changed by having asked.
    ///
    /// # Errors
    ///
    /// As for [`Constraint::advance_byte`].
    pub fn takes(
        &mut self,
        constraint: &mut Constraint,
        state: State,
        token: TokenId,
        left: usize,
    ) -> Result<bool, MatchError> {
        match constraint.advance(state, token)?.filter(|_| left > 0) {
            Some(next) => self.is_near(constraint, next, left - 1),
            None => Ok(false),
        }
    }

    /// Returns whether the end can be reached from `state`, and if so, keeps the way.
    fn is_near(
        &mut self,
        constraint: &mut Constraint,
        state: State,
        left: usize,
    ) -> Result<bool, MatchError> {
        let Some(way) = constraint.way_within(state, left)? else { return Ok(false) };
        self.plan = match way {
            Way::ByteByByte => None,
            Way::These(mut tokens) => {
                tokens.reverse();
                Some((state, tokens))
            }
        };
        Ok(true)
    }
}

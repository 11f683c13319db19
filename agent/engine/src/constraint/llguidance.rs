//! llguidance, an opinion from elsewhere: another parser, other people.
//!
//! It reads Lark, so the grammar is translated, and refused where that cannot be done to the letter. Its masks are
//! not narrowed to the tokens that it would say itself.

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};

use chargehand_grammar::lark::lark;
use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Grammar, Mask, Vocabulary};

use super::{ConstraintError, Matcher};
use crate::peer::{self, Peer};
use crate::vocab::Vocab;

/// llguidance's matcher and the text so far.
pub(super) struct Llguidance<'m> {
    vocabulary: &'m Vocabulary,
    matcher: ::llguidance::Matcher,
}

impl<'m> Llguidance<'m> {
    pub(super) fn new(vocab: &'m Vocab, grammar: &Grammar) -> Result<Self, ConstraintError> {
        let peer = match vocab.llguidance.get() {
            Some(peer) => peer,
            None => {
                let made = Peer::new(&vocab.vocabulary).map_err(ConstraintError::Llguidance)?;
                vocab.llguidance.get_or_init(|| made)
            }
        };
        Self::of(peer, &vocab.vocabulary, grammar)
    }

    fn of(
        peer: &Peer,
        vocabulary: &'m Vocabulary,
        grammar: &Grammar,
    ) -> Result<Self, ConstraintError> {
        let matcher = peer.matcher(lark(grammar)?).map_err(ConstraintError::Llguidance)?;
        Ok(Self { vocabulary, matcher })
    }
}

impl Debug for Llguidance<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llguidance").field("stopped", &self.matcher.is_stopped()).finish()
    }
}

/// Returns what llguidance says, or why it says nothing.
fn answer<T>(said: Result<T, impl fmt::Display>) -> Result<T, ConstraintError> {
    said.map_err(|error| ConstraintError::Llguidance(error.to_string()))
}

impl Matcher for Llguidance<'_> {
    fn mask(&mut self) -> Result<Cow<'_, Mask>, ConstraintError> {
        let mut bits = vec![0_u64; self.vocabulary.len().div_ceil(64)];
        // It gives no mask where nothing may follow.
        if self.matcher.get_error().is_some() || !self.matcher.is_stopped() {
            for token in answer(self.matcher.compute_mask())?.iter() {
                bits[token as usize / 64] |= 1 << (token % 64);
            }
        }
        if self.may_end()? {
            let ends = self.vocabulary.ends().iter();
            ends.for_each(|end| bits[*end as usize / 64] |= 1 << (end % 64));
        }
        Ok(Cow::Owned(Mask::Bits(bits.into())))
    }

    fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        if self.vocabulary.ends().contains(&token) {
            return self.may_end();
        }
        Ok(self.foresee(&[token])? == 1)
    }

    fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        if !self.allows(token)? {
            return Err(ConstraintError::Broken(token));
        }
        answer(self.matcher.consume_token(token))
    }

    fn may_end(&mut self) -> Result<bool, ConstraintError> {
        answer(self.matcher.is_accepting())
    }

    fn is_complete(&mut self) -> Result<bool, ConstraintError> {
        if !self.may_end()? {
            return Ok(false);
        }
        let tokens = self.vocabulary.len();
        Ok(self.mask()?.count(tokens) == self.vocabulary.ends().len())
    }

    fn foresee(&mut self, tokens: &[TokenId]) -> Result<usize, ConstraintError> {
        let texts =
            tokens.iter().take_while(|token| peer::text(self.vocabulary, **token).is_some());
        let texts = &tokens[..texts.count()];
        // Once it has come to its end it takes everything for an error.
        if texts.is_empty() || self.matcher.get_error().is_none() && self.matcher.is_stopped() {
            return Ok(0);
        }
        answer(self.matcher.validate_tokens(texts))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chargehand_grammar::vocabulary::Kind;
    use chargehand_grammar::{Bindings, Grammar, Vocabulary};

    use super::Llguidance;
    use crate::constraint::Matcher;
    use crate::constraint::lockstep::{Less, Lockstep};
    use crate::constraint::own::Own;
    use crate::peer::Peer;

    /// The sixth is half of the seventh.
    const TEXTS: [&[u8]; 8] = [b"a", b"b", b"ab", b"(", b")", b"\xC3", b"\xC3\xA9", b"1"];

    fn vocabulary() -> Arc<Vocabulary> {
        let texts = TEXTS.map(|text| (Kind::Text, text.to_vec()));
        let special = [(Kind::Control, b"<think>".to_vec()), (Kind::End, b"</s>".to_vec())];
        Arc::new(Vocabulary::new(texts.into_iter().chain(special)).unwrap())
    }

    /// Says tokens under ours and llguidance in lock step; returns how many are allowed at the end, or the error.
    #[track_caller]
    fn check(own: &str, other: &str, said: &[u32], expect: &str) {
        let vocabulary = vocabulary();
        let peer = Peer::new(&vocabulary).unwrap();
        let grammar = Grammar::parse(other).unwrap();
        let ours = Box::new(Own::new(&vocabulary, own, &Bindings::new()).unwrap());
        let found = Llguidance::of(&peer, &vocabulary, &grammar).and_then(|theirs| {
            let other = ("theirs", Box::new(theirs) as Box<dyn Matcher>);
            let mut both = Lockstep::new(&vocabulary, ("ours", ours), other, Less::Parts);
            for token in said {
                both.mask()?;
                both.accept(*token)?;
            }
            Ok(both.mask()?.count(vocabulary.len()))
        });
        let found = found.map_or_else(|error| error.to_string(), |count| count.to_string());
        assert_eq!(found, expect);
    }

    #[test]
    fn it_agrees_with_ours() {
        let same = |gbnf: &str, said: &[u32], count: &str| check(gbnf, gbnf, said, count);
        same("root ::= [ab]* \"1\"", &[0, 2], "4");
        same("root ::= \"(\" root \")\" | [ab]+", &[3, 3, 2, 4], "1");
        same("root ::= \"a\"", &[0], "1");
        same("root ::= \"a\"?", &[], "2");
        same("root ::= [^\\u00E9]", &[], "5");
    }

    #[test]
    fn the_first_difference_is_named() {
        let differ = "after 1 tokens the matchers differ on token 1, `b`: theirs alone allows it";
        check("root ::= \"a\" \"1\"", "root ::= \"a\" [b1]", &[0], differ);
    }

    #[test]
    fn what_it_cannot_be_told_is_refused() {
        let token = "llguidance cannot be asked: rule `root` names the token <think>, which llguidance takes for another thing";
        check("root ::= \"a\"", "root ::= <think>", &[], token);
        let bound = "llguidance cannot be asked: rule `root` is bound to `x`, and llguidance knows no bindings";
        check("root ::= \"a\"", "root ::= [a-z]+ #! bind x", &[], bound);
    }
}

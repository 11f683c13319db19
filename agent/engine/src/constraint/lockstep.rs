//! Two matchers in lock step: the first token that only one of them allows ends the generation.

use std::borrow::Cow;
use std::sync::Arc;

use chargehand_grammar::vocabulary::TokenId;
use chargehand_grammar::{Mask, Vocabulary};

use super::{ConstraintError, Matcher};

/// A matcher with its name.
pub(super) type Named<'m> = (&'static str, Box<dyn Matcher + 'm>);

/// Which tokens the second may allow alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Less {
    /// None.
    Nothing,
    /// Those that end inside a character: llama.cpp takes a part for any character that it can become, in a negated
    /// class too, and so do we, while others take it for the part of some that is allowed.
    Parts,
    /// Any: it does not know what the rules of the first are bound to.
    Anything,
}

/// Two matchers over one grammar.
#[derive(Debug)]
pub(super) struct Lockstep<'m> {
    vocabulary: Arc<Vocabulary>,
    one: Named<'m>,
    other: Named<'m>,
    less: Less,
    said: usize,
}

impl<'m> Lockstep<'m> {
    pub(super) fn new(
        vocabulary: &Arc<Vocabulary>,
        one: Named<'m>,
        other: Named<'m>,
        less: Less,
    ) -> Self {
        Self { vocabulary: Arc::clone(vocabulary), one, other, less, said: 0 }
    }

    fn may_be_less(&self, token: TokenId) -> bool {
        match self.less {
            Less::Nothing => false,
            Less::Parts => {
                self.vocabulary.bytes(token).is_some_and(|bytes| str::from_utf8(bytes).is_err())
            }
            Less::Anything => true,
        }
    }

    fn differ(&self, token: TokenId, only: &'static str) -> ConstraintError {
        let text = String::from_utf8_lossy(self.vocabulary.bytes(token).unwrap_or_default());
        ConstraintError::Differ { said: self.said, token, text: text.into_owned(), only }
    }
}

impl Matcher for Lockstep<'_> {
    fn mask(&mut self) -> Result<Cow<'_, Mask>, ConstraintError> {
        let one = self.one.1.mask()?.into_owned();
        let other = self.other.1.mask()?.into_owned();
        for token in (0..).take(self.vocabulary.len()) {
            match (one.allows(token), other.allows(token)) {
                (true, false) => return Err(self.differ(token, self.one.0)),
                (false, true) if !self.may_be_less(token) => {
                    return Err(self.differ(token, self.other.0));
                }
                (true, true) | (false, _) => {}
            }
        }
        Ok(Cow::Owned(one))
    }

    fn allows(&mut self, token: TokenId) -> Result<bool, ConstraintError> {
        Ok(self.mask()?.allows(token))
    }

    fn accept(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        self.one.1.accept(token)?;
        self.other.1.accept(token)?;
        self.said += 1;
        Ok(())
    }

    fn may_end(&mut self) -> Result<bool, ConstraintError> {
        self.one.1.may_end()
    }

    fn is_complete(&mut self) -> Result<bool, ConstraintError> {
        self.one.1.is_complete()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chargehand_grammar::vocabulary::Kind;
    use chargehand_grammar::{Bindings, Vocabulary};

    use super::{Less, Lockstep};
    use crate::constraint::Matcher;
    use crate::constraint::own::Own;

    #[track_caller]
    fn check(one: &str, other: &str, expect: &str) {
        let tokens = [(Kind::Text, "a"), (Kind::Text, "b"), (Kind::End, "</s>")];
        let vocabulary = Arc::new(Vocabulary::new(tokens).unwrap());
        let own = |gbnf| Box::new(Own::new(&vocabulary, gbnf, &Bindings::new()).unwrap());
        let mut both =
            Lockstep::new(&vocabulary, ("one", own(one)), ("other", own(other)), Less::Nothing);
        assert!(both.mask().unwrap().allows(0));
        both.accept(0).unwrap();
        let said = both.mask().map(|mask| mask.count(3)).map_err(|error| error.to_string());
        assert_eq!(said.map_or_else(|error| error, |count| count.to_string()), expect);
    }

    #[test]
    fn the_first_difference_is_named() {
        let differ = "after 1 tokens the matchers differ on token";
        check("root ::= \"ab\"", "root ::= \"a\" \"b\"", "1");
        let only_one = format!("{differ} 1, `b`: one alone allows it");
        let only_other = format!("{differ} 0, `a`: other alone allows it");
        check("root ::= \"a\" \"b\"?", "root ::= \"a\" \"a\"?", &only_other);
        check("root ::= \"a\" \"b\"?", "root ::= \"a\"", &only_one);
        let end = format!("{differ} 2, `</s>`: other alone allows it");
        check("root ::= \"ab\"", "root ::= \"a\" \"b\"?", &end);
    }
}

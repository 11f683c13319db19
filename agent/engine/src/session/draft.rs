//! Tokens that need no evaluation of their own: those that a grammar forces, and guesses from what was said before.

use std::collections::HashMap;

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use crate::vocab::Vocab;

/// So many tokens must be the same as before for what followed them to be a guess.
const SAME: usize = 3;
/// More tokens than this are never guessed at once; there is memory for their logits.
pub(crate) const MOST: usize = 15;
/// So many are guessed at first.
const FIRST: usize = 4;
/// After a guess that was wrong from the first token on, so many tokens are generated without one; twice as many
/// after the next such guess, up to the larger number. A batch costs time, also where the model is small.
const PAUSES: (usize, usize) = (4, 128);

/// Guesses that a text goes on as it did where it last read the same.
///
/// Copying is what an agent's model does most: of a file into an edit, of a path into a call.
#[derive(Debug)]
pub(super) struct Guess {
    history: Vec<LlamaToken>,
    /// Where the tokens behind each three tokens begin; the last place wins.
    places: HashMap<[LlamaToken; SAME], usize>,
    length: usize,
    pause: usize,
    next_pause: usize,
}

impl Guess {
    /// Returns a guesser for what follows `prompt`.
    pub(super) fn new(prompt: &[LlamaToken]) -> Self {
        let mut guess = Self {
            history: Vec::new(),
            places: HashMap::new(),
            length: FIRST,
            pause: 0,
            next_pause: PAUSES.0,
        };
        prompt.iter().for_each(|token| guess.push(*token));
        guess
    }

    /// Takes note that `token` was said.
    pub(super) fn push(&mut self, token: LlamaToken) {
        // What stands before the last token now has a token behind it.
        if let Some(key) = self.key() {
            self.places.insert(key, self.history.len());
        }
        self.history.push(token);
        self.pause = self.pause.saturating_sub(1);
    }

    /// Returns the tokens that may follow. What repeats with a short period goes on so, as in LZ77.
    pub(super) fn next(&self) -> Vec<LlamaToken> {
        let place = self.key().and_then(|key| self.places.get(&key));
        let Some(from) = place.filter(|_| self.pause == 0) else { return Vec::new() };
        self.history[*from..].iter().cycle().take(self.length).copied().collect()
    }

    /// Learns that of `guessed` tokens the first `right` were said.
    pub(super) fn learn(&mut self, guessed: usize, right: usize) {
        if right == 0 {
            self.length = FIRST;
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(PAUSES.1);
            return;
        }
        self.next_pause = PAUSES.0;
        let next = if right == guessed { self.length * 2 } else { right + 1 };
        self.length = next.min(MOST);
    }

    fn key(&self) -> Option<[LlamaToken; SAME]> {
        let from = self.history.len().checked_sub(SAME)?;
        self.history[from..].try_into().ok()
    }
}

/// Returns the tokens of `forced`, the bytes that must follow `last`, as a tokenizer cuts them. What the text that
/// follows could still change is left out.
pub(super) fn forced(
    vocab: &Vocab,
    tokenizer: &LlamaVocab<'_>,
    last: &[u8],
    forced: &[u8],
) -> Vec<TokenId> {
    let tokens = match cut(vocab, tokenizer, &[last, forced].concat()) {
        // The token before stays as it was sampled.
        Some(tokens)
            if tokens
                .first()
                .is_some_and(|token| !last.is_empty() && vocab.piece(*token) == last) =>
        {
            tokens[1..].to_vec()
        }
        Some(_) | None => cut(vocab, tokenizer, forced).unwrap_or_default(),
    };
    let mut rest = forced;
    for (at, token) in tokens.iter().enumerate() {
        if vocab.vocabulary.continues(rest) {
            return tokens[..at].to_vec();
        }
        rest = rest.get(vocab.piece(*token).len()..).unwrap_or_default();
    }
    tokens
}

/// Returns the tokens of `text`, if they spell it: some tokenizers put a space before it or exchange characters.
fn cut(vocab: &Vocab, tokenizer: &LlamaVocab<'_>, text: &[u8]) -> Option<Vec<TokenId>> {
    let mut tokens = Vec::with_capacity(text.len() + 1);
    tokenizer.tokenize_into(text, &mut tokens, false, false);
    let ids = tokens.iter().map(|token| TokenId::try_from(token.0).ok());
    let ids = ids.collect::<Option<Vec<TokenId>>>()?;
    let spelt = ids.iter().flat_map(|token| vocab.piece(*token)).copied();
    spelt.eq(text.iter().copied()).then_some(ids)
}

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::{FIRST, Guess, MOST, PAUSES};

    fn tokens(ids: &[i32]) -> Vec<LlamaToken> {
        ids.iter().map(|id| LlamaToken(*id)).collect()
    }

    #[track_caller]
    fn check(prompt: &[i32], expect: &[i32]) {
        assert_eq!(Guess::new(&tokens(prompt)).next(), tokens(expect));
    }

    #[test]
    fn what_followed_the_same_three_tokens_is_guessed() {
        check(&[1, 2, 3, 4, 5, 1, 2, 3], &[4, 5, 1, 2]);
        check(&[1, 2, 3, 4, 1, 2, 3, 9, 1, 2, 3], &[9, 1, 2, 3]);
        check(&[1, 2, 3], &[]);
        check(&[1, 2], &[]);
        check(&[], &[]);
        // A row of the same.
        check(&[7, 7, 7, 7], &[7, 7, 7, 7]);
    }

    #[test]
    fn it_learns_how_far_to_guess() {
        let mut guess = Guess::new(&tokens(&[1, 2, 3].repeat(20)));
        assert_eq!(guess.next().len(), FIRST);
        (0..9).for_each(|_| guess.learn(FIRST, FIRST));
        assert_eq!(guess.length, MOST);
        guess.learn(9, 2);
        assert_eq!(guess.length, 3);
        guess.learn(3, 0);
        assert!(guess.next().is_empty());
        let say = |guess: &mut Guess, count: usize| {
            (0..count).for_each(|_| guess.push(LlamaToken([1, 2, 3][guess.history.len() % 3])));
        };
        say(&mut guess, PAUSES.0);
        assert_eq!(guess.next().len(), FIRST);
        guess.learn(FIRST, 0);
        say(&mut guess, PAUSES.0);
        assert!(guess.next().is_empty(), "the second pause is longer");
        say(&mut guess, PAUSES.0);
        assert_eq!(guess.next().len(), FIRST);
    }
}

//! Guesses that a text goes on as it did before. Whether they are right, a model and a grammar say.

use std::collections::HashMap;

use llama_cpp_2::token::LlamaToken;

/// So many tokens must be the same as before for what followed them to be a guess.
const SAME: usize = 3;
/// More tokens than this are never guessed at once; there is memory for their logits.
pub(crate) const MOST: usize = 15;
/// So many are guessed at first.
const FIRST: usize = 4;
/// After a guess that was wrong from the first token on, so many tokens are generated without one; twice as many
/// after the next such guess, up to the larger number. A batch costs time, also where the model is small.
const PAUSES: (usize, usize) = (4, 128);

/// Returns the most bytes that the guesses for a text of so many tokens take.
pub(crate) fn guess_bytes(tokens: usize) -> usize {
    // Lists and tables grow by doubling; a table is at most seven eighths full, has a byte more for each place, and
    // is there twice while it grows.
    let list = 2 * size_of::<LlamaToken>();
    let entry = size_of::<([LlamaToken; SAME], usize)>() + 1;
    tokens.saturating_mul(list + entry * 4)
}

/// Guesses that a text goes on as it did where it last read the same.
///
/// Copying is what an agent's model does most: of a file into an edit, of a path into a call.
#[derive(Debug)]
pub(crate) struct Guess {
    history: Vec<LlamaToken>,
    /// Where the tokens behind each three tokens begin; the last place wins.
    places: HashMap<[LlamaToken; SAME], usize>,
    length: usize,
    pause: usize,
    next_pause: usize,
}

impl Guess {
    /// Returns a guesser for what follows `prompt`.
    pub(crate) fn new(prompt: &[LlamaToken]) -> Self {
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
    pub(crate) fn push(&mut self, token: LlamaToken) {
        // What stands before the last token now has a token behind it.
        if let Some(key) = self.key() {
            self.places.insert(key, self.history.len());
        }
        self.history.push(token);
        self.pause = self.pause.saturating_sub(1);
    }

    /// Returns the tokens that may follow. What repeats with a short period goes on so, as in LZ77.
    pub(crate) fn next(&self) -> Vec<LlamaToken> {
        let place = self.key().and_then(|key| self.places.get(&key));
        let Some(from) = place.filter(|_| self.pause == 0) else { return Vec::new() };
        self.history[*from..].iter().cycle().take(self.length).copied().collect()
    }

    /// Learns that of `guessed` tokens the first `right` were said.
    pub(crate) fn learn(&mut self, guessed: usize, right: usize) {
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

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::{FIRST, Guess, MOST, PAUSES, guess_bytes};

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
    fn a_guess_takes_no_more_than_is_planned() {
        for count in [1_000_usize, 1_800, 10_000] {
            let ids: Vec<i32> = (0..).take(count).collect();
            let guess = Guess::new(&tokens(&ids));
            let places = (guess.places.capacity() * 8 / 7).next_power_of_two();
            // The old table of half the size is there while the new one is filled.
            let taken = places * 25 * 3 / 2 + guess.history.capacity() * 4;
            assert!(taken <= guess_bytes(count), "{count}: {taken} of {}", guess_bytes(count));
        }
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

//! Guesses that a text goes on as it did before. Whether they are right, a model and a grammar say.

use std::collections::HashMap;

use llama_cpp_2::token::LlamaToken;

/// So many tokens must be the same as before for what followed them to be a guess.
const SAME: usize = 3;
/// More tokens than this are never guessed at once; there is memory for their logits.
pub(crate) const MOST: usize = 15;
/// Fewer than this cost as much as they can save: a batch of two takes as long as two tokens, one of four less than
/// three, measured on a processor.
pub(crate) const LEAST: usize = 3;
/// So many are guessed at first, at most.
const FIRST: usize = 7;
/// So many places are looked at for the one where most is the same.
const PLACES: usize = 8;
/// After a guess that was wrong from the first token on, so many tokens are generated without one; twice as many
/// after the next such guess, up to the larger number. A batch costs time, also where the model is small.
const PAUSES: (usize, usize) = (4, 128);

/// Returns how many of `length` tokens are worth guessing. Kernels take two or four tokens at a time: with the one
/// before them they are an even number, as a batch of three takes longer than one of four.
pub(crate) fn worth(length: usize) -> usize {
    let odd = length.saturating_sub(1) | 1;
    if length < LEAST { 0 } else { odd.min(MOST) }
}

/// Returns the most bytes that the guesses for a text of so many tokens take.
pub(crate) fn guess_bytes(tokens: usize) -> usize {
    // Lists and tables grow by doubling; a table is at most seven eighths full, has a byte more for each place, and
    // is there twice while it grows.
    let lists = 2 * (size_of::<LlamaToken>() + size_of::<Option<u32>>());
    let entry = size_of::<([LlamaToken; SAME], u32)>() + 1;
    tokens.saturating_mul(lists + entry * 4)
}

/// Guesses that a text goes on as it did where it last read the same.
///
/// Copying is what an agent's model does most: of a file into an edit, of a path into a call.
#[derive(Debug)]
pub(crate) struct Guess {
    history: Vec<LlamaToken>,
    /// Where the tokens behind each three tokens begin; the last place wins.
    places: HashMap<[LlamaToken; SAME], u32>,
    /// The place before, of the same three tokens, for each place.
    earlier: Vec<Option<u32>>,
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
            earlier: Vec::new(),
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
        let place = u32::try_from(self.history.len()).unwrap_or(u32::MAX);
        self.earlier.push(self.key().and_then(|key| self.places.insert(key, place)));
        self.history.push(token);
        self.pause = self.pause.saturating_sub(1);
    }

    /// Returns how many tokens may be guessed now, from wherever they come.
    pub(crate) fn most(&self) -> usize {
        if self.pause == 0 { self.length } else { 0 }
    }

    /// Returns the tokens that may follow: no more than were the same before them. What repeats with a short period
    /// goes on so, as in LZ77.
    pub(crate) fn next(&self) -> Vec<LlamaToken> {
        let last = self.key().and_then(|key| self.places.get(&key)).copied();
        let places = std::iter::successors(last, |place| self.earlier[*place as usize]);
        let places = places.take(PLACES).map(|place| place as usize);
        let longest = places
            .map(|place| (self.same(place), place))
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        let Some((same, from)) = longest else { return Vec::new() };
        self.history[from..].iter().cycle().take(same.min(self.most())).copied().collect()
    }

    /// Learns that of `guessed` tokens the first `right` were said.
    pub(crate) fn learn(&mut self, guessed: usize, right: usize) {
        if right == 0 {
            self.length = LEAST;
            self.pause = self.next_pause;
            self.next_pause = (self.next_pause * 2).min(PAUSES.1);
            return;
        }
        self.next_pause = PAUSES.0;
        // What was cut short for another reason is no reason to guess less.
        let next = if right == guessed { self.length.max(guessed * 2 + 1) } else { right + 1 };
        self.length = next.clamp(LEAST, MOST);
    }

    /// Returns how many tokens before a place are the same as the last ones, as far as that matters.
    fn same(&self, place: usize) -> usize {
        let pairs = self.history[..place].iter().rev().zip(self.history.iter().rev());
        pairs.take(MOST).take_while(|(a, b)| a == b).count()
    }

    fn key(&self) -> Option<[LlamaToken; SAME]> {
        let from = self.history.len().checked_sub(SAME)?;
        self.history[from..].try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use llama_cpp_2::token::LlamaToken;

    use super::{FIRST, Guess, LEAST, MOST, PAUSES, guess_bytes, worth};

    fn tokens(ids: &[i32]) -> Vec<LlamaToken> {
        ids.iter().map(|id| LlamaToken(*id)).collect()
    }

    #[track_caller]
    fn check(prompt: &[i32], expect: &[i32]) {
        assert_eq!(Guess::new(&tokens(prompt)).next(), tokens(expect));
    }

    #[test]
    fn what_followed_the_same_three_tokens_is_guessed() {
        check(&[1, 2, 3, 4, 5, 1, 2, 3], &[4, 5, 1]);
        check(&[1, 2, 3, 4, 1, 2, 3, 9, 1, 2, 3], &[9, 1, 2]);
        // Where more is the same.
        check(&[0, 1, 2, 3, 4, 1, 2, 3, 9, 0, 1, 2, 3], &[4, 1, 2, 3]);
        check(&[1, 2, 3], &[]);
        check(&[1, 2], &[]);
        check(&[], &[]);
        // A row of the same.
        check(&[7, 7, 7, 7], &[7, 7, 7]);
    }

    #[test]
    fn a_batch_is_even_or_not_worth_it() {
        let lengths = [0, 2, 3, 4, 5, 14, 15, 16].map(worth);
        assert_eq!(lengths, [0, 0, 3, 3, 5, 13, 15, 15]);
    }

    #[test]
    fn a_guess_takes_no_more_than_is_planned() {
        for count in [1_000_usize, 1_800, 10_000] {
            let ids: Vec<i32> = (0..).take(count).collect();
            let guess = Guess::new(&tokens(&ids));
            let places = (guess.places.capacity() * 8 / 7).next_power_of_two();
            // The old table of half the size is there while the new one is filled.
            let lists = guess.history.capacity() * 4 + guess.earlier.capacity() * 8;
            let taken = places * 17 * 3 / 2 + lists;
            assert!(taken <= guess_bytes(count), "{count}: {taken} of {}", guess_bytes(count));
        }
    }

    #[test]
    fn it_learns_how_far_to_guess() {
        let mut guess = Guess::new(&tokens(&[1, 2, 3].repeat(20)));
        assert_eq!(guess.next().len(), FIRST);
        guess.learn(FIRST, FIRST);
        assert_eq!(guess.length, MOST);
        guess.learn(9, 2);
        assert_eq!(guess.length, 3);
        guess.learn(3, 0);
        assert!(guess.next().is_empty());
        let say = |guess: &mut Guess, count: usize| {
            (0..count).for_each(|_| guess.push(LlamaToken([1, 2, 3][guess.history.len() % 3])));
        };
        say(&mut guess, PAUSES.0);
        assert_eq!(guess.next().len(), LEAST);
        guess.learn(LEAST, 0);
        say(&mut guess, PAUSES.0);
        assert!(guess.next().is_empty(), "the second pause is longer");
        say(&mut guess, PAUSES.0);
        assert_eq!(guess.next().len(), LEAST);
    }
}

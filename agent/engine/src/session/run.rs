//! One generation: from logits to tokens, until the text is whole or something says stop.

use std::time::{Duration, Instant};

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::token::LlamaToken;

use super::evaluate::Wanted;
use super::forced;
use super::timings::Timings;
use super::{Ending, Observer, Progress, Session, SessionError, Wish};
use crate::constraint::{ConstraintError, Matcher};
use crate::guess::{Guess, LEAST, MOST, worth};
use crate::head::FEW;
use crate::output::Output;
use crate::sampler::{Choose, to_llama};
use crate::vocab::Vocab;

/// News about generated text come at most this often.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Who decides with a session what is said, and who looks on.
pub(super) struct Company<'r> {
    pub(super) matcher: &'r mut dyn Matcher,
    pub(super) chooser: &'r mut dyn Choose,
    pub(super) observer: &'r mut dyn Observer,
}

/// One generation.
pub(super) struct Run<'r, 'e> {
    session: &'r mut Session<'e>,
    vocab: &'e Vocab,
    matcher: &'r mut dyn Matcher,
    chooser: &'r mut dyn Choose,
    /// Tokens that may be said, and what it is when they are.
    limit: (usize, Ending),
    /// Whether the output must be whole; any text may break off.
    is_bound: bool,
    /// Whether something else was said than the model would have said, so that the output is whole in time.
    landed: bool,
    wants_forced: bool,
    guess: Option<Guess>,
    draft: Draft,
    observer: &'r mut dyn Observer,
    output: Output,
    said: Vec<LlamaToken>,
    /// Tokens of the prompt, and how many of those that were said stand behind them in the cache.
    prompt: usize,
    settled: usize,
    counts: Counts,
    begun: Instant,
    told: Option<Instant>,
}

/// What was guessed and evaluated behind what was said.
#[derive(Debug)]
struct Draft {
    tokens: Vec<LlamaToken>,
    /// How much of it was said since.
    right: usize,
    /// Where in the batch the logits stand from which the next token is chosen.
    row: i32,
}

/// How many tokens needed no evaluation of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    forced: u64,
    narrow: u64,
    drafted: u64,
    accepted: u64,
}

impl<'r, 'e> Run<'r, 'e> {
    /// Returns a generation behind what the session has in its cache.
    pub(super) fn new(session: &'r mut Session<'e>, company: Company<'r>, wish: &Wish<'_>) -> Self {
        let Company { matcher, chooser, observer } = company;
        let wanted = usize::try_from(wish.max_tokens).unwrap_or(usize::MAX);
        // The last token need not be evaluated.
        let prompt = session.cached.len();
        let room = session.n_ctx().saturating_sub(prompt) + 1;
        let limit =
            if wanted <= room { (wanted, Ending::Limit) } else { (room, Ending::ContextFull) };
        let can_rewind = !session.engine.model.is_recurrent() && !session.engine.model.is_hybrid();
        let wants_drafts = wish.grammar.is_some() && wish.sampling.drafts && can_rewind;
        let guess = wants_drafts.then(|| Guess::new(&session.cached));
        // Without an anchor there are no tokens for a text in the middle, so that nobody need be asked for it.
        let has_anchor = session.engine.vocab.anchor.is_some();
        let wants_forced = wish.grammar.is_some() && wish.sampling.forced && has_anchor;
        let begun = Instant::now();
        Self {
            vocab: &session.engine.vocab,
            session,
            matcher,
            chooser,
            limit,
            is_bound: wish.grammar.is_some(),
            landed: false,
            wants_forced,
            guess,
            draft: Draft { tokens: Vec::new(), right: 0, row: -1 },
            observer,
            output: Output::default(),
            said: Vec::new(),
            prompt,
            settled: 0,
            counts: Counts::default(),
            begun,
            told: None,
        }
    }

    /// Generates. The logits of the prompt's last token are there.
    pub(super) fn go(&mut self) -> Result<Ending, SessionError> {
        if self.is_bound {
            self.matcher.limit(self.left())?;
        }
        self.say_forced(None)?;
        if !self.said.is_empty() && self.matcher.is_complete()? {
            return Ok(Ending::Complete);
        }
        if self.left() == 0 {
            return self.at_limit();
        }
        if !self.said.is_empty() {
            self.evaluate()?;
        }
        loop {
            if self.observer.wants_stop() {
                return Ok(Ending::Cancelled);
            }
            if self.left() == 0 {
                return self.at_limit();
            }
            let Some(token) = self.choose()? else { return self.at_end() };
            let before = self.said.len();
            self.say(token)?;
            self.say_forced(Some(token))?;
            let was_guessed = self.was_guessed(before);
            if self.matcher.is_complete()? {
                return self.at_end();
            }
            if was_guessed {
                continue;
            }
            // A last token is never evaluated for nothing.
            if self.left() == 0 {
                return self.at_limit();
            }
            self.evaluate()?;
        }
    }

    /// Returns how many more tokens may be said.
    fn left(&self) -> usize {
        self.limit.0.saturating_sub(self.said.len())
    }

    fn at_limit(&mut self) -> Result<Ending, SessionError> {
        let is_whole = self.is_bound && self.matcher.may_end()?;
        if is_whole { self.at_end() } else { Ok(self.limit.1) }
    }

    /// Returns how a text ended that may end here. What the model was made to say is no answer of its own.
    fn at_end(&mut self) -> Result<Ending, SessionError> {
        let is_own = !self.landed && (!self.is_bound || self.matcher.may_end()?);
        Ok(if is_own { Ending::Complete } else { self.limit.1 })
    }

    /// Returns the next token; nothing where the text ends.
    fn choose(&mut self) -> Result<Option<TokenId>, SessionError> {
        let token = self.sample()?;
        if self.vocab.ends(token) {
            return Ok(None);
        }
        let said = self.matcher.steer(token, self.left())?;
        self.landed |= said != Some(token);
        Ok(said)
    }

    fn sample(&mut self) -> Result<TokenId, SessionError> {
        let Draft { tokens, right, row } = &self.draft;
        let guess = tokens.get(*right).and_then(|token| TokenId::try_from(token.0).ok());
        if self.matcher.asks_first()
            && let Some(logits) = self.session.logits(*row, *right, None)
            && let Some(first) = self.chooser.choose(logits, None, guess)?
            && self.matcher.allows(first)?
        {
            return Ok(first);
        }
        let mask = self.matcher.mask()?;
        let logits = self.session.logits(*row, *right, Some(&*mask));
        let logits = logits.expect("where few logits were asked for, few tokens are allowed");
        let choice = self.chooser.choose(logits, Some(&*mask), guess)?;
        self.counts.narrow += u64::from(self.session.has_few());
        Ok(choice.ok_or(ConstraintError::DeadEnd(self.said.len()))?)
    }

    /// Says what must follow `last` without asking the model.
    fn say_forced(&mut self, last: Option<TokenId>) -> Result<(), ConstraintError> {
        if !self.wants_forced {
            return Ok(());
        }
        let bytes = self.matcher.forced()?;
        // A tokenizer is slow, even when it has nothing to do.
        if bytes.is_empty() {
            return Ok(());
        }
        let tokenizer = self.session.engine.model.vocab();
        let text = forced::whole(&bytes);
        let room = self.session.n_batch().saturating_sub(1 + MOST);
        let mut rest = text.as_bytes();
        for token in forced::tokens(self.vocab, &tokenizer, last, text).into_iter().take(room) {
            // Whether a token reaches beyond what is forced, the model says.
            let is_open =
                self.vocab.vocabulary.continues(rest) && self.matcher.goes_beyond(rest)?;
            if is_open || !self.matcher.takes(token, self.left())? {
                break;
            }
            self.say(token)?;
            self.counts.forced += 1;
            rest = rest.get(self.vocab.piece(token).len()..).unwrap_or_default();
        }
        Ok(())
    }

    /// Returns whether all that was said since `before` had been guessed, and goes on behind it in the batch.
    fn was_guessed(&mut self, before: usize) -> bool {
        let news = &self.said[before..];
        let guessed = &self.draft.tokens[self.draft.right..];
        let same = news.iter().zip(guessed).take_while(|(a, b)| a == b).count();
        let all = same == news.len();
        self.settled += same;
        self.draft.right += same;
        self.draft.row += i32::try_from(same).unwrap_or(i32::MAX);
        all
    }

    /// Returns tokens that may follow and that the grammar allows, and the logits that choices there take.
    fn guess(&mut self) -> Result<(Vec<LlamaToken>, Wanted), SessionError> {
        let mut tokens = self.candidates()?;
        let rows = 1 + tokens.len();
        let may_be_few = (1..=rows).any(|rows| self.session.may_have_few(rows));
        // Where few tokens are allowed from here on, a guess costs little, and there is none beyond.
        let narrow = if may_be_few { self.matcher.narrow(&tokens, FEW)? } else { 0 };
        let wanted = if self.session.may_have_few(narrow) { Wanted::Few } else { Wanted::All };
        match wanted {
            Wanted::Few => tokens.truncate(narrow - 1),
            Wanted::All => tokens.truncate(worth(tokens.len())),
        }
        Ok((tokens.iter().map(|token| to_llama(*token)).collect(), wanted))
    }

    /// Returns tokens that may follow and that the grammar allows.
    fn candidates(&mut self) -> Result<Vec<TokenId>, SessionError> {
        let Some(guess) = &self.guess else { return Ok(Vec::new()) };
        let waiting = self.said.len() - self.settled;
        let batch = self.session.n_batch().saturating_sub(waiting);
        let context = self.session.n_ctx().saturating_sub(self.prompt + self.said.len());
        // One more is always chosen after the guess.
        let room = batch.min(context).min(self.left() - 1).min(guess.most());
        if room == 0 {
            return Ok(Vec::new());
        }
        let repeated = guess.next();
        let mut tokens = self.copied()?;
        if worth(tokens.len()) == 0 {
            tokens = repeated.iter().filter_map(|token| TokenId::try_from(token.0).ok()).collect();
        }
        tokens.truncate(self.to_line_end(&tokens).min(room));
        if worth(tokens.len()) == 0
            && let Some(foreign) = self.foreign(room)?
        {
            tokens = foreign;
        }
        if self.wants_forced {
            tokens.truncate(self.matcher.unforced(&tokens)?);
        }
        tokens.truncate(self.matcher.foresee(&tokens)?);
        Ok(tokens)
    }

    /// Returns what a second model guesses, or layers of the model itself, where there are any.
    fn foreign(&mut self, room: usize) -> Result<Option<Vec<TokenId>>, SessionError> {
        let Session { context, second, cached, .. } = &mut *self.session;
        let waiting = &self.said[self.settled..];
        let Some(second) = second else { return Ok(context.guess(cached, waiting, room)) };
        let before = [cached, waiting].concat();
        let (matcher, observer) = (&mut *self.matcher, &*self.observer);
        let mask = |tokens: &[TokenId]| Ok(matcher.mask_behind(tokens)?);
        Ok(Some(second.guess(&before, room, &|| observer.wants_stop(), mask)?))
    }

    /// Returns how the piece of a text goes on that is being said.
    fn copied(&mut self) -> Result<Vec<TokenId>, ConstraintError> {
        // Few tokens are longer than eight bytes.
        let bytes = self.matcher.copied(8 * MOST)?;
        let last = self.said.last().and_then(|last| TokenId::try_from(last.0).ok());
        let tokenizer = self.session.engine.model.vocab();
        Ok(forced::tokens(self.vocab, &tokenizer, last, forced::whole(&bytes)))
    }

    /// Returns how many of some tokens to guess at most. What is copied ends or changes with a line more often than
    /// inside one: behind a line few are guessed, and none of the line after.
    fn to_line_end(&self, tokens: &[TokenId]) -> usize {
        let mut text = self.output.last(2).to_vec();
        if forced::ends_line(&text) {
            return tokens.len().min(LEAST);
        }
        let ends = |token: &TokenId| {
            text.extend_from_slice(self.vocab.piece(*token));
            forced::ends_line(&text)
        };
        // An end at once would leave nothing to guess.
        let mut ends = tokens.iter().map(ends).enumerate().skip(LEAST - 1);
        ends.find(|(_, is_end)| *is_end).map_or(tokens.len(), |(at, _)| at + 1)
    }

    /// Learns from the guess, and is done with it.
    fn learn(&mut self) {
        let guessed = std::mem::take(&mut self.draft.tokens).len();
        if let Some(guess) = self.guess.as_mut().filter(|_| guessed > 0) {
            guess.learn(guessed, self.draft.right);
            self.counts.drafted += guessed as u64;
            self.counts.accepted += self.draft.right as u64;
        }
    }

    /// Evaluates what was said and a new guess.
    fn evaluate(&mut self) -> Result<(), SessionError> {
        self.learn();
        self.session.rewind(self.prompt + self.settled)?;
        let (tokens, wanted) = self.guess()?;
        let waiting = &self.said[self.settled..];
        let row = i32::try_from(waiting.len()).unwrap_or(i32::MAX) - 1;
        let all = [waiting, &tokens].concat();
        self.session.evaluate_for(&all, 1 + tokens.len(), wanted)?;
        self.settled = self.said.len();
        self.draft = Draft { tokens, right: 0, row };
        Ok(())
    }

    fn say(&mut self, token: TokenId) -> Result<(), ConstraintError> {
        self.matcher.accept(token)?;
        self.chooser.note(token);
        self.output.push(self.vocab.piece(token));
        self.said.push(to_llama(token));
        if let Some(guess) = &mut self.guess {
            guess.push(to_llama(token));
        }
        self.tell();
        Ok(())
    }

    /// Hands out new text, unless that was done just now.
    fn tell(&mut self) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < TELL_EVERY) {
            return;
        }
        self.told = Some(now);
        self.tell_rest();
    }

    fn tell_rest(&mut self) {
        let text = self.output.news();
        if !text.is_empty() {
            let count = u64::try_from(self.said.len()).unwrap_or(u64::MAX);
            self.observer.see(Progress::Text { text, count });
        }
    }

    /// Returns the text and its tokens.
    pub(super) fn finish(mut self, timings: &mut Timings) -> (String, Vec<LlamaToken>) {
        self.tell_rest();
        self.learn();
        timings.predicted(self.said.len(), self.begun.elapsed());
        let Counts { forced, narrow, drafted, accepted } = self.counts;
        (timings.forced_n, timings.narrow_n) = (forced, narrow);
        (timings.draft_n, timings.draft_n_accepted) = (drafted, accepted);
        (self.output.text(), self.said)
    }
}

//! Sets of numbers as automata over their texts (RFC 8259 section 6).
//!
//! A plain text has digits, a minus sign and a point. Every set here holds all plain texts of a value or none of them
//! (`1`, `1.0`, `1.00`), so that both, neither and not are the operations on texts. Sets between bounds hold all
//! scientific texts of a value besides, where one digit, which is not 0, stands before the point (`1.5e-6`): the
//! exponent then says how large the value is before the digits do. The other sets, and the opposites of those, have
//! none at all: no automaton knows whether `1.25e2` is an integer.

use super::budget::{Budget, Exceeded};
use super::decimal::Decimal;
use super::dfa::Dfa;

/// The largest numerator of `multipleOf`, which is how many remainders are told apart.
pub(super) const MAX_DIVISOR: u64 = 4_000;

/// The most digits after the point of `multipleOf`.
const MAX_PLACES: usize = 16;

/// How far a text has been read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Phase {
    Start,
    Minus,
    /// After a leading zero, which no digit follows.
    Zero,
    Whole,
    Point,
    Fraction,
    /// After the `e`.
    Mark,
    /// After the sign of the exponent.
    Sign,
    Exponent,
}

impl Phase {
    /// Returns the phase after a character.
    fn after(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Start, '-') => Some(Self::Minus),
            (Self::Start | Self::Minus, '0') => Some(Self::Zero),
            (Self::Start | Self::Minus | Self::Whole, '0'..='9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, '.') => Some(Self::Point),
            (Self::Point | Self::Fraction, '0'..='9') => Some(Self::Fraction),
            (Self::Whole | Self::Fraction, 'e' | 'E') => Some(Self::Mark),
            (Self::Mark, '+' | '-') => Some(Self::Sign),
            (Self::Mark | Self::Sign | Self::Exponent, '0'..='9') => Some(Self::Exponent),
            (Self::Start | Self::Minus | Self::Zero | Self::Whole, _)
            | (Self::Point | Self::Fraction | Self::Mark | Self::Sign | Self::Exponent, _) => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Exponent)
    }
}

/// The characters of plain texts.
const PLAIN: &str = "-.0123456789";

/// The characters of all texts.
pub(super) const ALL: &str = "+-.0123456789Ee";

/// Builds an automaton whose states are a phase and what `step` keeps beside it.
pub(super) fn build<S: Clone + Eq + std::hash::Hash>(
    alphabet: &str,
    start: S,
    step: impl Fn(&S, Phase, char) -> Option<S>,
    accept: impl Fn(&S, Phase) -> bool,
    budget: &Budget,
) -> Result<Dfa, Exceeded> {
    let built = Dfa::explore((Phase::Start, start), budget, |(phase, kept)| {
        let edges = alphabet.chars().filter_map(|c| {
            let next = phase.after(c)?;
            Some((u32::from(c), u32::from(c), (next, step(kept, next, c)?)))
        });
        (phase.may_end() && accept(kept, *phase), edges.collect())
    })?;
    Ok(built.minimal(budget))
}

/// Builds an automaton of a few states.
fn small<S: Clone + Eq + std::hash::Hash>(
    start: S,
    step: impl Fn(&S, Phase, char) -> Option<S>,
) -> Dfa {
    build(PLAIN, start, step, |_, _| true, &Budget::fixed())
        .expect("BUG: no schema decides its size")
}

/// Returns all plain texts.
pub(super) fn any() -> Dfa {
    small((), |(), _, _| Some(()))
}

/// Returns the numbers without a fraction, `1.0` among them (JSON Schema 6.1.1).
pub(super) fn integers() -> Dfa {
    let zero_after_point = |(): &(), phase, c| (phase != Phase::Fraction || c == '0').then_some(());
    small((), zero_after_point)
}

/// Returns the integers as one writes them: no point, no negative zero.
pub(super) fn plain_integers() -> Dfa {
    #[derive(Clone, Copy, Eq, Hash, PartialEq)]
    struct Negative(bool);
    let step = |negative: &Negative, phase, _| match phase {
        Phase::Minus => Some(Negative(true)),
        Phase::Zero if negative.0 => None,
        Phase::Point => None,
        Phase::Start | Phase::Zero | Phase::Whole | Phase::Fraction => Some(*negative),
        Phase::Mark | Phase::Sign | Phase::Exponent => None,
    };
    small(Negative(false), step)
}

/// Returns the multiples of `divisor`, which is above zero, or nothing when it has too many remainders.
pub(super) fn multiples(divisor: &Decimal, budget: &Budget) -> Result<Option<Dfa>, Exceeded> {
    let scaled = divisor.scaled();
    let fits = |(numerator, places): &(u64, usize)| {
        (1..=MAX_DIVISOR).contains(numerator) && *places <= MAX_PLACES
    };
    let Some((numerator, places)) = scaled.filter(fits) else { return Ok(None) };
    // The remainder of what was read, without its point, and how many digits stood after the point.
    let step = |(rest, after): &(u64, usize), phase, c: char| match phase {
        Phase::Start | Phase::Minus | Phase::Point => Some((*rest, *after)),
        Phase::Fraction if *after == places => (c == '0').then_some((*rest, *after)),
        Phase::Mark | Phase::Sign | Phase::Exponent => None,
        Phase::Zero | Phase::Whole | Phase::Fraction => {
            let rest = (rest * 10 + u64::from(c.to_digit(10).unwrap_or(0))) % numerator;
            Some((rest, after + usize::from(phase == Phase::Fraction)))
        }
    };
    let accept = |(rest, after): &(u64, usize), _| {
        let scale = |rest, _| rest * 10 % numerator;
        (*after..places).fold(*rest, scale) == 0
    };
    build(PLAIN, (0, 0), step, accept, budget).map(Some)
}

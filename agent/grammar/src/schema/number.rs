//! Sets of numbers as automata over their plain texts: digits, a minus sign, a point, never an exponent.
//!
//! RFC 8259 section 6 without `exp`. Every set here holds all plain texts of a value or none of them (`1`,
//! `1.0`, `1.00`), so that both, neither and not are the operations on texts.

use std::cmp::Ordering;

use super::budget::{Budget, Exceeded};
use super::decimal::Decimal;
use super::dfa::Dfa;

/// The largest numerator of `multipleOf`, which is how many remainders are told apart.
pub(super) const MAX_DIVISOR: u64 = 4_000;

/// The most digits after the point of `multipleOf`.
const MAX_PLACES: usize = 16;

/// How far a text has been read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Phase {
    Start,
    Minus,
    /// After a leading zero, which no digit follows.
    Zero,
    Whole,
    Point,
    Fraction,
}

impl Phase {
    /// Returns the phase after a digit, a point or a minus sign.
    fn after(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Start, '-') => Some(Self::Minus),
            (Self::Start | Self::Minus, '0') => Some(Self::Zero),
            (Self::Start | Self::Minus | Self::Whole, '0'..='9') => Some(Self::Whole),
            (Self::Zero | Self::Whole, '.') => Some(Self::Point),
            (Self::Point | Self::Fraction, '0'..='9') => Some(Self::Fraction),
            (
                Self::Start | Self::Minus | Self::Zero | Self::Whole | Self::Point | Self::Fraction,
                _,
            ) => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction)
    }
}

/// Builds an automaton whose states are a phase and what `step` keeps beside it.
fn build<S: Clone + Eq + std::hash::Hash>(
    start: S,
    step: impl Fn(&S, Phase, char) -> Option<S>,
    accept: impl Fn(&S, Phase) -> bool,
    budget: &Budget,
) -> Result<Dfa, Exceeded> {
    let built = Dfa::explore((Phase::Start, start), budget, |(phase, kept)| {
        let edges = "-.0123456789".chars().filter_map(|c| {
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
    build(start, step, |_, _| true, &Budget::fixed()).expect("BUG: no schema decides its size")
}

/// Returns all numbers.
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
    };
    small(Negative(false), step)
}

/// What is known of a text beside a bound.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Beside {
    negative: bool,
    /// How many digits of the part being read were seen, one more than the bound has at most.
    seen: usize,
    /// How they compare with as many digits of the bound.
    so_far: Ordering,
}

/// Returns the numbers whose comparison with `bound` is one that `keep` holds of.
pub(super) fn compared(
    bound: &Decimal,
    keep: impl Fn(Ordering) -> bool,
    budget: &Budget,
) -> Result<Dfa, Exceeded> {
    let start = Beside { negative: false, seen: 0, so_far: Ordering::Equal };
    build(
        start,
        |beside, phase, c| Some(read(bound, *beside, phase, c)),
        |beside, phase| keep(signed(bound, beside.negative, size(bound, *beside, phase))),
        budget,
    )
}

fn read(bound: &Decimal, mut beside: Beside, phase: Phase, c: char) -> Beside {
    let digit = c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    let against = |digits: &[u8], seen: usize| digits.get(seen).map(|other| digit.cmp(other));
    match phase {
        Phase::Start | Phase::Zero => {}
        Phase::Minus => beside.negative = true,
        Phase::Whole => match against(&bound.whole, beside.seen) {
            Some(order) => {
                beside.so_far = beside.so_far.then(order);
                beside.seen += 1;
            }
            None => {
                beside.so_far = Ordering::Greater;
                beside.seen = bound.whole.len() + 1;
            }
        },
        Phase::Point => {
            beside.so_far = whole_size(bound, beside);
            beside.seen = 0;
        }
        Phase::Fraction => {
            let order = against(&bound.fraction, beside.seen).unwrap_or_else(|| digit.cmp(&0));
            beside.so_far = beside.so_far.then(order);
            let is_decided = beside.so_far != Ordering::Equal;
            let all = bound.fraction.len();
            beside.seen = if is_decided { all } else { (beside.seen + 1).min(all) };
        }
    }
    beside
}

/// Compares the part before the point: without leading zeros, the longer one is larger.
fn whole_size(bound: &Decimal, beside: Beside) -> Ordering {
    beside.seen.cmp(&bound.whole.len()).then(beside.so_far)
}

fn size(bound: &Decimal, beside: Beside, phase: Phase) -> Ordering {
    let (so_far, seen) = match phase {
        Phase::Fraction | Phase::Point => (beside.so_far, beside.seen),
        Phase::Start | Phase::Minus | Phase::Zero | Phase::Whole => (whole_size(bound, beside), 0),
    };
    let is_short = seen < bound.fraction.len();
    so_far.then(if is_short { Ordering::Less } else { Ordering::Equal })
}

fn signed(bound: &Decimal, negative: bool, size: Ordering) -> Ordering {
    match (negative, bound.negative) {
        (false, false) => size,
        (true, true) => size.reverse(),
        (false, true) => Ordering::Greater,
        (true, false) if bound.is_zero() && size == Ordering::Equal => Ordering::Equal,
        (true, false) => Ordering::Less,
    }
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
        Phase::Zero | Phase::Whole | Phase::Fraction => {
            let rest = (rest * 10 + u64::from(c.to_digit(10).unwrap_or(0))) % numerator;
            Some((rest, after + usize::from(phase == Phase::Fraction)))
        }
    };
    let accept = |(rest, after): &(u64, usize), _| {
        let scale = |rest, _| rest * 10 % numerator;
        (*after..places).fold(*rest, scale) == 0
    };
    build((0, 0), step, accept, budget).map(Some)
}

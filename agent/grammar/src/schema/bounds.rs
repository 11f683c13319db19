//! `minimum`, `maximum` and their like: the texts of the numbers that compare with a bound in a certain way.
//!
//! The digits are compared one by one as they come, once as those of a plain text and once as those of a scientific
//! one, because only what follows tells which it is.

use std::cmp::Ordering;

use super::budget::{Budget, Exceeded};
use super::decimal::Decimal;
use super::dfa::Dfa;
use super::number::{ALL, Phase, build};

/// The most digits of an exponent: every value then fits a 64-bit float.
const MAX_EXPONENT_DIGITS: usize = 2;

/// Returns the numbers whose comparison with `bound` is one that `keep` holds of.
pub(super) fn compared(
    bound: &Decimal,
    keep: impl Fn(Ordering) -> bool,
    budget: &Budget,
) -> Result<Dfa, Exceeded> {
    let bound = Bound::new(bound);
    build(
        ALL,
        Beside { negative: false, read: Read::start() },
        |beside, phase, c| bound.read(*beside, phase, c),
        |beside, phase| keep(bound.signed(beside.negative, bound.size(beside.read, phase))),
        budget,
    )
}

/// A bound, written both ways.
struct Bound<'a> {
    plain: &'a Decimal,
    /// Its digits from the first that is not 0 to the last one.
    digits: Vec<u8>,
    /// The power of ten of the first of them, and its digits without a sign.
    exponent: isize,
    exponent_digits: Vec<u8>,
}

/// What is known of a text beside its phase.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Beside {
    negative: bool,
    read: Read,
}

#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Read {
    Mantissa {
        /// The part being read, beside the same part of the bound; digits further than one beyond it are not counted.
        plain: Progress,
        /// All digits beside those of the bound, unless the text has become one that takes no exponent.
        scientific: Option<Progress>,
    },
    Exponent {
        mantissa: Ordering,
        negative: bool,
        /// The digits after the leading zeros.
        digits: Progress,
        /// How many digits there are, leading zeros among them.
        count: usize,
    },
}

/// How many digits were seen and how they compare with as many of the bound.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Progress {
    seen: usize,
    so_far: Ordering,
}

impl Progress {
    const START: Self = Self { seen: 0, so_far: Ordering::Equal };

    /// Returns the progress after a digit of a part whose length decides nothing, as that after a point. Without
    /// trailing zeros in `digits`, what is decided stays so.
    fn beside_fraction(mut self, digits: &[u8], digit: u8) -> Self {
        let order = digits.get(self.seen).map_or(digit.cmp(&0), |other| digit.cmp(other));
        self.so_far = self.so_far.then(order);
        let all = digits.len().max(1);
        let is_decided = self.so_far != Ordering::Equal;
        self.seen = if is_decided { all } else { (self.seen + 1).min(all) };
        self
    }

    /// Returns how a whole fraction compares with `digits`.
    fn of_fraction(self, digits: &[u8]) -> Ordering {
        let is_short = self.seen < digits.len();
        self.so_far.then(if is_short { Ordering::Less } else { Ordering::Equal })
    }

    /// Returns the progress after a digit of a natural number without leading zeros.
    fn beside_natural(mut self, digits: &[u8], digit: u8) -> Self {
        match digits.get(self.seen) {
            Some(other) => {
                self.so_far = self.so_far.then(digit.cmp(other));
                self.seen += 1;
            }
            None => self = Self { seen: digits.len() + 1, so_far: Ordering::Greater },
        }
        self
    }

    /// Returns how a natural number without leading zeros compares with `digits`: the longer one is larger.
    fn of_natural(self, digits: &[u8]) -> Ordering {
        self.seen.cmp(&digits.len()).then(self.so_far)
    }
}

impl Read {
    fn start() -> Self {
        Self::Mantissa { plain: Progress::START, scientific: Some(Progress::START) }
    }
}

impl<'a> Bound<'a> {
    fn new(plain: &'a Decimal) -> Self {
        let all = plain.whole.iter().chain(&plain.fraction).copied();
        let mut digits: Vec<u8> = all.skip_while(|digit| *digit == 0).collect();
        let behind_point = plain.fraction.len().cast_signed();
        let exponent = digits.len().cast_signed() - 1 - behind_point;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let exponent_digits = match exponent.unsigned_abs() {
            0 => Vec::new(),
            size => size.to_string().bytes().map(|c| c - b'0').collect(),
        };
        Self { plain, digits, exponent, exponent_digits }
    }

    fn read(&self, mut beside: Beside, phase: Phase, c: char) -> Option<Beside> {
        let digit = c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
        match (&mut beside.read, phase) {
            (_, Phase::Start) => {}
            (_, Phase::Minus) => beside.negative = true,
            (Read::Mantissa { scientific, .. }, Phase::Zero) => *scientific = None,
            (Read::Mantissa { plain, scientific }, Phase::Whole) => {
                *plain = plain.beside_natural(&self.plain.whole, digit);
                // One digit stands before the point of a scientific text.
                let is_first = |progress: &Progress| progress.seen == 0;
                let first = scientific.filter(is_first);
                *scientific = first.map(|start| start.beside_fraction(&self.digits, digit));
            }
            (Read::Mantissa { plain, .. }, Phase::Point) => {
                *plain = Progress { seen: 0, so_far: plain.of_natural(&self.plain.whole) };
            }
            (Read::Mantissa { plain, scientific }, Phase::Fraction) => {
                *plain = plain.beside_fraction(&self.plain.fraction, digit);
                *scientific = scientific.map(|all| all.beside_fraction(&self.digits, digit));
            }
            (Read::Mantissa { scientific, .. }, Phase::Mark) => {
                let mantissa = (*scientific)?.of_fraction(&self.digits);
                let digits = Progress::START;
                beside.read = Read::Exponent { mantissa, negative: false, digits, count: 0 };
            }
            (Read::Exponent { negative, .. }, Phase::Sign) => *negative = c == '-',
            (Read::Exponent { digits, count, .. }, Phase::Exponent) => {
                *count += 1;
                if *count > MAX_EXPONENT_DIGITS {
                    return None;
                }
                if digits.seen > 0 || digit > 0 {
                    *digits = digits.beside_natural(&self.exponent_digits, digit);
                }
            }
            (Read::Mantissa { .. }, Phase::Sign | Phase::Exponent)
            | (
                Read::Exponent { .. },
                Phase::Zero | Phase::Whole | Phase::Point | Phase::Fraction | Phase::Mark,
            ) => unreachable!("BUG: what is read of a number is not its phase"),
        }
        Some(beside)
    }

    /// Compares what was read with the bound, both without their signs.
    fn size(&self, read: Read, phase: Phase) -> Ordering {
        match read {
            Read::Mantissa { plain, .. } if matches!(phase, Phase::Point | Phase::Fraction) => {
                plain.of_fraction(&self.plain.fraction)
            }
            Read::Mantissa { plain, .. } => {
                let is_short = !self.plain.fraction.is_empty();
                let fraction = if is_short { Ordering::Less } else { Ordering::Equal };
                plain.of_natural(&self.plain.whole).then(fraction)
            }
            // A scientific text is never zero.
            Read::Exponent { .. } if self.digits.is_empty() => Ordering::Greater,
            Read::Exponent { mantissa, negative, digits, .. } => {
                let size = digits.of_natural(&self.exponent_digits);
                let is_below = negative && digits.seen > 0;
                let exponent = match (is_below, self.exponent < 0) {
                    (false, false) => size,
                    (true, true) => size.reverse(),
                    (false, true) => Ordering::Greater,
                    (true, false) => Ordering::Less,
                };
                exponent.then(mantissa)
            }
        }
    }

    /// Compares a number with the bound, where `size` compares them without their signs.
    fn signed(&self, negative: bool, size: Ordering) -> Ordering {
        match (negative, self.plain.negative) {
            (false, false) => size,
            (true, true) => size.reverse(),
            (false, true) => Ordering::Greater,
            (true, false) if self.plain.is_zero() && size == Ordering::Equal => Ordering::Equal,
            (true, false) => Ordering::Less,
        }
    }
}

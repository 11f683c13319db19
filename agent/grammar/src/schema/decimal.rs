//! Exact decimal numbers, as they stand in a schema.

use std::fmt::{self, Display, Formatter};

use serde_json::Number;

/// The largest power of ten, either way, that a number of a schema may have: that of a 64-bit float.
const MAX_EXPONENT: usize = 400;

/// A decimal number in its only form: no leading zero, no trailing zero of a fraction, no negative zero.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Decimal {
    pub(super) negative: bool,
    /// The digits before the point, 0 to 9 each; none for a number below one.
    pub(super) whole: Vec<u8>,
    /// The digits after the point.
    pub(super) fraction: Vec<u8>,
}

impl Decimal {
    /// Returns the value of a number, unless its exponent is beyond all reason.
    pub(super) fn new(number: &Number) -> Option<Self> {
        Self::parse(&number.to_string())
    }

    /// Returns the value of a text, unless its exponent is beyond all reason.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: isize = exponent.parse().ok()?;
        if exponent.unsigned_abs() > MAX_EXPONENT {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|c| c - b'0').collect();
        let mut point = isize::try_from(whole.len()).ok()? + exponent;
        while point < 0 {
            digits.insert(0, 0);
            point += 1;
        }
        let point = point.unsigned_abs();
        while digits.len() < point {
            digits.push(0);
        }
        let fraction = digits.split_off(point);
        Some(Self { negative, whole: digits, fraction }.normal())
    }

    fn normal(mut self) -> Self {
        let zeros = self.whole.iter().take_while(|digit| **digit == 0).count();
        self.whole.drain(..zeros);
        while self.fraction.last() == Some(&0) {
            self.fraction.pop();
        }
        self.negative &= !self.is_zero();
        self
    }

    /// Returns whether it is zero.
    pub(super) fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    /// Returns the value when it is a natural number; the largest there is stands for all above it.
    pub(super) fn natural(&self) -> Option<u64> {
        let is_natural = self.fraction.is_empty() && !self.negative;
        is_natural.then(|| digits_value(&self.whole).unwrap_or(u64::MAX))
    }

    /// Returns the numerator and the power of ten of the denominator.
    pub(super) fn scaled(&self) -> Option<(u64, usize)> {
        let digits: Vec<u8> = self.whole.iter().chain(&self.fraction).copied().collect();
        digits_value(&digits).map(|value| (value, self.fraction.len()))
    }
}

fn digits_value(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(*digit)))
}

impl Display for Decimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = |digits: &[u8]| digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let (whole, fraction): (String, String) = (text(&self.whole), text(&self.fraction));
        f.write_str(if self.negative { "-" } else { "" })?;
        f.write_str(if whole.is_empty() { "0" } else { &whole })?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

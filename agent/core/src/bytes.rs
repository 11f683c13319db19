//! A number of bytes that prints as people read it.

use std::fmt::{self, Display, Formatter};
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Returns `count` MiB.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// Subtracts, down to zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Saturates: a sum of hostile sizes must be too large, never small.
impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Add::add)
    }
}

/// Whole MiB, rounded up, so that a need is never shown smaller than it is.
impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(1 << 20))
    }
}

/// A text that is no size.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is no size: write it like 96GiB, 512MiB or 1.5GB")]
pub struct SizeError(String);

/// What a size can be given in: binary units, decimal ones, and bytes.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let parse = || {
            let (number, unit) = UNITS
                .iter()
                .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))?;
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            // More digits than a byte needs are no size.
            if !is_number(whole) || !is_number(part) || part.len() > 12 {
                return None;
            }
            let parts = u128::from(part.parse::<u64>().ok()?) * u128::from(unit);
            let part = u64::try_from(parts / 10_u128.pow(u32::try_from(part.len()).ok()?)).ok()?;
            whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part).map(Self)
        };
        parse().ok_or_else(|| SizeError(text.to_owned()))
    }
}

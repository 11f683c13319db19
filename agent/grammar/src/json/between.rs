//! Numbers in a range, digit by digit.

use crate::gbnf::{CharSet, Expr};

/// Returns the expression for the natural numbers from `low` to `high`, without leading zeros; nothing when there
/// is none. It has at most four parts a digit.
#[must_use]
pub fn natural_between(low: u64, high: u64) -> Option<Expr> {
    let (from, to) = (low.to_string().len(), high.to_string().len());
    let parts = (from..=to).filter_map(|digits| {
        // The first and the last number with so many digits; there is no zero before another digit.
        let exponent = u32::try_from(digits).ok()? - 1;
        let first = if digits == 1 { 0 } else { 10_u64.pow(exponent) };
        let last = 10_u64.checked_pow(exponent + 1).map_or(u64::MAX, |next| next - 1);
        let (first, last) = (low.max(first), high.min(last));
        let same = || digits_between(first.to_string().as_bytes(), last.to_string().as_bytes());
        (first <= last).then(same)
    });
    let parts: Vec<Expr> = parts.collect();
    (!parts.is_empty()).then_some(Expr::Any(parts))
}

/// Returns the expression for all rows of digits between two of the same length.
fn digits_between(low: &[u8], high: &[u8]) -> Expr {
    if low == high {
        return Expr::literal(String::from_utf8_lossy(low));
    }
    let (Some((first, low)), Some((last, high))) = (low.split_first(), high.split_first()) else {
        return Expr::literal("");
    };
    if first == last {
        return Expr::Seq(vec![digits(*first, *last), digits_between(low, high)]);
    }
    let mut parts = Vec::new();
    let (mut from, mut to) = (*first, *last);
    if low.iter().any(|digit| *digit != b'0') {
        let nines = vec![b'9'; low.len()];
        parts.push(Expr::Seq(vec![digits(from, from), digits_between(low, &nines)]));
        from += 1;
    }
    if high.iter().any(|digit| *digit != b'9') {
        let zeros = vec![b'0'; high.len()];
        parts.push(Expr::Seq(vec![digits(to, to), digits_between(&zeros, high)]));
        to -= 1;
    }
    if from <= to {
        let any = Expr::Class("[0-9]");
        let count = u32::try_from(low.len()).unwrap_or(u32::MAX);
        parts.push(match count {
            0 => digits(from, to),
            _ => Expr::Seq(vec![digits(from, to), Expr::repeat(any, count, Some(count))]),
        });
    }
    Expr::Any(parts)
}

fn digits(from: u8, to: u8) -> Expr {
    let set = CharSet::of([(char::from(from), char::from(to))]);
    set.map_or_else(|| Expr::literal(""), Expr::Chars)
}

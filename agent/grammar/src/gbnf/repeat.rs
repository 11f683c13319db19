//! Repetitions in their simplest form, so that one meaning has one tree.

use super::Expr;

/// Returns `inner` repeated `min` to `max` times.
pub(super) fn simplest(inner: Expr, min: u32, max: Option<u32>) -> Expr {
    let inner = Box::new(inner);
    match (min, max) {
        (0, None) => Expr::Many(inner),
        (0, Some(1)) => Expr::Optional(inner),
        (min, Some(max)) if min == max && u16::try_from(min).is_ok() => {
            // The test above is the reason why this cannot cut the number.
            Expr::Times(inner, u16::try_from(min).unwrap_or(u16::MAX))
        }
        (min, max) => Expr::Repeat(inner, min, max),
    }
}

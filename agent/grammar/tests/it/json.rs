//! Numbers in a range, against counting.

use chargehand_grammar::{Grammar, json};
use proptest::prelude::*;

use crate::matcher::{after, constraint};

fn check(low: u64, high: u64, tried: impl IntoIterator<Item = u64>) {
    let Some(expr) = json::natural_between(low, high) else {
        assert!(low > high);
        return;
    };
    let mut constraint = constraint(&Grammar::new(expr).to_string());
    for number in tried {
        let end = after(&mut constraint, &number.to_string());
        let allowed = end.is_some_and(|end| constraint.accepting(end));
        assert_eq!(allowed, (low..=high).contains(&number), "{low}..={high}: {number}");
        assert!(after(&mut constraint, &format!("0{number}")).is_none());
    }
}

#[test]
fn numbers_are_counted() {
    for (low, high) in [
        (0, 0),
        (0, 9),
        (1, 10),
        (7, 103),
        (10, 99),
        (99, 100),
        (198, 203),
        (1, 1999),
        (1000, 1000),
        (5, 4),
    ] {
        check(low, high, 0..2_100);
    }
    check(1, u64::MAX, [0, 1, u64::MAX - 1, u64::MAX]);
    check(
        0,
        u64::MAX - 1,
        [0, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000, u64::MAX - 1, u64::MAX],
    );
}

proptest! {
    #[test]
    fn the_ends_are_in_and_what_is_beyond_is_out(low in any::<u64>(), more in 0_u64..100_000) {
        let high = low.saturating_add(more);
        check(low, high, [low.saturating_sub(1), low, low + more / 2, high, high.saturating_add(1), low / 10]);
    }
}

//! The best of what is allowed, found in one pass over the logits.

use std::cmp::Ordering;

use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::token::data::LlamaTokenData;

use super::{BadLogits, is_bad, to_llama};

/// Tokens that are compared at once; whole blocks without a better one are passed over.
const BLOCK: usize = 64;

/// Returns the first of the most likely tokens.
pub(super) fn best(logits: &[f32], mask: Option<&Mask>) -> Result<Option<TokenId>, BadLogits> {
    let mut best: Option<(TokenId, f32)> = None;
    let bad = each_better(logits, mask, |token, logit| {
        let wins = |(first, known)| logit > known || logit == known && token < first;
        let next = best.filter(|best| !wins(*best)).unwrap_or((token, logit));
        best = Some(next);
        next.1
    });
    if bad {
        BadLogits::look(logits)?;
    }
    Ok(best.map(|(token, _)| token))
}

/// Puts the `most` most likely tokens into `found`, and at most as many others; returns whether a logit is bad.
///
/// llama.cpp's own search for them takes longer than all else of a step together: it begins with a list of all.
pub(super) fn top(
    logits: &[f32],
    mask: Option<&Mask>,
    most: usize,
    found: &mut Vec<LlamaTokenData>,
) -> bool {
    let mut floor = f32::NEG_INFINITY;
    each_better(logits, mask, |token, logit| {
        found.push(LlamaTokenData::new(to_llama(token), logit, 0.0));
        if found.len() == 2 * most {
            found.select_nth_unstable_by(most - 1, order);
            found.truncate(most);
            floor = found[most - 1].logit();
        }
        floor
    })
}

/// The most likely first, and of those that are as likely, that with the lowest number.
fn order(one: &LlamaTokenData, other: &LlamaTokenData) -> Ordering {
    other.logit().total_cmp(&one.logit()).then(one.id().cmp(&other.id()))
}

/// Shows `consider` all tokens that may be better than the floor it returned last, and returns whether a logit is bad.
fn each_better(
    logits: &[f32],
    mask: Option<&Mask>,
    mut consider: impl FnMut(TokenId, f32) -> f32,
) -> bool {
    match mask {
        None => blocks(logits, |_| true, consider),
        // In no order: one that is as good as the floor may have a lower number.
        Some(Mask::Allow(tokens)) => tokens.iter().fold(false, |bad, token| {
            // A model that guesses may have fewer tokens than the one that the mask is for.
            let Some(logit) = logits.get(*token as usize) else { return bad };
            consider(*token, *logit);
            bad | is_bad(*logit)
        }),
        Some(mask @ (Mask::Deny(_) | Mask::Bits(_))) => {
            blocks(logits, |token| mask.allows(token), consider)
        }
    }
}

fn blocks(
    logits: &[f32],
    allows: impl Fn(TokenId) -> bool,
    mut consider: impl FnMut(TokenId, f32) -> f32,
) -> bool {
    let mut floor = f32::NEG_INFINITY;
    let (mut is_first, mut bad) = (true, false);
    for (block, first) in logits.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        // No branch, so that it is done with vectors.
        let highest = block.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        bad |= block.iter().fold(false, |bad, logit| bad | is_bad(*logit));
        if highest <= floor && !is_first {
            continue;
        }
        for (token, logit) in (first..).zip(block) {
            if (*logit > floor || is_first) && allows(token) {
                floor = consider(token, *logit);
                is_first = false;
            }
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use chargehand_grammar::Mask;
    use llama_cpp_2::token::data::LlamaTokenData;

    use super::{best, order, top};
    use crate::sampler::{chance, to_llama};

    fn logits() -> Vec<f32> {
        (0..1000_u16).map(|at| f32::from(at % 7 * 97 + at % 89)).collect()
    }

    fn masks() -> [Option<Mask>; 5] {
        let third = (0..900).filter(|token| token % 3 == 0);
        [
            None,
            Some(Mask::Deny(third.clone().collect())),
            Some(Mask::Allow(third.rev().collect())),
            Some(Mask::Bits([0xF0F0_F0F0_F0F0_F0F0; 16].into())),
            Some(Mask::Allow([7, 3].into())),
        ]
    }

    fn sorted(mask: Option<&Mask>, logits: &[f32]) -> Vec<LlamaTokenData> {
        let allowed = (0..1000_u32).filter(|token| mask.is_none_or(|mask| mask.allows(*token)));
        let data = |token| LlamaTokenData::new(to_llama(token), logits[token as usize], 0.0);
        let mut all: Vec<_> = allowed.map(data).collect();
        all.sort_by(order);
        all
    }

    #[test]
    fn it_is_the_best_of_many() {
        let logits = logits();
        for mask in masks() {
            let slow = sorted(mask.as_ref(), &logits)[0].id();
            let quick = best(&logits, mask.as_ref()).unwrap().map(to_llama);
            assert_eq!(quick, Some(slow), "{mask:?}");
        }
    }

    #[test]
    fn a_token_without_logits_is_no_choice() {
        let logits = logits();
        let of = |tokens: &[u32]| best(&logits, Some(&Mask::Allow(tokens.into()))).unwrap();
        assert_eq!([of(&[7, 1000]), of(&[1000])], [Some(7), None]);
        let beyond = Mask::Deny([1000].into());
        let found = best(&logits, None).unwrap();
        assert_eq!(best(&logits, Some(&beyond)).unwrap(), found);
        let [alone, beside] = [&[][..], &[1000]]
            .map(|deny| chance(&logits, &Mask::Deny(deny.into()), found.unwrap()));
        assert!(alone > 0.0 && (alone - beside).abs() < f32::EPSILON, "{alone} {beside}");
    }

    #[test]
    fn the_best_are_among_those_that_are_found() {
        let logits = logits();
        for (mask, most) in masks().into_iter().flat_map(|mask| [(mask.clone(), 1), (mask, 40)]) {
            let mut found = Vec::new();
            assert!(!top(&logits, mask.as_ref(), most, &mut found));
            assert!(found.len() <= 2 * most);
            found.sort_by(order);
            found.truncate(most);
            let slow = sorted(mask.as_ref(), &logits);
            let ids =
                |data: &[LlamaTokenData]| data.iter().map(LlamaTokenData::id).collect::<Vec<_>>();
            assert_eq!(ids(&found), ids(&slow[..slow.len().min(most)]), "{mask:?}");
        }
    }
}

//! The tokens that are allowed, in the shape that is shortest.

use super::denied::Denied;
use crate::vocabulary::TokenId;

/// The tokens that are allowed in a state.
///
/// Inside fixed text a few are allowed, inside a string a few are not: a list of those is applied to the logits
/// in a fraction of the time that a bit for each token takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mask {
    /// These, in no order.
    Allow(Box<[TokenId]>),
    /// All but these, in ascending order.
    Deny(Denied),
    /// Those with a bit set: token 64 is the lowest bit of the second word.
    Bits(Box<[u64]>),
}

impl Mask {
    /// Returns whether `token`, which is one of the vocabulary, is allowed.
    #[must_use]
    pub fn allows(&self, token: TokenId) -> bool {
        match self {
            Self::Allow(tokens) => tokens.contains(&token),
            Self::Deny(denied) => !denied.contains(token),
            Self::Bits(bits) => is_set(bits, token),
        }
    }

    /// Returns how many of `tokens` in a vocabulary are allowed.
    #[must_use]
    pub fn count(&self, tokens: usize) -> usize {
        match self {
            Self::Allow(allowed) => allowed.len(),
            Self::Deny(denied) => tokens - denied.len(),
            Self::Bits(bits) => bits.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// Returns the bytes that the mask takes.
    pub(super) fn bytes(&self) -> usize {
        let list = match self {
            Self::Allow(tokens) => size_of_val(&**tokens),
            Self::Deny(denied) => denied.bytes(),
            Self::Bits(bits) => size_of_val(&**bits),
        };
        size_of::<Self>() + list
    }

    /// Returns the mask that allows `found`, which has no token twice, out of `tokens`.
    pub(super) fn of(found: &[TokenId], tokens: usize) -> Self {
        // A list entry has 32 bits.
        if found.len() * 32 <= tokens {
            return Self::Allow(found.into());
        }
        let mut bits = vec![0; tokens.div_ceil(64)];
        found.iter().for_each(|token| set(&mut bits, *token));
        Self::of_bits(bits, tokens)
    }

    /// Returns the mask that allows the same but these, out of `tokens`.
    pub(super) fn except(&self, mut denied: Vec<TokenId>, tokens: usize) -> Self {
        denied.sort_unstable();
        denied.dedup();
        if denied.is_empty() {
            return self.clone();
        }
        match self {
            Self::Allow(allowed) => {
                let is_left = |token: &TokenId| denied.binary_search(token).is_err();
                Self::Allow(allowed.iter().copied().filter(is_left).collect())
            }
            Self::Deny(others) => {
                denied.extend(others);
                denied.sort_unstable();
                denied.dedup();
                if denied.len() * 32 <= tokens {
                    return Self::Deny(denied.into());
                }
                cleared(vec![u64::MAX; tokens.div_ceil(64)], &denied, tokens)
            }
            Self::Bits(bits) => cleared(bits.to_vec(), &denied, tokens),
        }
    }

    /// Returns the mask that allows the same and these, in ascending order, of which it allows none.
    pub(super) fn with(&self, also: &[TokenId], tokens: usize) -> Self {
        match self {
            Self::Allow(allowed) => Self::of(&[allowed, also].concat(), tokens),
            Self::Deny(denied) => Self::Deny(denied.but(also)),
            Self::Bits(bits) => {
                let mut bits = bits.to_vec();
                also.iter().for_each(|token| set(&mut bits, *token));
                Self::of_bits(bits, tokens)
            }
        }
    }

    /// Returns the mask of these bits.
    pub(super) fn of_bits(bits: Vec<u64>, tokens: usize) -> Self {
        let allowed: usize = bits.iter().map(|word| word.count_ones() as usize).sum();
        if allowed * 32 <= tokens {
            return Self::Allow(listed(bits.iter().copied(), tokens).into());
        }
        if (tokens - allowed) * 32 <= tokens {
            return Self::Deny(listed(bits.iter().map(|word| !word), tokens).into());
        }
        Self::Bits(bits.into())
    }
}

/// Returns the mask of the bits of the first `tokens` tokens, without some of them.
fn cleared(mut bits: Vec<u64>, denied: &[TokenId], tokens: usize) -> Mask {
    denied.iter().for_each(|token| bits[*token as usize / 64] &= !(1 << (token % 64)));
    if let Some(last) = bits.last_mut().filter(|_| !tokens.is_multiple_of(64)) {
        *last &= (1 << (tokens % 64)) - 1;
    }
    Mask::of_bits(bits, tokens)
}

pub(super) fn set(bits: &mut [u64], token: TokenId) {
    bits[token as usize / 64] |= 1 << (token % 64);
}

/// Returns the places of the bits that are set, of the first `tokens` ones.
fn listed(words: impl Iterator<Item = u64>, tokens: usize) -> Vec<TokenId> {
    let mut list = Vec::new();
    for (word, first) in words.zip((0..).step_by(64)) {
        let mut word: u64 = word;
        while word != 0 {
            list.push(first + word.trailing_zeros());
            word &= word - 1;
        }
    }
    // The last word may have more bits than there are tokens.
    list.truncate(list.partition_point(|token| (*token as usize) < tokens));
    list
}

fn is_set(bits: &[u64], token: TokenId) -> bool {
    bits.get(token as usize / 64).is_some_and(|word| word >> (token % 64) & 1 == 1)
}

//! The tokens that a string must not hold, one list for all strings that differ in what stands behind them.

use std::slice;
use std::sync::Arc;

use crate::vocabulary::TokenId;

/// Tokens that are denied, in ascending order.
///
/// A grammar of thirty functions has sixty masks of some thousand such tokens that differ in a handful: the list is
/// shared, and the handful is kept beside it.
#[derive(Clone, Debug)]
pub struct Denied {
    all: Arc<[TokenId]>,
    /// Those of them that are allowed all the same, in ascending order.
    but: Box<[TokenId]>,
}

impl Denied {
    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len() - self.but.len()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether `token` is one of them.
    #[must_use]
    pub fn contains(&self, token: TokenId) -> bool {
        self.all.binary_search(&token).is_ok() && self.but.binary_search(&token).is_err()
    }

    /// Returns them in ascending order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { all: self.all.iter(), but: &self.but }
    }

    /// Returns the same but for `tokens`, in ascending order, all of which are among them.
    pub(super) fn but(&self, tokens: &[TokenId]) -> Self {
        let mut but = [&*self.but, tokens].concat();
        but.sort_unstable();
        Self { all: Arc::clone(&self.all), but: but.into() }
    }

    /// Returns the bytes that they take, as if they were not shared.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.all) + size_of_val(&*self.but)
    }
}

impl Eq for Denied {}

impl PartialEq for Denied {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: Into<Arc<[TokenId]>>> From<T> for Denied {
    /// Takes a list that is in ascending order.
    fn from(all: T) -> Self {
        Self { all: all.into(), but: Box::default() }
    }
}

impl FromIterator<TokenId> for Denied {
    /// Takes tokens in ascending order.
    fn from_iter<T: IntoIterator<Item = TokenId>>(tokens: T) -> Self {
        Self { all: tokens.into_iter().collect(), but: Box::default() }
    }
}

impl<'d> IntoIterator for &'d Denied {
    type Item = &'d TokenId;
    type IntoIter = Iter<'d>;

    fn into_iter(self) -> Iter<'d> {
        self.iter()
    }
}

/// The tokens of a [`Denied`].
#[derive(Clone, Debug)]
pub struct Iter<'d> {
    all: slice::Iter<'d, TokenId>,
    but: &'d [TokenId],
}

impl<'d> Iterator for Iter<'d> {
    type Item = &'d TokenId;

    fn next(&mut self) -> Option<&'d TokenId> {
        loop {
            let token = self.all.next()?;
            match self.but.split_first() {
                Some((allowed, rest)) if allowed == token => self.but = rest,
                Some(_) | None => return Some(token),
            }
        }
    }
}

//! The last matrix of a model, which makes logits of a state. It has a row for each token of the vocabulary, and on a
//! processor it takes as long as many layers. Where a grammar allows few tokens, only their rows are computed here.
//!
//! llama.cpp is not changed for it: its callback for evaluations may look at a tensor and end the evaluation there.
//! Whether the logits are the same to the bit is found out with each model before anything is left out.

use std::cell::Cell;

use chargehand_grammar::vocabulary::TokenId;

use crate::ffi::{Look, States};
use crate::guess::MOST;

/// Where more tokens than this are allowed, all logits are computed.
pub(crate) const FEW: usize = 64;
/// Tokens whose logits are compared, spread over the vocabulary.
const COMPARED: usize = 64;

/// What is known about the logits of a few tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trust {
    Unknown,
    Same,
    Different,
}

/// The last matrix of a model.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) states: States,
    /// For each number of rows: other kernels compute one than several, and some compute two at once.
    trust: [Cell<Trust>; 1 + MOST],
}

impl Head {
    /// Returns the head of a model that nothing is known about; `None` without memory.
    pub(crate) fn new() -> Option<Self> {
        let trust = [Trust::Unknown; 1 + MOST].map(Cell::new);
        Some(Self { states: States::new()?, trust })
    }

    /// Returns whether logits of `rows` tokens are, or may turn out to be, the same where they are computed here.
    pub(crate) fn may_leave_out(&self, rows: usize) -> bool {
        self.trust(rows).is_some_and(|trust| trust.get() != Trust::Different)
    }

    /// Prepares an evaluation with logits of `rows` tokens, of which only a few matter if `is_few`. Returns whether it
    /// will leave logits.
    pub(crate) fn prepare(&self, rows: usize, is_few: bool) -> bool {
        let look = match self.trust(rows).filter(|_| is_few).map(Cell::get) {
            None | Some(Trust::Different) => Look::Pass,
            Some(Trust::Unknown) => Look::Keep,
            Some(Trust::Same) => Look::Stop,
        };
        self.states.look(look);
        look != Look::Stop
    }

    /// Compares the logits of the last evaluation with those computed here, if it was prepared for that.
    pub(crate) fn compare<'l>(&self, rows: usize, row: impl Fn(usize) -> &'l [f32]) {
        let unknown = self.trust(rows).filter(|trust| trust.get() == Trust::Unknown);
        let Some(trust) = unknown else { return };
        let same = self.states.rows() == rows && (0..rows).all(|at| self.is_same(at, row(at)));
        trust.set(if same { Trust::Same } else { Trust::Different });
    }

    /// Writes the logits of `tokens` behind the state `row` into a list of all, and returns whether it could.
    pub(crate) fn fill(&self, row: usize, tokens: &[TokenId], all: &mut [f32]) -> bool {
        let mut found = [0.0_f32; FEW];
        let Some(found) = found.get_mut(..tokens.len()) else { return false };
        let is_done = self.states.logits(row, tokens, found);
        for (token, logit) in tokens.iter().zip(found) {
            all[*token as usize] = *logit;
        }
        is_done
    }

    fn is_same(&self, row: usize, all: &[f32]) -> bool {
        let end = TokenId::try_from(all.len()).unwrap_or(TokenId::MAX);
        let tokens: Vec<_> = (0..end).step_by((all.len() / COMPARED).max(1)).collect();
        let mut found = vec![0.0_f32; tokens.len()];
        let bits = |token: &TokenId| all[*token as usize].to_bits();
        self.states.logits(row, &tokens, &mut found)
            && tokens.iter().map(bits).eq(found.iter().map(|logit| logit.to_bits()))
    }

    fn trust(&self, rows: usize) -> Option<&Cell<Trust>> {
        self.trust.get(rows.checked_sub(1)?)
    }
}

//! Our engine.

use std::sync::Arc;

use chargehand_grammar::{Bindings, Constraint, Grammar, Limits, State, TokenId, Vocabulary};

use crate::engine::{Engine, Failure};
use crate::workloads::Workload;

/// A grammar under our engine.
pub(crate) struct Own {
    vocabulary: Arc<Vocabulary>,
    gbnf: String,
    bindings: Bindings,
    made: Option<(Constraint, State)>,
}

impl Own {
    pub(crate) fn new(vocabulary: &Arc<Vocabulary>) -> Self {
        let (gbnf, bindings) = (String::new(), Bindings::new());
        Self { vocabulary: Arc::clone(vocabulary), gbnf, bindings, made: None }
    }

    pub(crate) fn made(&mut self) -> Result<&mut (Constraint, State), Failure> {
        self.made.as_mut().ok_or_else(|| "nothing is compiled".into())
    }
}

impl Engine for Own {
    fn name(&self) -> &'static str {
        "chargehand"
    }

    fn take(&mut self, workload: &Workload) -> bool {
        (self.gbnf, self.bindings) = (workload.gbnf.clone(), workload.bindings.clone());
        true
    }

    fn compile(&mut self) -> Result<(), Failure> {
        let grammar = Grammar::parse(&self.gbnf)?;
        let (vocabulary, limits) = (Arc::clone(&self.vocabulary), Limits::default());
        let constraint = Constraint::bound(&grammar, &self.bindings, vocabulary, &limits)?;
        let start = constraint.start();
        self.made = Some((constraint, start));
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let (constraint, state) = self.made()?;
        *state = constraint.start();
        Ok(())
    }

    fn mask(&mut self) -> Result<(), Failure> {
        let (constraint, state) = self.made()?;
        constraint.mask(*state)?;
        Ok(())
    }

    fn allows(&mut self, token: TokenId) -> bool {
        let Some((constraint, state)) = &mut self.made else { return false };
        constraint.mask(*state).is_ok_and(|mask| mask.allows(token))
    }

    fn advance(&mut self, token: TokenId) -> Result<(), Failure> {
        let (constraint, state) = self.made()?;
        *state = constraint.advance(*state, token)?.ok_or("a token is refused")?;
        Ok(())
    }

    fn is_whole(&mut self) -> Result<bool, Failure> {
        let (constraint, state) = self.made()?;
        Ok(constraint.accepting(*state))
    }
}

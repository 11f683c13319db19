//! A whole step of sampling in the engine: the mask, and a token picked from what it allows.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use chargehand_engine::sampler::{Choose as _, Sampler, Sampling};
use chargehand_grammar::{Constraint, Grammar, Limits, Mask, TokenId, Vocabulary};

use crate::clock::{Clock, micros};
use crate::engine::Failure;
use crate::workloads::Workload;

/// Measures all steps, greedy and with a usual chain, those with few tokens apart from those with many.
pub(crate) fn measure(
    clock: &Clock,
    vocabulary: &Arc<Vocabulary>,
    cases: &[(Workload, Vec<Vec<TokenId>>)],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let chain =
        Sampling { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05, ..Sampling::default() };
    for (name, sampling) in [("greedy", Sampling::default()), ("chain", chain)] {
        let mut steps = Steps {
            clock,
            vocabulary,
            sampler: Sampler::new(&sampling),
            few: Vec::new(),
            many: Vec::new(),
        };
        for (workload, texts) in cases {
            steps.walk(workload, texts)?;
        }
        for (what, times) in [("few", steps.few), ("many", steps.many)] {
            let mean = micros(times.iter().sum::<Duration>()) / times.len().max(1) as f64;
            let count = times.len();
            writeln!(
                out,
                "a step of sampling, {name}, {what} tokens allowed: {mean:.1} us, mean of {count}"
            )?;
        }
    }
    Ok(())
}

struct Steps<'s> {
    clock: &'s Clock,
    vocabulary: &'s Arc<Vocabulary>,
    sampler: Sampler,
    few: Vec<Duration>,
    many: Vec<Duration>,
}

impl Steps<'_> {
    fn walk(&mut self, workload: &Workload, texts: &[Vec<TokenId>]) -> Result<(), Failure> {
        let grammar = Grammar::parse(&workload.gbnf)?;
        let (vocabulary, limits) = (Arc::clone(self.vocabulary), Limits::default());
        let mut constraint = Constraint::bound(&grammar, &workload.bindings, vocabulary, &limits)?;
        // As a model gives them: no two the same, in no order.
        let logits: Vec<f32> = (0..self.vocabulary.len())
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 8 & 0xFFFF) as f32 / 8_192.0)
            .collect();
        for tokens in texts {
            let mut state = constraint.start();
            for token in tokens {
                let begun = self.clock.now();
                let mask = constraint.mask(state)?;
                let chosen = self.sampler.choose(&logits, Some(mask), None);
                let took = self.clock.since(begun);
                chosen?.ok_or("nothing is allowed")?;
                match mask {
                    Mask::Allow(_) => self.few.push(took),
                    Mask::Deny(_) | Mask::Bits(_) => self.many.push(took),
                }
                state = constraint.advance(state, *token)?.ok_or("a token is refused")?;
            }
        }
        Ok(())
    }
}

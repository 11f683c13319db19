//! Whether a watched text leaves a way out.
//!
//! Where some texts must not come out, a beginning that only they have must not come out either: a model would
//! stand before an empty mask. Watched texts are finite, and off their way everything can be made whole.

use std::collections::HashSet;

use super::error::MatchError;
use super::places::Place;
use super::program::Op;
use super::states::States;
use super::table::Mixing;

impl States {
    /// Returns whether something else than watched texts can come from a place.
    pub(super) fn is_alive(&mut self, place: Place) -> Result<bool, MatchError> {
        let mut open = vec![place];
        let mut seen: HashSet<Place, Mixing> = HashSet::default();
        let mut edges = Vec::new();
        while let Some(place) = open.pop() {
            self.fuel.take(1)?;
            if !self.is_watched(place) || matches!(self.program.op(place.at), Op::Token(_)) {
                return Ok(true);
            }
            if !seen.insert(place) {
                continue;
            }
            edges.clear();
            self.edges_of(place, &mut edges);
            if edges.iter().any(|(.., to)| !self.is_watched(*to)) {
                return Ok(true);
            }
            let seeds = edges.iter().map(|(.., to)| *to);
            self.ahead.run(
                &self.program,
                &mut self.stacks,
                &mut self.bound,
                seeds,
                &mut self.fuel,
            )?;
            if self.ahead.whole {
                return Ok(true);
            }
            open.extend(&self.ahead.found);
        }
        Ok(false)
    }
}

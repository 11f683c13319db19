//! Finds out how a template writes reasoning before a call.

use chargehand_core::tool::{Envelope, Reasoning};
use chargehand_core::transcript::Message;

use super::discover::{Probe, call, result, text_behind, user};
use super::mark::Piece;
use super::shape::Ask;

impl Probe<'_> {
    /// Returns how reasoning is written: as old reasoning stands before a call, or as the question opens it.
    pub(super) fn reasoning(&self, envelope: &Envelope) -> Option<Reasoning> {
        let asked = self.tail(&[user()], Ask::Reasoning).ok()?;
        let own = self.told(envelope, &asked).or_else(|| self.opened(&asked))?;
        // Some open it behind a word of the user, and not behind a result.
        let answered = self.tail(&[user(), call(), result()], Ask::Reasoning).ok()?;
        let opener = asked.rfind('<').map_or("", |at| &asked[at..]);
        (!own.before.is_empty() || answered.ends_with(opener)).then_some(own)
    }

    /// Reads it off a sample with reasoning, of which the template shows what happened last.
    fn told(&self, envelope: &Envelope, asked: &str) -> Option<Reasoning> {
        let mut probe = self.clone();
        probe.shape.reasons = true;
        let messages = [user(), Message::Reasoned(String::new()), call()];
        let rendered = probe.render(&messages, Ask::Nothing).ok()?;
        let pieces = self.marks.split(&rendered).ok()?;
        let told = pieces.iter().filter(|piece| matches!(piece, Piece::Content(1, _))).count();
        let before = text_behind(&pieces, 0)?.strip_prefix(asked)?.to_owned();
        let after = text_behind(&pieces, 1)?.strip_suffix(&*envelope.before)?.to_owned();
        (told == 1 && !after.trim().is_empty()).then_some(Reasoning { before, after })
    }

    /// Goes by what the question opens, and how one that wants no reasoning closes it.
    fn opened(&self, asked: &str) -> Option<Reasoning> {
        if !asked.trim_end().ends_with("<think>") {
            return None;
        }
        let closed = self.tail(&[user()], Ask::Answer).ok()?;
        let after = closed.strip_prefix(asked).filter(|after| !after.is_empty())?.to_owned();
        Some(Reasoning { before: String::new(), after })
    }
}

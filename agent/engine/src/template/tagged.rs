//! Finds out how a template writes arguments that are no JSON object: each on its own, between tags.
//!
//! Samples with no argument, with one and with two show what stands around texts and around numbers.

use chargehand_core::tool::{Envelope, Style, Tagged, Tags};

use super::discover::{Probe, call, text_behind, user};
use super::mark::Which;
use super::shape::{Ask, NUMBER, Sample};

/// What ends a text must be longer than a quote or a bracket: those are in too many texts.
const SHORTEST_END: usize = 3;

impl Probe<'_> {
    /// Returns the envelope, if this template writes arguments between tags.
    pub(super) fn tagged(&self) -> Option<Envelope> {
        let [(key, text), (second, other)] =
            [Which::First, Which::Second].map(|which| self.marks.argument(1, which));
        let number = NUMBER.to_string();
        let behind_name = |sample, marks: &[&str]| self.behind_name(sample, marks);
        let [between, open, last] = parts(behind_name(Sample::Text, &[&key, &text])?)?;
        let two = behind_name(Sample::TwoTexts, &[&key, &text, &second, &other])?;
        let [_, _, next, ..] = parts::<5>(two.clone())?;
        let late = behind_name(Sample::TextAndNumber, &[&key, &text, &second, &number])?;
        let [_, _, _, open_other, last_other] = parts(late.clone())?;
        let early = behind_name(Sample::NumberAndText, &[&key, &number, &second, &other])?;
        let [_, _, next_other, ..] = parts::<5>(early.clone())?;
        let [none] = parts(behind_name(Sample::Nothing, &[])?)?;
        // Each text stands where it does in all samples.
        let expect = |first: &str, next: &str, second: &str, last: &str| {
            [&*between, first, next, second, last].map(str::to_owned)
        };
        let same = two == expect(&open, &next, &open, &last)
            && late == expect(&open, &next, &open_other, &last_other)
            && early == expect(&open_other, &next_other, &open, &last);
        let texts = Tags { open, next, last };
        if !same || texts.end().len() < SHORTEST_END {
            return None;
        }
        let others = Tags { open: open_other, next: next_other, last: last_other };
        let called = self.render(&[user(), call()], Ask::Nothing).ok()?;
        let before = self.before(text_behind(&self.marks.split(&called).ok()?, 0)?)?;
        let arguments = Style::Tagged(Tagged { texts, others, none });
        Some(Envelope { arguments, ..Envelope::new(&before, &between, "") })
    }

    /// Returns what stands between the name of the call `index` and the end of its value, marks included.
    pub(super) fn frame(&self, index: usize, envelope: &Envelope) -> Option<String> {
        let Style::Tagged(tagged) = &envelope.arguments else { return None };
        let (key, value) = self.marks.argument(index, Which::First);
        Some([&*envelope.between, &*key, &*tagged.texts.open, &*value].concat())
    }

    /// Returns the texts behind a name, split at some marks, without the end of the turn.
    fn behind_name(&self, sample: Sample, marks: &[&str]) -> Option<Vec<String>> {
        let mut probe = self.clone();
        probe.shape.sample = sample;
        let rendered = probe.render(&[user(), call()], Ask::Nothing).ok()?;
        let (_, mut rest) = rendered.split_once(&self.marks.name(1))?;
        let mut parts = Vec::new();
        for mark in marks {
            let (part, behind) = rest.split_once(mark)?;
            parts.push(part.to_owned());
            rest = behind;
        }
        let end = self.turn_end().unwrap_or_default();
        parts.push(rest.strip_suffix(&*end).unwrap_or(rest).to_owned());
        Some(parts)
    }
}

fn parts<const N: usize>(parts: Vec<String>) -> Option<[String; N]> {
    parts.try_into().ok()
}

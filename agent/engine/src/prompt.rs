//! From the pieces of a prompt to its tokens: the tokens a template and its texts have as a whole, except
//! that data never contains a control token and that what was generated stays as it was generated.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use crate::template::{Segment, SegmentKind};
use crate::vocab::{Special, Vocab};

/// How many generations are remembered; a job has at most a few dozen turns.
const REMEMBERED: usize = 256;

/// More characters in a row without white space, or of white space alone, are tokenised in pieces: llama.cpp splits
/// text with the regular expressions of its C++ library, which take up to 400 bytes of stack for each character of
/// a word. 100,000 letters ended the process.
const LONGEST_RUN: usize = 1024;

/// Tokenises prompts that grow from turn to turn.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    generated: VecDeque<Generated>,
    /// The pieces of the last prompt, in order: a prompt that grew has them again.
    pieces: Vec<(String, Vec<LlamaToken>)>,
}

/// Text that a model wrote after a prompt, and its tokens, which need not be the ones a tokenizer finds.
#[derive(Debug)]
struct Generated {
    after: Mark,
    text: String,
    tokens: Vec<LlamaToken>,
}

/// The identity of a text: its length and its FNV-1a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Mark {
    length: usize,
    hash: u64,
}

impl Mark {
    const EMPTY: Self = Self { length: 0, hash: 0xcbf2_9ce4_8422_2325 };

    fn then(self, text: &[u8]) -> Self {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        Self { length: self.length + text.len(), hash: text.iter().fold(self.hash, step) }
    }
}

impl Prompts {
    /// Remembers that the model wrote `text` as `tokens` after `prompt`.
    pub(crate) fn remember(&mut self, prompt: &[Segment], text: &str, tokens: &[LlamaToken]) {
        if text.is_empty() {
            return;
        }
        let after = prompt.iter().fold(Mark::EMPTY, |mark, part| mark.then(part.text.as_bytes()));
        self.generated.retain(|known| known.after != after || known.text != text);
        if self.generated.len() == REMEMBERED {
            self.generated.pop_front();
        }
        let (text, tokens) = (text.to_owned(), tokens.to_vec());
        self.generated.push_back(Generated { after, text, tokens });
    }

    /// Returns the tokens of `prompt`, beginning with the token that the vocabulary wants there.
    pub(crate) fn tokenize(
        &mut self,
        vocab: &Vocab,
        tokenizer: &LlamaVocab<'_>,
        prompt: &[Segment],
    ) -> Vec<LlamaToken> {
        let whole: String = prompt.iter().map(|part| part.text.as_str()).collect();
        let cuts = cuts(vocab, prompt, &whole);
        let mut pieces =
            Pieces { tokenizer, known: std::mem::take(&mut self.pieces), next: vec![] };
        let mut tokens = Vec::new();
        let mut at = 0;
        for (range, generated) in self.generated_in(&whole) {
            pieces.add(&whole, at..range.start, &cuts, &mut tokens);
            tokens.extend_from_slice(generated);
            at = range.end;
        }
        pieces.add(&whole, at..whole.len(), &cuts, &mut tokens);
        self.pieces = pieces.next;
        if let Some(bos) = vocab.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        tokens
    }

    /// Returns where in `whole` a remembered generation stands, after the very prompt it was written after.
    fn generated_in(&self, whole: &str) -> Vec<(Range<usize>, &[LlamaToken])> {
        let mut known: Vec<&Generated> = self.generated.iter().collect();
        known.sort_by_key(|generated| generated.after.length);
        let mut found: Vec<(Range<usize>, &[LlamaToken])> = Vec::new();
        let mut mark = Mark::EMPTY;
        for generated in known {
            let start = generated.after.length;
            let Some(skipped) = whole.as_bytes().get(mark.length..start) else { break };
            mark = mark.then(skipped);
            let free = found.last().is_none_or(|(range, _)| range.end <= start);
            let same = mark == generated.after
                && whole.as_bytes()[start..].starts_with(generated.text.as_bytes());
            if free && same {
                found.push((start..start + generated.text.len(), &generated.tokens));
            }
        }
        found
    }
}

/// Tokenises pieces, or takes them from the prompt before.
struct Pieces<'v> {
    tokenizer: &'v LlamaVocab<'v>,
    known: Vec<(String, Vec<LlamaToken>)>,
    next: Vec<(String, Vec<LlamaToken>)>,
}

impl Pieces<'_> {
    fn add(
        &mut self,
        whole: &str,
        range: Range<usize>,
        cuts: &[usize],
        tokens: &mut Vec<LlamaToken>,
    ) {
        let inside = cuts.iter().copied().filter(|cut| range.contains(cut) && *cut > range.start);
        let mut start = range.start;
        for end in inside.chain([range.end]) {
            self.add_piece(&whole[start..end], tokens);
            start = end;
        }
    }

    fn add_piece(&mut self, text: &str, tokens: &mut Vec<LlamaToken>) {
        if text.is_empty() {
            return;
        }
        let place = self.next.len();
        let piece = match self.known.get_mut(place) {
            Some(known) if known.0 == text => std::mem::take(known),
            _ => (text.to_owned(), self.tokenized(text)),
        };
        tokens.extend_from_slice(&piece.1);
        self.next.push(piece);
    }

    fn tokenized(&self, text: &str) -> Vec<LlamaToken> {
        // Room for the worst case, a token a byte: with less, llama.cpp does all the work twice.
        let mut tokens = Vec::with_capacity(text.len() + 1);
        self.tokenizer.tokenize_into(text.as_bytes(), &mut tokens, false, true);
        tokens.shrink_to_fit();
        tokens
    }
}

/// Returns where `whole` must be cut so that no control token's text remains that touches data, and no run in the
/// data that is too long.
///
/// User-defined tokens are cut only when they look like markup and the template itself writes them here: they
/// are its marks then. Others, such as runs of spaces, are ordinary vocabulary.
fn cuts(vocab: &Vocab, prompt: &[Segment], whole: &str) -> Vec<usize> {
    let data = data_ranges(prompt);
    let marks = |special: &&Special| {
        special.control || is_markup(&special.text) && in_template(prompt, &special.text)
    };
    let mut by_head: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for special in vocab.specials.iter().filter(marks) {
        // A text of one byte cannot be cut; no vocabulary has such a control token.
        if let Some(head) = special.text.as_bytes().get(..2) {
            by_head.entry(head).or_default().push(&special.text);
        }
    }
    let longest = vocab.specials.iter().map(|special| special.text.len()).max().unwrap_or(0);
    let mut cuts = Vec::new();
    for range in data {
        cuts.extend(run_cuts(&whole[range.clone()]).map(|cut| range.start + cut));
        // An occurrence may begin before the data and reach into it.
        let from = range.start.saturating_sub(longest);
        for at in from..range.end {
            let Some(head) = whole.as_bytes().get(at..at + 2) else { break };
            let Some(texts) = by_head.get(head) else { continue };
            let touches = |text: &&&str| {
                at + text.len() > range.start && whole.as_bytes()[at..].starts_with(text.as_bytes())
            };
            if let Some(text) = texts.iter().find(touches) {
                cuts.push(at + text.chars().next().map_or(1, char::len_utf8));
            }
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Returns where `text` has gone on for [`LONGEST_RUN`] characters without a change to or from white space.
///
/// That depends only on what stands before: a prompt that grew is cut at the same places.
pub(crate) fn run_cuts(text: &str) -> impl Iterator<Item = usize> {
    let (mut run, mut was_space) = (0, false);
    text.char_indices().filter_map(move |(at, c)| {
        let is_cut = c.is_whitespace() == was_space && run == LONGEST_RUN;
        run = if c.is_whitespace() != was_space || is_cut { 1 } else { run + 1 };
        was_space = c.is_whitespace();
        is_cut.then_some(at)
    })
}

/// Returns the byte ranges of the data, neighbours joined.
fn data_ranges(prompt: &[Segment]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for part in prompt {
        let range = at..at + part.text.len();
        at = range.end;
        match (part.kind, ranges.last_mut()) {
            (SegmentKind::Template, _) => {}
            (SegmentKind::Data, Some(last)) if last.end == range.start => last.end = range.end,
            (SegmentKind::Data, _) => ranges.push(range),
        }
    }
    ranges
}

fn is_markup(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>') || text.starts_with('[') && text.ends_with(']')
}

fn in_template(prompt: &[Segment], text: &str) -> bool {
    prompt.iter().any(|part| part.kind == SegmentKind::Template && part.text.contains(text))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_RUN, run_cuts};

    #[track_caller]
    fn check(text: &str, expect: &[usize]) {
        assert_eq!(run_cuts(text).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn only_a_run_that_is_too_long_is_cut() {
        check("", &[]);
        check(&"a".repeat(LONGEST_RUN), &[]);
        check(&"a".repeat(LONGEST_RUN + 1), &[LONGEST_RUN]);
        check(&"a".repeat(2 * LONGEST_RUN), &[LONGEST_RUN]);
        check(&"a".repeat(2 * LONGEST_RUN + 1), &[LONGEST_RUN, 2 * LONGEST_RUN]);
        check(&"\n".repeat(LONGEST_RUN), &[]);
        check(&"\n".repeat(LONGEST_RUN + 1), &[LONGEST_RUN]);
        check(&"word ".repeat(LONGEST_RUN), &[]);
        let long = "a".repeat(LONGEST_RUN);
        check(&format!("{long} {long}"), &[]);
        check(&format!("b {long}é"), &[2 + LONGEST_RUN]);
        check(&"é".repeat(LONGEST_RUN + 1), &[2 * LONGEST_RUN]);
    }
}

//! The tokens of text that nobody need be asked for, or that is only guessed.

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::vocab::LlamaVocab;

use crate::prompt::run_cuts;
use crate::vocab::Vocab;

/// Returns as much of `bytes` as can be cut into tokens: whole characters, and no more than a tokenizer can bear.
pub(super) fn whole(bytes: &[u8]) -> &str {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    // The rest comes later.
    &text[..run_cuts(text).next().unwrap_or(text.len())]
}

/// Returns the tokens of `text`, which follows `last`, as a tokenizer cuts them.
pub(super) fn tokens(
    vocab: &Vocab,
    tokenizer: &LlamaVocab<'_>,
    last: Option<TokenId>,
    text: &str,
) -> Vec<TokenId> {
    let Some(anchor) = vocab.anchor.as_ref().filter(|_| !text.is_empty()) else {
        return Vec::new();
    };
    let cut = |text: &str| anchor.cut(&vocab.vocabulary, tokenizer, text);
    // The token before stays as it was sampled.
    let behind = last.and_then(|last| {
        let before = str::from_utf8(vocab.piece(last)).ok()?;
        let tokens = cut(&format!("{before}{text}"))?;
        Some(tokens.strip_prefix(&[last])?.to_vec())
    });
    behind.or_else(|| cut(text)).unwrap_or_default()
}

/// Returns whether a line ends with `text`, as it stands or as JSON has it.
pub(super) fn ends_line(text: &[u8]) -> bool {
    text.ends_with(b"\n") || text.ends_with(b"\\n")
}

//! The tokens of text that a grammar forces: nobody need be asked for them.

use chargehand_grammar::vocabulary::TokenId;
use llama_cpp_2::vocab::LlamaVocab;

use crate::prompt::run_cuts;
use crate::vocab::Vocab;

/// Returns the tokens of `forced`, the bytes that must follow `last`, as a tokenizer cuts them. What the text that
/// follows could still change is left out, and so is half a character.
pub(super) fn forced(
    vocab: &Vocab,
    tokenizer: &LlamaVocab<'_>,
    last: Option<TokenId>,
    forced: &[u8],
) -> Vec<TokenId> {
    let Some(anchor) = &vocab.anchor else { return Vec::new() };
    let forced = forced.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    // The rest comes later: what a tokenizer can bear is limited.
    let forced = &forced[..run_cuts(forced).next().unwrap_or(forced.len())];
    if forced.is_empty() {
        return Vec::new();
    }
    let cut = |text: &str| anchor.cut(&vocab.vocabulary, tokenizer, text);
    // The token before stays as it was sampled.
    let behind = last.and_then(|last| {
        let before = str::from_utf8(vocab.piece(last)).ok()?;
        let tokens = cut(&format!("{before}{forced}"))?;
        Some(tokens.strip_prefix(&[last])?.to_vec())
    });
    let tokens = behind.or_else(|| cut(forced)).unwrap_or_default();
    let mut rest = forced.as_bytes();
    for (at, token) in tokens.iter().enumerate() {
        if vocab.vocabulary.continues(rest) {
            return tokens[..at].to_vec();
        }
        rest = rest.get(vocab.piece(*token).len()..).unwrap_or_default();
    }
    tokens
}

//! Real vocabularies, read from the files of their makers, and texts cut into their tokens.
//!
//! Two forms are read: Tekken's JSON (package `mistral-common`), and lists of base64 and rank (`.tiktoken`).

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use chargehand_grammar::vocabulary::{Kind, TokenId, Vocabulary, VocabularyError};
use fancy_regex::Regex;
use serde_json::Value;

/// How OpenAI's and Qwen's tokenizers cut a text, where the file does not say.
const PATTERN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A byte-level BPE tokenizer.
pub(crate) struct Tokenizer {
    ranks: HashMap<Vec<u8>, u32>,
    pattern: Regex,
    /// The number of the token of rank 0.
    first: TokenId,
    size: usize,
}

impl Tokenizer {
    /// Reads the file of a tokenizer.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let wrong = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
        if path.extension().is_some_and(|extension| extension == "json") {
            let file: Value = serde_json::from_str(&text)?;
            return Self::tekken(&file).ok_or_else(|| wrong("no Tekken file"));
        }
        let ranks = text.lines().filter(|line| !line.is_empty()).map(|line| {
            let (bytes, rank) = line.split_once(' ')?;
            Some((base64(bytes)?, rank.parse().ok()?))
        });
        let ranks: HashMap<Vec<u8>, u32> =
            ranks.collect::<Option<_>>().ok_or_else(|| wrong("no list of base64 and rank"))?;
        let size = ranks.len();
        let pattern = Regex::new(PATTERN).map_err(io::Error::other)?;
        Ok(Self { ranks, pattern, first: 0, size })
    }

    fn tekken(file: &Value) -> Option<Self> {
        let config = file.get("config")?;
        let number = |name: &str| usize::try_from(config.get(name)?.as_u64()?).ok();
        let special = number("default_num_special_tokens")?;
        let texts = number("default_vocab_size")?.checked_sub(special)?;
        let entries = file.get("vocab")?.as_array()?.iter().take(texts);
        let ranks = entries
            .zip(0..)
            .map(|(entry, rank)| Some((base64(entry.get("token_bytes")?.as_str()?)?, rank)));
        let pattern = Regex::new(config.get("pattern")?.as_str()?).ok()?;
        Some(Self {
            ranks: ranks.collect::<Option<_>>()?,
            pattern,
            first: TokenId::try_from(special).ok()?,
            size: texts,
        })
    }

    /// Returns the vocabulary: control tokens first, if the file has some; and one that ends the output.
    pub(crate) fn vocabulary(&self) -> Result<Vocabulary, VocabularyError> {
        let mut texts = vec![Vec::new(); self.size];
        for (bytes, rank) in &self.ranks {
            if let Some(place) = texts.get_mut(*rank as usize) {
                place.clone_from(bytes);
            }
        }
        let special =
            (0..self.first).map(|id| (Kind::Control, format!("<SPECIAL_{id}>").into_bytes()));
        let texts = texts.into_iter().map(|text| (Kind::Text, text));
        let mut tokens: Vec<(Kind, Vec<u8>)> = special.chain(texts).collect();
        match tokens.get_mut(2).filter(|(kind, _)| *kind == Kind::Control) {
            Some(end) => end.0 = Kind::End,
            None => tokens.push((Kind::End, b"<|end|>".to_vec())),
        }
        Vocabulary::new(tokens)
    }

    /// Returns the tokens of a text, as its maker's tokenizer cuts it.
    pub(crate) fn encode(&self, text: &str) -> Vec<TokenId> {
        let pieces = self.pattern.find_iter(text).flatten();
        pieces.flat_map(|piece| self.encode_piece(piece.as_str().as_bytes())).collect()
    }

    fn encode_piece(&self, piece: &[u8]) -> Vec<TokenId> {
        let mut cuts: Vec<usize> = (0..=piece.len()).collect();
        let rank = |start: usize, end: usize| self.ranks.get(&piece[start..end]).copied();
        while cuts.len() > 2 {
            let pairs = cuts.windows(3).enumerate();
            let best = pairs.filter_map(|(at, cut)| Some((rank(cut[0], cut[2])?, at))).min();
            let Some((_, at)) = best else { break };
            cuts.remove(at + 1);
        }
        cuts.windows(2).filter_map(|cut| Some(rank(cut[0], cut[1])? + self.first)).collect()
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().filter(|byte| *byte != b'=').map(|byte| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let groups = digits.chunks(4).flat_map(|group| {
        let number =
            group.iter().chain([0; 4].iter()).take(4).fold(0, |sum, digit| sum << 6 | digit);
        let bytes = number.to_be_bytes();
        (1..group.len()).map(move |at| bytes[at]).collect::<Vec<_>>()
    });
    Some(groups.collect())
}

//! What is asked of a vocabulary again and again, read once when a model is loaded.

use std::sync::Arc;

use chargehand_core::tool::ControlToken;
use chargehand_grammar::Vocabulary;
use chargehand_grammar::vocabulary::{Kind, TokenId, VocabularyError};
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::LlamaVocab;

/// A token whose text the tokenizer looks for in running text.
#[derive(Clone, Debug)]
pub(crate) struct Special {
    /// The token.
    pub(crate) token: TokenId,
    /// Its text.
    pub(crate) text: String,
    /// Whether it is a control token: part of no data, and said only where a grammar names it.
    pub(crate) control: bool,
    /// Whether it ends a generation.
    pub(crate) ends: bool,
}

/// The facts of one vocabulary.
#[derive(Debug)]
pub(crate) struct Vocab {
    /// What grammars are compiled for.
    pub(crate) vocabulary: Arc<Vocabulary>,
    /// The token that a prompt must begin with, if any.
    pub(crate) bos: Option<LlamaToken>,
    /// One token that ends a generation, if there is any.
    pub(crate) end: Option<TokenId>,
    /// Control, unknown and user-defined tokens.
    pub(crate) specials: Vec<Special>,
    /// Ordinary tokens of which at least one may follow wherever any ordinary token may.
    pub(crate) heads: Vec<TokenId>,
    /// How a text in the middle is tokenised, if there is a way.
    pub(crate) anchor: Option<Anchor>,
    /// The same for llguidance, which takes half a second to build it: from when it is first asked.
    #[cfg(feature = "llguidance")]
    pub(crate) llguidance: std::sync::OnceLock<crate::peer::Peer>,
}

impl Vocab {
    /// Reads the vocabulary of `model`.
    pub(crate) fn of(model: &LlamaModel) -> Result<Self, VocabularyError> {
        let vocab = model.vocab();
        let mut specials = Vec::new();
        let mut heads = Heads::default();
        let mut tokens = Vec::new();
        for (id, token) in (0..).zip(vocab.tokens()) {
            let attr = vocab.attr(token);
            let ends = vocab.is_eog(token);
            let control =
                attr.contains(LlamaTokenAttr::Control) || attr.contains(LlamaTokenAttr::Unknown);
            let piece = vocab.token_to_piece(token, true, None);
            if !ends && !control {
                heads.add(id, &piece);
            }
            if control || attr.contains(LlamaTokenAttr::UserDefined) {
                let text = String::from_utf8_lossy(&piece).into_owned();
                specials.push(Special { token: id, text, control, ends });
            }
            let kind = match (ends, control) {
                (true, _) => Kind::End,
                (false, true) => Kind::Control,
                (false, false) => Kind::Text,
            };
            tokens.push((kind, piece));
        }
        let vocabulary = Arc::new(Vocabulary::new(tokens)?);
        let bos = Some(vocab.bos()).filter(|bos| vocab.should_add_bos() && bos.0 >= 0);
        let end = vocabulary.ends().first().copied();
        let anchor = Anchor::find(&vocabulary, &vocab);
        Ok(Self {
            vocabulary,
            bos,
            end,
            specials,
            heads: heads.tokens(),
            anchor,
            #[cfg(feature = "llguidance")]
            llguidance: std::sync::OnceLock::new(),
        })
    }

    /// Returns how many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Returns the bytes of `token`; none where there is no such token.
    pub(crate) fn piece(&self, token: TokenId) -> &[u8] {
        self.vocabulary.bytes(token).unwrap_or_default()
    }

    /// Returns whether `token` ends a generation.
    pub(crate) fn ends(&self, token: TokenId) -> bool {
        self.vocabulary.kind(token) == Some(Kind::End)
    }

    /// Returns the control tokens that end nothing.
    pub(crate) fn control(&self) -> impl Iterator<Item = ControlToken> {
        let control = self.specials.iter().filter(|special| special.control && !special.ends);
        control.map(|special| ControlToken { id: special.token, text: special.text.clone() })
    }
}

/// What stands before a text so that a tokenizer cuts it as in the middle of another: many put a space before
/// whatever begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Anchor {
    text: &'static str,
    tokens: Vec<TokenId>,
}

impl Anchor {
    /// Nothing, and a line end, which hardly any token has in common with what follows.
    const TEXTS: [&'static str; 2] = ["", "\n"];
    /// What must come out as it went in; a tokenizer that exchanges characters or their case has no anchor.
    const SAMPLES: [&'static str; 4] = ["a", " b", "{\"Path\": \"\u{e4}  c", "<d>"];

    fn find(vocabulary: &Vocabulary, tokenizer: &LlamaVocab<'_>) -> Option<Self> {
        let anchors = Self::TEXTS
            .iter()
            .filter_map(|text| Some(Self { text, tokens: tokens(tokenizer, text)? }));
        let holds = |anchor: &Self, text| anchor.cut(vocabulary, tokenizer, text).is_some();
        let mut anchors =
            anchors.filter(|anchor| Self::SAMPLES.iter().all(|text| holds(anchor, text)));
        anchors.next()
    }

    /// Returns the tokens that `text` has in the middle of a text, if they spell it.
    pub(crate) fn cut(
        &self,
        vocabulary: &Vocabulary,
        tokenizer: &LlamaVocab<'_>,
        text: &str,
    ) -> Option<Vec<TokenId>> {
        let all = tokens(tokenizer, &format!("{}{text}", self.text))?;
        let tokens = all.strip_prefix(self.tokens.as_slice())?;
        let bytes = tokens.iter().flat_map(|token| vocabulary.bytes(*token).unwrap_or_default());
        bytes.eq(text.as_bytes()).then(|| tokens.to_vec())
    }
}

/// Returns the tokens of `text`, none of them for the name of a control token.
fn tokens(tokenizer: &LlamaVocab<'_>, text: &str) -> Option<Vec<TokenId>> {
    // Room for the worst case: with less, llama.cpp does all the work twice.
    let mut tokens = Vec::with_capacity(text.len() + 2);
    tokenizer.tokenize_into(text.as_bytes(), &mut tokens, false, false);
    tokens.iter().map(|token| TokenId::try_from(token.0).ok()).collect()
}

/// Tokens by their first byte. Where a text may go on, the token that is its first byte alone may follow,
/// so the longer tokens with that byte need not be asked.
struct Heads {
    alone: [Option<TokenId>; 256],
    longer: Vec<Vec<TokenId>>,
}

impl Default for Heads {
    fn default() -> Self {
        Self { alone: [None; 256], longer: vec![Vec::new(); 256] }
    }
}

impl Heads {
    fn add(&mut self, token: TokenId, piece: &[u8]) {
        match piece {
            [] => {}
            [byte] => self.alone[usize::from(*byte)] = Some(token),
            [byte, ..] => self.longer[usize::from(*byte)].push(token),
        }
    }

    fn tokens(self) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        for (alone, longer) in self.alone.into_iter().zip(self.longer) {
            match alone {
                Some(token) => tokens.push(token),
                None => tokens.extend(longer),
            }
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::path::Path;
    use std::sync::PoisonError;

    use chargehand_core::memory::estimate;
    use chargehand_grammar::vocabulary::TokenId;
    use llama_cpp_2::llama_backend::LlamaBackend;

    use super::Vocab;
    use crate::ffi;
    use crate::gguf;

    /// What a dry run counts of a vocabulary that it does not load, held against real ones, where
    /// `bench-scripts/models/generate` made them.
    #[test]
    fn trees_take_what_is_counted_for_them() {
        let _alone = ffi::ONE_BACKEND.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = LlamaBackend::init().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-models");
        for name in ["llama3", "mistral-list", "qwen"] {
            let path = Path::new(folder).join(format!("{name}.gguf"));
            if !path.is_file() {
                let said =
                    format!("there is no {}: run bench-scripts/models/generate", path.display());
                assert!(option_env!("CI").is_none_or(str::is_empty), "{said}");
                writeln!(io::stderr(), "NOT TESTED: {name}: {said}").unwrap();
                continue;
            }
            let header = gguf::counted(&path).unwrap();
            let model = ffi::load_vocabulary(&backend, &path).unwrap();
            let taken = 2 * Vocab::of(&model).unwrap().vocabulary.memory_bytes() as u64;
            let counted = estimate::trees(&header).0;
            assert!((taken..taken * 13 / 10).contains(&counted), "{name}: {counted} for {taken}");
        }
    }

    /// Tokens that have nothing in common take a tree each, and three where no string may hold them from the start.
    #[test]
    fn no_vocabulary_takes_more_than_is_counted_for_it() {
        let _alone = ffi::ONE_BACKEND.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = LlamaBackend::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostile.gguf");
        // Less than so many tenths of what it takes are counted.
        for (tokenizer, first, start, count, length, most) in [
            ("llama", 'a', "", 4000, 20, 13),
            ("llama", 'a', "", 4000, 40, 13),
            ("llama", 'a', "", 400, 400, 13),
            ("llama", 'a', "\"", 4000, 20, 13),
            ("llama", 'a', "a\"", 2000, 9, 13),
            // Tokens without text, which have a name to llama.cpp.
            ("llama", 'a', "", 4000, 0, 14),
            // Characters that stand for no byte.
            ("gpt2", '\u{4e00}', "\"", 400, 10, 13),
            ("hybriddna", '\u{4e00}', "\"", 400, 10, 13),
        ] {
            let mut dice = 1_u64;
            let mut letter = || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from_u32(u32::from(first) + u32::try_from((dice >> 33) % 26).unwrap())
                    .unwrap()
            };
            let piece = |_| start.chars().chain((0..length).map(|_| letter())).collect();
            let pieces: Vec<String> = (0..count).map(piece).collect();
            write(&path, tokenizer, &pieces.iter().map(String::as_str).collect::<Vec<_>>());
            let header = gguf::counted(&path).unwrap();
            let model = ffi::load_vocabulary(&backend, &path).unwrap();
            let taken = 2 * Vocab::of(&model).unwrap().vocabulary.memory_bytes() as u64;
            let counted = estimate::trees(&header).0;
            let said = format!("{tokenizer}: {count} of {start}{length}: {counted} for {taken}");
            assert!((taken..taken * most / 10).contains(&counted), "{said}");
        }
    }

    /// Writes a vocabulary: as SentencePiece has it, where a space is `\u{2581}`, and one is put before every text, or
    /// without merges.
    fn write(path: &Path, tokenizer: &str, pieces: &[&str]) {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let bytes = (0..=255_u8).map(|byte| format!("<0x{byte:02X}>"));
        let tokens: Vec<String> = ["<unk>", "<s>", "</s>"]
            .map(str::to_owned)
            .into_iter()
            .chain(bytes)
            .chain(pieces.iter().map(|piece| (*piece).to_owned()))
            .collect();
        let kind = |at: usize| match at {
            0 => 2_i32,
            1 | 2 => 3,
            3..259 if tokenizer == "llama" => 6,
            _ => 1,
        };
        let count = tokens.len() as u64;
        let list = |kind: u32| {
            [&9_u32.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes()].concat()
        };
        let string = |value: &str| [&8_u32.to_le_bytes()[..], &text(value)].concat();
        // The longer a piece, the sooner it is put together.
        let scores = tokens.iter().flat_map(|token| (token.len() as f32).to_le_bytes()).collect();
        let kinds = (0..tokens.len()).flat_map(|at| kind(at).to_le_bytes()).collect();
        let pairs: [(&str, Vec<u8>); 6] = [
            ("general.architecture", string("llama")),
            ("tokenizer.ggml.model", string(tokenizer)),
            ("tokenizer.ggml.merges", [9, 8, 0, 0].map(u32::to_le_bytes).concat()),
            (
                "tokenizer.ggml.tokens",
                [list(8), tokens.iter().flat_map(|token| text(token)).collect()].concat(),
            ),
            ("tokenizer.ggml.scores", [list(6), scores].concat()),
            ("tokenizer.ggml.token_type", [list(5), kinds].concat()),
        ];
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend([0, pairs.len() as u64].iter().flat_map(|number| number.to_le_bytes()));
        file.extend(pairs.into_iter().flat_map(|(key, value)| [text(key), value].concat()));
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn a_text_in_the_middle_gets_no_space_before_it() {
        let _alone = ffi::ONE_BACKEND.lock().unwrap_or_else(PoisonError::into_inner);
        let backend = LlamaBackend::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pieces.gguf");
        let letters = "\u{2581} { } \" : < > a b c d e h n m t P".split(' ');
        let longer = ["\u{2581}a", "na", "nam", "name", "\":", "\u{2581}\u{2581}", "Pa", "Pat"];
        write(&path, "llama", &letters.chain(longer).collect::<Vec<_>>());
        let model = ffi::load_vocabulary(&backend, &path).unwrap();
        let vocab = Vocab::of(&model).unwrap();
        let anchor = vocab.anchor.clone().unwrap();
        assert_eq!(anchor.text, "\n", "nothing before it is not enough here");
        let cut = |text: &str| {
            let tokens = anchor.cut(&vocab.vocabulary, &model.vocab(), text).unwrap();
            let piece = |token: &TokenId| String::from_utf8_lossy(vocab.piece(*token)).into_owned();
            tokens.iter().map(piece).collect::<Vec<_>>()
        };
        assert_eq!(cut("{\"name\": a"), ["{", "\"", "name", "\":", " a"]);
        assert_eq!(cut("name"), ["name"]);
        assert_eq!(cut(" a"), [" a"]);
        assert_eq!(
            cut("\u{e9}a").concat().chars().count(),
            3,
            "two bytes of one character and a letter"
        );
    }
}

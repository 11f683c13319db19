//! llama.cpp's own sampler, over a vocabulary that is written to a file for it.

use std::path::Path;
use std::{fs, io};

use chargehand_grammar::vocabulary::{Kind, TokenId, Vocabulary};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::engine::{Engine, Failure};
use crate::workloads::Workload;

/// A mask takes tens of milliseconds.
const EVERY: usize = 97;

/// A grammar under llama.cpp.
pub(crate) struct Llama {
    model: LlamaModel,
    gbnf: String,
    made: Option<LlamaSampler>,
    now: Option<LlamaSampler>,
    candidates: LlamaTokenDataArray,
    tokens: i32,
    end: LlamaToken,
}

impl Llama {
    pub(crate) fn new(vocabulary: &Vocabulary, folder: &Path) -> Result<Self, Failure> {
        let mut backend = LlamaBackend::init()?;
        backend.void_logs();
        let path = folder.join(format!("vocabulary-{}.gguf", vocabulary.len()));
        write(vocabulary, &path)?;
        let params = LlamaModelParams::default().with_vocab_only(true);
        let model = LlamaModel::load_from_file(&backend, &path, &params)?;
        fs::remove_file(&path)?;
        let end = vocabulary.ends().first().copied().unwrap_or_default();
        Ok(Self {
            model,
            gbnf: String::new(),
            made: None,
            now: None,
            candidates: LlamaTokenDataArray::new(Vec::new(), false),
            tokens: i32::try_from(vocabulary.len())?,
            end: LlamaToken(i32::try_from(end)?),
        })
    }

    fn sampler(&mut self) -> Result<&mut LlamaSampler, Failure> {
        self.now.as_mut().ok_or_else(|| "nothing is compiled".into())
    }

    fn allows_token(&mut self, token: LlamaToken) -> Result<bool, Failure> {
        let data = std::iter::once(LlamaTokenData::new(token, 0.0, 0.0));
        let mut one = LlamaTokenDataArray::from_iter(data, false);
        one.apply_sampler(self.sampler()?);
        Ok(one.data.iter().all(|token| token.logit() != f32::NEG_INFINITY))
    }
}

impl Engine for Llama {
    fn name(&self) -> &'static str {
        "llama.cpp"
    }

    fn every(&self) -> usize {
        EVERY
    }

    fn take(&mut self, workload: &Workload) -> bool {
        self.gbnf = workload.open.clone().unwrap_or_default();
        !self.gbnf.is_empty()
    }

    fn compile(&mut self) -> Result<(), Failure> {
        self.made = Some(LlamaSampler::grammar(&self.model, &self.gbnf, "root")?);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        // It cannot go back, and what it has compiled is all it keeps.
        self.now = Some(match self.made.take() {
            Some(made) => made,
            None => LlamaSampler::grammar(&self.model, &self.gbnf, "root")?,
        });
        Ok(())
    }

    fn mask(&mut self) -> Result<(), Failure> {
        // The array is filled as for each token that is sampled, a hundredth of the time.
        let all = (0..self.tokens).map(|id| LlamaTokenData::new(LlamaToken(id), 0.0, 0.0));
        self.candidates.data.clear();
        self.candidates.data.extend(all);
        let sampler = self.now.as_mut().ok_or("nothing is compiled")?;
        self.candidates.apply_sampler(sampler);
        Ok(())
    }

    fn allows(&mut self, token: TokenId) -> bool {
        let data = self.candidates.data.get(token as usize);
        data.is_some_and(|data| data.logit() != f32::NEG_INFINITY)
    }

    fn advance(&mut self, token: TokenId) -> Result<(), Failure> {
        self.sampler()?.try_accept(LlamaToken(i32::try_from(token)?))?;
        Ok(())
    }

    fn is_whole(&mut self) -> Result<bool, Failure> {
        self.allows_token(self.end)
    }
}

/// Writes a model that is nothing but a vocabulary.
fn write(vocabulary: &Vocabulary, path: &Path) -> io::Result<()> {
    const STRING: u32 = 8;
    const NUMBER: u32 = 4;
    let letters = letters();
    let tokens: Vec<String> = (0..)
        .take(vocabulary.len())
        .map(|id| match vocabulary.kind(id) {
            Some(Kind::Text) => {
                let bytes = vocabulary.bytes(id).unwrap_or_default().iter();
                bytes.map(|byte| letters[usize::from(*byte)]).collect()
            }
            Some(Kind::Control | Kind::End) | None => format!("<|control-{id}|>"),
        })
        .collect();
    let types = (0..).take(vocabulary.len()).map(|id| match vocabulary.kind(id) {
        Some(Kind::Text) => 1_u32,
        Some(Kind::Control | Kind::End) | None => 3,
    });
    let end = vocabulary.ends().first().copied().unwrap_or_default();
    let mut file = Pairs::default();
    for (key, text) in [
        ("general.architecture", "llama"),
        ("tokenizer.ggml.model", "gpt2"),
        ("tokenizer.ggml.pre", "default"),
    ] {
        file.key(key, STRING).text(text);
    }
    file.key("tokenizer.ggml.eos_token_id", NUMBER).number(end);
    file.list("tokenizer.ggml.tokens", STRING, tokens.len());
    tokens.iter().for_each(|token| file.text(token));
    // Signed numbers, all of them small.
    file.list("tokenizer.ggml.token_type", 5, tokens.len());
    types.for_each(|kind| file.number(kind));
    // No text is cut with it, and without merges it is not read.
    file.list("tokenizer.ggml.merges", STRING, 1);
    file.text("a b");
    let mut whole = b"GGUF".to_vec();
    whole.extend(3_u32.to_le_bytes());
    whole.extend([0_u64, file.count].iter().flat_map(|number| number.to_le_bytes()));
    whole.extend(file.bytes);
    fs::write(path, whole)
}

/// Keys and values as GGUF has them.
#[derive(Default)]
struct Pairs {
    bytes: Vec<u8>,
    count: u64,
}

impl Pairs {
    fn key(&mut self, key: &str, kind: u32) -> &mut Self {
        self.count += 1;
        self.text(key);
        self.number(kind);
        self
    }

    fn list(&mut self, key: &str, kind: u32, length: usize) {
        self.key(key, 9).number(kind);
        self.bytes.extend((length as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn number(&mut self, number: u32) {
        self.bytes.extend(number.to_le_bytes());
    }
}

/// Returns the letter for each byte: itself where it prints, else one from 256 on.
fn letters() -> Vec<char> {
    let prints = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 256..;
    let letter = |byte| if prints(byte) { Some(byte) } else { others.next() };
    (0..256).map(letter).map(|letter| letter.and_then(char::from_u32).unwrap_or(' ')).collect()
}

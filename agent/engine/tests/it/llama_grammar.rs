//! Our matcher beside llama.cpp's own: what we allow, llama.cpp allows after the same tokens, and what it alone
//! allows is one of the differences that `chargehand_grammar::gbnf` names.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use chargehand_grammar::vocabulary::{Kind, TokenId, Vocabulary};
use chargehand_grammar::{Constraint, Grammar, Limits};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::token_type::LlamaTokenAttr;

use crate::common;
use crate::dice::{self, Dice};

/// In the style of the examples that people start from.
const EXAMPLES: [&str; 14] = [
    "root ::= (expr \"=\" ws term \"\\n\")+\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z] [a-z0-9_]* ws | [0-9]+ ws | \"(\" ws expr \")\" ws\nws ::= [ \\t\\n]*",
    "root ::= object\nvalue ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\nobject ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\narray ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\nstring ::= \"\\\"\" ([^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt] | \"u\" [0-9a-fA-F]{4}))* \"\\\"\" ws\nnumber ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}",
    "root ::= \"1. \" move \" \" move \"\\n\" ([1-9] [0-9]? \". \" move \" \" move \"\\n\")+\nmove ::= ([NBKQR]? [a-h]? \"x\"? [a-h] [1-8] | \"O-O\" \"-O\"?) [+#]?",
    "root ::= jp-char+ ([ \\t\\n] jp-char+)*\njp-char ::= hiragana | katakana | punctuation | cjk\nhiragana ::= [ぁ-ゟ]\nkatakana ::= [ァ-ヿ]\npunctuation ::= [、-〾]\ncjk ::= [一-鿿]",
    "root ::= item+\n# a list\nitem ::= \"- \" [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ \"\\n\"",
    "root ::= ([^é] | \"é!\")* \"é\"",
    "root ::= [^漢🦀\\u0800]{2,4} | \"漢\"",
    "root ::= <[300]> (!<[301]>)* <[301]> \"a\" | \"b\"",
    "root ::= \"a\" <[300]> | \"a\" [^\\x00-\\x7F] | [^a] !<[98]>",
    "root ::= ([^<] | \"<\" [^/])* \"</end>\"",
    "root ::= (\"if\" | name) \" \" name\nname ::= [a-z]+",
    "root ::= (\"a\"? \"b\"?)* .{0,2000}",
    "root ::= | \"a\" root \"b\" | [^\\U00010000-\\U0010FFFF]",
    "root ::= [\\]\\[\\-a]+ \".\" . | \"x\" ([a-c]{2}){0,3} [--0]",
];

/// Random grammars without recursion, always the same: ambiguous ones with it cost llama.cpp hours.
const RANDOM: u64 = 1_500;
/// Under an ambiguous grammar llama.cpp's time doubles with each character of a token: of random ones it is asked
/// about tokens of so many bytes only.
const SHORT: usize = 4;

struct Pair<'m> {
    model: &'m LlamaModel,
    vocabulary: Arc<Vocabulary>,
    tokens: Vec<LlamaToken>,
}

/// What was compared.
#[derive(Debug, Default)]
struct Sum {
    grammars: usize,
    refused_by_us: usize,
    refused_by_llama: usize,
    masks: usize,
    allowed: usize,
    by_llama_alone: usize,
}

#[test]
fn what_we_allow_llama_allows() {
    let Some(path) = common::model("our matcher beside llama.cpp's") else { return };
    common::backend();
    // The backend of these tests runs; this is its proof, which must not end it.
    let proof = ManuallyDrop::new(LlamaBackend {});
    let model = LlamaModel::load_from_file(&proof, path, &Default::default()).unwrap();
    let pair = Pair::new(&model);
    let mut sum = Sum::default();
    for (seed, example) in (0..).zip(EXAMPLES.iter().cycle().take(8 * EXAMPLES.len())) {
        pair.check(&mut Dice::new(seed), example, usize::MAX, &mut sum);
    }
    assert_eq!((sum.refused_by_us, sum.refused_by_llama), (0, 0));
    for seed in 0..RANDOM {
        let dice = &mut Dice::without_recursion(seed);
        let written = match dice.one_in(2) {
            true => dice::gbnf(dice),
            false => dice::grammar(dice, 1_000).to_string(),
        };
        pair.check(dice, &written, SHORT, &mut sum);
    }
    println!("{sum:?}");
    assert!(sum.masks > 200 && sum.by_llama_alone > 0, "{sum:?}");
}

impl<'m> Pair<'m> {
    fn new(model: &'m LlamaModel) -> Self {
        let vocab = model.vocab();
        let tokens: Vec<LlamaToken> = vocab.tokens().collect();
        let kinds = tokens.iter().map(|token| {
            let attr = vocab.attr(*token);
            let control =
                attr.contains(LlamaTokenAttr::Control) || attr.contains(LlamaTokenAttr::Unknown);
            let kind = match (vocab.is_eog(*token), control) {
                (true, _) => Kind::End,
                (false, true) => Kind::Control,
                (false, false) => Kind::Text,
            };
            (kind, vocab.token_to_piece(*token, true, None))
        });
        let vocabulary = Arc::new(Vocabulary::new(kinds).unwrap());
        Self { model, vocabulary, tokens }
    }

    /// Lets both say what we allow, and compares their masks on the way, for tokens of at most `longest` bytes.
    fn check(&self, dice: &mut Dice, text: &str, longest: usize, sum: &mut Sum) {
        sum.grammars += 1;
        // Ours first: what we refuse may cost llama.cpp all memory.
        let vocabulary = Arc::clone(&self.vocabulary);
        let Ok(mut ours) = Constraint::from_text(text, vocabulary, &Limits::default()) else {
            sum.refused_by_us += 1;
            return;
        };
        // The printed form means the same.
        let printed = Grammar::parse(text).unwrap().to_string();
        let text = if dice.one_in(2) { &printed } else { text };
        let Some(mut theirs) = self.sampler(text) else {
            sum.refused_by_llama += 1;
            return;
        };
        let mut state = ours.start();
        let mut said = Vec::new();
        let length = |token: &TokenId| self.vocabulary.bytes(*token).unwrap().len();
        let asked = (0..).take(self.tokens.len()).filter(|token| length(token) <= longest);
        let asked: Vec<TokenId> = asked.collect();
        for _ in 0..8 {
            let mask = ours.mask(state).unwrap().clone();
            let allowed = self.allowed(&mut theirs, &asked);
            sum.masks += 1;
            let mut choices = Vec::new();
            for (token, llama) in asked.iter().copied().zip(allowed) {
                match (mask.allows(token), llama) {
                    (true, true) => choices.push(token),
                    (false, false) => {}
                    (true, false) => panic!("{}", self.place(text, &said, token, "we alone allow")),
                    (false, true) => {
                        sum.by_llama_alone += 1;
                        let words = || self.place(text, &said, token, "llama.cpp alone allows");
                        assert!(self.is_meant(text, &said, token), "{}", words());
                    }
                }
            }
            sum.allowed += choices.len();
            choices.retain(|token| self.vocabulary.kind(*token) != Some(Kind::End));
            if choices.is_empty() {
                return;
            }
            // Longer tokens and pieces of characters are rarer than single bytes, and more is in them.
            let picks = (0..3).map(|_| choices[dice.roll(choices.len())]);
            let token = picks.max_by_key(length).unwrap();
            theirs.try_accept(self.tokens[token as usize]).unwrap();
            state = ours.advance(state, token).unwrap().unwrap();
            said.push(token);
        }
    }

    fn sampler(&self, text: &str) -> Option<LlamaSampler> {
        LlamaSampler::grammar(self.model, text, "root").ok()
    }

    /// Returns for each token whether llama.cpp allows it.
    fn allowed(&self, sampler: &mut LlamaSampler, asked: &[TokenId]) -> Vec<bool> {
        let token = |id: &TokenId| self.tokens[*id as usize];
        let data = asked.iter().map(|id| LlamaTokenData::new(token(id), 0.0, 0.0));
        let mut candidates = LlamaTokenDataArray::from_iter(data, false);
        candidates.apply_sampler(sampler);
        candidates.data.iter().map(|candidate| candidate.logit() != f32::NEG_INFINITY).collect()
    }

    /// Returns whether we refuse on purpose what llama.cpp allows.
    fn is_meant(&self, text: &str, said: &[TokenId], token: TokenId) -> bool {
        let bytes = self.vocabulary.bytes(token).unwrap();
        let all = [self.bytes(said), bytes.to_vec()].concat();
        let (is_text, may_become_text) = match str::from_utf8(&all) {
            Ok(_) => (true, true),
            Err(error) => (false, error.error_len().is_none()),
        };
        match self.vocabulary.kind(token) {
            Some(Kind::Control) => return true,
            // Inside a character a text is not whole.
            Some(Kind::End) => return str::from_utf8(&self.bytes(said)).is_err(),
            Some(Kind::Text) | None => {}
        }
        // `!` takes whole characters only, and a mask of llama.cpp lets a token begin with text and then take itself
        // by name, which it does not accept.
        let excludes = text.contains('!') && !is_text;
        !may_become_text || bytes.contains(&0) || excludes || !self.accepts(text, said, token)
    }

    /// Returns whether llama.cpp says the token that its mask allows.
    fn accepts(&self, text: &str, said: &[TokenId], token: TokenId) -> bool {
        let mut sampler = self.sampler(text).unwrap();
        let mut tokens = said.iter().chain([&token]);
        tokens.all(|token| sampler.try_accept(self.tokens[*token as usize]).is_ok())
    }

    fn bytes(&self, said: &[TokenId]) -> Vec<u8> {
        said.iter().flat_map(|token| self.vocabulary.bytes(*token).unwrap()).copied().collect()
    }

    fn place(&self, text: &str, said: &[TokenId], token: TokenId, who: &str) -> String {
        let after = self.bytes(said).escape_ascii().to_string();
        let bytes = self.vocabulary.bytes(token).unwrap().escape_ascii();
        format!("{who} {token} `{bytes}` after `{after}`:\n{text}")
    }
}

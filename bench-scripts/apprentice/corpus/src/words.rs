//! Words, names, numbers and lines of text. Words of the test never occur in training.

use chargehand_core::rel_path::RelPath;

use crate::rng::Rng;

const WORDS: &str = include_str!("../phrases/words.txt");
const ONSET: &str =
    "b c d f g h j k l m n p r s t v w z br cl cr dr fl gr kr pl pr qu sh sk sl sp st th tr ch y x";
const NUCLEUS: &str = "a e i o u ai ea ee io oa ou au y ie";
const CODA: &str = "n r s t l m k x nd rt ck sh ng st p d g";
/// What prompts and programs say besides the words of the tasks.
const SAID: &str = "Task File Files Change Checks Create changed create created user assistant exit expected got passed \
    running offline python unittest example editorconfig gitignore CODEOWNERS AUTHORS CHANGELOG COPYING LICENSE VERSION \
    NOTICE NEWS Dockerfile Makefile Justfile SELECT FROM INSERT VALUES https include return const export static";
const FOREIGN: &str = "äöüßÄÖÜéèêëáàâãåçñóòôõíìîïúùûøæœÉÀÇÑØÅłżźćńśşğıčřžěőűαβγδλμπσωДЖЯабвгдежия日本語中文字한국あいうえお\
    €£¥§°±×÷µ½¿¡«»„…–—•→←✓✗★😀🚀";
const EXTENSIONS: &[&str] = &[
    "md", "txt", "py", "rs", "js", "ts", "toml", "json", "yaml", "yml", "cfg", "ini", "html",
    "css", "sh", "go", "c", "h", "rb", "sql", "csv", "log", "conf", "env", "rst",
];
const BARE_NAMES: &[&str] = &[
    "Makefile",
    "Dockerfile",
    "LICENSE",
    "README",
    "CHANGELOG",
    "Justfile",
    ".gitignore",
    ".editorconfig",
    "CODEOWNERS",
    "VERSION",
    "AUTHORS",
    "NOTICE",
    "TODO",
    "NEWS",
    "COPYING",
];
const DIRECTORIES: &[&str] = &[
    "src", "docs", "lib", "test", "tests", "app", "config", "scripts", "tools", "data", "assets",
    "core", "api", "web", "cmd", "pkg", "internal", "examples", "bench", "include", "public",
    "server", "client", "notes",
];

/// Of a hundred sentences, so many say some of their words again: only who minds what stood before a word copies those.
const REPEATING_PERCENT: usize = 18;

/// Of a hundred training tasks, so many have few words, which say one thing here and another there: what a text
/// begins with then stands elsewhere too, and only who minds all of it goes on rightly.
const NARROW_PERCENT: usize = 50;
/// How many words those have.
const NARROW_WORDS: (usize, usize) = (4, 40);

/// Which half of the words is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Split {
    /// For learning.
    Train,
    /// For judging what was learnt.
    Test,
    /// The same words in constructions by a writer who had not seen those of the training.
    Blind,
}

/// A source of words.
#[derive(Debug)]
pub struct Words {
    pub(crate) rng: Rng,
    pub(crate) split: Split,
    english: Vec<&'static str>,
    /// The few of them that this task has; empty where it has them all.
    few: Vec<&'static str>,
    /// Words whose parts make words that no list has.
    sources: Vec<&'static str>,
    /// Words of the constructions of training, in small letters, as often as they stand there.
    said: Vec<&'static str>,
}

impl Words {
    /// Returns the source of a seed; the same seed says the same for ever.
    #[must_use]
    pub fn new(seed: u64, split: Split) -> Self {
        let wanted = |word: &&str| is_test_word(word) == (split != Split::Train);
        let english: Vec<_> = WORDS.split_whitespace().filter(wanted).collect();
        let phrases = crate::phrasing::TRAIN.split(|c: char| !c.is_ascii_alphabetic());
        let mut sources: Vec<_> = phrases.filter(|word| word.len() > 2).collect();
        sources.sort_unstable();
        sources.dedup();
        sources.extend(SAID.split_whitespace().cycle().take(200));
        sources.extend(&english);
        let said = crate::phrasing::TRAIN
            .split(|c: char| !(c.is_ascii_alphabetic() || c == '\''))
            .filter(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase()))
            .collect();
        Self { rng: Rng::new(seed), split, english, few: Vec::new(), sources, said }
    }

    /// Begins another task of the training: some have few words.
    pub(crate) fn narrow(&mut self) {
        self.few.clear();
        if self.split == Split::Train && self.rng.chance(NARROW_PERCENT) {
            let count = self.rng.between(NARROW_WORDS.0, NARROW_WORDS.1);
            self.few = (0..count).map(|_| self.english()).collect();
        }
    }

    /// Returns an English word of this half.
    pub fn english(&mut self) -> &'static str {
        let words = if self.few.is_empty() { &self.english } else { &self.few };
        words[self.rng.below(words.len())]
    }

    fn syllable(&mut self) -> String {
        let part = |rng: &mut Rng, list: &str| {
            let count = list.split(' ').count();
            list.split(' ').nth(rng.below(count)).unwrap_or_default().to_owned()
        };
        let mut text = part(&mut self.rng, ONSET) + &part(&mut self.rng, NUCLEUS);
        if self.rng.chance(60) {
            text += &part(&mut self.rng, CODA);
        }
        text
    }

    /// Returns parts of one to three words in a row: the tokenizer's pieces occur in places where no word has them.
    fn pieces(&mut self) -> String {
        loop {
            let mut text = String::new();
            for _ in 0..self.rng.between(1, 3) {
                let source = self.sources[self.rng.below(self.sources.len())];
                let from = self.rng.below(source.len() - 1) * usize::from(self.rng.chance(60));
                let to = match self.rng.chance(50) {
                    true => source.len(),
                    false => self.rng.between(from + 1, source.len()),
                };
                text += &source[from..to];
            }
            let lower = text.to_lowercase();
            if !WORDS.split_whitespace().any(|word| word == lower && is_test_word(word)) {
                return text;
            }
        }
    }

    fn foreign(&mut self) -> char {
        FOREIGN.chars().nth(self.rng.below(FOREIGN.chars().count())).expect("it is below the count")
    }

    /// Returns a word in small letters: English, invented, or mere letters.
    pub(crate) fn lower(&mut self) -> String {
        if self.split == Split::Train && self.rng.chance(14) {
            return self.pieces().to_lowercase();
        }
        let english = if self.few.is_empty() { 45 } else { 75 };
        match self.rng.below(100) {
            share if share < english => self.english().to_owned(),
            45..82 => {
                let count = self.rng.between(1, 3);
                (0..count).map(|_| self.syllable()).collect()
            }
            _ => {
                let count = self.rng.between(2, 8);
                (0..count).map(|_| self.rng.letter("abcdefghijklmnopqrstuvwxyz")).collect()
            }
        }
    }

    /// Returns a word between the facts of a task: often one that constructions are made of, so that none of them
    /// is taken for a fact.
    pub(crate) fn filler(&mut self) -> String {
        match self.rng.chance(50) {
            true => self.said[self.rng.below(self.said.len())].to_owned(),
            false => self.lower(),
        }
    }

    /// Returns a word with any capitals.
    pub(crate) fn word(&mut self) -> String {
        if self.split == Split::Train && self.rng.chance(6) {
            return self.pieces();
        }
        let mut word = self.lower();
        if self.split == Split::Train && self.rng.chance(4) {
            for _ in 0..self.rng.between(1, 3) {
                let at = self.rng.below(word.chars().count() + 1);
                let at = word.char_indices().nth(at).map_or(word.len(), |(at, _)| at);
                word.insert(at, self.foreign());
            }
        }
        match self.rng.below(100) {
            0..55 => word,
            55..75 => capitalised(&word),
            75..87 => word.to_uppercase(),
            _ => word
                .chars()
                .map(|c| if self.rng.chance(50) { c.to_ascii_uppercase() } else { c })
                .collect(),
        }
    }

    pub(crate) fn number(&mut self) -> String {
        match self.rng.below(10) {
            0..5 => self.rng.below(100).to_string(),
            5..8 => self.rng.between(100, 99_999).to_string(),
            8 => format!("{}.{}", self.rng.below(100), self.rng.below(100)),
            _ => self
                .rng
                .pick(&[
                    "1000", "8080", "3000", "443", "1024", "4096", "0.5", "200", "9090", "65535",
                ])
                .to_owned(),
        }
    }

    pub(crate) fn identifier(&mut self, style: &str) -> String {
        let count = self.rng.between(1, 3);
        let words: Vec<String> = (0..count).map(|_| self.lower()).collect();
        match style {
            "camel" => {
                words[0].clone()
                    + &words[1..].iter().map(|word| capitalised(word)).collect::<String>()
            }
            "pascal" => words.iter().map(|word| capitalised(word)).collect(),
            "scream" => words.join("_").to_uppercase(),
            "kebab" => words.join("-"),
            _ => words.join("_"),
        }
    }

    pub(crate) fn any_identifier(&mut self) -> String {
        let style =
            self.rng.pick(&["snake", "snake", "camel", "pascal", "scream", "kebab"]).to_owned();
        self.identifier(&style)
    }

    /// Returns something that is no word: a hash, a version, an address, a date.
    pub(crate) fn odd(&mut self) -> String {
        let of = |words: &mut Self, letters: &str, low, high| -> String {
            let count = words.rng.between(low, high);
            (0..count).map(|_| words.rng.letter(letters)).collect()
        };
        match self.rng.below(8) {
            0 => of(self, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 4, 16),
            1 => of(self, "0123456789abcdef", 6, 16),
            2 => format!("v{}.{}.{}", self.rng.below(13), self.rng.below(31), self.rng.below(31)),
            3 => format!(
                "https://{}.{}/{}",
                self.lower(),
                self.rng.pick(&["com", "org", "io", "dev"]).to_owned(),
                self.lower()
            ),
            4 => format!(
                "{}@{}.{}",
                self.lower(),
                self.lower(),
                self.rng.pick(&["com", "org", "io"]).to_owned()
            ),
            5 => format!(
                "{}-{:02}-{:02}",
                self.rng.between(1990, 2035),
                self.rng.between(1, 12),
                self.rng.between(1, 28)
            ),
            6 => of(self, "abcdefghijkLMNOPQRST0123456789+-*/=_.:;,!?#%&()[]<>@^~|$", 4, 14),
            _ => format!("{}-{}{}", self.word(), self.word(), self.rng.below(100)),
        }
    }

    pub(crate) fn sentence(&mut self, low: usize, high: usize) -> String {
        let count = self.rng.between(low, high);
        let mut words: Vec<String> = (0..count)
            .map(|_| if self.rng.chance(75) { self.english().to_owned() } else { self.word() })
            .collect();
        if self.split == Split::Train && self.rng.chance(REPEATING_PERCENT) {
            for at in 1..count {
                if self.rng.chance(40) {
                    words[at] = words[self.rng.below(at)].clone();
                }
            }
        }
        if self.rng.chance(60) {
            words[0] = capitalised(&words[0]);
        }
        let commas = if self.split == Split::Train { 20 } else { 10 };
        let between = if self.rng.chance(commas) { ", " } else { " " };
        let head = words.remove(0);
        let text = words.iter().fold(head, |text, word| text + between + word);
        text + self.rng.pick(&["", "", "", ".", ".", "!", "?"])
    }

    pub(crate) fn file_name(&mut self, extension: Option<&str>) -> String {
        loop {
            let name = self.any_file_name(extension);
            // A word of several scripts may look like another one; such a path is refused in a contract.
            if RelPath::parse(&name).is_ok() {
                return name;
            }
        }
    }

    fn any_file_name(&mut self, extension: Option<&str>) -> String {
        let directory = match self.rng.below(100) {
            0..55 => String::new(),
            55..85 => self.rng.pick(DIRECTORIES).to_owned() + "/",
            85..93 => self.lower() + "/",
            _ => format!("{}/{}/", self.rng.pick(DIRECTORIES).to_owned(), self.lower()),
        };
        if extension.is_none() && self.rng.chance(10) {
            return directory + self.rng.pick(BARE_NAMES);
        }
        let mut base = match self.rng.below(10) {
            0..4 => self.word(),
            4..7 => self.identifier("snake"),
            7 => self.identifier("kebab"),
            8 => self.word().to_uppercase(),
            _ => self.identifier("pascal"),
        };
        if self.rng.chance(8) {
            base += &self.rng.below(100).to_string();
        }
        let extension =
            extension.map_or_else(|| self.rng.pick(EXTENSIONS).to_owned(), str::to_owned);
        format!("{directory}{base}.{extension}")
    }

    /// Returns one line of text as a user would give it.
    pub(crate) fn line(&mut self) -> String {
        let mut text = match self.rng.below(100) {
            0..42 => self.sentence(1, 8),
            42..55 => self.word(),
            55..66 => self.odd(),
            66..72 => self.number(),
            72..78 => self.any_identifier(),
            78..86 => format!("{}: {}", self.word(), self.sentence(1, 4)),
            _ => crate::content::line(self, None).trim().to_owned(),
        };
        if self.rng.chance(3) {
            text += self.rng.pick(&[" é", " ü", " ß", " →", " ñ", " ✓", " 日本", " ö", "—"]);
        }
        text
    }

    /// Returns a word, a number, a name or a few words.
    pub(crate) fn piece(&mut self) -> String {
        match self.rng.below(100) {
            0..35 => self.word(),
            35..55 => self.number(),
            55..75 => self.any_identifier(),
            75..85 => self.odd(),
            _ => {
                let count = self.rng.between(2, 3);
                (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

pub(crate) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// An eighth of the words is kept for the test, by a hash that never changes (FNV-1a).
/// Returns whether a word is kept for the test.
fn is_test_word(word: &str) -> bool {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 20).is_multiple_of(8)
}

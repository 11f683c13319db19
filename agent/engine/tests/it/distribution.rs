//! What is drafted changes no chance: texts with drafts are drawn from the same distribution as texts without, and a
//! chooser that leans towards the draft is found out.
//!
//! All seeds are fixed: it comes out the same each time.

use std::collections::BTreeMap;

use chargehand_engine::sampler::{BadLogits, Choose, Sampler, Sampling};
use chargehand_engine::session::{Session, Wish};
use chargehand_engine::template::Segment;
use chargehand_grammar::Mask;
use chargehand_grammar::vocabulary::TokenId;

use crate::common::{Notes, greedy, load, model, prompt};

/// Texts of each sort, and how many of their first tokens are compared.
const TEXTS: u32 = 100;
const TOKENS: u32 = 24;
/// Tokens that are rarer than this in all texts together count as one.
const RARE: f64 = 10.0;
/// Standard deviations: of 24 places none comes so far by chance in a million draws.
const FAR: f64 = 6.0;

const LIST: &str = r#"
root ::= "[" entry ("," entry){3,5} "]"
entry ::= "{\"name\":\"" [a-z]{2,6} "\",\"kind\":\"" [a-z]{2,4} "\"}"
"#;
/// The history that drafts are taken from.
const TASK: &str = r#"Say more like [{"name":"print","kind":"call"},{"name":"parse","kind":"call"},{"name":"print","kind":"type"}]"#;

/// Chooses as a sampler does and remembers what was said; or, as no chooser should, says what was drafted.
#[derive(Debug)]
struct Chooser {
    sampler: Sampler,
    is_eager: bool,
    said: Vec<TokenId>,
    as_guessed: u64,
}

impl Choose for Chooser {
    fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&Mask>,
        guess: Option<TokenId>,
    ) -> Result<Option<TokenId>, BadLogits> {
        let choice = match guess.filter(|_| self.is_eager) {
            Some(guess) => Some(guess),
            None => self.sampler.choose(logits, mask, guess)?,
        };
        self.as_guessed += u64::from(choice.is_some() && choice == guess);
        Ok(choice)
    }

    fn note(&mut self, token: TokenId) {
        self.said.push(token);
    }
}

/// How often each token was said at each place.
type Counts = Vec<BTreeMap<Option<TokenId>, f64>>;

/// How texts are drawn.
#[derive(Clone, Copy)]
struct Way {
    drafts: bool,
    is_eager: bool,
    first_seed: u32,
}

fn draw(session: &mut Session<'_>, prompt: &[Segment], way: Way) -> Counts {
    let mut counts = vec![BTreeMap::new(); TOKENS as usize];
    let (mut drafted, mut accepted) = (0, 0);
    for seed in way.first_seed..way.first_seed + TEXTS {
        let sampling = Sampling {
            temperature: 1.5,
            seed,
            forced: false,
            drafts: way.drafts,
            ..Sampling::default()
        };
        let sampler = Sampler::new(&sampling);
        let mut chooser = Chooser { sampler, is_eager: way.is_eager, said: vec![], as_guessed: 0 };
        // No list is so short, so that the limit steers nothing.
        let wish = Wish { sampling, ..greedy(Some(LIST), TOKENS) };
        let outcome =
            session.generate_by(&mut chooser, prompt, &wish, &mut Notes::patient()).unwrap();
        // Nothing that was guessed is forgotten in the count, the last batch neither.
        assert_eq!(outcome.timings.draft_n_accepted, chooser.as_guessed);
        drafted += outcome.timings.draft_n;
        accepted += outcome.timings.draft_n_accepted;
        for (place, count) in counts.iter_mut().enumerate() {
            *count.entry(chooser.said.get(place).copied()).or_insert(0.0) += 1.0;
        }
    }
    assert_eq!(way.drafts, accepted > u64::from(TEXTS), "{accepted} of {drafted}");
    assert!(accepted <= drafted);
    counts
}

/// Returns how far two samples are apart, in standard deviations, at the place where they are furthest: a G-test of
/// each place, its chi-squared distribution made normal (Wilson and Hilferty 1931).
fn distance(one: &Counts, other: &Counts) -> f64 {
    one.iter().zip(other).map(|(one, other)| apart(one, other)).fold(f64::MIN, f64::max)
}

fn apart(one: &BTreeMap<Option<TokenId>, f64>, other: &BTreeMap<Option<TokenId>, f64>) -> f64 {
    let of =
        |counts: &BTreeMap<Option<TokenId>, f64>, token| counts.get(token).copied().unwrap_or(0.0);
    let tokens: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let pairs = tokens.into_iter().map(|token| [of(one, token), of(other, token)]);
    let (mut pairs, rare): (Vec<_>, Vec<_>) = pairs.partition(|[a, b]| a + b >= RARE);
    pairs.push(rare.iter().fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]));
    // Both samples have the same size, so that each half of a pair should be the same.
    let term =
        |count: f64, sum: f64| if count > 0.0 { count * (2.0 * count / sum).ln() } else { 0.0 };
    let g: f64 = pairs.iter().map(|[a, b]| 2.0 * (term(*a, a + b) + term(*b, a + b))).sum();
    pairs.retain(|[a, b]| a + b > 0.0);
    let freedom = pairs.len() as f64 - 1.0;
    if freedom < 1.0 {
        return f64::MIN;
    }
    let spread = 2.0 / (9.0 * freedom);
    ((g / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

#[test]
fn drafts_change_no_chance() {
    let Some(path) = model("the distribution of drafted texts") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, TASK);
    let mut draw = |drafts, is_eager, first_seed| {
        draw(&mut session, &prompt, Way { drafts, is_eager, first_seed })
    };
    // No seed twice: the same random numbers would hide a difference.
    let without = draw(false, false, 0);
    let again = draw(false, false, TEXTS);
    let with = draw(true, false, 2 * TEXTS);
    let eager = draw(true, true, 3 * TEXTS);
    let [chance, right, wrong] = [&again, &with, &eager].map(|other| distance(&without, other));
    assert!(chance < FAR, "the test itself finds a difference of {chance} where there is none");
    assert!(right < FAR, "drafts are {right} standard deviations off");
    assert!(wrong > FAR, "drafts taken for choices are not found out: {wrong}");
}

#[test]
fn the_same_counts_are_not_apart() {
    let counts = |numbers: [f64; 3]| vec![(0..).map(Some).zip(numbers).collect::<BTreeMap<_, _>>()];
    assert!(distance(&counts([50.0, 30.0, 20.0]), &counts([50.0, 30.0, 20.0])) < 0.0);
    assert!(distance(&counts([50.0, 30.0, 20.0]), &counts([53.0, 26.0, 21.0])) < 1.0);
    assert!(distance(&counts([50.0, 30.0, 20.0]), &counts([20.0, 30.0, 50.0])) > 4.0);
}

//! What a grammar allows a model to say: always a whole call, by whatever way it is found.

use chargehand_core::memory::LoadOptions;
use chargehand_core::memory::beside::Beside;
use chargehand_core::tool::{Envelope, ToolCall};
use chargehand_engine::engine::Engine;
use chargehand_engine::sampler::{MatcherKind, Sampling};
use chargehand_engine::session::{Ending, Session, SessionError, Wish};

use crate::common::{
    CALL, Notes, ask, backend, data, greedy, load, model, options, prompt, template, warm,
};

#[test]
fn a_grammar_holds_at_any_temperature() {
    let Some(path) = model("the grammar at temperature 2") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Read the file docs/guide.md.");
    for seed in 0..60 {
        let temperature = if seed % 2 == 0 { 2.0 } else { 50.0 };
        let outcome = ask(&mut session, &prompt, &warm(Some(CALL), temperature, seed));
        assert_eq!(outcome.ending, Ending::Complete, "{seed}: {}", outcome.text);
        let ToolCall { name, arguments, .. } = Envelope::plain().parse(&outcome.text, &[]).unwrap();
        let path = arguments["path"].as_str().unwrap();
        assert_eq!(name, "read_file");
        assert!((1..=12).contains(&path.chars().count()), "{path:?}");
        assert_no_control_token(&engine, path);
    }
}

#[track_caller]
fn assert_no_control_token(engine: &Engine<'_>, text: &str) {
    let mut session = Session::new(engine).unwrap();
    let [special, plain] = [template(text), data(text)].map(|part| session.tokenize(&[part]));
    assert_eq!(special, plain, "a control token is spelt in {text:?}");
}

#[test]
fn two_matchers_in_lock_step_agree() {
    let Some(path) = model("our matcher against llama.cpp's") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Read the file docs/guide.md.");
    let any = "root ::= [\\u0080-\\U0010FFFF]{3} (\"a\" | \"ab\"){0,2}";
    for (seed, grammar) in [CALL, any, "root ::= .{4}", CALL, any].into_iter().enumerate() {
        let [own, both] = [MatcherKind::Own, MatcherKind::Lockstep].map(|matcher| {
            let seed = u32::try_from(seed).unwrap();
            let forced = false;
            let sampling =
                Sampling { temperature: 9.0, seed, matcher, forced, ..Sampling::default() };
            ask(&mut session, &prompt, &Wish { sampling, ..greedy(Some(grammar), 64) }).text
        });
        assert_eq!(own, both, "{grammar}");
    }
}

#[test]
fn a_control_token_is_said_where_it_is_named_and_nowhere_else() {
    let Some(path) = model("control tokens under a grammar") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let special = session.tokenize(&[template("<|im_start|>")]);
    let [id] = special[..] else { panic!("{special:?} is one token") };
    for matcher in [MatcherKind::Own, MatcherKind::Llama] {
        let sampling = Sampling { matcher, ..Sampling::default() };
        let mut count = |grammar: &str| {
            let wish = Wish { sampling, ..greedy(Some(grammar), 64) };
            let outcome = ask(&mut session, &prompt(&engine, "Say it."), &wish);
            assert_eq!(outcome.text, "a<|im_start|>");
            outcome.timings.predicted_n
        };
        assert_eq!(count(&format!("root ::= \"a\" <[{}]>", id.0)), 2);
        assert!(count("root ::= \"a<|im_start|>\"") > 5, "it is spelt");
    }
}

/// A list of entries that are much alike, so that there is something to guess.
const LIST: &str = r#"
root ::= "[" entry ("," entry){5,9} "]"
entry ::= "{\"name\":\"" [a-z]{2,6} "\",\"kind\":\"" [a-z]{2,4} "\"}"
"#;

/// The same, and few tokens are allowed everywhere.
const BIRDS: &str = r#"
root ::= "[" entry ("," entry){5,9} "]"
entry ::= "{\"name\":\"" ("heron" | "swift" | "wren") "\",\"kind\":\"" ("wader" | "bird") "\"}"
"#;

#[test]
fn guesses_change_nothing_but_the_time() {
    let Some(path) = model("guesses") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let mut guessed = 0;
    let mut right = 0;
    for seed in 0..12 {
        let prompt = prompt(&engine, &format!("List the names and kinds of file {seed}."));
        // Greedy, and by chance: the same random numbers are used for the same tokens.
        let temperature = [0.0, 0.7][usize::from(seed % 2 == 1)];
        for (grammar, forced) in [(LIST, false), (LIST, true), (CALL, true)] {
            let sampling = Sampling { temperature, seed, forced, ..Sampling::default() };
            let [with, without] = [true, false].map(|drafts| {
                let sampling = Sampling { drafts, ..sampling };
                // A prompt of one token more is computed in another order, which changes the last digits.
                session.forget();
                ask(&mut session, &prompt, &Wish { sampling, ..greedy(Some(grammar), 300) })
            });
            assert_eq!((with.text, with.ending), (without.text, without.ending), "{seed}");
            assert_eq!(with.timings.predicted_n, without.timings.predicted_n);
            assert_eq!(without.timings.draft_n, 0);
            guessed += with.timings.draft_n;
            right += with.timings.draft_n_accepted;
        }
    }
    assert!(right > 50 && right <= guessed, "{right} of {guessed} guesses are right");
}

#[test]
fn a_second_model_guesses_and_changes_nothing() {
    let Some(path) = model("a model that guesses") else { return };
    let draft = Beside::Draft { path: path.to_str().unwrap().to_owned(), seals: Vec::new() };
    let alone = load(&path, 1024);
    let options = LoadOptions { beside: vec![draft], ..options(&path, 1024) };
    let both = Engine::load(backend(), options).unwrap();
    let mut sessions = [&alone, &both].map(|engine| Session::new(engine).unwrap());
    let mut right = [0, 0];
    for seed in 0..4 {
        let prompt = prompt(&alone, &format!("List the names and kinds of file {seed}."));
        let temperature = [0.0, 0.7][usize::from(seed % 2 == 1)];
        for grammar in [LIST, CALL] {
            let sampling = Sampling { temperature, seed, ..Sampling::default() };
            let outcomes = [0, 1].map(|at| {
                sessions[at].forget();
                ask(&mut sessions[at], &prompt, &Wish { sampling, ..greedy(Some(grammar), 300) })
            });
            let [one, two] = outcomes.each_ref().map(|outcome| (&outcome.text, outcome.ending));
            assert_eq!(one, two, "{seed}");
            for (sum, outcome) in right.iter_mut().zip(&outcomes) {
                *sum += outcome.timings.draft_n_accepted;
            }
        }
    }
    // What repeats is guessed without it, and it guesses more.
    assert!(right[1] > right[0] + 5, "{right:?} guesses are right");
}

#[test]
fn logits_of_few_tokens_are_those_of_all() {
    let Some(path) = model("logits of few tokens") else { return };
    // Repacked weights have no rows that could be read.
    let options = LoadOptions { extra_buffers: false, ..options(&path, 1024) };
    let engine = Engine::load(backend(), options).unwrap();
    let mut session = Session::new(&engine).unwrap();
    let (mut narrow, mut guessed) = (0, 0);
    for seed in 0..4 {
        let prompt = prompt(&engine, &format!("List the names and kinds of file {seed}."));
        let temperature = [0.0, 2.0][usize::from(seed % 2 == 1)];
        let (alone, behind) = (false, true);
        let asked = [(0, LIST, alone), (3, LIST, alone), (0, CALL, alone), (0, BIRDS, behind)];
        for (top_k, grammar, drafts) in asked {
            // The other one has a mask of ours for each token too, and always all logits.
            let [few, all] = [MatcherKind::Own, MatcherKind::Lockstep].map(|matcher| {
                let forced = false;
                let sampling = Sampling {
                    temperature,
                    seed,
                    top_k,
                    forced,
                    drafts,
                    matcher,
                    ..Sampling::default()
                };
                session.forget();
                ask(&mut session, &prompt, &Wish { sampling, ..greedy(Some(grammar), 700) })
            });
            assert_eq!((&few.text, few.ending), (&all.text, all.ending), "{seed}");
            assert_eq!(all.timings.narrow_n, 0);
            narrow += few.timings.narrow_n;
            // Of all that are said, so many at least were guessed and chosen among few.
            let both = few.timings.narrow_n + few.timings.draft_n_accepted;
            guessed += both.saturating_sub(few.timings.predicted_n);
        }
    }
    assert!(narrow > 200, "{narrow} tokens were chosen among few");
    assert!(guessed > 20, "{guessed} tokens were guessed where few are allowed");
}

/// On a GPU the logits of all cost little: what may be said in few ways is no reason to guess less.
#[test]
fn guesses_are_no_shorter_where_no_logits_are_left_out() {
    let Some(path) = model("guesses with all logits") else { return };
    let guessed = [0, 1].map(|n_gpu_layers| {
        let options = LoadOptions { n_gpu_layers, extra_buffers: false, ..options(&path, 1024) };
        let engine = Engine::load(backend(), options).unwrap();
        let mut session = Session::new(&engine).unwrap();
        let prompt = prompt(&engine, "List the names and kinds of all files.");
        let sampling = Sampling { forced: false, ..Sampling::default() };
        let outcome = ask(&mut session, &prompt, &Wish { sampling, ..greedy(Some(LIST), 300) });
        (outcome.timings.narrow_n, outcome.timings.draft_n)
    });
    let [(narrow, fewer), (none, more)] = guessed;
    assert_eq!(none, 0);
    // With weights in f16, f32 or bf16, which the built-in model has not, none are left out on a processor either.
    let may_be_none = narrow == 0 && std::env::var_os("CHARGEHAND_TEST_MODEL").is_some();
    assert!(
        may_be_none || (narrow > 0 && more > fewer),
        "{guessed:?} tokens are chosen among few, and guessed"
    );
}

#[test]
fn a_model_that_guesses_is_the_one_that_was_planned() {
    let Some(path) = model("a model that guesses and was replaced") else { return };
    let mut seals = chargehand_engine::gguf::seals(&path).unwrap();
    let load = |seals| {
        let beside = vec![Beside::Draft { path: path.to_str().unwrap().to_owned(), seals }];
        Engine::load(backend(), LoadOptions { beside, ..options(&path, 1024) })
    };
    assert!(load(seals.clone()).is_ok());
    seals[0].bytes += 1;
    let error = load(seals).unwrap_err().to_string();
    assert!(error.contains("was replaced or changed after it was planned"), "{error}");
}

#[test]
fn what_is_forced_needs_no_evaluation_of_its_own() {
    let Some(path) = model("forced tokens") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Read the file docs/guide.md.");
    let grammar =
        "root ::= \"{\\\"tool\\\":\\\"read_file\\\",\\\"path\\\":\\\"\" [a-z]{3} \"\\\"}\"";
    let mut say = |forced| {
        let sampling = Sampling { forced, ..Sampling::default() };
        ask(&mut session, &prompt, &Wish { sampling, ..greedy(Some(grammar), 64) })
    };
    let (with, without) = (say(true), say(false));
    assert_eq!((with.ending, without.timings.forced_n), (Ending::Complete, 0));
    let [some, all] = [with.timings.forced_n, with.timings.predicted_n];
    assert!(some * 3 > all * 2, "{some} of {all} tokens are forced");
    // The very tokens that the tokenizer finds for the whole text.
    let canonical = session.tokenize(&[data(&with.text)]);
    assert!(all <= canonical.len() as u64 + 3, "{all} tokens for {canonical:?}");
}

#[test]
fn a_call_is_whole_at_its_limit() {
    let Some(path) = model("landing") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Write something long.");
    let grammar = r#"root ::= "{\"a\":[" item ("," item)* "]}"
        item ::= "\"" [^"\\\x00-\x1F\x7F]* "\"" | "[" item "]""#;
    let mut landed = 0;
    for limit in [12, 13, 20, 40] {
        for (seed, forced) in (0..8).zip([true, false].into_iter().cycle()) {
            let sampling = Sampling { temperature: 3.0, seed, forced, ..Sampling::default() };
            let wish = Wish { sampling, ..greedy(Some(grammar), limit) };
            let outcome = ask(&mut session, &prompt, &wish);
            // Whole it is in any case; only what ended by itself is the model's answer.
            landed += u32::from(outcome.ending == Ending::Limit);
            assert!(outcome.ending != Ending::ContextFull, "{limit}: {}", outcome.text);
            assert!(outcome.timings.predicted_n <= u64::from(limit));
            let value: serde_json::Value = serde_json::from_str(&outcome.text).unwrap();
            assert!(value["a"].is_array());
        }
    }
    assert!(landed > 0, "no limit was reached: this test tests nothing");
}

#[test]
fn what_is_forced_is_said_to_the_byte() {
    let Some(path) = model("forced text") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Say it.");
    let text = "Gr\u{fc}\u{df}e \u{20ac} \u{1f980} <|x|>";
    let outcome = ask(&mut session, &prompt, &greedy(Some(&format!("root ::= \"{text}\"")), 99));
    assert_eq!((outcome.text.as_str(), outcome.ending), (text, Ending::Complete));
    // Any character, many of them: the bytes of each are completed.
    let any = "root ::= [\\u0080-\\U0010FFFF]{8}";
    for seed in 0..20 {
        let outcome = ask(&mut session, &prompt, &warm(Some(any), 9.0, seed));
        assert_eq!((outcome.text.chars().count(), outcome.ending), (8, Ending::Complete));
    }
    // Half a character is forced too, and no tokenizer takes it.
    let half = "root ::= \"{\\\"name\\\": \\\"x\\\", \\\"price\\\": \\\"\" [\u{20ac}\u{20ad}]";
    let outcome = ask(&mut session, &prompt, &greedy(Some(half), 99));
    assert_eq!((outcome.text.chars().count(), outcome.ending), (25, Ending::Complete));
    assert!(outcome.timings.forced_n > 4, "{:?}", outcome.timings);
}

#[test]
fn long_forced_text_is_cut_before_a_tokenizer_sees_it() {
    let Some(path) = model("long forced text") else { return };
    let engine = load(&path, 4096);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Say it.");
    // More than a tokenizer is given at once, and more than a matcher forces at once, in the middle of a character.
    for text in ["g".repeat(2500), format!("{}.", "\u{20ac}".repeat(700)), "word ".repeat(300)] {
        let grammar = format!("root ::= \"{text}\"");
        let outcome = ask(&mut session, &prompt, &greedy(Some(&grammar), 3000));
        assert_eq!((outcome.text.len(), outcome.ending), (text.len(), Ending::Complete));
        assert_eq!(outcome.text, text);
        let asked = outcome.timings.predicted_n - outcome.timings.forced_n;
        assert!(asked < 40, "{:?}", outcome.timings);
    }
}

#[test]
fn no_grammar_is_never_taken_for_freedom() {
    let Some(path) = model("bad grammars") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Say something.");
    let bad = [
        "",
        "  \n",
        "# a comment",
        "root",
        "root ::= \"a",
        "other ::= \"a\"",
        "root ::= missing",
        "root ::= root \"a\" | \"b\"",
        "root ::= \"a\"{1,2",
        "root ::= \"\0\"",
        "{\"type\":\"object\"}",
    ];
    for grammar in bad {
        let result = session.generate(&prompt, &greedy(Some(grammar), 8), &mut Notes::patient());
        assert!(matches!(result, Err(SessionError::Constraint(_))), "{grammar:?}: {result:?}");
    }
    // And the session is none the worse for it.
    assert_eq!(ask(&mut session, &prompt, &greedy(Some("root ::= \"yes\""), 8)).text, "yes");
}

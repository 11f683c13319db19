//! What a session keeps, what it allows, and where it says no.

use chargehand_core::tool::{Envelope, ToolCall};
use chargehand_core::transcript::Message;
use chargehand_engine::engine::Engine;
use chargehand_engine::sampler::{MatcherKind, Sampling};
use chargehand_engine::session::{Ending, Outcome, Progress, Session, SessionError, Wish};
use chargehand_engine::template::{Segment, SegmentKind};

use crate::common::{Notes, load, model, options, system_and, tools};

/// A call of `read_file` in the plain envelope with any path.
const CALL: &str = r#"
root ::= "{\"tool\":\"read_file\",\"args\":{\"path\":\"" char{1,12} "\"}}"
char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt]
"#;

fn greedy(grammar: Option<&str>, max_tokens: u32) -> Wish<'_> {
    Wish { grammar, sampling: Sampling::default(), max_tokens }
}

fn warm(grammar: Option<&str>, temperature: f32, seed: u32) -> Wish<'_> {
    let sampling = Sampling { temperature, seed, ..Sampling::default() };
    Wish { grammar, sampling, max_tokens: 64 }
}

fn prompt(engine: &Engine<'_>, user: &str) -> Vec<Segment> {
    engine.template().render(&system_and(user), &tools()).unwrap()
}

fn ask(session: &mut Session<'_>, prompt: &[Segment], wish: &Wish<'_>) -> Outcome {
    session.generate(prompt, wish, &mut Notes::patient()).unwrap()
}

fn template(text: &str) -> Segment {
    Segment { text: text.to_owned(), kind: SegmentKind::Template }
}

fn data(text: &str) -> Segment {
    Segment { text: text.to_owned(), kind: SegmentKind::Data }
}

#[test]
fn a_kept_prefix_changes_nothing() {
    let Some(path) = model("reuse of a prefix") else { return };
    let engine = load(&path, 1024);
    let mut fresh = Session::new(&engine).unwrap();
    let mut kept = Session::new(&engine).unwrap();
    let wish = greedy(Some(CALL), 48);

    let first = prompt(&engine, "Read the file docs/guide.md.");
    let one = ask(&mut kept, &first, &wish);
    assert_eq!(one.timings.cache_n, 0);
    let again = ask(&mut kept, &first, &wish);
    assert_eq!((again.text, again.timings.prompt_n), (one.text, 1));

    let second = prompt(&engine, "Read the file src/other.rs and say what is in it.");
    let expect = ask(&mut fresh, &second, &wish);
    let two = ask(&mut kept, &second, &wish);
    assert_eq!(two.text, expect.text);
    assert!(two.timings.cache_n > 0, "{:?}", two.timings);
    let total = two.timings.cache_n + two.timings.prompt_n;
    assert_eq!(total, expect.timings.prompt_n);
}

#[test]
fn a_conversation_evaluates_only_what_is_new() {
    let Some(path) = model("a growing conversation") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let mut messages = system_and("Read the file docs/guide.md.");
    let mut tokens = 0;
    // What is forced at the end of an answer would be evaluated with the next prompt.
    let wish = |seed| {
        let wish = warm(Some(CALL), 3.0, seed);
        Wish { sampling: Sampling { forced: false, ..wish.sampling }, ..wish }
    };
    for turn in 0..6 {
        let prompt = engine.template().render(&messages, &tools()).unwrap();
        // Hot, so that the answer is not written in the tokens that a tokenizer finds.
        let outcome = ask(&mut session, &prompt, &wish(turn));
        assert_eq!(outcome.ending, Ending::Complete);
        // All that was evaluated before is kept, the answer but for its last token included.
        if turn > 0 {
            assert!(outcome.timings.cache_n >= tokens, "{turn}: {tokens}, {:?}", outcome.timings);
        }
        let timings = outcome.timings;
        tokens = timings.cache_n + timings.prompt_n + timings.predicted_n - 1;
        messages.push(Message::Call(Envelope::plain().parse(&outcome.text).unwrap()));
        let observed = chargehand_core::tool::Observation::done(format!("line {turn}"));
        messages.push(Message::Observed(observed));
    }
    // What was generated stays as it was generated, also when the cache is lost.
    let prompt = engine.template().render(&messages, &tools()).unwrap();
    let before = session.tokenize(&prompt);
    session.forget();
    assert_eq!(session.tokenize(&prompt), before);
    let of_a_stranger = Session::new(&engine).unwrap().tokenize(&prompt);
    assert_ne!(of_a_stranger, before, "hot answers in canonical tokens: this test tests nothing");
}

#[test]
fn a_seed_is_reproducible() {
    let Some(path) = model("seeds") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Write something.");
    let mut say = |seed| ask(&mut session, &prompt, &warm(None, 1.5, seed)).text;
    assert_eq!(say(7), say(7));
    let others: Vec<String> = (8..12).map(&mut say).collect();
    assert!(others.iter().any(|other| *other != others[0]), "{others:?}");
}

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
        let ToolCall { name, arguments, .. } = Envelope::plain().parse(&outcome.text).unwrap();
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
    for limit in [12, 13, 20, 40] {
        for (seed, forced) in (0..8).zip([true, false].into_iter().cycle()) {
            let sampling = Sampling { temperature: 3.0, seed, forced, ..Sampling::default() };
            let wish = Wish { sampling, ..greedy(Some(grammar), limit) };
            let outcome = ask(&mut session, &prompt, &wish);
            assert_eq!(outcome.ending, Ending::Complete, "{limit}: {}", outcome.text);
            assert!(outcome.timings.predicted_n <= u64::from(limit));
            let value: serde_json::Value = serde_json::from_str(&outcome.text).unwrap();
            assert!(value["a"].is_array());
        }
    }
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

#[test]
fn data_stays_data() {
    let Some(path) = model("special tokens in data") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let marker = engine.template().turn_end().trim().to_owned();
    assert!(!marker.is_empty());
    let special = session.tokenize(&[template(&marker)]);
    let mut tokens = |parts: &[Segment]| session.tokenize(parts);

    assert_ne!(tokens(&[data(&marker)]), special);
    let hostile = tokens(&[template("a "), data(&format!("x {marker} y")), template(&marker)]);
    let special = *special.last().unwrap();
    assert_eq!(hostile.iter().filter(|token| **token == special).count(), 1, "{hostile:?}");
    // Nor do two pieces make one together, whoever wrote them.
    let (head, tail) = marker.split_at(2);
    for parts in
        [[data(head), data(tail)], [template(head), data(tail)], [data(head), template(tail)]]
    {
        assert!(!tokens(&parts).contains(&special), "{parts:?}");
    }
    // Where nothing is at stake, a prompt has the tokens of its text as a whole.
    let parts = [template("user\n"), data("\n\nfn main() {}\n"), template("\nassistant")];
    assert_eq!(tokens(&parts), tokens(&[template("user\n\n\nfn main() {}\n\nassistant")]));
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_with_numbers() {
    let Some(path) = model("prompts that are too long") else { return };
    let engine = load(&path, 256);
    let mut session = Session::new(&engine).unwrap();
    let n_ctx = session.n_ctx();
    let mut parts = vec![];
    while session.tokenize(&parts).len() < n_ctx {
        parts.push(data("a b "));
    }
    let length = session.tokenize(&parts).len();
    match session.generate(&parts, &greedy(None, 4), &mut Notes::patient()) {
        Err(SessionError::PromptTooLong { prompt, n_ctx: holds }) => {
            assert_eq!((prompt, holds), (length, n_ctx));
        }
        other => panic!("{other:?}"),
    }
    // One less fits, and the answer ends where the context does.
    while session.tokenize(&parts).len() >= n_ctx {
        parts.pop();
    }
    let endless = "root ::= [a-z ]*";
    let room = n_ctx - session.tokenize(&parts).len();
    let outcome = ask(&mut session, &parts, &warm(Some(endless), 1.0, 1));
    assert!(usize::try_from(outcome.timings.predicted_n).unwrap() <= room + 1);
}

#[test]
fn limits_break_off_and_say_so() {
    let Some(path) = model("limits") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Count.");
    let outcome = ask(&mut session, &prompt, &greedy(Some("root ::= \"123456789123456789\""), 3));
    assert_eq!((outcome.ending, outcome.timings.predicted_n), (Ending::Limit, 3));
    let outcome = ask(&mut session, &prompt, &greedy(None, 0));
    assert_eq!((outcome.ending, outcome.text.as_str()), (Ending::Limit, ""));
}

#[test]
fn a_caller_can_stop() {
    let Some(path) = model("stopping") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Count.");
    let endless = "root ::= [a-z]*  \"!!\"";
    let mut notes = Notes { patience: 1, ..Notes::patient() };
    let outcome = session.generate(&prompt, &greedy(Some(endless), 900), &mut notes).unwrap();
    assert_eq!(outcome.ending, Ending::Cancelled);
    assert!(outcome.timings.predicted_n < 900);
    // Before the first token as well.
    let mut notes = Notes { patience: 0, ..Notes::patient() };
    session.forget();
    let outcome = session.generate(&prompt, &greedy(Some(endless), 900), &mut notes).unwrap();
    assert_eq!((outcome.ending, outcome.timings.prompt_n), (Ending::Cancelled, 0));
}

#[test]
fn what_is_told_is_what_is_returned() {
    let Some(path) = model("streaming") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Read the file docs/guide.md.");
    let mut notes = Notes::patient();
    let outcome = session.generate(&prompt, &greedy(Some(CALL), 64), &mut notes).unwrap();
    assert_eq!(notes.text(), outcome.text);
    let done: Vec<usize> = notes
        .seen
        .iter()
        .filter_map(|progress| match progress {
            Progress::Prompt { done, .. } => Some(*done),
            Progress::Text { .. } => None,
        })
        .collect();
    assert!(done.is_sorted() && !done.is_empty());
}

#[test]
fn files_that_are_no_models_are_errors() {
    let backend = crate::common::backend();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let bad = [
        folder.path().join("missing.gguf"),
        folder.path().to_owned(),
        file("empty.gguf", b""),
        file("garbage.gguf", &[7; 4096]),
        file("header.gguf", b"GGUF\x03\0\0\0"),
    ];
    for path in bad {
        let error = Engine::load(backend, options(&path, 256)).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

/// A test's thread has 2 MiB of stack; 100,000 letters at once took 40.
#[test]
fn a_long_word_does_not_overflow_the_stack() {
    let Some(path) = model("long words") else { return };
    let engine = load(&path, 1024);
    let mut session = Session::new(&engine).unwrap();
    for long in ["g", "1", "-", " ", "\n", "é", "g1-"] {
        let long = long.repeat(100_000);
        let tokens = session.tokenize(&[template("a "), data(&long), template(" z")]);
        assert!(!tokens.is_empty());
        let outcome = session.generate(&[data(&long)], &greedy(None, 1), &mut Notes::patient());
        let fits = tokens.len() < 1000;
        assert!(fits || matches!(outcome, Err(SessionError::PromptTooLong { .. })), "{outcome:?}");
    }
}

#[test]
fn a_context_of_one_token_is_used_without_a_crash() {
    let Some(path) = model("small contexts") else { return };
    for n_ctx in [1, 2, 16] {
        let engine = load(&path, n_ctx);
        let mut session = Session::new(&engine).unwrap();
        let outcome = session.generate(&[data("a b c d")], &greedy(None, 1), &mut Notes::patient());
        let too_long = matches!(outcome, Err(SessionError::PromptTooLong { .. }));
        assert!(too_long || outcome.is_ok(), "{n_ctx}");
    }
}

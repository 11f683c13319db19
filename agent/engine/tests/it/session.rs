//! What a session keeps, what it allows, and where it says no.

use chargehand_core::tool::Envelope;
use chargehand_core::transcript::Message;
use chargehand_engine::engine::Engine;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Ending, Progress, Session, SessionError, Wish};
use chargehand_engine::template::Segment;

use crate::common::{
    CALL, Notes, ask, data, greedy, load, model, options, prompt, system_and, template, tools, warm,
};

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
        messages.push(Message::Call(Envelope::plain().parse(&outcome.text, &[]).unwrap()));
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
            Progress::Reasoning { .. } | Progress::Text { .. } => None,
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

/// A frequency that is no number makes all that follows from it none.
fn broken(model: &std::path::Path) -> tempfile::NamedTempFile {
    let mut bytes = std::fs::read(model).unwrap();
    let key = b".rope.freq_base";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 4;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn what_is_no_number_ends_the_turn_and_says_so() {
    let Some(path) = model("logits that are no numbers") else { return };
    let file = broken(&path);
    let engine = load(file.path(), 1024);
    let mut session = Session::new(&engine).unwrap();
    let prompt = prompt(&engine, "Say it.");
    for wish in [greedy(None, 9), greedy(Some(CALL), 9), warm(Some(CALL), 1.0, 1)] {
        let outcome = session.generate(&prompt, &wish, &mut Notes::patient());
        let Err(SessionError::Logits(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((error.bad, error.all), (engine.facts().n_vocab, engine.facts().n_vocab));
        assert!(error.to_string().contains("are NaN or infinite"));
    }
    // The canary sees it before anybody asks.
    let said = crate::worker::refused(file.path());
    assert!(said.contains("are NaN or infinite"), "{said}");
}

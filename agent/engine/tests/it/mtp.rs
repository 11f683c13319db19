//! Layers of a model that guess further tokens: that they do, that nothing but the time is another, what they take, and
//! which models have none.

use std::path::Path;

use chargehand_core::memory::beside::Beside;
use chargehand_core::memory::{LoadOptions, Row};
use chargehand_engine::dry_run::{Counter, loaded};
use chargehand_engine::engine::Engine;
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Outcome, Session, Wish};

use crate::common::{CALL, ask, backend, generated, greedy, load, model, options, prompt};

/// Any words, none of which comes twice before a hundred others.
const WORDS: &str = "root ::= [a-z]{200,1800}";
const TOKENS: u32 = 90;

fn with_mtp(path: &Path) -> LoadOptions {
    LoadOptions { beside: vec![Beside::Mtp], ..options(path, 1024) }
}

fn words(sampling: Sampling) -> Wish<'static> {
    Wish { sampling, ..greedy(Some(WORDS), TOKENS) }
}

#[test]
fn layers_of_a_model_guess_and_change_nothing() {
    let Some(path) = generated("guessing") else { return };
    let alone = load(&path, 1024);
    let own = Engine::load(backend(), with_mtp(&path)).unwrap();
    let mut sessions = [&alone, &own].map(|engine| Session::new(engine).unwrap());
    let (mut said, mut guessed, mut right) = (0, [0, 0], [0, 0]);
    for seed in 0..6 {
        let prompt = prompt(&alone, &format!("Say what you know of file {seed}."));
        // Greedy, and by chance: the same random numbers are used for the same tokens.
        let temperature = [0.0, 0.7][usize::from(seed % 2 == 1)];
        let sampling = Sampling { temperature, seed, ..Sampling::default() };
        for wish in [words(sampling), Wish { sampling, ..greedy(Some(CALL), TOKENS) }] {
            let outcomes = [0, 1].map(|at| {
                // Without it the rest of a prompt would be computed in other batches.
                sessions[at].forget();
                ask(&mut sessions[at], &prompt, &wish)
            });
            let [one, two] = outcomes.each_ref().map(|outcome| (&outcome.text, outcome.ending));
            assert_eq!(one, two, "{seed}");
            said += outcomes[1].timings.predicted_n;
            for (at, Outcome { timings, warning, .. }) in outcomes.iter().enumerate() {
                guessed[at] += timings.draft_n;
                right[at] += timings.draft_n_accepted;
                assert_eq!(*warning, None);
            }
        }
    }
    // What repeats is guessed without them. Those from another state than that before the last token are mostly wrong.
    let shown = format!("of {said} tokens {guessed:?} were guessed, {right:?} rightly");
    assert!(right[1] > right[0] + said / 8 && right[1] < guessed[1], "{shown}");
}

/// A session goes back, goes on and comes back from the disk; what its layers have seen stays in step.
#[test]
fn layers_that_guess_follow_a_session() {
    let Some(path) = generated("guessing") else { return };
    let engine = Engine::load(backend(), with_mtp(&path)).unwrap();
    let mut session = Session::new(&engine).unwrap();
    let check = |session: &mut Session<'_>, user: &str| {
        let outcome = ask(session, &prompt(&engine, user), &words(Sampling::default()));
        let (right, said) = (outcome.timings.draft_n_accepted, outcome.timings.predicted_n);
        assert_eq!(outcome.warning, None);
        assert!(said > 20 && right > said / 8, "{user}: {right} of {said}");
    };
    check(&mut session, "Say what you know of the first file.");
    check(&mut session, "Say what you know of the second file.");
    check(&mut session, "Say.");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parked");
    let parked = session.park(&file).unwrap();
    session.restore(&file, parked).unwrap();
    check(&mut session, "Say.");
    check(&mut session, "Say what you know of the second file.");
}

#[test]
fn what_layers_that_guess_take_is_counted() {
    let Some(path) = generated("guessing") else { return };
    for options in [
        with_mtp(&path),
        LoadOptions { kv_type: "q8_0".to_owned(), n_seq: 2, ..with_mtp(&path) },
        LoadOptions { extra_buffers: false, use_mmap: false, ..with_mtp(&path) },
    ] {
        let mut counter = Counter::new(backend());
        let counted = counter.footprint("m", options.clone()).unwrap();
        let taken = loaded(backend(), &counted.options).unwrap();
        for row in &taken {
            let found = counted.rows.iter().find(|other| other.what == row.what);
            assert_eq!(found.map(|found| found.bytes), Some(row.bytes), "{}", row.what);
        }
        let rows =
            |begin: &str| counted.rows.iter().filter(|row| row.what.starts_with(begin)).count();
        assert!(rows("mtp: context") == 1 && rows("mtp: compute") == 1, "{:?}", counted.rows);
        assert_eq!(rows("mtp: weights"), 0);
        // Their weights are those of the model.
        let alone = counter.footprint("m", LoadOptions { beside: Vec::new(), ..options }).unwrap();
        let weights = |rows: &[Row]| {
            rows.iter().filter(|row| row.is("weights")).map(|row| row.bytes.0).sum::<u64>()
        };
        assert!(weights(&counted.rows) > weights(&alone.rows) + 50_000);
    }
}

#[test]
fn a_model_without_such_layers_cannot_guess_by_itself() {
    let Some(path) = model("layers that guess") else { return };
    let expect = "cannot guess with layers of its own (mtp): it has no layers for further tokens";
    let error = Engine::load(backend(), with_mtp(&path)).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
    let error = Counter::new(backend()).footprint("m", with_mtp(&path)).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

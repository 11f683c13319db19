//! Held out means held out.

use std::collections::BTreeSet;

use apprentice_corpus::{FAMILIES, Kind, Split, Trajectory, Words, constructions};
use chargehand_core::transcript::Message;

fn english(split: Split) -> BTreeSet<&'static str> {
    let mut words = Words::new(7, split);
    (0..40_000).map(|_| words.english()).collect()
}

#[test]
fn no_word_of_the_test_is_trained_on() {
    let (train, test) = (english(Split::Train), english(Split::Test));
    assert!(test.len() > 150, "{}", test.len());
    assert_eq!(train.intersection(&test).count(), 0);
}

/// Returns a construction without its slots and choices, in small letters.
fn bare(construction: &str) -> String {
    construction.to_lowercase().replace(|c: char| !c.is_alphabetic() && c != '|', " ")
}

#[test]
fn no_construction_of_the_test_is_trained_on() {
    for (family, _) in FAMILIES {
        let family = match *family {
            "ask" => "ask_what",
            "exact" => "create",
            "recover" | "refuse" => "replace",
            family => family,
        };
        let train: BTreeSet<String> =
            constructions(family, Split::Train).into_iter().map(bare).collect();
        let test = constructions(family, Split::Test);
        assert!(
            test.len() >= 3 && train.len() > test.len(),
            "{family}: {} and {}",
            train.len(),
            test.len()
        );
        let blind = constructions(family, Split::Blind);
        for construction in test.into_iter().chain(blind) {
            assert!(!train.contains(&bare(construction)), "{family}: {construction}");
        }
    }
}

#[test]
fn a_seed_says_the_same_for_ever() {
    let draw = || Trajectory::draw(&mut Words::new(1, Split::Train)).segments();
    assert_eq!(draw(), draw());
}

#[test]
fn every_trajectory_ends_with_a_call_that_the_model_must_write() {
    let mut words = Words::new(3, Split::Train);
    for _ in 0..500 {
        let segments = Trajectory::draw(&mut words).segments();
        let (last, kind) = segments.last().expect("there is a call");
        assert_eq!(*kind, Kind::Target);
        assert!(last.ends_with("}}<|im_end|>"), "{last}");
        assert!(segments.iter().all(|(text, kind)| *kind != Kind::Data || !text.is_empty()));
    }
}

/// A piece that is put in its own place: were that not refused, the files at the end would be right all the same.
#[test]
fn what_is_replaced_by_itself_is_refused() {
    let mut words = Words::new(5, Split::Train);
    let drawn = std::iter::repeat_with(|| Trajectory::draw(&mut words));
    let slipped = drawn.filter(|one| one.family == "replace" && one.slip.is_some());
    for one in slipped.take(20) {
        let calls = one.messages.windows(2).filter(|pair| matches!(pair[0], Message::Call(_)));
        let after = &calls.collect::<Vec<_>>()[one.slip.unwrap()][1];
        let Message::Observed(observation) = after else { panic!("{after:?}") };
        assert!(!observation.ok, "{observation:?}");
    }
}

//! How models take turns that cannot be loaded together.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Backing, Budget, Footprint, Pool, Row, plan};
use chargehand_core::roles::{Carried, Handover, Role, Step, covering, schedule};
use proptest::prelude::*;

use crate::memory::options;

/// Returns a model of `weights` that remembers `context`, in MiB.
fn model(name: &str, weights: u64, context: u64) -> Footprint {
    let rows = vec![
        Row::host("weights (CPU)", Bytes::mib(weights)),
        Row::host("context (CPU)", Bytes::mib(context)),
    ];
    Footprint { model: name.to_owned(), options: options(), rows }
}

fn host(mib: u64) -> Budget {
    let (capacity, headroom) = (Bytes::mib(mib), Bytes(0));
    let name = "host".to_owned();
    Budget { pools: vec![Pool { name, capacity, available: capacity, headroom, within: None }] }
}

/// Writes each step as `-parked +loaded written/read`.
#[track_caller]
fn check(models: &[(u64, u64)], mib: u64, expect: Option<&[&str]>) {
    let models: Vec<Footprint> =
        models.iter().map(|(weights, context)| model("m", *weights, *context)).collect();
    let text = |step: &Step| {
        let park: String = step.park.iter().map(|at| format!("-{at} ")).collect();
        format!("{park}+{} {}/{}", step.load, step.written.0 >> 20, step.read.0 >> 20)
    };
    let found = schedule(&models, &host(mib));
    let found: Option<Vec<String>> = found.map(|steps| steps.iter().map(text).collect());
    assert_eq!(found, expect.map(|steps| steps.iter().map(|step| (*step).to_owned()).collect()));
}

#[test]
fn models_are_parked_only_as_far_as_needed() {
    check(&[(10, 1), (20, 2)], 33, Some(&["+0 0/10", "+1 0/20"]));
    check(&[(10, 1), (20, 2)], 32, Some(&["+0 0/10", "-0 +1 1/20", "-1 +0 2/11"]));
    check(&[(10, 1), (20, 2)], 22, Some(&["+0 0/10", "-0 +1 1/20", "-1 +0 2/11"]));
    check(&[(10, 1), (20, 2)], 21, None);
    // The second one stays beside the third.
    let three = &["+0 0/10", "-0 +1 1/9", "+2 0/5", "-1 +0 1/11"];
    check(&[(10, 1), (9, 1), (5, 1)], 17, Some(three));
    check(&[(7, 0)], 7, Some(&["+0 0/7"]));
    check(&[], 7, Some(&[]));
}

#[test]
fn what_works_beside_a_model_is_read_and_written_too() {
    let mut guessed = model("m", 10, 2);
    let draft = [("draft: weights (CPU)", 3), ("draft: context (CPU)", 1)];
    guessed.rows.extend(draft.map(|(what, mib)| Row::host(what, Bytes::mib(mib))));
    guessed.rows.push(Row::host("projector: weights", Bytes::mib(4)));
    let steps = schedule(&[guessed, model("m", 15, 0)], &host(20)).unwrap();
    let sizes = steps.iter().map(|step| (step.written.0 >> 20, step.read.0 >> 20));
    assert_eq!(sizes.collect::<Vec<_>>(), [(0, 17), (3, 15), (0, 20)]);
}

#[test]
fn a_change_takes_what_the_disk_takes() {
    let step = Step { park: vec![], load: 0, written: Bytes(1500), read: Bytes(1501) };
    assert_eq!(step.seconds(Bytes(1000)), 4);
    assert_eq!(step.seconds(Bytes(3001)), 1);
    assert_eq!(step.seconds(Bytes(0)), 3001);
}

#[test]
fn what_is_held_is_enough_for_each() {
    let mut on_gpu = model("g", 10, 2);
    on_gpu.rows.push(Row::of("gpu0", "weights", Bytes::mib(7)));
    let held = |one: &Footprint, other: &Footprint| {
        let held = covering(one, &[one.clone(), other.clone()]);
        let sums = held.by_pool().into_iter().map(|(pool, bytes)| format!("{pool} {bytes}"));
        let awaited = held.rows.iter().filter(|row| row.backing == Backing::Awaited).count();
        assert_eq!(held.rows.len() - one.rows.len(), awaited);
        (sums.collect::<Vec<_>>().join(", "), awaited)
    };
    let (small, large) = (model("s", 11, 1), model("l", 20, 2));
    assert_eq!(held(&on_gpu, &small), ("gpu0 7 MiB, host 12 MiB".to_owned(), 0));
    assert_eq!(held(&on_gpu, &large), ("gpu0 7 MiB, host 22 MiB".to_owned(), 1));
    assert_eq!(held(&large, &on_gpu), ("gpu0 7 MiB, host 22 MiB".to_owned(), 1));
}

#[test]
fn a_change_of_models_is_told_with_its_figures() {
    let carried = |tokens, millis| {
        let bytes = Bytes::mib(tokens / 100);
        Carried { tokens, bytes, millis, lost: None }
    };
    let mut change = Handover {
        from: Role::Coder,
        to: Role::Judge,
        reason: "too large".to_owned(),
        parked: carried(800, 140),
        restored: carried(0, 2050),
    };
    let parked =
        "the coder is parked with 800 tokens, 8 MiB, in 0.1 s; the judge is loaded in 2.0 s";
    assert_eq!(change.to_string(), parked);
    change.restored = carried(300, 2050);
    assert_eq!(change.to_string(), format!("{parked} and remembers 300 tokens"));
    change.parked = Carried { lost: Some("disk full".to_owned()), ..Carried::default() };
    assert!(
        change.to_string().ends_with("; what the coder remembered is evaluated again: disk full")
    );
}

#[test]
fn roles_are_words() {
    assert_eq!("judge".parse(), Ok(Role::Judge));
    assert_eq!(Role::Describer.to_string(), "describer");
    assert_eq!("Judge".parse::<Role>().unwrap_err().to_string(), "`Judge` is no role");
}

proptest! {
    /// At no moment is more loaded than fits, and everybody gets a turn.
    #[test]
    fn no_step_loads_more_than_fits(
        sizes in prop::collection::vec((1_u64..50, 0_u64..20), 1..6),
        mib in 1_u64..120,
    ) {
        let models: Vec<Footprint> =
            sizes.iter().map(|(weights, context)| model("m", *weights, *context)).collect();
        let budget = host(mib);
        let fits = |loaded: &[usize]| {
            let all = loaded.iter().map(|at| models[*at].clone()).collect();
            plan(all, &budget).is_ok()
        };
        let Some(steps) = schedule(&models, &budget) else {
            prop_assert!((0..models.len()).any(|at| !fits(&[at])));
            return Ok(());
        };
        let mut loaded: Vec<usize> = Vec::new();
        let mut served = vec![false; models.len()];
        for step in steps {
            loaded.retain(|at| !step.park.contains(at));
            loaded.push(step.load);
            served[step.load] = true;
            prop_assert!(fits(&loaded), "{loaded:?}");
        }
        prop_assert!(served.iter().all(|served| *served));
    }
}

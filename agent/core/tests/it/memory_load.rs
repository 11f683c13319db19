//! What is done while a model is loaded and works: memory that runs short, and a load that differs from its plan.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::beside::{Beside, draft, projector};
use chargehand_core::memory::guard::{Alarm, Doing, Look, Order};
use chargehand_core::memory::header::{FileId, ModelHeader, Tensor};
use chargehand_core::memory::ladder::alternatives;
use chargehand_core::memory::taken::{Taken, at_least, residuals};
use chargehand_core::memory::{
    Backing, Budget, Footprint, HOST, Holding, LoadOptions, Pool, Row, Stage,
};

use crate::memory::options;

fn look(stalled: u32, available: u64) -> Look {
    Look { stalled, available: Bytes::mib(available), headroom: Bytes::mib(400) }
}

#[test]
fn memory_is_short_beyond_a_boundary() {
    assert_eq!(look(500, 100).alarm(), None);
    assert_eq!(look(501, 100).alarm(), Some(Alarm::Stalled(501)));
    let short = Alarm::Short { available: Bytes::mib(99), floor: Bytes::mib(100) };
    assert_eq!(look(0, 99).alarm(), Some(short));
    assert_eq!(short.to_string(), "memory is short: 99 MiB are available, 100 MiB is the least");
    let waited = "memory is short: everything waited for it 5.01 % of the last 10 s";
    assert_eq!(Alarm::Stalled(501).to_string(), waited);
}

#[test]
fn loads_end_first_then_what_is_idle() {
    #[track_caller]
    fn check(doing: Doing, millis: u64, expect: fn(Alarm) -> Order) {
        assert_eq!(look(501, 100).order(doing, millis), expect(Alarm::Stalled(501)));
        assert_eq!(look(500, 100).order(doing, millis), Order::GoOn);
    }
    check(Doing::Loading, 0, Order::End);
    check(Doing::Idle, 1_999, Order::Warn);
    check(Doing::Idle, 2_000, Order::End);
    check(Doing::Answering, 60_000, Order::Warn);
}

/// 1,000 MiB are certain, 500 more may be needed, and some are pages of a file.
fn planned() -> Footprint {
    let mapped = Backing::Mapped(FileId { device: 1, inode: 1 });
    let rows = vec![
        Row::host("weights (CPU)", Bytes::mib(900)),
        Row::host("context (CPU)", Bytes::mib(100)),
        Row::host("compute (CPU)", Bytes::mib(500)),
        Row { backing: mapped, ..Row::host("weights (CPU_Mapped)", Bytes::mib(7000)) },
        Row::of("gpu0", "weights (CUDA0)", Bytes::mib(7000)),
    ];
    Footprint { model: "m".to_owned(), options: options(), rows }
}

fn taken(mib: u64) -> Taken {
    Taken { anonymous: Bytes::mib(mib), mapped: Bytes::mib(1), ..Taken::default() }
}

#[track_caller]
fn check_taken(mib: u64, expect: Option<&str>) {
    let found: Vec<String> =
        residuals(&planned(), &taken(mib)).iter().map(ToString::to_string).collect();
    assert_eq!(found, expect.map(str::to_owned).as_slice());
}

#[test]
fn a_load_is_held_against_its_plan() {
    check_taken(1500, None);
    check_taken(1564, None);
    check_taken(
        1565,
        Some(
            "m took 1565 MiB of host when it was loaded, and 1500 MiB were planned: the larger counts from now on",
        ),
    );
    check_taken(936, None);
    check_taken(
        935,
        Some(
            "m took 935 MiB of host when it was loaded, less than the 1000 MiB that were certain: the plan counts",
        ),
    );
}

#[test]
fn the_larger_counts_the_next_time() {
    let (larger, said) = at_least(planned(), &taken(1700));
    assert_eq!(said.len(), 1);
    assert_eq!(larger.by_pool()[HOST], Bytes::mib(1700 + 7000));
    // Then nothing is left to say.
    assert_eq!(residuals(&larger, &taken(1700)), []);
    assert_eq!(at_least(planned(), &taken(1200)), (planned(), Vec::new()));
}

#[test]
fn a_gpu_is_held_against_its_plan_too() {
    let on_card = |mib: u64| {
        let devices = Taken::of_devices(&[pool("gpu0", 8000)], &[pool("gpu0", 8000 - mib)]);
        at_least(planned(), &Taken { devices, ..taken(1200) })
    };
    assert_eq!(on_card(7140).1, []);
    let (larger, said) = on_card(7200);
    assert_eq!(larger.by_pool()["gpu0"], Bytes::mib(7200));
    let expect = "m took 7200 MiB of gpu0 when it was loaded, and 7000 MiB were planned";
    assert!(said[0].to_string().starts_with(expect), "{said:?}");
    assert_eq!(on_card(6000).1.len(), 1);
    // What others took of it at the same time is not held against the next load.
    let devices = Taken::of_devices(&[pool("gpu0", 8000)], &[pool("gpu0", 0)]);
    let kept = serde_json::to_string(&Taken { devices, ..taken(1200) }).unwrap();
    assert_eq!(serde_json::from_str::<Taken>(&kept).unwrap(), taken(1200));
    // A device that is gone says nothing.
    assert!(Taken::of_devices(&[pool("gpu0", 1)], &[]).is_empty());
}

fn pool(name: &str, available: u64) -> Pool {
    let (name, capacity) = (name.to_owned(), Bytes::mib(1 << 20));
    Pool { name, capacity, available: Bytes::mib(available), headroom: Bytes(0), within: None }
}

#[test]
fn what_ends_comes_back() {
    let budget = || Budget { pools: vec![pool(HOST, 100), pool("gpu0", 100)] };
    let holding = |stage| Holding { pid: 1, footprint: planned(), stage };
    let after = budget().after(&holding(Stage::Resident));
    let available: Vec<Bytes> = after.pools.iter().map(|pool| pool.available).collect();
    // What is certain of its own memory; pages of files were available all the time.
    assert_eq!(available, [Bytes::mib(1100), Bytes::mib(7100)]);
    assert_eq!(budget().after(&holding(Stage::Reserved)), budget());
}

fn clip(numbers: &[(&str, u64)]) -> ModelHeader {
    let bytes = Bytes::mib(801);
    let tensor = Tensor { name: "v.patch_embd.weight".to_owned(), columns: 14, bytes };
    ModelHeader {
        architecture: "clip".to_owned(),
        numbers: numbers.iter().map(|(key, n)| (format!("vision.{key}"), vec![*n])).collect(),
        tensors: vec![tensor],
        ..ModelHeader::default()
    }
}

/// SigLIP of Gemma 3: llama.cpp took 121.25 MiB for a picture of 896 x 896 pixels.
#[test]
fn a_projector_is_planned() {
    let numbers = [("image_size", 896), ("patch_size", 14), ("embedding_length", 1152)];
    let all = [&numbers[..], &[("feed_forward_length", 4304)]].concat();
    let rows = projector(&clip(&all), &[]).unwrap();
    let found: Vec<(&str, u64)> = rows.iter().map(|row| (row.pool.as_str(), row.bytes.0)).collect();
    assert_eq!(found, [(HOST, 801 << 20), (HOST, 127_139_840)]);
    assert_eq!(projector(&clip(&all), &[pool("gpu0", 1)]).unwrap()[0].pool, "gpu0");
    assert!(projector(&clip(&numbers), &[]).is_err());
    let other = ModelHeader { architecture: "llama".to_owned(), ..clip(&all) };
    assert!(projector(&other, &[]).is_err());
    let zero = [&numbers[..1], &[("patch_size", 0)], &all[2..]].concat();
    assert!(projector(&clip(&zero), &[]).is_err());
}

#[test]
fn a_draft_needs_no_grammars() {
    let rows = ["weights (CPU)", "matcher", "guesses", "tokens of grammars", "driver (estimated)"];
    let rows = rows.map(|what| Row::host(what, Bytes(1))).to_vec();
    let found = draft(Footprint { rows, ..planned() });
    assert_eq!(found, [Row::host("draft: weights (CPU)", Bytes(1))]);
}

/// A projector takes 10 of its pool, a draft 20.
fn toy(options: &[LoadOptions]) -> Option<Vec<Footprint>> {
    let one = |options: &LoadOptions| {
        let rows = options.beside.iter().map(|beside| match beside {
            Beside::Projector { on_cpu: true, .. } => Row::host("p", Bytes::mib(10)),
            Beside::Projector { on_cpu: false, .. } => Row::of("gpu0", "p", Bytes::mib(10)),
            Beside::Draft { .. } | Beside::Mtp => Row::of("gpu0", "d", Bytes::mib(20)),
        });
        Footprint { model: "m".to_owned(), options: options.clone(), rows: rows.collect() }
    };
    Some(options.iter().map(one).collect())
}

#[test]
fn what_works_beside_a_model_gives_way_first() {
    let path = || "f.gguf".to_owned();
    let beside = vec![
        Beside::Projector { path: path(), on_cpu: false },
        Beside::Draft { path: path(), seals: Vec::new() },
    ];
    let wanted = [LoadOptions { beside, n_gpu_layers: 9, n_ctx: 512, ..options() }];
    let check_of = |wanted: &[LoadOptions], on_card: u64, expect: &[&str]| {
        let budget = Budget { pools: vec![pool(HOST, 100), pool("gpu0", on_card)] };
        let found = alternatives(wanted, &budget, &mut toy);
        let found: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(found, expect);
    };
    let check = |on_card, expect: &[&str]| check_of(&wanted, on_card, expect);
    check(29, &["without what guesses", "the projector on the CPU", "all of these together"]);
    check(19, &["without what guesses", "all of these together"]);
    check(9, &["all of these together"]);
    let own = vec![wanted[0].beside[0].clone(), Beside::Mtp];
    let own = [LoadOptions { beside: own, ..wanted[0].clone() }];
    check_of(&own, 19, &["without what guesses", "all of these together"]);
    // The projector lies on the card although no layer does.
    let beside = vec![Beside::Projector { path: path(), on_cpu: false }];
    let no_layers = LoadOptions { beside, n_gpu_layers: 0, ..wanted[0].clone() };
    check_of(&[no_layers], 9, &["the projector on the CPU", "all of these together"]);
}

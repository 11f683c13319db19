//! The planner: never more than there is.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::header::FileId;
use chargehand_core::memory::ladder::alternatives;
use chargehand_core::memory::{
    Backing, Budget, Footprint, Holding, LoadOptions, Pool, Row, Stage, WhatIfError,
    device_headroom, host_headroom, plan, what_if,
};
use proptest::prelude::*;

pub(crate) fn options() -> LoadOptions {
    LoadOptions {
        path: String::new(),
        n_ctx: 1,
        n_seq: 1,
        n_batch: 1,
        n_gpu_layers: 0,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
        kv_type: "f16".to_owned(),
        use_mmap: false,
        extra_buffers: false,
        threads: 0,
        seals: Vec::new(),
    }
}

fn footprint(model: &str, rows: &[(&str, u64)]) -> Footprint {
    let options = options();
    let row = |(pool, mib): &(&str, u64)| Row::of(pool, "weights", Bytes::mib(*mib));
    Footprint { model: model.to_owned(), options, rows: rows.iter().map(row).collect() }
}

fn budget(pools: &[(&str, u64, u64)]) -> Budget {
    let pool = |(name, available, headroom): &(&str, u64, u64)| Pool {
        name: (*name).to_owned(),
        capacity: Bytes::mib(1 << 20),
        available: Bytes::mib(*available),
        headroom: Bytes::mib(*headroom),
        within: None,
    };
    Budget { pools: pools.iter().map(pool).collect() }
}

#[track_caller]
fn check(footprints: &[Footprint], budget: &Budget, expect: &str) {
    let found = plan(footprints.to_vec(), budget)
        .map_or_else(|refusal| refusal.to_string(), |_| "fits".to_owned());
    assert_eq!(found, expect);
}

#[test]
fn the_boundary_fits_and_one_beyond_does_not() {
    let budget = budget(&[("host", 24_000, 2_000)]);
    check(&[footprint("coder", &[("host", 20_000), ("host", 2_000)])], &budget, "fits");
    check(
        &[footprint("coder", &[("host", 20_000), ("host", 2_001)])],
        &budget,
        "coder need 22001 MiB, host has 22000 MiB to give",
    );
}

#[test]
fn models_are_counted_together() {
    let pair = [footprint("coder", &[("host", 20_000)]), footprint("judge", &[("host", 6_000)])];
    check(&pair, &budget(&[("host", 26_000, 0)]), "fits");
    check(
        &pair,
        &budget(&[("host", 24_000, 0)]),
        "coder + judge need 26000 MiB, host has 24000 MiB to give",
    );
}

#[test]
fn every_pool_must_do() {
    let both = [footprint("m", &[("host", 10), ("CUDA0", 20)])];
    check(&both, &budget(&[("host", 10, 0), ("CUDA0", 20, 0)]), "fits");
    check(
        &both,
        &budget(&[("host", 9, 0)]),
        "m need 20 MiB, CUDA0 has 0 MiB to give; m need 10 MiB, host has 9 MiB to give",
    );
}

#[test]
fn capacity_bounds_what_is_said_to_be_available() {
    let mut liar = budget(&[("host", 100, 0)]);
    liar.pools[0].capacity = Bytes::mib(50);
    check(&[footprint("m", &[("host", 51)])], &liar, "m need 51 MiB, host has 50 MiB to give");
}

#[test]
fn sums_do_not_wrap() {
    let row = Row::host("w", Bytes(u64::MAX));
    let hostile = Footprint { rows: vec![row.clone(), row], ..footprint("m", &[]) };
    assert!(plan(vec![hostile], &budget(&[("host", 1000, 0)])).is_err());
}

#[test]
fn headroom_is_a_share_with_a_floor_and_a_ceiling() {
    assert_eq!(host_headroom(Bytes::mib(100 * 1024)), Bytes((100_u64 << 30) / 100 * 8));
    assert_eq!(host_headroom(Bytes::mib(16 * 1024)), Bytes::mib(2048));
    assert_eq!(host_headroom(Bytes::mib(4096)), Bytes::mib(1024));
}

fn mapped(model: &str, inode: u64, mib: u64) -> Footprint {
    let backing = Backing::Mapped(FileId { device: 1, inode });
    let row = Row { backing, ..Row::host("weights", Bytes::mib(mib)) };
    Footprint { rows: vec![row], ..footprint(model, &[]) }
}

#[test]
fn a_file_is_mapped_once() {
    let small = budget(&[("host", 100, 0)]);
    check(&[mapped("coder", 7, 100), mapped("judge", 7, 100)], &small, "fits");
    check(
        &[mapped("coder", 7, 100), mapped("judge", 8, 1)],
        &small,
        "coder + judge need 101 MiB, host has 100 MiB to give",
    );
    // Of a file that another one has mapped in part, the rest.
    check(&[mapped("coder", 7, 60), mapped("judge", 7, 100)], &small, "fits");
}

#[test]
fn what_is_shared_is_taken_from_both() {
    let mut shared = budget(&[("host", 100, 0), ("gpu0", 80, 0)]);
    shared.pools[1].within = Some("host".to_owned());
    check(&[footprint("m", &[("host", 20), ("gpu0", 80)])], &shared, "fits");
    check(
        &[footprint("m", &[("host", 21), ("gpu0", 80)])],
        &shared,
        "m need 101 MiB, host has 100 MiB to give",
    );
    // A circle is a mistake and no endless loop.
    shared.pools[0].within = Some("gpu0".to_owned());
    check(&[footprint("m", &[("gpu0", 1)])], &shared, "fits");
}

fn holding(footprint: Footprint, stage: Stage) -> Holding {
    Holding { pid: 1, footprint, stage }
}

#[track_caller]
fn check_left(holdings: &[Holding], available: u64, expect: u64) {
    let mut budget = budget(&[("host", available, 0)]);
    budget.pools[0].capacity = Bytes::mib(100);
    assert_eq!(budget.less(holdings).pools[0].available, Bytes::mib(expect));
}

#[test]
fn what_is_reserved_is_nobody_elses() {
    let model = || footprint("m", &[("host", 30)]);
    check_left(&[], 90, 90);
    // Not taken yet: the system still calls it available.
    check_left(&[holding(model(), Stage::Reserved)], 90, 60);
    // Taken: the system has counted it.
    check_left(&[holding(model(), Stage::Resident)], 60, 60);
    // Whatever the system says, there is no more than there is.
    check_left(&[holding(model(), Stage::Resident)], 90, 70);
    let many = [(); 4].map(|()| holding(model(), Stage::Reserved));
    check_left(&many, 100, 0);
}

#[test]
fn mapped_files_of_running_models_are_not_available() {
    let running = |inode, mib| holding(mapped("m", inode, mib), Stage::Resident);
    check_left(&[running(7, 30)], 90, 60);
    // Two workers with the same file.
    check_left(&[running(7, 30), running(7, 30)], 90, 60);
    check_left(&[running(7, 30), running(8, 30)], 90, 30);
}

#[test]
fn machines_can_be_asked_about() {
    let found = what_if("host=96GiB, gpu0=24GiB").unwrap();
    let names: Vec<&str> = found.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["host", "gpu0"]);
    assert_eq!(found.pools[0].capacity, Bytes(96 << 30));
    assert_eq!(found.pools[1].headroom, device_headroom(Bytes(24 << 30)));
    let shared = what_if("unified=64GiB").unwrap();
    assert_eq!(shared.pools[1].within.as_deref(), Some("host"));
}

#[test]
fn nonsense_is_no_machine() {
    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(what_if(text).unwrap_err().to_string(), expect);
    }
    let form = |text: &str| {
        format!(
            "`{text}` is no pool with its size: write it like host=96GiB,gpu0=24GiB or unified=64GiB"
        )
    };
    check("", &form(""));
    check("host", &form("host"));
    check("host=1GiB,", &form(""));
    let size = |text: &str| format!("`{text}` is no size: write it like 96GiB, 512MiB or 1.5GB");
    for text in [
        "",
        "96",
        "-1GiB",
        "GiB",
        "1e3GiB",
        "99999999999TiB",
        "1..5GiB",
        ".GiB",
        "NaNGiB",
        "1.9999999999999GiB",
    ] {
        check(&format!("host={text}"), &size(text));
    }
    check("host=1GiB,host=2GiB", "the pool `host` stands there twice");
    check("host=1GiB,unified=2GiB", "the pool `unified` stands there twice");
    check("disk=1TiB", "`disk` is no pool: host, unified, gpu0, gpu1, and so on are known");
    check("gpu=1GiB", "`gpu` is no pool: host, unified, gpu0, gpu1, and so on are known");
    check("host=63MiB", "host has 63 MiB, and 64 MiB is the least");
    assert_eq!(what_if("gpu0=24GiB"), Err(WhatIfError::Host));
}

#[test]
fn sizes_are_read_as_people_write_them() {
    let read = |text: &str| text.parse::<Bytes>().unwrap().0;
    assert_eq!([read("1KiB"), read("2 MiB"), read("1.5GiB")], [1024, 2 << 20, 3 << 29]);
    assert_eq!([read("7B"), read("81GB"), read("0.5kB")], [7, 81_000_000_000, 500]);
}

/// 1 MiB a token of f16, for each sequence, and one a token of a batch.
fn toy(options: &[LoadOptions]) -> Option<Vec<Footprint>> {
    let one = |options: &LoadOptions| {
        let cache = u64::from(options.n_ctx) * u64::from(options.n_seq);
        let cache = match options.kv_type.as_str() {
            "f16" => cache,
            "q8_0" => cache * 34 / 64,
            _ => cache * 18 / 64,
        };
        let rows = [("host", cache), ("host", u64::from(options.n_batch))];
        Footprint { options: options.clone(), ..footprint("m", &rows) }
    };
    Some(options.iter().map(one).collect())
}

#[track_caller]
fn check_ladder(wanted: &LoadOptions, available: u64, expect: &[&str]) {
    let budget = budget(&[("host", available, 0)]);
    let mut measured = |options: &[LoadOptions]| toy(options);
    let found = alternatives(std::slice::from_ref(wanted), &budget, &mut measured);
    let found: Vec<&str> = found.iter().map(|alternative| alternative.what.as_str()).collect();
    assert_eq!(found, expect);
}

#[test]
fn the_cheapest_loss_comes_first() {
    let wanted = LoadOptions { n_ctx: 4096, n_seq: 2, n_batch: 512, ..options() };
    let all = ["a batch of 256 tokens", "a batch of 128 tokens", "a cache of q8_0"];
    let (ctx, behind) = ("a context of 3840 tokens", ["all of these together", "a cache of q4_0"]);
    let list =
        |first: &[&'static str], rest: &[&'static str]| [first, rest, &[ctx], &behind].concat();
    check_ladder(&wanted, 8703, &list(&["one sequence"], &all));
    // 8192 and 256 do not fit into one less.
    check_ladder(&wanted, 8447, &list(&["one sequence"], &all[1..]));
    let together = "a context of 3328 tokens, one sequence, a batch of 128 and a cache of q8_0";
    check_ladder(&wanted, 2000, &[together]);
    check_ladder(&wanted, 128, &[]);
}

proptest! {
    #[test]
    fn a_plan_never_takes_more_than_there_is(needs in prop::collection::vec(0_u64..5000, 1..6), have in 0_u64..9000, room in 0_u64..3000) {
        let models: Vec<Footprint> = needs.iter().map(|need| footprint("m", &[("host", *need)])).collect();
        let fits = plan(models, &budget(&[("host", have, room)])).is_ok();
        let total: u64 = needs.iter().sum();
        prop_assert_eq!(fits, total <= have.saturating_sub(room));
    }
}

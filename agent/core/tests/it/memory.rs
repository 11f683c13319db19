//! The planner: never more than there is.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{Budget, Footprint, LoadOptions, Pool, Row, host_headroom, plan};
use proptest::prelude::*;

fn footprint(model: &str, rows: &[(&str, u64)]) -> Footprint {
    let options = LoadOptions {
        path: String::new(),
        n_ctx: 1,
        n_batch: 1,
        n_gpu_layers: 0,
        kv_type: "f16".to_owned(),
        use_mmap: false,
        extra_buffers: false,
        threads: 0,
    };
    let row = |(pool, mib): &(&str, u64)| Row {
        pool: (*pool).to_owned(),
        what: "weights".to_owned(),
        bytes: Bytes::mib(*mib),
    };
    Footprint { model: model.to_owned(), options, rows: rows.iter().map(row).collect() }
}

fn budget(pools: &[(&str, u64, u64)]) -> Budget {
    let pool = |(name, available, headroom): &(&str, u64, u64)| Pool {
        name: (*name).to_owned(),
        capacity: Bytes::mib(1 << 20),
        available: Bytes::mib(*available),
        headroom: Bytes::mib(*headroom),
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
    let row = Row { pool: "host".to_owned(), what: "w".to_owned(), bytes: Bytes(u64::MAX) };
    let hostile = Footprint { rows: vec![row.clone(), row], ..footprint("m", &[]) };
    assert!(plan(vec![hostile], &budget(&[("host", 1000, 0)])).is_err());
}

#[test]
fn headroom_is_a_share_with_a_floor_and_a_ceiling() {
    assert_eq!(host_headroom(Bytes::mib(100 * 1024)), Bytes((100_u64 << 30) / 100 * 8));
    assert_eq!(host_headroom(Bytes::mib(16 * 1024)), Bytes::mib(2048));
    assert_eq!(host_headroom(Bytes::mib(4096)), Bytes::mib(1024));
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

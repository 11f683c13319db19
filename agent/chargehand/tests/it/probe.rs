//! How much memory there is, read from trees that stand in for `/proc` and `/sys`.

use std::fs;

use chargehand::env::probe::host;
use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{HOST, Pool, host_headroom};

const MEMINFO: (&str, &str) =
    ("proc/meminfo", "MemTotal:        16384000 kB\nMemFree:  1 kB\nMemAvailable: 12288000 kB\n");
const TOTAL: u64 = 16_384_000 << 10;
const AVAILABLE: u64 = 12_288_000 << 10;
/// What version 1 says where nothing is limited.
const V1_NONE: &str = "9223372036854771712\n";

/// Returns the pool of a machine with just these files.
fn pool(files: &[(&str, &str)]) -> Pool {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    host(root.path())
}

#[track_caller]
fn check(files: &[(&str, &str)], capacity: u64, available: u64) {
    let (capacity, available) = (Bytes(capacity), Bytes(available));
    let expect = Pool {
        name: HOST.to_owned(),
        capacity,
        available,
        headroom: host_headroom(capacity),
        within: None,
    };
    assert_eq!(pool(files), expect);
}

/// Holds a machine with 16 GB against what the groups of `own` and `files` leave of it.
#[track_caller]
fn check_groups(own: &str, files: &[(&str, &str)], capacity: u64, available: u64) {
    let all = [&[MEMINFO, ("proc/self/cgroup", own)], files].concat();
    check(&all, capacity, available);
}

/// The same for one group of version 2, `/a`.
#[track_caller]
fn check_v2(files: &[(&str, &str)], capacity: u64, available: u64) {
    let files: Vec<(String, &str)> =
        files.iter().map(|(name, text)| (format!("sys/fs/cgroup/a/{name}"), *text)).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    check_groups("0::/a\n", &files, capacity, available);
}

#[test]
fn without_groups_the_system_decides() {
    check(&[MEMINFO], TOTAL, AVAILABLE);
    check_groups("", &[], TOTAL, AVAILABLE);
    check_groups("0::/\n", &[], TOTAL, AVAILABLE);
    check_groups("12:cpu:/x\n", &[("sys/fs/cgroup/x/memory.max", "1")], TOTAL, AVAILABLE);
}

#[test]
fn what_the_system_does_not_say_is_nothing() {
    check(&[], 0, 0);
    check(&[("proc/meminfo", "")], 0, 0);
    check(&[("proc/meminfo", "MemTotal: many kB\nMemAvailable:\n")], 0, 0);
    check(&[("proc/meminfo", "MemTotal: 1000 kB\n")], 1_024_000, 0);
    check(&[("proc/meminfo", "MemTotalX: 5 kB\nMemAvailable: 1 kB\n")], 0, 1024);
    check(&[("proc/meminfo", "MemTotal: 18446744073709551615 kB\n")], u64::MAX, 0);
    check(&[("proc/meminfo", "MemTotal: 18446744073709551616 kB\n")], 0, 0);
}

#[test]
fn a_group_of_version_2_limits() {
    check_v2(&[("memory.max", "5000\n"), ("memory.current", "3000\n")], 5000, 2000);
    check_v2(&[("memory.max", "5000\n"), ("memory.current", "5000\n")], 5000, 0);
    check_v2(&[("memory.max", "5000\n"), ("memory.current", "5001\n")], 5000, 0);
    check_v2(&[("memory.max", "0\n"), ("memory.current", "0\n")], 0, 0);
    let large = (TOTAL + 1).to_string();
    check_v2(&[("memory.max", &large), ("memory.current", "1")], TOTAL, AVAILABLE);
}

#[test]
fn max_limits_nothing_and_high_does() {
    let used = ("memory.current", "1000\n");
    check_v2(&[("memory.max", "max\n"), used], TOTAL, AVAILABLE);
    check_v2(&[("memory.max", "max\n"), ("memory.high", "max\n"), used], TOTAL, AVAILABLE);
    check_v2(&[("memory.max", "max\n"), ("memory.high", "4000\n"), used], 4000, 3000);
    check_v2(&[("memory.max", "3000\n"), ("memory.high", "4000\n"), used], 3000, 2000);
    check_v2(&[("memory.high", "4000\n"), used], 4000, 3000);
}

#[test]
fn clean_pages_of_files_count_as_free() {
    let group = |stat| [("memory.max", "9000"), ("memory.current", "8000"), ("memory.stat", stat)];
    check_v2(&group("anon 5000\ninactive_file 2000\nactive_file 1000\n"), 9000, 4000);
    check_v2(&group("inactive_file 2000\nactive_file 1000\nfile_dirty 500\n"), 9000, 3500);
    check_v2(&group("inactive_file 2000\nfile_dirty 5\nfile_writeback 10\n"), 9000, 2985);
    check_v2(&group("inactive_file 2000\nfile_dirty 2001\n"), 9000, 1000);
    check_v2(&group("inactive_file_x 2000\nactive_file many\n"), 9000, 1000);
    check_v2(&group("active_file 99999\n"), 9000, 9000);
    check_v2(&group("inactive_file 18446744073709551615\nactive_file 1\n"), 9000, 9000);
}

#[test]
fn what_cannot_be_understood_gives_nothing() {
    check_v2(&[("memory.max", "5000")], 5000, 0);
    check_v2(&[("memory.max", "5000"), ("memory.current", "some")], 5000, 0);
    for garbage in ["", "-1", "5k", "max max", "18446744073709551616", "\0"] {
        check_v2(&[("memory.max", garbage), ("memory.current", "1")], 0, 0);
    }
    // A directory where a file should be.
    check_v2(&[("memory.max/x", ""), ("memory.current", "1")], 0, 0);
    check_v2(&[("memory.current", "1")], TOTAL, AVAILABLE);
}

#[test]
fn the_tightest_of_all_groups_above_counts() {
    let v2 = |inner, middle, outer| {
        let files = [
            ("sys/fs/cgroup/a/memory.max", outer),
            ("sys/fs/cgroup/a/memory.current", "700"),
            ("sys/fs/cgroup/a/b/memory.max", middle),
            ("sys/fs/cgroup/a/b/memory.current", "600"),
            ("sys/fs/cgroup/a/b/c d:e/memory.max", inner),
            ("sys/fs/cgroup/a/b/c d:e/memory.current", "100"),
            // One beside us, which is none of our business.
            ("sys/fs/cgroup/a/x/memory.max", "1"),
            ("sys/fs/cgroup/a/x/memory.current", "1"),
        ];
        let pool =
            pool(&[&[MEMINFO, ("proc/self/cgroup", "0::/a/b/c d:e\n")], &files[..]].concat());
        (pool.capacity.0, pool.available.0)
    };
    assert_eq!(v2("5000", "max", "max"), (5000, 4900));
    assert_eq!(v2("max", "5000", "max"), (5000, 4400));
    assert_eq!(v2("max", "max", "5000"), (5000, 4300));
    assert_eq!(v2("1000", "1000", "1000"), (1000, 300));
    // The smallest limit and the smallest room stand in two groups.
    assert_eq!(v2("1000", "9000", "1500"), (1000, 800));
}

#[test]
fn a_group_that_is_gone_is_limited_by_those_above() {
    let above = [("sys/fs/cgroup/a/memory.max", "5000"), ("sys/fs/cgroup/a/memory.current", "1")];
    check_groups("0::/a/b (deleted)\n", &above, 5000, 4999);
    check_groups("0::/a/b/\n", &above, 5000, 4999);
}

#[test]
fn what_lies_outside_of_the_namespace_is_not_looked_at() {
    let files = [
        ("sys/fs/cgroup/memory.max", "5000"),
        ("sys/fs/cgroup/memory.current", "1"),
        ("sys/fs/memory.max", "10"),
        ("sys/fs/x/memory.max", "10"),
        ("sys/fs/cgroup/x/memory.max", "10"),
    ];
    for own in ["0::/..\n", "0::/../x\n", "0::/../../..\n"] {
        check_groups(own, &files, 5000, 4999);
    }
}

#[test]
fn a_group_of_version_1_limits() {
    let group = |limit, stat| {
        [
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", limit),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "3000"),
            ("sys/fs/cgroup/memory/a/memory.stat", stat),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", V1_NONE),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "90000"),
        ]
    };
    // Others may be limited at other places.
    let own = "11:cpu,cpuacct:/b\n4:memory:/a\n0::/\n";
    check_groups(own, &group("5000", ""), 5000, 2000);
    check_groups(own, &group("5000", "inactive_file 1\ntotal_inactive_file 100\n"), 5000, 2100);
    check_groups(own, &group("5000", "total_active_file 100\ntotal_dirty 10\n"), 5000, 2090);
    check_groups(own, &group("3000", ""), 3000, 0);
    check_groups(own, &group("2999", ""), 2999, 0);
    check_groups(own, &group("nothing", ""), 0, 0);
    check_groups(own, &group(V1_NONE, ""), TOTAL, AVAILABLE);
    check_groups("4:hugetlb,memory:/a\n", &group("5000", ""), 5000, 2000);
    check_groups("4:memory_x:/a\n", &group("5000", ""), TOTAL, AVAILABLE);
}

/// A container sees its group at the top of the mount, and its path as the host has it.
#[test]
fn a_container_of_version_1_is_limited_by_the_top() {
    let files = [
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000"),
    ];
    check_groups("4:memory:/docker/abc\n", &files, 5000, 4000);
}

#[test]
fn both_versions_at_once_both_count() {
    let files = [
        ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000"),
        ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1000"),
        ("sys/fs/cgroup/b/memory.max", "4500"),
        ("sys/fs/cgroup/b/memory.current", "0"),
    ];
    check_groups("4:memory:/a\n0::/b\n", &files, 4500, 4000);
}

#[test]
fn lines_that_are_none_are_passed_over() {
    let group = [("sys/fs/cgroup/a/memory.max", "5000"), ("sys/fs/cgroup/a/memory.current", "0")];
    let own = "\n:\n0:\nx\n::\u{fffd}\n7:memory\n0::/a\n";
    check_groups(own, &group, 5000, 5000);
    check_groups("0::a", &group, 5000, 5000);
    check_groups("0:://a", &group, 5000, 5000);
}

#[test]
fn this_machine_has_memory() {
    let pool = host(std::path::Path::new("/"));
    assert!(pool.headroom < pool.capacity && pool.available <= pool.capacity, "{pool:?}");
}

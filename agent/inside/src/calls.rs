//! Which system calls a command may not make: seccomp.
//!
//! A list of what is refused. Everything on it is for changing the machine, for reaching into other processes,
//! or for leaving the sandbox; builds and tests need none of it.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};

use crate::spec::{Spec, Tier};

/// Refused whatever the arguments, with the reason.
const REFUSED: &[(&str, &[i64])] = &[
    (
        "mounts and namespaces: the walls of the sandbox",
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_mount_setattr,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_chroot,
            libc::SYS_open_by_handle_at,
        ],
    ),
    (
        "other processes: their memory and their files",
        &[
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_kcmp,
            libc::SYS_pidfd_getfd,
        ],
    ),
    (
        "the kernel itself, and interfaces with a long list of holes",
        &[
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_reboot,
            libc::SYS_syslog,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_fanotify_init,
            libc::SYS_vhangup,
            libc::SYS_nfsservctl,
            libc::SYS_lookup_dcookie,
        ],
    ),
    ("keys of the user", &[libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl]),
    (
        "the clock and the name of the machine",
        &[
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_clock_adjtime,
            libc::SYS_adjtimex,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    (
        "hardware",
        &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_kexec_file_load],
    ),
];

/// How many calls are refused whatever the arguments.
pub const REFUSED_COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < REFUSED.len() {
        count += REFUSED[at].1.len();
        at += 1;
    }
    count
};

/// Kinds of sockets that stay inside a network namespace. Others do not (`AF_VSOCK`) or only add kernel code
/// (`AF_ALG`, `AF_PACKET`).
const FAMILIES: &[i32] = &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Kinds of sockets of which one of a pair can send to any path and name too; those of a stream stay with each other.
const UNBOUND: [i32; 2] = [libc::SOCK_DGRAM, libc::SOCK_RAW];
/// The kind of a socket as the kernel reads it; the other bits are flags.
const SOCK_TYPE_MASK: u64 = 0xf;

/// Without a network namespace there is no harmless socket but one of a pair that stays with the other.
const NETWORK: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// System V objects are seen by every process of the machine that has no IPC namespace.
const IPC: &[i64] =
    &[libc::SYS_shmget, libc::SYS_shmat, libc::SYS_semget, libc::SYS_msgget, libc::SYS_mq_open];

/// Another program in the place of this one.
const START: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// New kinds of namespaces in the flags of `clone`.
const CLONE_NEW: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// `ioctl` requests that put characters into a terminal as if somebody had typed them.
const TYPING: &[u64] = &[0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */];

/// Requests that make a file send signals, to whom the caller says. To hear of a file, programs wait for it.
const SIGNALLING: &[(i64, &[u64])] = &[
    (libc::SYS_fcntl, &[8 /* F_SETOWN */, 15 /* F_SETOWN_EX */]),
    (libc::SYS_ioctl, &[0x8901 /* FIOSETOWN */, 0x8902 /* SIOCSPGRP */]),
];

/// Priorities by user, the caller's own among them.
const BY_USER: [(i64, u64); 2] =
    [(libc::SYS_setpriority, 2 /* PRIO_USER */), (libc::SYS_ioprio_set, 3 /* IOPRIO_WHO_USER */)];

/// Calls whose second argument may be a process or its group.
const OF_GROUPS: [i64; 3] = [libc::SYS_setpgid, libc::SYS_setpriority, libc::SYS_ioprio_set];

/// `fchmodat2` has this number everywhere; the crate of C names does not have it yet.
const SYS_FCHMODAT2: i64 = 452;

/// The mode bits that lend the owner's rights to whoever runs a file.
const SETUID_BITS: &[u64] = &[0o4000, 0o2000];

/// Tasks that are protected. A run has about ten; the kernel takes a filter of 4,096 steps, which has room for these.
const MAX_PROTECTED: usize = 48;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses these calls to this process and to what it will start.
///
/// # Errors
///
/// When the kernel does not take the filter.
pub(crate) fn restrict(spec: &Spec) -> Result<(), seccompiler::Error> {
    apply_filter(&program(spec)?)?;
    apply_filter(&unknown())
}

/// Refuses these calls to a process that holds a model: it reaches nobody and starts nothing.
///
/// # Errors
///
/// When the kernel does not take the filter.
pub fn restrict_model() -> Result<(), seccompiler::Error> {
    let arch = std::env::consts::ARCH.try_into().map_err(seccompiler::Error::Backend)?;
    let groups = REFUSED.iter().map(|(_, calls)| *calls).chain([NETWORK, IPC, START]);
    let mut rules: Rules = groups.flatten().map(|call| (*call, vec![])).collect();
    typing(&mut rules).and_then(|()| pairs(&mut rules)).map_err(seccompiler::Error::Backend)?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program: BpfProgram =
        filter.and_then(TryInto::try_into).map_err(seccompiler::Error::Backend)?;
    apply_filter(&program)
}

fn program(spec: &Spec) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules(spec)?, SeccompAction::Allow, refuse, arch)?.try_into()
}

fn rules(spec: &Spec) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let groups = REFUSED.iter().map(|(_, calls)| *calls);
    let by_tier: &[&[i64]] = match spec.tier {
        Tier::Namespaces => &[],
        Tier::Landlock => &[NETWORK, IPC],
    };
    for call in groups.chain(by_tier.iter().copied()).flatten() {
        // An empty list of rules matches every call.
        rules.insert(*call, vec![]);
    }
    match (spec.tier, spec.network) {
        (Tier::Namespaces, false) => {
            let local = [FAMILIES, &[libc::AF_UNIX]].concat();
            rules.insert(libc::SYS_socket, vec![others(&local)?]);
            rules.insert(libc::SYS_socketpair, vec![others(&local)?]);
        }
        (Tier::Namespaces, true) => {
            // In the network of the machine lie the abstract sockets of its sessions and desktops.
            rules.insert(libc::SYS_socket, vec![others(FAMILIES)?]);
            pairs(&mut rules)?;
        }
        (Tier::Landlock, _) => pairs(&mut rules)?,
    }
    for flag in CLONE_NEW.iter().map(|flag| u64::from(flag.unsigned_abs())) {
        add(&mut rules, libc::SYS_clone, has(0, flag)?);
    }
    typing(&mut rules)?;
    for bit in SETUID_BITS {
        #[cfg(target_arch = "x86_64")]
        add(&mut rules, libc::SYS_chmod, has(1, *bit)?);
        add(&mut rules, libc::SYS_fchmod, has(1, *bit)?);
        add(&mut rules, libc::SYS_fchmodat, has(2, *bit)?);
        add(&mut rules, SYS_FCHMODAT2, has(2, *bit)?);
    }
    // A limit on its time ends any process; 0 is the caller itself.
    add(&mut rules, libc::SYS_prlimit64, one(word(0, SeccompCmpOp::Ne, 0)?)?);
    for (call, requests) in SIGNALLING {
        for request in *requests {
            add(&mut rules, *call, one(word(1, SeccompCmpOp::Eq, *request)?)?);
        }
    }
    if !spec.protect.is_empty() {
        // Everybody at once.
        add(&mut rules, libc::SYS_kill, one(word(0, SeccompCmpOp::Eq, low(-1))?)?);
        for (call, user) in BY_USER {
            add(&mut rules, call, one(word(0, SeccompCmpOp::Eq, user)?)?);
        }
        // The supervisor's group in namespaces, which nobody joins and whose priority nobody changes.
        for call in OF_GROUPS {
            add(&mut rules, call, one(word(1, SeccompCmpOp::Eq, 1)?)?);
        }
    }
    for task in spec.protect.iter().take(MAX_PROTECTED) {
        protect(&mut rules, *task)?;
    }
    Ok(rules)
}

/// Refuses to type into a terminal: what a program writes its errors to may be one.
fn typing(rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
    for request in TYPING {
        add(rules, libc::SYS_ioctl, one(word(1, SeccompCmpOp::Eq, *request)?)?);
    }
    Ok(())
}

/// Refuses pairs of sockets that reach others than each other.
fn pairs(rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
    add(rules, libc::SYS_socketpair, others(&[libc::AF_UNIX])?);
    for kind in UNBOUND.map(i32::unsigned_abs) {
        let is_it = word(1, SeccompCmpOp::MaskedEq(SOCK_TYPE_MASK), kind.into())?;
        add(rules, libc::SYS_socketpair, one(is_it)?);
    }
    Ok(())
}

/// Returns the rule that meets every family of sockets but `families`.
fn others(families: &[i32]) -> Result<SeccompRule, seccompiler::BackendError> {
    let each =
        families.iter().map(|family| word(0, SeccompCmpOp::Ne, family.unsigned_abs().into()));
    SeccompRule::new(each.collect::<Result<_, _>>()?)
}

/// Returns a C int as it stands in a register, where only its low half counts.
fn low(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

/// Refuses signals to the process or the thread `task` and to its group, which nobody joins, and to take the processor
/// from it.
fn protect(rules: &mut Rules, task: i32) -> Result<(), seccompiler::BackendError> {
    for target in [task, -task] {
        add(rules, libc::SYS_kill, one(word(0, SeccompCmpOp::Eq, low(target))?)?);
    }
    for call in [
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_pidfd_open,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setaffinity,
    ] {
        add(rules, call, one(word(0, SeccompCmpOp::Eq, low(task))?)?);
    }
    for call in OF_GROUPS {
        add(rules, call, one(word(1, SeccompCmpOp::Eq, low(task))?)?);
    }
    Ok(())
}

fn add(rules: &mut Rules, call: i64, rule: SeccompRule) {
    rules.entry(call).or_default().push(rule);
}

fn has(argument: u8, bits: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    one(word(argument, SeccompCmpOp::MaskedEq(bits), bits)?)
}

fn one(condition: SeccompCondition) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition])
}

fn word(
    argument: u8,
    op: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

/// Answers "there is no such call" to `clone3`, whose flags lie in memory where no filter sees them (libraries
/// then use `clone`), to `pidfd_send_signal`, which takes a folder of `/proc` as well (then `kill`), and to the second
/// table of calls that x86-64 has (x32), which would go around the first.
fn unknown() -> BpfProgram {
    const LOAD: u16 = 0x20;
    const JUMP_GE: u16 = 0x35;
    const JUMP_EQ: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    const CLONE3: u32 = 435;
    const PIDFD_SEND_SIGNAL: u32 = 424;
    let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let step = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(JUMP_GE, X32, 3, 0),
        step(JUMP_EQ, CLONE3, 2, 0),
        step(JUMP_EQ, PIDFD_SEND_SIGNAL, 1, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        step(RETURN, refuse, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Limits;

    #[track_caller]
    fn check(tier: Tier, tasks: i32) {
        let protect = (1000..1000 + tasks).collect();
        let limits = Limits { tasks: 1, memory: 1, disk_left: 1 };
        let spec = Spec {
            tier,
            // The longer one.
            network: true,
            max_tasks: 1,
            limits,
            protect,
            read: vec![],
            write: vec![],
        };
        let steps = program(&spec).unwrap().len();
        assert!(steps <= 4096, "{tier:?}: {steps} steps for {tasks} tasks");
    }

    #[test]
    fn the_filter_is_one_that_the_kernel_takes() {
        for tier in [Tier::Namespaces, Tier::Landlock] {
            check(tier, 0);
            check(tier, 48);
            check(tier, 49);
            check(tier, 1000);
        }
    }
}

//! The profile of a process that holds a model, tighter than a command's: it reads that model and the drivers of the
//! machine, computes, and answers. No tree, no home, no network, no other program.
//!
//! A GGUF file is a stranger's, and llama.cpp is not made for strangers. Where the kernel has no Landlock the rest
//! still holds.

use std::io;
use std::path::{Path, PathBuf};

use chargehand_engine::gguf::SplitName;
use chargehand_inside::{calls, rights};
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    Scope, path_beneath_rules,
};

/// The newest version that is made use of.
const BEST: ABI = ABI::V6;

/// Where programs, libraries and drivers lie, and what they say of the machine. Nothing here is the user's.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/run/opengl-driver",
    "/sys",
    "/proc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/glvnd",
];

/// A GPU is spoken to by writing to its device files; whose they are is for their modes to say. So begin their names.
const GPUS: [&str; 8] = ["nvidia", "dri", "kfd", "dxg", "accel", "mali", "pvr", "galcore"];
/// What every program expects. Neither a terminal is among them nor the memory that processes share.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Restricts this process to `models`, and to `files`, which it may write. Only before it has other threads.
///
/// # Errors
///
/// When the kernel has Landlock or seccomp and does not take our rules.
pub fn confine(models: &[PathBuf], files: &[PathBuf]) -> io::Result<()> {
    rights::give_up()?;
    restrict_files(models, files).map_err(io::Error::other)?;
    calls::restrict_model().map_err(io::Error::other)
}

fn restrict_files(models: &[PathBuf], files: &[PathBuf]) -> Result<(), RulesetError> {
    let read = AccessFs::from_read(BEST);
    let models = models.iter().flat_map(|path| parts(path));
    let write = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let device = read | AccessFs::WriteFile | AccessFs::IoctlDev;
    Ruleset::default()
        .handle_access(AccessFs::from_all(BEST))?
        .handle_access(AccessNet::from_all(BEST))?
        .scope(Scope::from_all(BEST))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(devices(), device))?
        .add_rules(path_beneath_rules(models, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(files, write))?
        .restrict_self()
        .map(drop)
}

/// Returns the device files of GPUs, and the ordinary ones.
fn devices() -> Vec<PathBuf> {
    let names = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_meant =
        |name: &str| DEVICES.contains(&name) || GPUS.iter().any(|gpu| name.starts_with(gpu));
    names
        .filter(|entry| entry.file_name().to_str().is_some_and(is_meant))
        .map(|entry| entry.path())
        .collect()
}

/// Returns all files of a model, as far as its name says which.
fn parts(model: &Path) -> Vec<PathBuf> {
    let name = model.file_name().and_then(|name| name.to_str()).and_then(SplitName::of);
    let beside = name.into_iter().flat_map(SplitName::all).map(|name| model.with_file_name(name));
    std::iter::once(model.to_owned()).chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: &[&str]) {
        let found = parts(&Path::new("/m").join(name));
        let expect: Vec<_> = expect.iter().map(|name| Path::new("/m").join(name)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn all_parts_of_a_split_model_are_named() {
        check("a.gguf", &["a.gguf"]);
        check("a-1-of-2.gguf", &["a-1-of-2.gguf"]);
        check(
            "a-b-00002-of-00002.gguf",
            &["a-b-00002-of-00002.gguf", "a-b-00001-of-00002.gguf", "a-b-00002-of-00002.gguf"],
        );
    }
}

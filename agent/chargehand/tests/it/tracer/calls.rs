//! The arguments of system calls, read from the registers and the memory of a process that waits.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::IoSliceMut;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// What a call is about to do.
#[derive(Debug)]
pub(super) enum Deed {
    Write(u64),
    Open { path: PathBuf, is_new: bool, empties: bool },
    MakeDir(PathBuf),
    Link(PathBuf, PathBuf),
    Name(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Sync(u64),
    SyncDisk,
    Lock,
}

/// Returns what a file handle of a thread leads to.
pub(super) fn behind(thread: Pid, fd: u64) -> Option<PathBuf> {
    let path = fs::read_link(format!("/proc/{thread}/fd/{fd}")).ok()?;
    path.is_absolute().then_some(path)
}

/// The arguments of a call that begins.
pub(super) struct Calls<'a> {
    pub(super) thread: Pid,
    pub(super) registers: &'a libc::user_regs_struct,
}

impl Calls<'_> {
    /// Returns what it is about to do, if that changes a disk or takes a lock.
    pub(super) fn deed(&self) -> Option<Deed> {
        let libc::user_regs_struct { rdi, rsi, rdx, r10, .. } = *self.registers;
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        Some(match self.registers.orig_rax.cast_signed() {
            libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_ftruncate => {
                Deed::Write(rdi)
            }
            libc::SYS_sendfile => Deed::Write(rdi),
            libc::SYS_copy_file_range => Deed::Write(rdx),
            libc::SYS_open => self.opening(here, rdi, rsi)?,
            libc::SYS_creat => self.opening(here, rdi, (libc::O_CREAT | libc::O_TRUNC) as u64)?,
            libc::SYS_openat => self.opening(rdi, rsi, rdx)?,
            libc::SYS_openat2 => {
                let how = self.bytes(rdx, 8);
                self.opening(rdi, rsi, u64::from_le_bytes(how.try_into().ok()?))?
            }
            libc::SYS_mkdir => Deed::MakeDir(self.path(here, rdi)?),
            libc::SYS_mkdirat => Deed::MakeDir(self.path(rdi, rsi)?),
            libc::SYS_symlink => Deed::Link(self.text(rdi).into(), self.path(here, rsi)?),
            libc::SYS_symlinkat => Deed::Link(self.text(rdi).into(), self.path(rsi, rdx)?),
            libc::SYS_link => Deed::Name(self.path(here, rsi)?),
            libc::SYS_linkat => Deed::Name(self.path(rdx, r10)?),
            libc::SYS_rename => Deed::Rename(self.path(here, rdi)?, self.path(here, rsi)?),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                Deed::Rename(self.path(rdi, rsi)?, self.path(rdx, r10)?)
            }
            libc::SYS_unlink | libc::SYS_rmdir => Deed::Remove(self.path(here, rdi)?),
            libc::SYS_unlinkat => Deed::Remove(self.path(rdi, rsi)?),
            libc::SYS_fsync | libc::SYS_fdatasync => Deed::Sync(rdi),
            libc::SYS_syncfs | libc::SYS_sync => Deed::SyncDisk,
            libc::SYS_flock => Deed::Lock,
            _ => return None,
        })
    }

    fn opening(&self, dir: u64, name: u64, flags: u64) -> Option<Deed> {
        let has = |flag: i32| flags & u64::from(flag.cast_unsigned()) != 0;
        let empties = has(libc::O_TRUNC);
        if !has(libc::O_CREAT) && !empties {
            return None;
        }
        let path = self.path(dir, name)?;
        let is_new = fs::symlink_metadata(&path).is_err();
        Some(Deed::Open { path, is_new, empties })
    }

    fn path(&self, dir: u64, name: u64) -> Option<PathBuf> {
        let name = self.text(name);
        if Path::new(&name).is_absolute() {
            return Some(name.into());
        }
        // The kernel reads the lower half.
        let dir = u32::try_from(dir & u64::from(u32::MAX)).unwrap_or_default().cast_signed();
        let base = if dir == libc::AT_FDCWD {
            fs::read_link(format!("/proc/{}/cwd", self.thread)).ok()?
        } else {
            behind(self.thread, u64::try_from(dir).ok()?)?
        };
        // An empty name is the directory itself.
        Some(if name.is_empty() || name == OsStr::new(".") { base } else { base.join(name) })
    }

    /// Returns the text that ends with a zero byte.
    fn text(&self, mut at: u64) -> OsString {
        let mut text = Vec::new();
        loop {
            // Never over the end of a page: what lies behind it need not be there.
            let length = 4096 - at % 4096;
            let part = self.bytes(at, length);
            let end = part.iter().position(|byte| *byte == 0);
            text.extend_from_slice(&part[..end.unwrap_or(part.len())]);
            if end.is_some() || part.is_empty() {
                return OsString::from_vec(text);
            }
            at += length;
        }
    }

    fn bytes(&self, at: u64, length: u64) -> Vec<u8> {
        let (base, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap());
        let mut bytes = vec![0; length];
        let read = process_vm_readv(
            self.thread,
            &mut [IoSliceMut::new(&mut bytes)],
            &[RemoteIoVec { base, len: length }],
        );
        bytes.truncate(read.unwrap_or(0));
        bytes
    }
}

//! Machines that one does not have: `host=96GiB,gpu0=24GiB`.

use thiserror::Error;

use super::{Budget, HOST, Pool, device_headroom, host_headroom};
use crate::bytes::{Bytes, SizeError};

/// Memory that one GPU and the host share.
const UNIFIED: &str = "unified";
/// Less is no machine that anybody asks about.
const LEAST: Bytes = Bytes::mib(64);

/// Why a text describes no machine.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum WhatIfError {
    /// It is not a list of pools with their sizes.
    #[error("`{0}` is no pool with its size: write it like host=96GiB,gpu0=24GiB or unified=64GiB")]
    Form(String),
    /// A pool stands there twice.
    #[error("the pool `{0}` stands there twice")]
    Twice(String),
    /// There is no such pool.
    #[error("`{0}` is no pool: host, unified, gpu0, gpu1, and so on are known")]
    Name(String),
    /// There is a GPU and no host, or a host beside unified memory.
    #[error("a machine has either host memory, with or without GPUs, or unified memory")]
    Host,
    /// A size is none.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A pool is too small to be one.
    #[error("{0} has {1}, and {LEAST} is the least")]
    Small(String, Bytes),
}

/// Reads a machine with nothing on it.
///
/// # Errors
///
/// [`WhatIfError`].
pub fn what_if(text: &str) -> Result<Budget, WhatIfError> {
    let mut pools: Vec<Pool> = Vec::new();
    for part in text.split(',') {
        let form = || WhatIfError::Form(part.to_owned());
        let (name, size) = part.split_once('=').ok_or_else(form)?;
        let (name, capacity) = (name.trim(), size.trim().parse::<Bytes>()?);
        if capacity < LEAST {
            return Err(WhatIfError::Small(name.to_owned(), capacity));
        }
        let is_gpu = name.strip_prefix("gpu").is_some_and(|no| no.parse::<u8>().is_ok());
        let mut add = |name: &str, headroom, within| {
            let is_new = !pools.iter().any(|pool| pool.name == name);
            let name = name.to_owned();
            pools.push(Pool { name, capacity, available: capacity, headroom, within });
            is_new
        };
        let is_new = match name {
            HOST => add(HOST, host_headroom(capacity), None),
            UNIFIED => {
                add(HOST, host_headroom(capacity), None)
                    && add("gpu0", host_headroom(capacity), Some(HOST.to_owned()))
            }
            name if is_gpu => add(name, device_headroom(capacity), None),
            name => return Err(WhatIfError::Name(name.to_owned())),
        };
        if !is_new {
            return Err(WhatIfError::Twice(name.to_owned()));
        }
    }
    match pools.iter().any(|pool| pool.name == HOST) {
        true => Ok(Budget { pools }),
        false => Err(WhatIfError::Host),
    }
}

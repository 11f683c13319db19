//! Raw bindings to the C shim in `shim/`: what llama.cpp can do and llama-cpp-2 does not offer.
//!
//! There is no logic here and nothing safe: `chargehand-engine` wraps each function in its `ffi.rs`.
//! The llama.cpp types are those of `llama_cpp_sys_2`, which is re-exported whole.

pub use llama_cpp_sys_2 as llama;

pub use bindings::*;

#[allow(
    non_camel_case_types,
    missing_docs,
    missing_debug_implementations,
    unsafe_code,
    clippy::allow_attributes_without_reason,
    reason = "bindgen writes this module; its names are those of the C header, where they are documented"
)]
mod bindings {
    include!(concat!(env!("OUT_DIR"), "/shim.rs"));
}

//! The memory of the GPUs that llama.cpp sees. To ask costs a driver context, so it is done in a short-lived process.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::Pool;
use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use crate::engine::Backend;

/// Of a GPU, 3 % stay free, and 512 MiB at least: what a desktop and the driver take on their own.
fn headroom(capacity: u64) -> Bytes {
    Bytes((capacity / 100 * 3).max(512 << 20).min(capacity / 4))
}

/// Returns a pool for each GPU with memory of its own.
///
/// Where GPU and CPU share their memory there is no such pool: there the ordinary memory counts.
#[must_use]
pub fn pools(_: &Backend) -> Vec<Pool> {
    let devices = list_llama_ggml_backend_devices().into_iter();
    let discrete = devices.filter(|device| device.device_type == LlamaBackendDeviceType::Gpu);
    let pool = |device: llama_cpp_2::LlamaBackendDevice| {
        let capacity = device.memory_total as u64;
        let available = Bytes(device.memory_free as u64);
        Pool {
            name: device.name,
            capacity: Bytes(capacity),
            available,
            headroom: headroom(capacity),
        }
    };
    discrete.map(pool).collect()
}

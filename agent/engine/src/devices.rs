//! The memory of the GPUs that llama.cpp sees. To ask costs a driver context, so it is done in a short-lived process.

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::{HOST, Pool, device_headroom};
use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use crate::engine::Backend;

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
        // Apple's GPUs are called discrete, and have ordinary memory up to a limit of their own.
        let within =
            (device.backend == "MTL" || device.backend == "Metal").then(|| HOST.to_owned());
        Pool {
            within,
            name: device.name,
            capacity: Bytes(capacity),
            available,
            headroom: device_headroom(Bytes(capacity)),
        }
    };
    discrete.map(pool).collect()
}

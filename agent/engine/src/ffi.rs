//! The only file of the workspace that may call C: one safe function per C function.
//!
//! There are no decisions here. What comes back from C is a status and a text; both are turned
//! into a `Result` and nothing more is read into them.
#![expect(unsafe_code, reason = "calling llama.cpp; every other file of the workspace is safe")]

use std::ffi::{CStr, CString, c_char};
use std::marker::PhantomData;
use std::mem;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use chargehand_core::memory::LoadOptions;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_sys::llama::{
    LLAMA_LOAD_MODE_MMAP, LLAMA_LOAD_MODE_NONE, llama_context, llama_context_params, llama_model,
    llama_model_kv_override, llama_model_kv_override__bindgen_ty_1 as Value, llama_model_params,
    llama_model_tensor_buft_override,
};
use llama_sys::{
    CHS_KEEP, CHS_MEMORY, CHS_OK, CHS_PASS, CHS_REFUSED, CHS_STOP, chs_head, chs_slice, chs_status,
    chs_template, chs_text,
};
use thiserror::Error;

/// Why the shim did not do what was asked.
#[derive(Debug, Error)]
pub enum ShimError {
    /// llama.cpp refused, in its own words.
    #[error("{0}")]
    Refused(String),
    /// There was no memory for the answer.
    #[error("llama.cpp ran out of memory")]
    Memory,
}

/// A parsed chat template of llama.cpp.
#[derive(Debug)]
pub(crate) struct RawTemplate(NonNull<chs_template>);

impl RawTemplate {
    /// Parses `source`.
    pub(crate) fn open(source: &str, bos: &str, eos: &str) -> Result<Self, ShimError> {
        let mut raw = ptr::null_mut();
        let mut text = EMPTY;
        let [source, bos, eos] = [source, bos, eos].map(lend);
        // SAFETY: The slices are those of living `str`s, which the function copies; `raw` and
        // `text` are valid for writing; the shim lets no exception out.
        let status =
            unsafe { llama_sys::chs_template_open(source, bos, eos, &raw mut raw, &raw mut text) };
        answer(status, text)?;
        NonNull::new(raw).map(Self).ok_or(ShimError::Memory)
    }

    /// Renders a request in the form that `shim.h` describes.
    pub(crate) fn render(&self, request: &str) -> Result<String, ShimError> {
        let mut text = EMPTY;
        // SAFETY: The template is alive, because only `drop` closes it; the request is a living
        // `str`; `text` is valid for writing; the shim lets no exception out.
        let status = unsafe {
            llama_sys::chs_template_render(self.0.as_ptr(), lend(request), &raw mut text)
        };
        answer(status, text)
    }
}

impl Drop for RawTemplate {
    fn drop(&mut self) {
        // SAFETY: The pointer came from `chs_template_open` and is closed once, here.
        unsafe { llama_sys::chs_template_close(self.0.as_ptr()) }
    }
}

const EMPTY: chs_text = chs_text { data: ptr::null_mut(), size: 0 };

fn lend(text: &str) -> chs_slice {
    chs_slice { data: text.as_ptr().cast(), size: text.len() }
}

/// Takes the text over and gives its bytes back to the shim.
fn answer(status: chs_status, text: chs_text) -> Result<String, ShimError> {
    let words = if text.data.is_null() {
        String::new()
    } else {
        // SAFETY: A shim text that is not null holds `size` initialised bytes that nobody else
        // knows, until `chs_free`; they are copied before.
        let bytes = unsafe { slice::from_raw_parts(text.data.cast::<u8>(), text.size) };
        String::from_utf8_lossy(bytes).into_owned()
    };
    // SAFETY: The text came from the shim, is freed once, and null is permitted.
    unsafe { llama_sys::chs_free(text) };
    match status {
        CHS_OK => Ok(words),
        CHS_REFUSED => Err(ShimError::Refused(words)),
        CHS_MEMORY => Err(ShimError::Memory),
        other => Err(ShimError::Refused(format!("the shim returned the unknown status {other}"))),
    }
}

/// The settings of a model that are ours to choose.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ModelSettings {
    pub(crate) n_gpu_layers: u32,
    pub(crate) use_mmap: bool,
    /// llama-cpp-2 cannot switch these off.
    pub(crate) use_extra_buffers: bool,
    pub(crate) experts_on_cpu: bool,
    pub(crate) load_mtp: bool,
}

/// The names of the tensors with the experts of a mixture.
const EXPERTS: &CStr = c"\\.ffn_(up|down|gate|gate_up)_(ch|)exps";

impl ModelSettings {
    pub(crate) fn of(options: &LoadOptions) -> Self {
        Self {
            n_gpu_layers: options.n_gpu_layers,
            use_mmap: options.use_mmap,
            use_extra_buffers: options.extra_buffers,
            experts_on_cpu: options.experts_on_cpu,
            load_mtp: options.has_mtp(),
        }
    }

    fn params(&self) -> llama_model_params {
        // SAFETY: The function takes nothing and returns a plain struct.
        let mut params = unsafe { llama_sys::llama::llama_model_default_params() };
        params.n_gpu_layers = i32::try_from(self.n_gpu_layers).unwrap_or(i32::MAX);
        params.use_extra_bufts = self.use_extra_buffers;
        params.load_mtp = self.load_mtp;
        params.load_mode = if self.use_mmap { LLAMA_LOAD_MODE_MMAP } else { LLAMA_LOAD_MODE_NONE };
        params
    }

    fn unweighted(&self) -> llama_model_params {
        let mut params = self.params();
        params.no_alloc = true;
        // Nothing may be mapped where nothing is read.
        params.load_mode = LLAMA_LOAD_MODE_NONE;
        params
    }
}

/// Loads a model; `None` when llama.cpp refuses it or its path holds a null byte.
pub(crate) fn load_model(
    backend: &LlamaBackend,
    path: &Path,
    settings: &ModelSettings,
) -> Option<LlamaModel> {
    open_model(backend, path, settings.params(), settings.experts_on_cpu)
}

/// Loads all of a model but its weights, for which no room is taken.
pub(crate) fn load_unweighted(
    backend: &LlamaBackend,
    path: &Path,
    settings: &ModelSettings,
) -> Option<LlamaModel> {
    open_model(backend, path, settings.unweighted(), settings.experts_on_cpu)
}

/// Loads a model without its weights: what it would take is counted and not taken. Instead of a vocabulary it has
/// `tokens` empty tokens, since the tables of a vocabulary take most of the time and change no buffer.
pub(crate) fn simulate_model(
    backend: &LlamaBackend,
    path: &Path,
    settings: &ModelSettings,
    architecture: &str,
    tokens: u64,
) -> Option<LlamaModel> {
    let mut params = settings.unweighted();
    let size = format!("{architecture}.vocab_size");
    let overrides = [
        said("tokenizer.ggml.model", Said::Text("none"))?,
        said(&size, Said::Number(i64::try_from(tokens).ok()?))?,
        said("", Said::Number(0))?,
    ];
    // A file without a list of tokens has another way to say how many there are, or is refused.
    if tokens > 0 {
        params.kv_overrides = overrides.as_ptr();
    }
    open_model(backend, path, params, settings.experts_on_cpu)
}

/// What a key of the metadata is said to be, whatever the file says.
#[derive(Clone, Copy)]
enum Said {
    Number(i64),
    Text(&'static str),
}

/// Returns `None` where the key or the text is too long for llama.cpp; a list of them ends with an empty key.
fn said(key: &str, value: Said) -> Option<llama_model_kv_override> {
    use llama_sys::llama::{LLAMA_KV_OVERRIDE_TYPE_INT, LLAMA_KV_OVERRIDE_TYPE_STR};
    let (tag, value) = match value {
        Said::Number(number) => (LLAMA_KV_OVERRIDE_TYPE_INT, Value { val_i64: number }),
        Said::Text(text) => (LLAMA_KV_OVERRIDE_TYPE_STR, Value { val_str: field(text)? }),
    };
    Some(llama_model_kv_override { tag, key: field(key)?, __bindgen_anon_1: value })
}

/// Returns `text` with nulls behind it, of which there must be one.
fn field(text: &str) -> Option<[c_char; 128]> {
    let mut field = [0; 128];
    for (to, from) in field[..127].iter_mut().zip(text.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    (text.len() < field.len()).then_some(field)
}

/// Loads the vocabulary and the metadata of a model, and none of its tensors.
pub(crate) fn load_vocabulary(backend: &LlamaBackend, path: &Path) -> Option<LlamaModel> {
    let mut params = ModelSettings::default().params();
    params.vocab_only = true;
    open_model(backend, path, params, false)
}

fn open_model(
    _: &LlamaBackend,
    path: &Path,
    mut params: llama_model_params,
    experts_on_cpu: bool,
) -> Option<LlamaModel> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
    // SAFETY: The function takes nothing and returns a buffer type that lives as long as the process.
    let cpu = unsafe { llama_sys::llama::ggml_backend_cpu_buffer_type() };
    let experts = llama_model_tensor_buft_override { pattern: EXPERTS.as_ptr(), buft: cpu };
    let end = llama_model_tensor_buft_override { pattern: ptr::null(), buft: ptr::null_mut() };
    let overrides = [experts, end];
    if experts_on_cpu {
        params.tensor_buft_overrides = overrides.as_ptr();
    }
    // SAFETY: The backend is initialised, as its reference proves; the path is a living C string;
    // the parameters are llama.cpp's defaults with plain values changed, no callback, and at most two
    // lists of overrides with a null or an empty key at their ends, which live until the function returns.
    let raw = unsafe { llama_sys::llama::llama_model_load_from_file(path.as_ptr(), params) };
    let raw = NonNull::new(raw)?;
    // SAFETY: `LlamaModel` is `repr(transparent)` over a private type that is `repr(transparent)`
    // over this very `NonNull`; the pointer came from llama.cpp and is owned by nobody else.
    Some(unsafe { mem::transmute::<NonNull<llama_model>, LlamaModel>(raw) })
}

/// Has the process keep what it frees, or give all of it back to the system.
pub(crate) fn keep_freed(keep: bool) {
    // SAFETY: The function takes a plain value, and may be called at any time from any thread.
    unsafe { llama_sys::chs_keep_freed(keep) }
}

/// A process has one backend at a time: held by a test that starts one.
#[cfg(test)]
pub(crate) static ONE_BACKEND: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// A context of a simulated model, which is asked for its memory and for nothing else.
#[derive(Debug)]
pub(crate) struct SimulatedContext<'m> {
    raw: NonNull<llama_context>,
    _model: PhantomData<&'m LlamaModel>,
}

impl<'m> SimulatedContext<'m> {
    /// Makes a context; `None` when llama.cpp refuses.
    pub(crate) fn open(model: &'m LlamaModel, mut params: LlamaContextParams) -> Option<Self> {
        // SAFETY: `LlamaModel` is transparent over a non-null pointer (see `open_model`), which is
        // read as what it is and stays owned by the model.
        let model = unsafe { mem::transmute_copy::<LlamaModel, NonNull<llama_model>>(model) };
        let params = *raw_params(&mut params);
        // SAFETY: The model is alive, as its borrow proves; the parameters come from llama-cpp-2,
        // and no callback or sampler is set in them.
        let raw = unsafe { llama_sys::llama::llama_init_from_model(model.as_ptr(), params) };
        NonNull::new(raw).map(|raw| Self { raw, _model: PhantomData })
    }

    /// Returns every buffer of the context as JSON, see `shim.h`.
    pub(crate) fn memory_rows(&self) -> Result<String, ShimError> {
        let mut text = EMPTY;
        // SAFETY: The context is alive, because only `drop` frees it; `text` is valid for writing;
        // the shim lets no exception out.
        let status = unsafe { llama_sys::chs_memory_rows(self.raw.as_ptr(), &raw mut text) };
        answer(status, text)
    }

    /// Returns the scratch bytes of the CPU for `tokens` tokens of some sequences, of which `outputs` get logits, as
    /// JSON.
    pub(crate) fn work_size(
        &mut self,
        tokens: u32,
        sequences: u32,
        outputs: u32,
        threads: i32,
    ) -> Result<String, ShimError> {
        let mut text = EMPTY;
        let context = self.raw.as_ptr();
        // SAFETY: The context is alive and borrowed exclusively, so that its graph may be reserved
        // anew; `text` is valid for writing; the shim lets no exception out.
        let status = unsafe {
            llama_sys::chs_work_size(context, tokens, sequences, outputs, threads, &raw mut text)
        };
        answer(status, text)
    }
}

impl Drop for SimulatedContext<'_> {
    fn drop(&mut self) {
        // SAFETY: The pointer came from `llama_init_from_model` and is freed once, here.
        unsafe { llama_sys::llama::llama_free(self.raw.as_ptr()) }
    }
}

/// What a context does about the states before the last matrix of its model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// Nothing.
    Pass,
    /// It keeps them.
    Keep,
    /// It keeps them and computes no logits.
    Stop,
}

/// The states before the last matrix of a model, of what was evaluated last.
#[derive(Debug)]
pub(crate) struct States(NonNull<chs_head>);

impl States {
    /// Returns none; `None` without memory.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: The function takes nothing, and lets no exception out.
        NonNull::new(unsafe { llama_sys::chs_head_new() }).map(Self)
    }

    /// Forgets what was kept, and has evaluations from now on do as `look` says.
    pub(crate) fn look(&self, look: Look) {
        let look = match look {
            Look::Pass => CHS_PASS,
            Look::Keep => CHS_KEEP,
            Look::Stop => CHS_STOP,
        };
        // SAFETY: The states are alive, because only `drop` frees them, and no evaluation is under way: whoever has
        // this reference is on the only thread that can evaluate (`NonNull` is not `Sync`).
        unsafe { llama_sys::chs_head_look(self.0.as_ptr(), look) }
    }

    /// Returns how many states there are of which logits can be had.
    pub(crate) fn rows(&self) -> usize {
        // SAFETY: As in `look`; the matrix that it reads belongs to the model, which the contexts borrow together with
        // these states.
        unsafe { llama_sys::chs_head_rows(self.0.as_ptr()) }
    }

    /// Writes the logits of `tokens` behind the state `row`, and returns whether it could.
    pub(crate) fn logits(&self, row: usize, tokens: &[u32], logits: &mut [f32]) -> bool {
        let count = tokens.len().min(logits.len());
        let (raw, to) = (self.0.as_ptr(), logits.as_mut_ptr());
        // SAFETY: As in `rows`; at least `count` tokens can be read and as many logits written; the shim checks the row
        // and each token.
        unsafe { llama_sys::chs_head_logits(raw, row, tokens.as_ptr(), count, to) }
    }
}

impl Drop for States {
    fn drop(&mut self) {
        // SAFETY: The pointer came from `chs_head_new` and is freed once, here; a context that has it borrows these
        // states and is gone.
        unsafe { llama_sys::chs_head_free(self.0.as_ptr()) }
    }
}

/// Makes a context that keeps states when `states` is told to; `None` when llama.cpp refuses.
pub(crate) fn watched_context<'m>(
    backend: &LlamaBackend,
    model: &'m LlamaModel,
    states: &'m States,
    mut params: LlamaContextParams,
) -> Option<LlamaContext<'m>> {
    let raw = raw_params(&mut params);
    raw.cb_eval = Some(llama_sys::chs_head_see);
    raw.cb_eval_user_data = states.0.as_ptr().cast();
    model.new_context(backend, params).ok()
}

/// Returns `params` with memory for the logits of `count` tokens instead of a whole batch.
pub(crate) fn with_outputs(mut params: LlamaContextParams, count: u32) -> LlamaContextParams {
    raw_params(&mut params).n_outputs_max = count;
    params
}

/// Returns what llama-cpp-2 keeps private.
fn raw_params(params: &mut LlamaContextParams) -> &mut llama_context_params {
    type Raw = llama_context_params;
    const { assert!(mem::size_of::<LlamaContextParams>() == mem::size_of::<Raw>()) };
    const { assert!(mem::align_of::<LlamaContextParams>() == mem::align_of::<Raw>()) };
    let raw = ptr::from_mut(params).cast::<Raw>();
    // SAFETY: `LlamaContextParams` has one field, of the type `Raw`, and no more bytes than it (the
    // assertions), so the field begins where the struct does; the borrow is exclusive.
    unsafe { &mut *raw }
}

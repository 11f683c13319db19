//! Which model works and how it is loaded: flags over the user's configuration over defaults.

pub(super) mod known;
pub(super) mod pinned;

use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use chargehand_core::memory::beside::{Beside, check_mtp};
use chargehand_core::memory::header::ModelHeader;
use chargehand_core::memory::{self, Budget, Footprint, LoadOptions, Plan};
use chargehand_core::roles::Role;
use chargehand_engine::gguf::{self, Weights};
use chargehand_engine::sampler::Sampling;

use self::known::{Known, find};
use super::meter::Meter;
use super::{bounds, embedded, out};
use crate::config::{MTP, Places, UserConfig};
use crate::env::ledger::Ledger;
use crate::env::probe;
use crate::error::{Error, Kind};

/// A context is no longer than this unless somebody asks: the memory for it grows with its length.
const DEFAULT_CTX: u32 = 16 * 1024;

/// A model of this size is computed by one thread: a second one gains little, and where others work on the same
/// cores both wait for each other at every layer (3 instead of 1,000 tokens a second were seen).
const SMALL: Bytes = Bytes::mib(64);

/// The model and how it speaks.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ModelArgs {
    /// The model that works, a GGUF file or a name of `chargehand models`; the built-in one is called `apprentice`
    #[arg(short, long, value_name = "MODEL")]
    pub(super) model: Option<PathBuf>,
    /// Tokens of context
    #[arg(long, value_name = "N")]
    pub(super) ctx: Option<u32>,
    /// What guesses what the model will say: a small model with the same tokens, a GGUF file or a name; `mtp` for layers
    /// of the model itself
    #[arg(long, value_name = "MODEL|mtp")]
    draft: Option<PathBuf>,
    /// 0 picks the most likely token, 1 leaves the probabilities as they are
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// The same seed gives the same tokens
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Tokens of reasoning before each call, of a model that knows how; 0 for none
    #[arg(long, value_name = "N")]
    reasoning: Option<u32>,
    /// Sets a key of config.toml for this run, with the value in TOML
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) config: Vec<String>,
}

/// A model that was found, and how it is to be loaded.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The name people know it by.
    pub(super) name: String,
    /// How it is loaded.
    pub(super) options: LoadOptions,
    /// What its file says of it.
    pub(super) header: ModelHeader,
    /// A hash of that.
    pub(super) digest: [u8; 32],
    /// What turns its pictures into tokens, in a file of its own.
    pub(super) mmproj: Option<PathBuf>,
}

/// How a model is to be loaded, where that is not left to the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Tokens of context of each sequence.
    pub(super) ctx: Option<u32>,
    /// The type of its cache.
    pub(super) kv_type: Option<String>,
    /// Sequences side by side.
    pub(super) sequences: Option<u32>,
    /// Layers on GPUs.
    pub(super) gpu_layers: Option<u32>,
    /// Whether there is no more of it than its header.
    pub(super) header_alone: bool,
}

impl ModelArgs {
    /// Returns the flags `-m` and `--config`.
    pub(super) fn of(model: Option<PathBuf>, config: Vec<String>) -> Self {
        Self { model, config, ..Self::default() }
    }

    /// Returns the model that is asked for.
    pub(super) fn choose(&self, config: &UserConfig, places: &Places) -> Result<Choice, Error> {
        self.temperature.map_or(Ok(()), |value| bounds::temperature("--temperature", value))?;
        self.reasoning.map_or(Ok(()), |tokens| bounds::reasoning("--reasoning", tokens))?;
        let coder = config.roles.get(&Role::Coder).map(Path::new);
        let path = self.model.as_deref().or(coder).or(config.model.as_deref());
        let mut choice =
            choose(path, &Asked { ctx: self.ctx, ..Asked::default() }, config, places)?;
        if let Some(draft) = &self.draft {
            set_draft(&mut choice, draft, |name| Ok(find(name, config, places)?.path))?;
        }
        Ok(choice)
    }

    /// Returns whether a flag says how the model is to be used.
    pub(super) fn is_tuned(&self) -> bool {
        let Self { ctx, draft, temperature, seed, reasoning, .. } = self;
        draft.is_some()
            || ctx.is_some()
            || temperature.is_some()
            || seed.is_some()
            || reasoning.is_some()
    }

    /// Returns how tokens are picked.
    pub(super) fn sampling(&self, config: &UserConfig) -> Sampling {
        let (set, default) = (&config.sampling, Sampling::default());
        Sampling {
            temperature: self.temperature.or(set.temperature).unwrap_or(default.temperature),
            top_k: set.top_k.unwrap_or(default.top_k),
            top_p: set.top_p.unwrap_or(default.top_p),
            min_p: set.min_p.unwrap_or(default.min_p),
            seed: self.seed.or(set.seed).unwrap_or(default.seed),
            matcher: set.matcher.unwrap_or(default.matcher),
            forced: set.forced.unwrap_or(default.forced),
            drafts: set.drafts.unwrap_or(default.drafts),
            reasoning: self.reasoning.or(set.reasoning).unwrap_or(default.reasoning),
        }
    }
}

/// Returns the model at `path`, the built-in one without a path.
pub(super) fn choose(
    path: Option<&Path>,
    asked: &Asked,
    config: &UserConfig,
    places: &Places,
) -> Result<Choice, Error> {
    let known = find(path.unwrap_or(Path::new(embedded::NAME)), config, places)?;
    let Known { name, path, set, .. } = known;
    let (mmproj, draft) = (set.mmproj.clone(), set.draft.clone());
    asked.ctx.map_or(Ok(()), |tokens| bounds::least_ctx("--ctx", tokens))?;
    let ctx_of = format!("models.{name}.ctx");
    set.ctx.map_or(Ok(()), |tokens| bounds::least_ctx(&ctx_of, tokens))?;
    let kv_of = format!("models.{name}.kv_type");
    set.kv_type.as_deref().map_or(Ok(()), |value| bounds::kv_type(&kv_of, value))?;
    // Before the header is read: what is replaced later is noticed when it is loaded.
    let seals = if asked.header_alone { Vec::new() } else { gguf::seals(&path)? };
    let weights = if asked.header_alone { Weights::Elsewhere } else { Weights::Here };
    let header = gguf::model(&path, weights)?;
    let trained = header.context_length().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    let usual = trained.map_or(DEFAULT_CTX, |n| n.min(DEFAULT_CTX));
    let n_ctx = asked.ctx.or(set.ctx).or(config.ctx).unwrap_or(usual);
    bounds::most_ctx(&name, n_ctx, trained)?;
    let set = Asked {
        ctx: Some(n_ctx),
        kv_type: asked.kv_type.clone().or(set.kv_type).or(config.kv_type.clone()),
        gpu_layers: asked.gpu_layers.or(set.gpu_layers).or(config.gpu_layers),
        ..asked.clone()
    };
    let threads = config.threads.unwrap_or(if header.weights() <= SMALL { 1 } else { 0 });
    let options = LoadOptions { threads, seals, ..options(absolute(&path)?, &set) };
    // Of a header alone nothing is kept.
    let digest = if asked.header_alone { [0; 32] } else { gguf::digest(&path)? };
    let mut choice = Choice { name, options, header, digest, mmproj };
    if let Some(draft) = &draft {
        set_draft(&mut choice, draft, |path| Ok(path.to_owned()))?;
    }
    Ok(choice)
}

fn options(path: String, set: &Asked) -> LoadOptions {
    let on_gpu =
        cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm"));
    let usual = if on_gpu { 999 } else { 0 };
    LoadOptions {
        path,
        n_ctx: set.ctx.unwrap_or(DEFAULT_CTX),
        n_seq: set.sequences.unwrap_or(1),
        n_batch: 512,
        n_gpu_layers: set.gpu_layers.unwrap_or(usual),
        kv_on_host: false,
        experts_on_cpu: false,
        kv_type: set.kv_type.clone().unwrap_or_else(|| "f16".to_owned()),
        // The dry run takes this back where weights would be held twice.
        use_mmap: true,
        extra_buffers: true,
        threads: 0,
        beside: Vec::new(),
        seals: Vec::new(),
    }
}

/// Has what is `asked` for guess for the model of `choice`, in place of something else: layers of its own, or another
/// model, whose file `find` knows.
pub(super) fn set_draft(
    choice: &mut Choice,
    asked: &Path,
    find: impl FnOnce(&Path) -> Result<PathBuf, Error>,
) -> Result<(), Error> {
    let Choice { name, options, header, .. } = choice;
    let draft = if asked == Path::new(MTP) {
        let refused = |err| Error::new(Kind::Refused, format!("{name}: {err}"));
        check_mtp(header)
            .map_err(|err| refused(err).hint("another model guesses with --draft MODEL"))?;
        Beside::Mtp
    } else {
        let path = find(asked)?;
        // Where the model itself has none, its header was fetched alone.
        let seals = if options.seals.is_empty() { Vec::new() } else { gguf::seals(&path)? };
        Beside::Draft { path: absolute(&path)?, seals }
    };
    options.beside.retain(|beside| !beside.guesses());
    options.beside.push(draft);
    Ok(())
}

/// Returns the path of a model from the root on.
pub(super) fn absolute(path: &Path) -> Result<String, Error> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.display();
        Error::new(Kind::Usage, format!("the path of the model, {shown}, is no UTF-8 text"))
    })
}

/// Returns what this machine has, with the headroom that the user wants.
pub(super) fn machine(config: &UserConfig) -> Budget {
    probe::budget(&config.memory)
}

/// Returns what the model takes, and says aloud when there is doubt.
pub(super) fn known(
    choice: &Choice,
    config: &UserConfig,
    places: &Places,
) -> Result<Footprint, Error> {
    let mut meter = Meter::of(files(&choice.options), machine(config).devices(), places);
    let (footprint, warnings) = meter.measure(choice, &choice.options)?;
    for warning in warnings {
        out::note(&format!("warning: {warning}"));
    }
    Ok(footprint)
}

/// Returns where the file of a model lies, and those of what works beside it.
pub(super) fn files(options: &LoadOptions) -> Vec<PathBuf> {
    let beside = options.beside.iter().filter_map(Beside::path);
    [&*options.path].into_iter().chain(beside).map(PathBuf::from).collect()
}

/// Plans to load one model beside those that are loaded, or says with numbers why it does not fit. Nothing is reserved.
pub(super) fn plan(choice: &Choice, config: &UserConfig, places: &Places) -> Result<Plan, Error> {
    let footprint = known(choice, config, places)?;
    let holdings = Ledger::at(&places.ledger).holdings()?;
    Ok(memory::plan(vec![footprint], &machine(config).less(&holdings))?)
}

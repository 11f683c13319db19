//! The one backend of the process, the test model, and short ways to ask it.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chargehand_core::memory::{Budget, Footprint, LoadOptions, Plan, plan};
use chargehand_core::tool::ToolSpec;
use chargehand_core::transcript::Message;
use chargehand_engine::engine::{Backend, Engine};
use chargehand_engine::sampler::Sampling;
use chargehand_engine::session::{Observer, Outcome, Progress, Session, Wish};
use chargehand_engine::template::{Segment, SegmentKind};
use chargehand_grammar::Bindings;
use serde_json::json;

pub(crate) fn backend() -> &'static Backend {
    static BACKEND: OnceLock<Backend> = OnceLock::new();
    BACKEND.get_or_init(|| Backend::start().unwrap())
}

/// Returns the path of the test model, or says aloud that `what` is not tested.
pub(crate) fn model(what: &str) -> Option<PathBuf> {
    let embedded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../chargehand/models/apprentice.gguf");
    let path = env::var_os("CHARGEHAND_TEST_MODEL").map_or(embedded, PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    // Not `eprintln`, which the test harness swallows.
    let path = path.display();
    let said = format!("NOT TESTED: {what}: there is no {path}, set CHARGEHAND_TEST_MODEL\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

/// Returns the path of a generated model. Where CI runs, its absence is a failure.
pub(crate) fn generated(name: &str) -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/test-models/{name}.gguf"));
    if path.is_file() {
        return Some(path);
    }
    let said = format!("there is no {}: run bench-scripts/models/generate", path.display());
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{said}");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "NOT TESTED: {name}: {said}").unwrap();
    None
}

pub(crate) fn options(path: &Path, n_ctx: u32) -> LoadOptions {
    LoadOptions {
        path: path.to_str().unwrap().to_owned(),
        n_ctx,
        n_seq: 1,
        kv_on_host: false,
        experts_on_cpu: false,
        beside: Vec::new(),
        n_batch: 256,
        n_gpu_layers: 0,
        kv_type: "f16".to_owned(),
        use_mmap: true,
        extra_buffers: true,
        threads: 1,
        seals: Vec::new(),
    }
}

pub(crate) fn load(path: &Path, n_ctx: u32) -> Engine<'static> {
    Engine::load(backend(), options(path, n_ctx)).unwrap()
}

/// Returns a plan that loads `path`. It takes nothing, so it fits anywhere.
pub(crate) fn planned(path: &Path) -> Plan {
    let footprint =
        Footprint { model: "test".to_owned(), options: options(path, 1024), rows: vec![] };
    plan(vec![footprint], &Budget::default()).unwrap()
}

pub(crate) fn system_and(user: &str) -> Vec<Message> {
    let system = "You work on a copy of a repository. Call one tool at a time.".to_owned();
    vec![Message::System(system), Message::User(user.to_owned())]
}

pub(crate) fn tools() -> Vec<ToolSpec> {
    let parameters = json!({
        "type": "object",
        "properties": { "path": { "type": "string" } },
        "required": ["path"],
    });
    let (name, description) = ("read_file".to_owned(), "Reads a file.".to_owned());
    vec![ToolSpec { name, description, parameters }]
}

/// Keeps what it sees, and wants to stop once it has seen `patience` texts.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) seen: Vec<Progress>,
    pub(crate) patience: usize,
}

impl Notes {
    pub(crate) fn patient() -> Self {
        Self { seen: Vec::new(), patience: usize::MAX }
    }

    pub(crate) fn text(&self) -> String {
        let texts = self.seen.iter().filter_map(|progress| match progress {
            Progress::Text { text, .. } => Some(text.as_str()),
            Progress::Prompt { .. } | Progress::Reasoning { .. } => None,
        });
        texts.collect()
    }
}

impl Observer for Notes {
    fn see(&mut self, progress: Progress) {
        self.seen.push(progress);
    }

    fn wants_stop(&self) -> bool {
        let is_text = |progress: &&Progress| matches!(progress, Progress::Text { .. });
        self.seen.iter().filter(is_text).count() >= self.patience
    }
}

/// A call of `read_file` in the plain envelope with any path.
pub(crate) const CALL: &str = r#"
root ::= "{\"tool\":\"read_file\",\"args\":{\"path\":\"" char{1,12} "\"}}"
char ::= [^"\\\x00-\x1F\x7F] | "\\" ["\\/bfnrt]
"#;

fn unbound() -> &'static Bindings {
    static NONE: OnceLock<Bindings> = OnceLock::new();
    NONE.get_or_init(Bindings::new)
}

pub(crate) fn greedy(grammar: Option<&str>, max_tokens: u32) -> Wish<'_> {
    Wish { grammar, bindings: unbound(), sampling: Sampling::default(), max_tokens }
}

pub(crate) fn warm(grammar: Option<&str>, temperature: f32, seed: u32) -> Wish<'_> {
    let sampling = Sampling { temperature, seed, ..Sampling::default() };
    Wish { grammar, bindings: unbound(), sampling, max_tokens: 64 }
}

pub(crate) fn prompt(engine: &Engine<'_>, user: &str) -> Vec<Segment> {
    engine.template().render(&system_and(user), &tools()).unwrap()
}

pub(crate) fn ask(session: &mut Session<'_>, prompt: &[Segment], wish: &Wish<'_>) -> Outcome {
    session.generate(prompt, wish, &mut Notes::patient()).unwrap()
}

pub(crate) fn template(text: &str) -> Segment {
    Segment { text: text.to_owned(), kind: SegmentKind::Template }
}

pub(crate) fn data(text: &str) -> Segment {
    Segment { text: text.to_owned(), kind: SegmentKind::Data }
}

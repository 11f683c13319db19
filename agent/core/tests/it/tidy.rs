//! The house rules that no compiler knows, for the whole workspace: layers, unsafe, heads, sizes, the map.
//!
//! Pure text, no build: it runs in well under a second. A rule here is one that was checked by eye twice.

mod files;

use std::collections::BTreeSet;

use files::{is_code, is_rust, read, texts};

/// A crate: where it lies, which crates below it it may import, and its modules from the bottom up.
struct Room {
    folder: &'static str,
    imports: &'static [&'static str],
    /// A module uses modules of earlier rows only; [`TOPS`] stand above all.
    layers: &'static [&'static [&'static str]],
}

/// What stands above all modules of its crate.
const TOPS: [&str; 3] = ["lib", "main", "bin"];

/// Crates that touch llama.cpp. Whoever does not list one below stays free of native code.
const NATIVE: [&str; 3] = ["llama-sys", "llama-cpp-2", "llama-cpp-sys-2"];

const ROOMS: &[Room] = &[
    Room { folder: "llama-sys", imports: &["llama-cpp-sys-2"], layers: &[] },
    Room {
        folder: "agent/grammar",
        imports: &[],
        layers: &[
            &["limits"],
            &["gbnf", "vocabulary"],
            &["json", "lark", "raw"],
            &["piece"],
            &["bindings"],
            &["matcher"],
            &["sample", "schema"],
        ],
    },
    Room {
        folder: "agent/core",
        imports: &["chargehand-grammar"],
        layers: &[
            &["bytes", "known", "look_alike", "seal", "tool"],
            &["mask", "rel_path"],
            &["change", "contract", "memory", "opinion", "phase", "transcript"],
            &["evidence", "menu", "roles", "state"],
            &["event", "gates", "prompt"],
            &["ports"],
            &["check", "script", "tools"],
            &["agent", "report"],
            &["eval", "runner"],
        ],
    },
    Room {
        folder: "agent/engine",
        imports: &["chargehand-grammar", "chargehand-core", "llama-sys", "llama-cpp-2"],
        layers: &[
            &["ffi", "gguf", "guess", "log", "output", "peer", "sampler"],
            &["head", "template", "vocab"],
            &["constraint", "engine", "prompt"],
            &["dry_run", "lab", "session"],
            &["devices", "probe", "reply"],
            &["wire"],
            &["client", "serve"],
        ],
    },
    Room {
        folder: "agent/inside",
        imports: &[],
        layers: &[
            &["attempt", "rights", "spec"],
            &["calls", "files", "usage"],
            &["enter"],
            &["supervise"],
        ],
    },
    Room {
        folder: "agent/chargehand",
        imports: &[
            "chargehand-grammar",
            "chargehand-core",
            "chargehand-engine",
            "chargehand-inside",
        ],
        layers: &[
            &["config", "error", "signal"],
            &["audit", "env"],
            &["report"],
            &["ui"],
            &["cli"],
        ],
    },
];

/// The one file that may call C.
const FFI: &str = "agent/engine/src/ffi.rs";
/// What reads the environment: one file, and the small program, which has a few lines.
const ENVIRONMENT: [&str; 2] =
    ["agent/chargehand/src/config.rs", "agent/chargehand/src/bin/chargehand-inside.rs"];
const MAP: &str = "docs/architecture.md";
const PROMISES: &str = "docs/promises.md";
const MAX_LINES: usize = 400;
const MAX_MAP_LINES: usize = 300;

/// What core and grammar do not touch: they decide, and the world comes in through traits.
const WORLD: [&str; 7] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env::",
    "SystemTime",
    "Instant::now",
];

#[test]
fn crates_import_downwards() {
    let known: Vec<&str> = ROOMS.iter().map(|room| name_of(room.folder)).chain(NATIVE).collect();
    let mut wrong = Vec::new();
    for room in ROOMS {
        let manifest = read(&format!("{}/Cargo.toml", room.folder));
        for dependency in dependencies(&manifest) {
            if known.contains(&dependency.as_str()) && !room.imports.contains(&dependency.as_str())
            {
                wrong.push(format!("{} depends on {dependency}", room.folder));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of imports: {wrong:#?}");
}

#[test]
fn modules_import_downwards() {
    let mut wrong = Vec::new();
    for room in ROOMS {
        for (path, text) in sources(room) {
            let module = module_of(room, &path);
            if TOPS.contains(&module.as_str()) {
                continue;
            }
            for used in used_modules(room, &path, &text) {
                if used != module && layer(room, &used) >= layer(room, &module) {
                    wrong.push(format!("{path}: `{module}` uses `{used}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against the layers in tests/it/tidy.rs: {wrong:#?}");
}

#[test]
fn every_module_has_a_layer_and_is_on_the_map() {
    let map = read(MAP);
    let mut wrong = Vec::new();
    for room in ROOMS {
        let present = modules(room);
        let listed: BTreeSet<String> =
            room.layers.concat().into_iter().map(str::to_owned).collect();
        for module in present.difference(&listed) {
            wrong.push(format!("{}: `{module}` has no layer in tests/it/tidy.rs", room.folder));
        }
        for module in listed.difference(&present) {
            wrong.push(format!("{}: `{module}` has a layer but no file", room.folder));
        }
        for module in &present {
            if !map.contains(&format!("`{module}`")) {
                wrong.push(format!("{}: {MAP} does not name `{module}`", room.folder));
            }
        }
    }
    let lines = map.lines().count();
    if lines > MAX_MAP_LINES {
        wrong.push(format!("{MAP} has {lines} lines, {MAX_MAP_LINES} at most"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_stands_in_one_file() {
    let forms =
        ["{", "fn ", "impl ", "extern ", "trait "].map(|next| format!("{}safe {next}", "un"));
    refuse(&forms, "is allowed in agent/engine/src/ffi.rs only", |path| {
        is_rust(path) && path != FFI
    });
    let forbid = format!("#![forbid({}safe_code)]", "un");
    for root in [
        "agent/grammar/src/lib.rs",
        "agent/core/src/lib.rs",
        "agent/inside/src/lib.rs",
        "agent/chargehand/src/main.rs",
        "agent/chargehand/src/bin/chargehand-inside.rs",
    ] {
        assert!(read(root).contains(&forbid), "{root} must say {forbid}");
    }
}

#[test]
fn core_and_grammar_touch_no_world() {
    let forms = WORLD.map(str::to_owned);
    refuse(&forms, "is the world, which comes in through `ports`", |path| {
        path.starts_with("agent/core/src/") || path.starts_with("agent/grammar/src/")
    });
}

#[test]
fn the_environment_is_read_in_one_file() {
    let forms = ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("].map(str::to_owned);
    refuse(&forms, "reads the environment, which `config` does for all", |path| {
        path.starts_with("agent/") && path.contains("/src/") && !ENVIRONMENT.contains(&path)
    });
}

#[test]
fn tests_are_never_switched_off() {
    refuse(&[format!("#[{}", "ignore")], "hides a failure", is_rust);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let forms = ["work", "root", "Users"].map(|folder| format!("/{folder}/"));
    refuse(&forms, "is a path of one machine", |_| true);
}

#[test]
fn builds_name_no_registry() {
    let hosts = [
        ("crates", "io"),
        ("pypi", "org"),
        ("npmjs", "org"),
        ("huggingface", "co"),
        ("docker", "io"),
    ];
    let forms = hosts.map(|(name, end)| format!("{name}.{end}"));
    refuse(
        &forms,
        "is a registry: the machine's own settings say where packages come from",
        |path| {
            ["ci/", ".ci/", "vendor/", "bench-scripts/", "agent/", "llama-sys/", "Dockerfile"]
                .iter()
                .any(|start| path.starts_with(start))
        },
    );
}

/// `docs/promises.md` has its tests as `FILE: NAME`.
#[test]
fn promises_name_their_tests() {
    let page = read(PROMISES);
    let quoted = page.split('`').skip(1).step_by(2);
    let tests: Vec<(&str, &str)> = quoted.filter_map(|text| text.split_once(".rs: ")).collect();
    assert!(tests.len() > 20, "{PROMISES} names {} tests", tests.len());
    let mut wrong = Vec::new();
    for (file, name) in tests {
        let text = read(&format!("{file}.rs"));
        // In a file of its own, or beside what it tests.
        let is_there = |indent| text.contains(&format!("#[test]\n{indent}fn {name}()"));
        if !["", "    "].into_iter().any(is_there) {
            wrong.push(format!("{file}.rs has no test {name}"));
        }
    }
    assert!(wrong.is_empty(), "{PROMISES} promises what nobody tests: {wrong:#?}");
}

#[test]
fn files_are_tidy() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let lines = text.lines().count();
        if is_code(&path) && lines > MAX_LINES {
            wrong.push(format!("{path}: {lines} lines, {MAX_LINES} at most"));
        }
        if is_rust(&path) && !text.starts_with("//! ") {
            wrong.push(format!("{path}: say in one line what the file is for, after `//! `"));
        }
        for (at, line) in text.lines().enumerate() {
            // A lone space is an empty line of context in a diff.
            if line.ends_with([' ', '\t', '\r']) && line != " " {
                wrong.push(format!("{path}:{}: trailing space", at + 1));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push(format!("{path}: the last line has no end"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Fails when a line of code in a file that `concerns` has one of `forms`; comments may speak of them.
#[track_caller]
fn refuse(forms: &[String], reason: &str, concerns: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        if !concerns(&path) {
            continue;
        }
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(&path, line)) {
            for form in forms.iter().filter(|form| line.contains(form.as_str())) {
                wrong.push(format!("{path}:{}: `{form}` {reason}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_comment(path: &str, line: &str) -> bool {
    is_rust(path) && line.trim_start().starts_with("//")
}

/// Returns the package that lies in `folder`.
fn name_of(folder: &'static str) -> &'static str {
    match folder {
        "agent/grammar" => "chargehand-grammar",
        "agent/core" => "chargehand-core",
        "agent/engine" => "chargehand-engine",
        "agent/inside" => "chargehand-inside",
        "agent/chargehand" => "chargehand",
        other => other,
    }
}

/// Returns the names of all dependencies of a manifest, those of tests and build scripts too.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && !line.starts_with(['#', ' ']) {
            names.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

/// Returns the row of a module; one without a row is told by the test of the map.
fn layer(room: &Room, module: &str) -> Option<usize> {
    room.layers.iter().position(|layer| layer.contains(&module))
}

/// Returns the modules of the crate that `text` names. From a file beside `lib.rs`, `super` is the crate too.
fn used_modules(room: &Room, path: &str, text: &str) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().filter(|line| !is_comment(path, line)).collect();
    let code = code.join("\n");
    let is_top = path.matches('/').count() == room.folder.matches('/').count() + 2;
    let roots: &[&str] = if is_top { &["crate::", "super::"] } else { &["crate::"] };
    let present = modules(room);
    let mut used = BTreeSet::new();
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            used.extend(heads(rest).into_iter().filter(|head| present.contains(head)));
        }
    }
    used
}

/// Returns the first names of a path or of a group such as `{a::b, c}`.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![ident(rest)];
    };
    let mut depth = 0_usize;
    let mut names = vec![ident(group.trim_start())];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(ident(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// Returns the top modules of a crate, as its files say.
fn modules(room: &Room) -> BTreeSet<String> {
    let all = sources(room).into_iter().map(|(path, _)| module_of(room, &path));
    all.filter(|module| !TOPS.contains(&module.as_str())).collect()
}

/// Returns the top module that a source file belongs to.
fn module_of(room: &Room, path: &str) -> String {
    let inside = &path[room.folder.len() + "/src/".len()..];
    let first = inside.split('/').next().unwrap_or(inside);
    first.trim_end_matches(".rs").to_owned()
}

/// Returns the sources of a crate; its tests stand above all layers.
fn sources(room: &Room) -> Vec<(String, String)> {
    let start = format!("{}/src/", room.folder);
    texts().into_iter().filter(|(path, _)| is_rust(path) && path.starts_with(&start)).collect()
}

//! The texts of the workspace, as the house rules see them.

use std::fs;
use std::path::Path;

pub(super) fn is_rust(path: &str) -> bool {
    extension(path) == "rs"
}

pub(super) fn is_code(path: &str) -> bool {
    ["rs", "py", "sh", "cpp", "h", ""].contains(&extension(path)) && !path.starts_with("LICENSE")
}

pub(super) fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Returns every text that we wrote, with its path from the top of the workspace.
pub(super) fn texts() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rooms = ["agent", "llama-sys", "vendor", "bench-scripts", "ci", ".ci", "docs"];
    let mut paths: Vec<String> = rooms.map(str::to_owned).to_vec();
    paths.extend(entries(&top).into_iter().filter(|name| top.join(name).is_file()));
    let mut found = Vec::new();
    while let Some(path) = paths.pop() {
        let whole = top.join(&path);
        if whole.is_dir() {
            paths.extend(entries(&whole).into_iter().map(|name| format!("{path}/{name}")));
        } else if is_ours(&path)
            && let Ok(text) = fs::read_to_string(&whole)
        {
            found.push((path, text));
        }
    }
    found.sort();
    found
}

/// Returns whether a file is text written by a person: no golden output, no model, no table of figures.
fn is_ours(path: &str) -> bool {
    let kinds =
        ["rs", "toml", "md", "py", "sh", "cpp", "h", "yml", "yaml", "txt", "html", "jinja", ""];
    kinds.contains(&extension(path)) && !path.contains("/golden/")
}

/// Returns the names in a folder, without what builds leave behind.
fn entries(folder: &Path) -> Vec<String> {
    let left_behind = ["target", "__pycache__", "cache", "out"];
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.') && !left_behind.contains(&name.as_str())).collect()
}

pub(super) fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&whole).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

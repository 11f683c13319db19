//! Compiles the shim against the very source tree that llama-cpp-sys-2 compiled, and binds it.
//!
//! No copy of a llama.cpp header is kept: `DEP_LLAMA_ROOT` leads to the CMake cache of that build,
//! and the cache names the tree, so the shim can never see another version than the linker does.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Headers that only exist in the source tree; their absence is reported by name.
const HEADERS: [&str; 4] =
    ["include/llama.h", "ggml/include/ggml-cpu.h", "src/llama-ext.h", "common/chat.h"];

const INCLUDES: [&str; 6] = ["include", "ggml/include", "src", "common", "vendor", "."];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=shim");
    let tree = source_tree();
    compile(&tree);
    bind(&tree);
}

/// Returns the llama.cpp source tree of the library that will be linked.
fn source_tree() -> PathBuf {
    let root = env::var_os("DEP_LLAMA_ROOT")
        .expect("llama-cpp-sys-2 has links = \"llama\" and tells its direct dependents its root");
    let cache = Path::new(&root).join("build/CMakeCache.txt");
    println!("cargo:rerun-if-changed={}", cache.display());
    let text = fs::read_to_string(&cache)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", cache.display()));
    let tree = text
        .lines()
        .find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="))
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{} names no CMAKE_HOME_DIRECTORY", cache.display()));
    for header in HEADERS {
        let path = tree.join(header);
        assert!(path.is_file(), "the llama.cpp tree lacks {}", path.display());
    }
    tree
}

fn compile(tree: &Path) {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").warnings(false).include("shim").file("shim/shim.cpp");
    for include in INCLUDES {
        build.include(tree.join(include));
    }
    build.compile("chargehand_llama_shim");
}

fn bind(tree: &Path) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_arg(format!("-I{}", tree.join("include").display()))
        .clang_arg(format!("-I{}", tree.join("ggml/include").display()))
        .allowlist_function("chs_.*")
        .allowlist_type("chs_.*")
        // The types of llama-cpp-sys-2 are used again, so that its pointers fit our functions.
        .blocklist_type("llama_.*")
        .blocklist_type("ggml_.*")
        .raw_line("use llama_cpp_sys_2::{ggml_tensor, llama_context};")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_copy(true)
        .generate()
        .expect("the shim's header is plain C")
        .write_to_file(out.join("shim.rs"))
        .expect("OUT_DIR can be written");
}

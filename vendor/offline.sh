#!/usr/bin/env bash
# Copies every crate of the lock file into .cache/crates, so that a build needs no network.
#
#   vendor/offline.sh
#
# Run it where there is a network, or where cargo has the crates already. It prints the command that builds.
set -euo pipefail

cd "$(dirname "$0")/.."
if ! command -v cargo > /dev/null; then PATH="$HOME/.cargo/bin:$PATH"; fi

folder=.cache/crates
# Beside the folder, because cargo removes from it whatever is no crate.
config=.cache/crates.toml
mkdir -p "$folder"
cargo vendor --locked --versioned-dirs "$folder" > "$config"

printf 'the crates are in %s (%s)\n' "$folder" "$(du -sh "$folder" | cut -f1)" >&2
echo "cargo build --release --locked --offline --config $config -p chargehand"

#!/bin/sh
# Trains the embedded model from nothing: corpus, tokenizer, training, export. One argument: minutes (65).
# Everything in between lies in $APPRENTICE_DIR (.cache/apprentice); the model lands in agent/chargehand/models.
set -eu
cd "$(dirname "$0")/../.."
minutes="${1:-65}"
here=bench-scripts/apprentice
directory="${APPRENTICE_DIR:-.cache/apprentice}"
python="${PYTHON:-.venv/bin/python}"
export TORCHINDUCTOR_CACHE_DIR="$directory/inductor"
mkdir -p "$directory" agent/chargehand/models

corpus() { cargo run --quiet --release --manifest-path "$here/corpus/Cargo.toml" -- corpus "$@"; }
# Held out: `test` has words and phrasings of its own; `known` only trajectories that were not trained on.
corpus 100000 1 train > "$directory/train.jsonl"
corpus 2000 900001 test > "$directory/test.jsonl"
corpus 1000 900002 train > "$directory/known.jsonl"

"$python" "$here/tokenizer.py" learn "$directory/train.jsonl" "$directory/tokenizer.json"
for part in train test known; do
    "$python" "$here/packing.py" "$directory/$part.jsonl" "$directory/tokenizer.json" "$directory/$part.npz"
done
"$python" "$here/train.py" --minutes "$minutes" --checkpoint "$directory/apprentice.pt" \
    --train "$directory/train.npz" --held-out "$directory/test.npz" "$directory/known.npz"
"$python" "$here/export.py" "$directory/apprentice.pt" "$directory/tokenizer.json" \
    agent/chargehand/models/apprentice.gguf
"$python" "$here/fixture.py" "$directory/train.jsonl" "$directory/tokenizer.json" \
    agent/chargehand/tests/fixtures/tokenizer.jsonl --files agent/*/src/*.rs docs/*.md

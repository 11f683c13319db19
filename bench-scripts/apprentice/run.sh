#!/bin/sh
# Trains the embedded model from nothing: corpus, tokenizer, training, export. One argument: minutes (180).
# Everything in between lies in $APPRENTICE_DIR (.cache/apprentice); the model lands in agent/chargehand/models.
set -eu
cd "$(dirname "$0")/../.."
minutes="${1:-180}"
here=bench-scripts/apprentice
directory="${APPRENTICE_DIR:-.cache/apprentice}"
python="${PYTHON:-.venv/bin/python}"
export TORCHINDUCTOR_CACHE_DIR="$directory/inductor"
mkdir -p "$directory" agent/chargehand/models

corpus() { cargo run --quiet --release --manifest-path "$here/corpus/Cargo.toml" -- corpus "$@"; }
# Held out: `test` has words and phrasings of its own; `known` only trajectories that were not trained on.
corpus 150000 1 train > "$directory/train.jsonl"
corpus 2000 900001 test > "$directory/test.jsonl"
corpus 1000 900002 train > "$directory/known.jsonl"

"$python" "$here/tokenizer.py" learn "$directory/train.jsonl" "$directory/tokenizer.json"
for part in train test known; do
    "$python" "$here/packing.py" "$directory/$part.jsonl" "$directory/tokenizer.json" "$directory/$part.npz"
done
train() { # NAME SHARE_OF_MINUTES, then options of train.py
    name="$1" share="$2"
    shift 2
    "$python" "$here/train.py" --minutes $((minutes * share / 100)) --checkpoint "$directory/$name.pt" \
        --train "$directory/train.npz" --held-out "$directory/test.npz" "$directory/known.npz" "$@"
}
train shallow 35
"$python" "$here/deepen.py" "$directory/shallow.pt" "$directory/deeper.pt" --after 1 2
train deep 50 --layers 6 --start-from "$directory/deeper.pt" --seed 2 --muon-rate 0.008 --adam-rate 0.002
train apprentice 15 --layers 6 --start-from "$directory/deep.pt" --seed 3 --muon-rate 0.004 --adam-rate 0.001 --cool-down 0.9
"$python" "$here/export.py" "$directory/apprentice.pt" "$directory/tokenizer.json" \
    agent/chargehand/models/apprentice.gguf
"$python" "$here/fixture.py" "$directory/train.jsonl" "$directory/tokenizer.json" \
    agent/chargehand/tests/fixtures/tokenizer.jsonl --files agent/*/src/*.rs docs/*.md

#!/bin/sh
# Trains the embedded model from nothing: corpora, tokenizer, stages, export. One argument: minutes of training (480).
# Everything in between lies in $APPRENTICE_DIR (.cache/apprentice); the model lands in agent/chargehand/models.
# Cut off, it goes on when it is called again with the same minutes: what is there is not made again.
set -eu
cd "$(dirname "$0")/../.."
minutes="${1:-480}"
here=bench-scripts/apprentice
directory="${APPRENTICE_DIR:-.cache/apprentice}"
python="${PYTHON:-.venv/bin/python}"
export TORCHINDUCTOR_CACHE_DIR="$directory/inductor"
mkdir -p "$directory" agent/chargehand/models

corpus() { # NAME COUNT SEED train|test
    test -e "$directory/$1.jsonl" && return
    cargo run --quiet --release --manifest-path "$here/corpus/Cargo.toml" -- corpus "$2" "$3" "$4" > "$directory/half"
    mv "$directory/half" "$directory/$1.jsonl"
}
packed() { # NAME
    test -e "$directory/$1.npz" && return
    "$python" "$here/packing.py" "$directory/$1.jsonl" "$directory/tokenizer.json" "$directory/half.npz"
    mv "$directory/half.npz" "$directory/$1.npz"
}
# Two cores see about 800 trajectories a minute, so that a stage sees each of its own corpus once.
stage() { # NAME SEED PERCENT_OF_MINUTES, then options of train.py
    name="$1" seed="$2" length=$((minutes * $3 / 100))
    shift 3
    test -e "$directory/$name.done" && return
    corpus "$name-train" $((length * 800 + 800)) "$seed" train
    packed "$name-train"
    test -e "$directory/$name.pt" && set -- "$@" --resume
    grep -qw avx512_bf16 /proc/cpuinfo && set -- "$@" --bfloat16
    "$python" "$here/train.py" --minutes "$length" --checkpoint "$directory/$name.pt" --seed "$seed" \
        --train "$directory/$name-train.npz" --held-out "$directory/test.npz" "$directory/known.npz" "$@"
    : > "$directory/$name.done"
}
deeper() { # FROM TO, then layers that are followed by a copy
    from="$directory/$1.pt" to="$directory/$2.pt"
    shift 2
    "$python" "$here/deepen.py" "$from" "$to" --after "$@"
}

# Held out: `test` has words and phrasings of its own; `known` only trajectories that were not trained on.
corpus test 2000 900001 test
corpus known 1000 900002 train
# The tokenizer is learnt from what the first stage sees.
corpus four-train $((minutes * 160 + 800)) 1 train
test -e "$directory/tokenizer.json" ||
    "$python" "$here/tokenizer.py" learn "$directory/four-train.jsonl" "$directory/tokenizer.json"
packed test
packed known

stage four 1 20
deeper four four-as-six 1 2
stage six 2 30 --layers 6 --start-from "$directory/four-as-six.pt" --muon-rate 0.008 --adam-rate 0.002
deeper six six-as-eight 2 4
stage eight 3 30 --layers 8 --start-from "$directory/six-as-eight.pt" --muon-rate 0.006 --adam-rate 0.0015 --skip-below 0.1
stage last 4 20 --layers 8 --start-from "$directory/eight.pt" --muon-rate 0.0045 --adam-rate 0.0011 --cool-down 0.85 \
    --skip-below 0.1
"$python" "$here/average.py" "$directory/eight.pt" "$directory/last.pt" "$directory/apprentice.pt" --share 0.6
"$python" "$here/export.py" "$directory/apprentice.pt" "$directory/tokenizer.json" \
    agent/chargehand/models/apprentice.gguf
"$python" "$here/fixture.py" "$directory/four-train.jsonl" "$directory/tokenizer.json" \
    agent/chargehand/tests/fixtures/tokenizer.jsonl --files agent/*/src/*.rs docs/*.md

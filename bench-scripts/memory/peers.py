#!/usr/bin/env python3
"""What the planner says beside what others would say of the same models, in one run.

    cargo build --release -p chargehand && cargo build --release -p chargehand-engine --example fit
    bench-scripts/models/generate && bench-scripts/memory/peers.py

The formulas of Ollama and of gguf-parser are written down again from their sources; their programs are not run.
llama.cpp's own fit is asked through the library: how long a context it chooses for this machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench-scripts/models"))
from architectures import FITTED, HELD_OUT, Shape  # noqa: E402

PROGRAM = ROOT / "target/release/chargehand"
FIT = ROOT / "target/release/examples/fit"
MODELS = ROOT / "target/test-models/architectures"
CONTEXT, BATCH = 32768, 512
# What only a worker of ours has: no other tool counts it.
OURS = ("tokens of grammars", "matcher", "guesses", "grammars and guesses")


def rows(home: str, path: Path, *args: str) -> list[dict]:
    command = [PROGRAM, "plan", path, "--ctx", str(CONTEXT), "--budget", "host=999GiB", "--json", *args]
    found = subprocess.run(command, env={"CHARGEHAND_HOME": home, "PATH": os.environ["PATH"]}, capture_output=True)
    assert found.returncode == 0, found.stderr.decode()
    all_rows = json.loads(found.stdout)["footprints"][0]["rows"]
    return [row for row in all_rows if row["what"] not in OURS]


def helper(found: list[dict]) -> int:
    """What `common_get_device_memory_data` adds up: no repacked weights, nothing beside buffers."""
    return sum(row["bytes"] for row in found if "(" in row["what"] and "REPACK" not in row["what"] and "AMX" not in row["what"])


def ollama(shape: Shape, path: Path) -> int | None:
    if not shape.heads:
        return None
    heads = shape.kv_heads if isinstance(shape.kv_heads, int) else min(shape.kv_heads)
    return path.stat().st_size + 2 * shape.layers * heads * (shape.width // shape.heads) * CONTEXT * 2


def is_local(shape: Shape, layer: int) -> bool:
    every = {"gemma3": 6, "gpt-oss": 2}.get(shape.arch, 1)
    return shape.window > 0 and (layer + 1) % every != 0


def gguf_parser(shape: Shape, path: Path, weights: int) -> int | None:
    if shape.arch in ("mamba", "jamba", "granitehybrid"):
        return None
    key, value = shape.head, shape.head
    if shape.arch == "deepseek2":
        key, value = shape.more["attention.key_length_mla"], shape.more["attention.value_length_mla"]
    cells = [min(CONTEXT, shape.window + 2048) if is_local(shape, at) else CONTEXT for at in range(shape.layers)]
    cache = sum(count * shape.kv_of(at) * (key + value) * 2 for at, count in enumerate(cells))
    last = weights // max(shape.layers, 1)
    header = path.stat().st_size - weights
    return weights + cache + last + (5 << 20) + max(header, 0) + BATCH * shape.vocabulary * 4


def off(said: int | None, truth: int) -> str:
    return "says nothing" if said is None else f"{(said - truth) / truth:+.1%}"


def fit(path: Path) -> str:
    if not FIT.exists():
        return "not built"
    found = subprocess.run([FIT, path], capture_output=True)
    return found.stdout.decode().strip() or "no answer"


def main() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    print(f"{CONTEXT} tokens of f16, a batch of {BATCH}, on a CPU; this machine has {total} MiB in all.\n")
    print("| model | dry run, MiB | header | llama.cpp's memory data | Ollama | gguf-parser | context that llama.cpp's fit takes here |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        for part, shapes in (("fitted", FITTED), ("held-out", HELD_OUT)):
            for name, shape in shapes.items():
                path = MODELS / part / f"{name}.gguf"
                counted = rows(home, path)
                truth = sum(row["bytes"] for row in counted)
                header = sum(row["bytes"] for row in rows(home, path, "--headers"))
                weights = sum(row["bytes"] for row in counted if row["what"].startswith("weights"))
                said = [header, helper(counted), ollama(shape, path), gguf_parser(shape, path, weights)]
                cells = " | ".join(off(number, truth) for number in said)
                print(f"| {name} | {truth >> 20} | {cells} | {fit(path)} |", flush=True)


if __name__ == "__main__":
    main()

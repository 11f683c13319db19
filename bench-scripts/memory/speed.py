#!/usr/bin/env python3
"""How long the planner thinks: the header, the first dry run of a model, each further question, a kept answer.

    cargo build --release -p chargehand && bench-scripts/models/generate
    bench-scripts/memory/speed.py [MODEL.gguf]

Wall time is what a person waits; CPU time is what it costs where others work on the same cores.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/chargehand"
LARGE = ROOT / "target/test-models/architectures/held-out/qwen3moe-235b.gguf"
ROUNDS = 9
TICKS = os.sysconf("SC_CLK_TCK")


def median(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


def cpu_of(process: subprocess.Popen) -> float:
    """Returns the CPU milliseconds of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e3 / TICKS


def command(home: str, *args: str) -> tuple[float, float]:
    """Returns wall and CPU milliseconds of a whole command, children included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {"CHARGEHAND_HOME": home, "PATH": os.environ["PATH"]}
    found = subprocess.run([PROGRAM, *args], env=environment, capture_output=True)
    assert found.returncode in (0, 3), found.stderr.decode()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1e3, cpu * 1e3


def commands(what: str, args: list[str], home: str | None = None) -> None:
    """Prints what a command takes, each time without anything known from before, unless it has a `home`."""
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as fresh:
            rounds.append(command(home or fresh, *args))
    show(what, rounds)


def show(what: str, rounds: list[tuple[float, float]]) -> None:
    walls, cpus = zip(*rounds)
    print(f"| {what} | {median(walls):.1f} | {min(walls):.1f} | {median(cpus):.1f} |", flush=True)


def questions(model: str) -> None:
    """Asks one counting process what one model takes with ever other options."""
    options = {"path": model, "n_ctx": 16384, "n_seq": 1, "n_batch": 512, "n_gpu_layers": 0, "kv_type": "f16",
               "use_mmap": True, "extra_buffers": True, "threads": 0}
    arguments = [PROGRAM, "dry-run", "--", model]
    first, further = [], []
    for _ in range(3):
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        begun = time.perf_counter()
        for step in range(12):
            before = cpu_of(process) if step else 0.0
            changed = options | {"n_ctx": 16384 - 256 * step, "kv_type": ["f16", "q8_0"][step % 2]}
            process.stdin.write((json.dumps({"model": "m", "options": changed}) + "\n").encode())
            process.stdin.flush()
            assert b"footprint" in process.stdout.readline()
            taken = ((time.perf_counter() - begun) * 1e3, cpu_of(process) - before)
            (further if step else first).append(taken)
            begun = time.perf_counter()
        process.stdin.close()
        process.wait()
    show("first dry run, its process included", first)
    show("each further question (a step of the ladder)", further)


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else str(LARGE)
    budget = ["--budget", "host=999GiB", "--json"]
    print(f"{model}: {Path(model).stat().st_size / 1e9:.0f} GB, load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores\n")
    print("| what | wall, median ms | wall, least ms | CPU, median ms |\n|---|---|---|---|")
    commands("the program and nothing else (`--version`)", ["--version"])
    commands("`plan --headers`, the program included", ["plan", model, "--headers", *budget])
    commands("`plan` for the first time", ["plan", model, *budget])
    with tempfile.TemporaryDirectory() as home:
        command(home, "plan", model, *budget)
        commands("`plan` once more: kept", ["plan", model, *budget], home)
    questions(model)


if __name__ == "__main__":
    main()

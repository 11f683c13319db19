"""Real roll-outs of the embedded model (or any GGUF) through `chargehand run`, on held-out tasks.

For each task a real git repository is made, the program is run in it with the task's contract, and the files of
the accepted result are compared byte for byte with what the oracle left. Python's standard library and git only.

    python3 rollout.py --program ../../target/release/chargehand --corpus ../../target/release/apprentice-corpus \
        --count 200 create append replace
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GIT = ["git", "-c", "user.name=rollout", "-c", "user.email=rollout@localhost", "-c", "core.autocrlf=false"]


def main() -> int:
    arguments = parse_arguments()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    worst = 1.0
    for family in arguments.families:
        tasks = make_tasks(arguments, family)
        passed, seconds, calls = 0, 0.0, 0
        for number, task in enumerate(tasks):
            with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
                begin = time.monotonic()
                result = roll_out(arguments, task, Path(folder), environment)
                seconds += time.monotonic() - begin
            passed += result["right"]
            calls += result["turns"]
            if arguments.failures and not result["right"]:
                print(json.dumps({"family": family, "number": number, **result, "task": task}, ensure_ascii=False),
                      file=arguments.failures, flush=True)
        low, high = wilson(passed, len(tasks))
        worst = min(worst, passed / len(tasks))
        print(f"{family:8} {passed:4} of {len(tasks):4} right  {passed / len(tasks):.3f}  "
              f"(95 % interval {low:.3f} to {high:.3f})  {calls / len(tasks):.1f} calls and "
              f"{seconds / len(tasks):.2f} s a task", flush=True)
    return 0 if worst >= arguments.least else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", help="create, append, replace, set, fix, ask")
    parser.add_argument("--program", required=True, help="the chargehand binary")
    parser.add_argument("--corpus", required=True, help="the apprentice-corpus binary")
    parser.add_argument("--count", type=int, default=100, help="tasks a family")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--phrasings", choices=["test", "blind"], default="test")
    parser.add_argument("--model", help="a GGUF file instead of the embedded model")
    parser.add_argument("--least", type=float, default=0.0, help="exit 1 when a family is below")
    parser.add_argument("--failures", type=argparse.FileType("w"), help="file for what went wrong, as JSON lines")
    return parser.parse_args()


def make_tasks(arguments: argparse.Namespace, family: str) -> list[dict]:
    command = [arguments.corpus, "tasks", str(arguments.count), str(arguments.seed), arguments.phrasings, family]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def roll_out(arguments: argparse.Namespace, task: dict, folder: Path, environment: dict) -> dict:
    repository, state = folder / "repository", folder / "state"
    write_files(repository, task["files"])
    git(repository, environment, "init", "--quiet")
    git(repository, environment, "add", "--all")
    git(repository, environment, "commit", "--quiet", "--allow-empty", "--message", "start")
    contract = folder / "contract.toml"
    contract.write_text(task["contract"], encoding="utf-8")
    command = [str(Path(arguments.program).resolve()), "run", "--contract", str(contract), "--turns", "12"]
    if arguments.model:
        command += ["--model", str(Path(arguments.model).resolve())]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300, check=False,
                         env={**environment, "CHARGEHAND_HOME": str(state)})
    folders = sorted((state / "runs").glob("*")) if (state / "runs").is_dir() else []
    if not folders:
        return {"right": False, "exit": run.returncode, "turns": 0, "calls": [run.stderr[-500:]]}
    report = json.loads((folders[-1] / "report.json").read_text(encoding="utf-8"))
    files = read_files(folders[-1] / "work")
    # A task that must be refused is right when nothing changed and the worker asked.
    asked = task["expect"] == task["files"]
    ending = report["stop"]["kind"] == "asked" if asked else run.returncode == 0
    calls = [turn["call"] and f"{turn['call']['name']} {turn['call']['written']}" for turn in report["turns"]]
    return {"right": files == task["expect"] and ending, "exit": run.returncode, "turns": len(calls), "calls": calls}


def git(repository: Path, environment: dict, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=repository, check=True, capture_output=True, env=environment)


def write_files(repository: Path, files: dict[str, str]) -> None:
    repository.mkdir(parents=True)
    for path, text in files.items():
        target = repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())


def read_files(work: Path) -> dict[str, str]:
    found = (path for path in work.rglob("*") if path.is_file())
    return {str(path.relative_to(work)): path.read_bytes().decode() for path in found}


def wilson(passed: int, total: int) -> tuple[float, float]:
    """The interval of Wilson (1927) at 95 %."""
    z, share = 1.96, passed / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    sys.exit(main())

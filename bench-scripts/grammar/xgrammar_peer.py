"""xgrammar on the same workloads, vocabulary and texts as `grammar-bench`, which dumps them.

    python xgrammar_peer.py DUMP.json [--rounds N] [--workloads abce] [--csv FILE]

A table and a file as of `grammar-bench`. Each round compiles anew, on one thread and without a cache. Times are CPU time
of the thread, without that of the clock; a step's time is its median over the rounds.

A workload is told as its JSON Schema, and any JSON as the grammar for it that xgrammar has built in. Our GBNF is not told:
of the thirty functions it was not compiled within a minute. What is timed goes through the Python binding,
`fill_next_token_bitmask` on an array of NumPy, so what the same call takes for a grammar of nothing is printed first.
It is not taken off.
"""

import argparse
import json
import statistics
import time

import numpy
import xgrammar

TITLES = "  engine                 masks   mean us      p50      p99      max  cold max  again max  advance  compile ms  one call ms"
NAMES = [
    "mask_mean_us",
    "mask_p50_us",
    "mask_p99_us",
    "mask_max_us",
    "cold_max_us",
    "again_max_us",
    "advance_mean_us",
    "compile_ms",
    "one_call_ms",
]


class Clock:
    """The CPU time of this thread, without that of the clock."""

    def __init__(self) -> None:
        self.own = 0.0
        self.own = statistics.median(self.since(time.thread_time_ns()) for _ in range(1_000))

    def since(self, begun: int) -> float:
        """Microseconds since `begun`."""
        return max(0.0, (time.thread_time_ns() - begun) / 1e3 - self.own)


class Engine:
    """A compiler for one vocabulary."""

    def __init__(self, dump: dict, clock: Clock) -> None:
        self.clock = clock
        # A token that is no text has none, and xgrammar never allows it.
        tokens = [bytes.fromhex(token or "") for token in dump["tokens"]]
        self.tokens = xgrammar.TokenizerInfo(tokens, stop_token_ids=dump["ends"])
        self.bits = numpy.zeros((1, (len(tokens) + 31) // 32), dtype=numpy.int32)

    def compiled(self, schema: dict) -> xgrammar.CompiledGrammar:
        """Compiles a schema anew."""
        compiler = xgrammar.GrammarCompiler(self.tokens, max_threads=1, cache_enabled=False)
        if not schema:
            return compiler.compile_builtin_json_grammar()
        told = json.dumps(schema)
        return compiler.compile_json_schema(told, any_whitespace=False, separators=(",", ":"), strict_mode=False)

    def allows(self, token: int) -> bool:
        return bool(self.bits[0, token // 32] >> (token % 32) & 1)

    def overhead(self) -> float:
        """What a mask takes through the binding where next to nothing is to find out."""
        matcher = xgrammar.GrammarMatcher(self.compiled({"const": 0}))
        times = []
        for _ in range(1_000):
            begun = time.thread_time_ns()
            matcher.fill_next_token_bitmask(self.bits)
            times.append(self.clock.since(begun))
        return statistics.median(times)

    def steps(self, compiled: xgrammar.CompiledGrammar, texts: list) -> tuple[list, list]:
        """Takes the masks of all steps of all texts, and the steps."""
        masks, advances = [], []
        for text in texts:
            matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
            for token in text:
                begun = time.thread_time_ns()
                matcher.fill_next_token_bitmask(self.bits)
                masks.append(self.clock.since(begun))
                if not self.allows(token):
                    raise ValueError(f"token {token} is denied")
                begun = time.thread_time_ns()
                matcher.accept_token(token)
                advances.append(self.clock.since(begun))
            if not matcher.is_terminated():
                raise ValueError("a text is not whole")
        return masks, advances

    def round(self, workload: dict) -> dict:
        begun = time.thread_time_ns()
        compiled = self.compiled(workload["schema"])
        took = self.clock.since(begun) / 1e3
        masks, advances = self.steps(compiled, workload["texts"])
        again, _ = self.steps(compiled, workload["texts"])
        return {"compile": took, "masks": masks, "advances": advances, "again": again}


def figures(rounds: list[dict], first: int) -> list[float]:
    """The figures of some rounds, in the order of NAMES; `first` says how long the first text is."""

    def medians(of: str) -> list[float]:
        return [statistics.median(times) for times in zip(*(one[of] for one in rounds), strict=True)]

    masks, advances, again = medians("masks"), medians("advances"), medians("again")
    ordered = sorted(masks)
    took = statistics.median(one["compile"] for one in rounds)
    return [
        statistics.fmean(masks),
        ordered[(len(ordered) - 1) // 2],
        ordered[(len(ordered) - 1) * 990 // 1_000],
        ordered[-1],
        max(max(one["masks"]) for one in rounds),
        max(again),
        statistics.fmean(advances),
        took,
        took + (sum(masks[:first]) + sum(advances[:first])) / 1e3,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workloads", default="abce")
    parser.add_argument("--csv", type=argparse.FileType("w"))
    asked = parser.parse_args()
    with open(asked.dump, encoding="utf-8") as file:
        dump = json.load(file)
    clock = Clock()
    engine = Engine(dump, clock)
    print(f"{len(dump['tokens'])} tokens; through the binding an empty mask takes {engine.overhead():.2f} us")
    print(TITLES)
    for workload in dump["workloads"]:
        if workload["name"] not in asked.workloads or workload["schema"] is None:
            continue
        try:
            rounds = [engine.round(workload) for _ in range(asked.rounds)]
        except (RuntimeError, ValueError) as error:
            print(f"{workload['name']}: xgrammar gives up: {str(error)[:200]}")
            continue
        row = figures(rounds, len(workload["texts"][0]))
        masks = len(rounds[0]["masks"])
        mean, p50, p99, most, cold, again, advance, took, call = row
        print(
            f"{workload['name']} {'xgrammar':22} {masks:5} {mean:9.2f} {p50:8.2f} {p99:8.1f} {most:8.0f} {cold:9.0f} "
            f"{again:10.2f} {advance:8.2f} {took:11.2f} {call:12.2f}",
            flush=True,
        )
        if asked.csv:
            cells = ",".join(f"{name}={figure:.4f}" for name, figure in zip(NAMES, row, strict=True))
            print(f"{len(dump['tokens'])},{workload['name']},xgrammar,{masks},{cells}", file=asked.csv, flush=True)


if __name__ == "__main__":
    main()

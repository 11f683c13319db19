"""Packs a corpus of trajectories (JSON lines) into arrays, and cuts arrays into batches.

A line is {"family": NAME, "segments": [[TEXT, KIND], ...]}; the kinds stand in tokenizer.py.

    python packing.py CORPUS.jsonl tokenizer.json OUT.npz [--longest 2048]
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tokenizer import ANSWER, Encoder

CHUNK = 500
WINDOW = 4096
# Lengths are padded to a multiple of this, which keeps the kernels on whole vectors.
GRAIN = 8


@dataclass
class Corpus:
    """Trajectories end to end: `offsets[i]..offsets[i + 1]` are the tokens of the i-th."""

    ids: np.ndarray
    answers: np.ndarray
    offsets: np.ndarray
    family: np.ndarray
    names: list[str]

    @staticmethod
    def load(path: str) -> "Corpus":
        """Returns the corpus stored under `path`."""
        with np.load(path) as file:
            names = [str(name) for name in file["names"]]
            return Corpus(file["ids"], file["answers"], file["offsets"], file["family"], names)

    @staticmethod
    def load_all(paths: list[str]) -> "Corpus":
        """Returns several corpora, packed with the same tokenizer, as one."""
        corpora = [Corpus.load(path) for path in paths]
        assert all(corpus.names == corpora[0].names for corpus in corpora), f"{paths} number their families differently"
        starts = np.cumsum([0] + [len(corpus.ids) for corpus in corpora])
        offsets = [corpus.offsets[:-1] + start for corpus, start in zip(corpora, starts)]
        return Corpus(
            np.concatenate([corpus.ids for corpus in corpora]),
            np.concatenate([corpus.answers for corpus in corpora]),
            np.concatenate([*offsets, starts[-1:]]),
            np.concatenate([corpus.family for corpus in corpora]),
            corpora[0].names,
        )

    def __len__(self) -> int:
        return len(self.family)

    def lengths(self) -> np.ndarray:
        """Returns the number of tokens of each trajectory."""
        return np.diff(self.offsets)

    def answer_counts(self) -> np.ndarray:
        """Returns the number of answer tokens of each trajectory."""
        return np.add.reduceat(self.answers.astype(np.int64), self.offsets[:-1])


@dataclass
class Batch:
    """Padded rows; `at` are the positions that predict, `targets` what they must predict (-1: padding)."""

    ids: np.ndarray
    at: np.ndarray
    targets: np.ndarray
    family: np.ndarray


def collate(corpus: Corpus, chosen: np.ndarray) -> Batch:
    """Returns the chosen trajectories as one batch."""
    rows = [slice(corpus.offsets[i], corpus.offsets[i + 1]) for i in chosen]
    places = [np.flatnonzero(corpus.answers[row][1:]) for row in rows]
    length = round_up(max(row.stop - row.start for row in rows))
    count = round_up(max(len(place) for place in places))
    batch = Batch(
        np.zeros((len(rows), length), np.int64),
        np.zeros((len(rows), count), np.int64),
        np.full((len(rows), count), -1, np.int64),
        corpus.family[chosen],
    )
    for number, (row, place) in enumerate(zip(rows, places)):
        tokens = corpus.ids[row]
        batch.ids[number, : len(tokens)] = tokens
        batch.at[number, : len(place)] = place
        batch.targets[number, : len(place)] = tokens[place + 1]
    return batch


def round_up(length: int) -> int:
    return -(-length // GRAIN) * GRAIN


def micro_batches(corpus: Corpus, order: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Cuts `order` into groups of about equal length that hold at most `tokens` tokens each (one at least)."""
    lengths = corpus.lengths()
    groups, group = [], []
    for index in order[np.argsort(lengths[order], kind="stable")]:
        if group and (len(group) + 1) * round_up(int(lengths[index])) > tokens:
            groups.append(np.array(group))
            group = []
        group.append(index)
    if group:
        groups.append(np.array(group))
    return groups


def steps(corpus: Corpus, seed: int, micro_tokens: int, micros: int) -> Iterator[list[np.ndarray]]:
    """Yields without end the micro-batches of each optimizer step; the same seed gives the same steps."""
    random = np.random.default_rng(seed)
    ready: list[np.ndarray] = []
    while True:
        shuffled = random.permutation(len(corpus))
        for start in range(0, len(shuffled), WINDOW):
            groups = micro_batches(corpus, shuffled[start : start + WINDOW], micro_tokens)
            ready += [groups[place] for place in random.permutation(len(groups))]
            while len(ready) >= micros:
                yield ready[:micros]
                ready = ready[micros:]


def pack(source: str, encoder: Encoder, longest: int) -> tuple[Corpus, int]:
    """Returns the corpus in `source` and the number of trajectories left out as longer than `longest`."""
    parts_ids, parts_answers, lengths, families = [], [], [], []
    left_out = 0
    with open(source, encoding="utf-8") as file:
        while lines := list(itertools.islice(file, CHUNK)):
            trajectories = [json.loads(line) for line in lines]
            encoded = iter(encoder.encode_all([tuple(s) for t in trajectories for s in t["segments"]]))
            for trajectory in trajectories:
                pieces = [(next(encoded), kind == ANSWER) for _, kind in trajectory["segments"]]
                length = sum(len(ids) for ids, _ in pieces)
                if length > longest or not any(answer for _, answer in pieces):
                    left_out += 1
                    continue
                parts_ids += [np.array(ids, np.uint16) for ids, _ in pieces]
                parts_answers += [np.full(len(ids), answer) for ids, answer in pieces]
                lengths.append(length)
                families.append(trajectory["family"])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names, family = np.unique(families, return_inverse=True)
    arrays = np.concatenate(parts_ids), np.concatenate(parts_answers), offsets, family.astype(np.uint8)
    return Corpus(*arrays, [str(name) for name in names]), left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("tokenizer")
    parser.add_argument("output")
    parser.add_argument("--longest", type=int, default=2048)
    options = parser.parse_args()
    corpus, left_out = pack(options.source, Encoder(options.tokenizer), options.longest)
    np.savez(options.output, **{**vars(corpus), "names": np.array(corpus.names)})
    print(f"{options.output}: {len(corpus)} trajectories, {len(corpus.ids)} tokens, "
          f"{corpus.answers.mean():.3f} of them answers, {left_out} left out as too long")
    for number, name in enumerate(corpus.names):
        lengths = corpus.lengths()[corpus.family == number]
        print(f"  {name}: {len(lengths)}, {lengths.mean():.0f} tokens each, {lengths.max()} at most")


if __name__ == "__main__":
    main()

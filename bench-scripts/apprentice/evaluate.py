"""Measures a decoder on held-out trajectories: loss, turns exactly right, trajectories exactly right, by family.

Each token is predicted after the right ones (teacher forcing). A turn counts when its whole call is right.
How well the model works is a different question: roll-outs through the real harness answer that.
"""

import numpy as np
import torch
import torch.nn.functional as F

from model import Decoder
from packing import Batch, Corpus

LOSS, TOKENS, TURNS_RIGHT, TURNS, ALL_RIGHT, ALL = range(6)
COLUMNS = 6


@torch.no_grad()
def tally(model: Decoder, batch: Batch, table: torch.Tensor) -> None:
    """Adds the figures of one batch to `table` (family, column)."""
    targets = torch.from_numpy(batch.targets)
    logits = model(torch.from_numpy(batch.ids), torch.from_numpy(batch.at))
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none").view(targets.shape)
    right = (logits.argmax(-1) == targets).numpy()
    for row, family in enumerate(batch.family):
        known = batch.targets[row] >= 0
        turns = turns_right(batch.at[row][known], right[row][known])
        figures = [float(losses[row].sum()), known.sum(), sum(turns), len(turns), all(turns), 1]
        table[family] += torch.tensor([float(figure) for figure in figures], dtype=torch.float64)


def turns_right(at: np.ndarray, right: np.ndarray) -> list[bool]:
    """Splits positions into runs without a gap (turns) and returns for each whether all of it is right."""
    turns = np.split(right, np.flatnonzero(np.diff(at) != 1) + 1)
    return [bool(turn.all()) for turn in turns]


def describe(table: torch.Tensor, corpus: Corpus) -> str:
    """Returns one line: the whole, then each family as turns/trajectories."""
    words = [summary(table.sum(0))]
    for number in sorted(range(len(corpus.names)), key=lambda number: corpus.names[number]):
        row = table[number].tolist()
        if row[ALL]:
            words.append(f"{corpus.names[number]} {row[TURNS_RIGHT] / row[TURNS]:.3f}/{row[ALL_RIGHT] / row[ALL]:.3f}")
    return " ".join(words)


def summary(row: torch.Tensor) -> str:
    """Returns loss, turns and trajectories of one row in words."""
    loss, tokens, turns_right_, turns, all_right, count = row.tolist()
    return f"loss {loss / tokens:.4f} turns {turns_right_ / turns:.3f} trajectories {all_right / count:.3f}"

"""Starts a decoder with the circuits of copying in place, instead of waiting for them to appear.

Layer 0: head h attends h + 1 tokens back, by rotary phase alone, and writes that token into a subspace of its own.
Layer 1: each head looks for the place where the present token was followed, or the last two were, and copies what
followed ("induction"). All other output matrices start at zero. The residual stream is scaled up and the last norm
undoes it, so that Muon's steps of fixed size do not wipe the structure out at once.

    python induction.py      (prints how well a fresh model continues a repeated random passage)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model import Block, Decoder, Shape, rope_frequencies

SHIFTS = 3


@dataclass(frozen=True)
class Strength:
    """The sizes at which the circuits work; found by trial with the test at the end of this file."""

    constant: float = 0.1
    write_shift: float = 0.03
    write_copy: float = 0.04
    phase_pairs: int = 10
    phase_gain: float = 2.0
    match_gain: float = 2.5
    slow: float = 0.012
    noise: float = 0.002
    residual: float = 12.0


@torch.no_grad()
def install(model: Decoder, seed: int, strength: Strength = Strength()) -> None:
    """Rewrites the fresh model's first two layers; the rest keeps its random input matrices."""
    random = torch.Generator().manual_seed(seed)
    model.embedding[:, 0] = strength.constant
    for block in model.blocks:
        block.out.zero_()
        block.down.zero_()
    read = orthogonal(model.shape.width, random)[: model.shape.head_width]
    read[:, 0] = 0
    subspaces = orthogonal(model.shape.width, random)
    install_shifts(model, read, subspaces, strength, random)
    install_matches(model, read, subspaces, strength, random)
    model.embedding.mul_(strength.residual)
    model.blocks[0].out.mul_(strength.residual)
    model.blocks[1].out.mul_(strength.residual)
    model.norm.weight.fill_(1 / strength.residual)


def install_shifts(model: Decoder, read: Tensor, subspaces: Tensor, strength: Strength, random: torch.Generator) -> None:
    """Layer 0: the constant channel makes query and key; the fastest phases single out one distance."""
    block, shape = model.blocks[0], model.shape
    query, key, value = parts(block)
    half, pairs = shape.head_width // 2, strength.phase_pairs
    phase = rope_frequencies(shape)[:pairs]
    for head in range(min(SHIFTS, shape.heads)):
        rows = head_rows(shape, head)
        for matrix in (query, key):
            matrix[rows] = torch.randn(shape.head_width, shape.width, generator=random) * strength.noise
            matrix[rows, 0] = 0
        query[rows, 0][:pairs] = 1
        key[rows, 0][:pairs] = torch.cos((head + 1) * phase)
        key[rows, 0][half : half + pairs] = torch.sin((head + 1) * phase)
        value[rows] = read
        block.out[:, rows] = strength.write_shift * subspaces[rows].T
    for norm in (block.q_norm, block.k_norm):
        norm.weight[:pairs] = strength.phase_gain
        norm.weight[half : half + pairs] = strength.phase_gain


def install_matches(model: Decoder, read: Tensor, subspaces: Tensor, strength: Strength, random: torch.Generator) -> None:
    """Layer 1: the slow dimensions, which hardly know positions, compare tokens with shifted tokens."""
    block, shape = model.blocks[1], model.shape
    query, key, value = parts(block)
    slow = [pair for pair, phase in enumerate(rope_frequencies(shape)) if phase < strength.slow]
    slow += [pair + shape.head_width // 2 for pair in slow]
    once, twice = subspaces[head_rows(shape, 0)], subspaces[head_rows(shape, 1)]
    targets = orthogonal(shape.width, random)
    for head in range(min(shape.heads, shape.width // shape.head_width)):
        rows = head_rows(shape, head)
        query[rows], key[rows] = 0, 0
        picks = torch.randperm(shape.head_width, generator=random)
        # Even and odd heads swap the halves: here x_i with x_(j-1), there x_(i-1) with x_(j-2).
        for pick, row in zip(picks, slow[head % 2 :: 2]):
            query[rows][row] = read[pick]
            key[rows][row] = 3 * once[pick]
        for pick, row in zip(picks, slow[1 - head % 2 :: 2]):
            query[rows][row] = 1.4 * once[pick]
            key[rows][row] = 2.1 * twice[pick]
        value[rows] = targets[rows]
        block.out[:, rows] = strength.write_copy * targets[rows].T
    block.q_norm.weight.fill_(strength.match_gain)
    block.k_norm.weight.fill_(strength.match_gain)


def parts(block: Block) -> tuple[Tensor, ...]:
    """Returns views of the query, key and value matrices."""
    return block.qkv.chunk(3)


def head_rows(shape: Shape, head: int) -> slice:
    return slice(head * shape.head_width, (head + 1) * shape.head_width)


def orthogonal(width: int, random: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(width, width, generator=random))[0]


@torch.no_grad()
def repeated_passage_accuracy(shape: Shape, seed: int) -> float:
    """Returns how often a fresh model names the next token inside the second copy of a random passage."""
    torch.manual_seed(seed)
    model = Decoder(shape)
    install(model, seed)
    right = []
    for length in (12, 25, 50):
        ids = torch.randint(shape.vocabulary, (4, 256))
        ids[:, 190 : 190 + length] = ids[:, 60 : 60 + length]
        at = torch.arange(192, 190 + length - 1).expand(4, -1)
        logits = model(ids, at)
        # A token's own logit stands out in a tied, untrained model; training removes that at once.
        logits.scatter_(2, ids.gather(1, at)[:, :, None], -torch.inf)
        right.append((logits.argmax(-1) == ids.gather(1, at + 1)).float().mean())
    return float(torch.stack(right).mean())


if __name__ == "__main__":
    for layers in (2, 4):
        print(f"{layers} layers: {repeated_passage_accuracy(Shape(layers=layers), 0):.3f} of the tokens continued rightly")

"""The weights of a small model with a layer that guesses further tokens (MTP), in the form of glm4moe.

Words without a space stand in circles: what stands in for a word is that of the word before it, with its channels
turned by one. The model says the next word, and its last layer guesses the one behind from the token and the state
before it, which must fit together. Noise in every layer makes some guesses wrong, as in a real model.
"""

import random
import struct
from typing import NamedTuple

import gguf_file
from gguf_file import GgufFile, random_matrix, row_bytes
from vocabulary import Vocabulary

ARCH = "glm4moe"


class Mixture(NamedTuple):
    """Two layers, the first of them dense, and one that guesses."""

    width: int = 64
    heads: int = 2
    kv_heads: int = 1
    layers: int = 2
    guessing: int = 1
    feed_forward: int = 128
    expert: int = 64
    experts: int = 4
    used: int = 2
    dense: int = 1

    @property
    def head(self) -> int:
        return self.width // self.heads

    def numbers(self) -> dict[str, int]:
        numbers = {"embedding_length": self.width, "block_count": self.layers + self.guessing}
        numbers |= {"feed_forward_length": self.feed_forward, "attention.head_count": self.heads}
        numbers |= {"attention.head_count_kv": self.kv_heads, "rope.dimension_count": self.head}
        numbers |= {"attention.key_length": self.head, "attention.value_length": self.head}
        numbers |= {"expert_count": self.experts, "expert_used_count": self.used, "expert_shared_count": 1}
        numbers |= {"expert_feed_forward_length": self.expert, "leading_dense_block_count": self.dense}
        return numbers | {"nextn_predict_layers": self.guessing}


# How much a layer adds to what stands in for a token, whose length is 1 a channel.
NOISE = 1.5


def add_weights(file: GgufFile, vocab: Vocabulary, seed: str, shape: Mixture) -> None:
    dice = random.Random(seed)
    width = shape.width
    embedding = random_matrix(dice, width, len(vocab.tokens), 1.0)
    output = random_matrix(dice, width, len(vocab.tokens), 1.0)
    words = [row for row, token in enumerate(vocab.tokens) if token.isascii() and token.isalpha() and token.islower()]
    dice.shuffle(words)
    # Turned so often, all channels are where they were.
    around = 2 * width
    for first in range(0, len(words) - around + 1, around):
        circle = words[first : first + around]
        state = levels(embedding, circle[0], width)
        for word, following in zip(circle, circle[1:] + circle[:1]):
            set_levels(embedding, word, state)
            set_levels(output, following, state)
            state = turned(state)
    file.add_blocks("token_embd.weight", width, bytes(embedding))
    file.add_blocks("output.weight", width, bytes(output))
    file.add_floats("output_norm.weight", [1.0] * width)
    for layer in range(shape.layers + shape.guessing):
        add_layer(file, dice, shape, layer)


def turned(state: list[int]) -> list[int]:
    """Moves each channel on by one, and the last one to the front with its sign changed."""
    return [max(-127, min(127, -state[-1])), *state[:-1]]


def levels(matrix: bytearray, row: int, width: int) -> list[int]:
    """Returns the weights of a row of Q8_0 in steps of its scale, which is the same for all rows."""
    size = row_bytes(width, gguf_file.Q8_0)
    blocks = matrix[row * size : (row + 1) * size]
    found = [level for at in range(0, size, 34) for level in struct.unpack("<32b", blocks[at + 2 : at + 34])]
    return [max(-127, level) for level in found]


def set_levels(matrix: bytearray, row: int, state: list[int]) -> None:
    size = row_bytes(len(state), gguf_file.Q8_0)
    for block in range(len(state) // 32):
        at = row * size + block * 34 + 2
        matrix[at : at + 32] = struct.pack("<32b", *state[block * 32 : (block + 1) * 32])


def add_layer(file: GgufFile, dice: random.Random, shape: Mixture, layer: int) -> None:
    width, narrow = shape.width, shape.head * shape.kv_heads

    def add(name: str, columns: int, rows: list[int], spread: float = 1.0) -> None:
        matrix = random_matrix(dice, columns, rows[0] * (rows[1] if rows[1:] else 1), spread / columns**0.5)
        file.add_blocks(f"blk.{layer}.{name}.weight", columns, bytes(matrix), rows=rows)

    for name in ("attn_norm", "post_attention_norm"):
        file.add_floats(f"blk.{layer}.{name}.weight", [1.0] * width)
    add("attn_q", width, [width])
    add("attn_k", width, [narrow])
    add("attn_v", width, [narrow])
    add("attn_output", width, [width], NOISE)
    if layer < shape.dense:
        add("ffn_gate", width, [shape.feed_forward])
        add("ffn_up", width, [shape.feed_forward])
        add("ffn_down", shape.feed_forward, [width], NOISE)
    else:
        add("ffn_gate_inp", width, [shape.experts])
        file.add_floats(f"blk.{layer}.exp_probs_b.bias", [0.0] * shape.experts)
        add("ffn_gate_exps", width, [shape.expert, shape.experts])
        add("ffn_up_exps", width, [shape.expert, shape.experts])
        add("ffn_down_exps", shape.expert, [width, shape.experts], NOISE)
        add("ffn_gate_shexp", width, [shape.expert])
        add("ffn_up_shexp", width, [shape.expert])
        add("ffn_down_shexp", shape.expert, [width], NOISE)
    if layer >= shape.layers:
        for name in ("enorm", "hnorm", "shared_head_norm"):
            file.add_floats(f"blk.{layer}.nextn.{name}.weight", [1.0] * width)
        file.add_blocks(f"blk.{layer}.nextn.eh_proj.weight", 2 * width, joined(width))


def joined(width: int) -> bytes:
    """Returns the matrix that adds the token and the turned state before it, half of each."""
    scale = struct.pack("<e", 0.5 / 127)
    rows = bytearray()
    for row in range(width):
        token, state = [0] * width, [0] * width
        token[row] = 127
        state[row - 1] = 127 if row else -127
        both = token + state
        for at in range(0, 2 * width, 32):
            rows += scale + struct.pack("<32b", *both[at : at + 32])
    return bytes(rows)

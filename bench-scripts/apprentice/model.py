"""A qwen3-shaped decoder in plain PyTorch: QK-norm, NEOX rotary positions, SwiGLU, tied embeddings.

Written for a few CPU cores: fused projections, and a last layer that works only where a loss is asked for.
It does not generate text; llama.cpp does that with the exported file.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The numbers that fix a model; they stand in every checkpoint and in the GGUF header."""

    vocabulary: int = 1024
    width: int = 192
    layers: int = 4
    heads: int = 3
    head_width: int = 64
    feed_forward: int = 512
    rope_base: float = 1e6
    epsilon: float = 1e-6
    context: int = 2048


class Norm(nn.Module):
    """Root-mean-square norm with a learnt gain."""

    def __init__(self, width: int, epsilon: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.epsilon) * self.weight


class Rotary(nn.Module):
    """The table of rotary phases, cut to the positions in use."""

    def __init__(self, shape: Shape):
        super().__init__()
        frequency = rope_frequencies(shape)
        angle = torch.arange(shape.context).float()[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)


def rope_frequencies(shape: Shape) -> Tensor:
    """Returns the rotation per position of each pair of a head's dimensions, fastest first."""
    half = shape.head_width // 2
    return shape.rope_base ** (-torch.arange(half).float() / half)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns pairs (i, i + half) of the last dimension, as llama.cpp's NEOX rope does."""
    left, right = x.chunk(2, -1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)


class Block(nn.Module):
    """One layer. `qkv` holds three matrices on top of each other, `gate_up` two: one large product is faster."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads, self.head_width = shape.heads, shape.head_width
        inner = shape.heads * shape.head_width
        self.attn_norm = Norm(shape.width, shape.epsilon)
        self.q_norm = Norm(shape.head_width, shape.epsilon)
        self.k_norm = Norm(shape.head_width, shape.epsilon)
        self.qkv = nn.Parameter(torch.randn(3 * inner, shape.width) / math.sqrt(shape.width))
        self.out = nn.Parameter(torch.randn(shape.width, inner) / math.sqrt(2 * shape.layers * inner))
        self.ffn_norm = Norm(shape.width, shape.epsilon)
        self.gate_up = nn.Parameter(torch.randn(2 * shape.feed_forward, shape.width) / math.sqrt(shape.width))
        self.down = nn.Parameter(torch.randn(shape.width, shape.feed_forward) / math.sqrt(2 * shape.layers * shape.feed_forward))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q, k, v = F.linear(self.attn_norm(x), self.qkv).chunk(3, -1)
        q = rotate(self.q_norm(self.split(q)), cos, sin)
        k = rotate(self.k_norm(self.split(k)), cos, sin)
        attended = F.scaled_dot_product_attention(q, k, self.split(v), is_causal=True)
        return self.feed(x + F.linear(self.join(attended), self.out))

    def forward_at(self, x: Tensor, at: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """The same for the positions `at` (batch, count) only: keys and values of all, queries of these."""
        inner = self.heads * self.head_width
        normed = self.attn_norm(x)
        k, v = F.linear(normed, self.qkv[inner:]).chunk(2, -1)
        q = self.split(F.linear(take(normed, at), self.qkv[:inner]))
        q = rotate(self.q_norm(q), cos[at][:, None], sin[at][:, None])
        k = rotate(self.k_norm(self.split(k)), cos[: x.shape[1]], sin[: x.shape[1]])
        earlier = torch.arange(x.shape[1])[None, None, None] <= at[:, None, :, None]
        attended = F.scaled_dot_product_attention(q, k, self.split(v), attn_mask=earlier)
        return self.feed(take(x, at) + F.linear(self.join(attended), self.out))

    def feed(self, x: Tensor) -> Tensor:
        gate, up = F.linear(self.ffn_norm(x), self.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def join(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


def take(x: Tensor, at: Tensor) -> Tensor:
    """Returns the rows `at` (batch, count) of x (batch, time, width)."""
    return x.gather(1, at[:, :, None].expand(-1, -1, x.shape[-1]))


class Decoder(nn.Module):
    """Token ids in, logits of the next token out, at the positions asked for."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.02)
        self.rotary = Rotary(shape)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.epsilon)

    def forward(self, ids: Tensor, at: Tensor) -> Tensor:
        """Returns logits (batch, count, vocabulary) after the positions `at` (batch, count)."""
        time = ids.shape[1]
        x = F.embedding(ids, self.embedding)
        for block in self.blocks[:-1]:
            x = block(x, self.rotary.cos[:time], self.rotary.sin[:time])
        x = self.blocks[-1].forward_at(x, at, self.rotary.cos, self.rotary.sin)
        return F.linear(self.norm(x), self.embedding)

    def loss_sum(self, ids: Tensor, at: Tensor, targets: Tensor) -> Tensor:
        """Returns the summed cross entropy; targets below zero are padding."""
        logits = self(ids, at)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")


def parameter_count(model: nn.Module) -> int:
    """Returns the number of learnt values."""
    return sum(parameter.numel() for parameter in model.parameters())

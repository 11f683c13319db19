"""Writes one small GGUF a template family: a real tokenizer, a chat template of its form, random weights.

Such a model says nothing sensible, which is the point: whatever it says must be a well-formed call.
The weights have one tilt, towards the double quote, so that its strings come to an end.

    python generate.py FOLDER [--large qwen] [--weights q4_0]

`--large` writes that one in the shape of Qwen 2.5 0.5B, 0.49 billion weights, for measuring; it has no tilt.
`--weights` stores its matrices so; beside q4_0, those of the vocabulary stay in q8_0, as llama.cpp's own
quantisation leaves them where a row is no multiple of 256.
"""

import argparse
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import gguf_file
import guessing
import vocabulary
from gguf_file import GgufFile, clear_row, random_matrix, set_weight

HERE = Path(__file__).parent


class Shape(NamedTuple):
    width: int
    heads: int
    kv_heads: int
    layers: int
    feed_forward: int
    # Whether the embedding is the output too.
    tied: bool

    @property
    def head(self) -> int:
        return self.width // self.heads

    def numbers(self) -> dict[str, int]:
        numbers = {"embedding_length": self.width, "block_count": self.layers}
        numbers |= {"feed_forward_length": self.feed_forward, "attention.head_count": self.heads}
        return numbers | {"attention.head_count_kv": self.kv_heads, "rope.dimension_count": self.head}


SMALL = Shape(64, 2, 1, 2, 128, tied=False)
LARGE = Shape(896, 14, 2, 24, 4864, tied=True)
CONTEXT = 16384
# Other logits spread by about 1 over more than 100,000 tokens; where a quote may stand, this makes it
# one of the first dozens of tokens.
TILT = 9.0
QUOTES = ('"', '",', '"}')

WEIGHTS = {"q8_0": gguf_file.Q8_0, "q4_0": gguf_file.Q4_0, "f16": gguf_file.F16, "bf16": gguf_file.BF16}
# What a file that is mostly of that type is called, as llama.cpp numbers it.
FILE_TYPES = {gguf_file.Q8_0: 7, gguf_file.Q4_0: 2, gguf_file.F16: 1, gguf_file.BF16: 32}

# File name, vocabulary, architecture, chat template.
MODELS = [
    ("qwen", vocabulary.qwen, "qwen2", "qwen"),
    ("parameters", vocabulary.qwen, "qwen2", "parameters"),
    ("llama3", vocabulary.llama3, "llama", "llama3"),
    ("mistral-list", vocabulary.mistral, "llama", "mistral-list"),
    ("mistral-args", vocabulary.mistral, "llama", "mistral-args"),
    ("guessing", vocabulary.qwen, guessing.ARCH, "qwen"),
]


def add_facts(file: GgufFile, name: str, arch: str, numbers: dict[str, int], kind: int) -> None:
    file.add("general.architecture", gguf_file.STRING, arch)
    file.add("general.name", gguf_file.STRING, f"{name}, random weights")
    file.add("general.file_type", gguf_file.U32, FILE_TYPES[kind])
    for key, number in ({"context_length": CONTEXT} | numbers).items():
        file.add(f"{arch}.{key}", gguf_file.U32, number)
    file.add(f"{arch}.attention.layer_norm_rms_epsilon", gguf_file.FLOAT, 1e-5)
    file.add(f"{arch}.rope.freq_base", gguf_file.FLOAT, 500000.0)


def add_vocabulary(file: GgufFile, vocab: vocabulary.Vocabulary, template: str) -> None:
    key = "tokenizer.ggml."
    file.add(f"{key}model", gguf_file.STRING, "gpt2")
    file.add(f"{key}pre", gguf_file.STRING, vocab.pre)
    file.add_list(f"{key}tokens", gguf_file.STRING, vocab.tokens)
    file.add_list(f"{key}token_type", gguf_file.I32, vocab.types)
    file.add_list(f"{key}merges", gguf_file.STRING, vocab.merges)
    file.add(f"{key}eos_token_id", gguf_file.U32, vocab.id(vocab.eos))
    file.add(f"{key}padding_token_id", gguf_file.U32, vocab.id(vocab.pad))
    if vocab.bos is not None:
        file.add(f"{key}bos_token_id", gguf_file.U32, vocab.id(vocab.bos))
    file.add(f"{key}add_bos_token", gguf_file.BOOL, vocab.bos is not None)
    file.add("tokenizer.chat_template", gguf_file.STRING, template)


def add_weights(file: GgufFile, vocab: vocabulary.Vocabulary, arch: str, seed: str, shape: Shape, kind: int) -> None:
    dice = random.Random(seed)
    rows, width = len(vocab.tokens), shape.width
    vocabulary_kind = gguf_file.Q8_0 if kind == gguf_file.Q4_0 else kind
    embedding = random_matrix(dice, width, rows, 1.0, vocabulary_kind)
    if not shape.tied:
        # The first channel is the same for every token, no layer adds to it, and it reaches the output.
        for row in range(rows):
            set_weight(embedding, width, row, 127)
    file.add_blocks("token_embd.weight", width, bytes(embedding), vocabulary_kind)
    if not shape.tied:
        output = random_matrix(dice, width, rows, 1.0 / width**0.5)
        for row, token in enumerate(vocab.tokens):
            set_weight(output, width, row, 127 if token in QUOTES else 0)
        file.add_blocks("output.weight", width, bytes(output))
    file.add_floats("output_norm.weight", [1.0 if shape.tied else TILT * 5.0] + [1.0] * (width - 1))
    matrices = {
        "attn_q": (width, width),
        "attn_k": (width, shape.head * shape.kv_heads),
        "attn_v": (width, shape.head * shape.kv_heads),
        "attn_output": (width, width),
        "ffn_gate": (width, shape.feed_forward),
        "ffn_up": (width, shape.feed_forward),
        "ffn_down": (shape.feed_forward, width),
    }
    for layer in range(shape.layers):
        for name, (columns, count) in matrices.items():
            matrix = random_matrix(dice, columns, count, 1.0 / columns**0.5, kind)
            if name in ("attn_output", "ffn_down"):
                clear_row(matrix, columns, 0, kind)
            file.add_blocks(f"blk.{layer}.{name}.weight", columns, bytes(matrix), kind)
        for name in ("attn_norm", "ffn_norm"):
            file.add_floats(f"blk.{layer}.{name}.weight", [1.0] * width)
        if arch == "qwen2":
            for name in ("attn_q", "attn_k", "attn_v"):
                file.add_floats(f"blk.{layer}.{name}.bias", [0.0] * matrices[name][1])


def make(folder: Path, model, shape: Shape, kind: int) -> str:
    name, read, arch, template = model
    vocab = read()
    file = GgufFile()
    mixture = guessing.Mixture() if arch == guessing.ARCH else None
    add_facts(file, name, arch, (mixture or shape).numbers(), kind)
    add_vocabulary(file, vocab, (HERE / "templates" / f"{template}.jinja").read_text())
    if mixture:
        guessing.add_weights(file, vocab, name, mixture)
    else:
        add_weights(file, vocab, arch, name, shape, kind)
    path = folder / f"{name}.gguf"
    file.write(path)
    return f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(vocab.tokens)} tokens, {len(vocab.merges)} merges"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--large", choices=[name for name, *_ in MODELS])
    parser.add_argument("--weights", choices=WEIGHTS, default="q8_0")
    arguments = parser.parse_args()
    if arguments.weights != "q8_0" and not arguments.large:
        parser.error("--weights needs --large: the tilt of the others is set in q8_0")
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    models = [model for model in MODELS if arguments.large in (None, model[0])]
    shape = LARGE if arguments.large else SMALL
    with ProcessPoolExecutor(max_workers=2) as pool:
        for made in [pool.submit(make, folder, model, shape, WEIGHTS[arguments.weights]) for model in models]:
            print(made.result(), flush=True)


if __name__ == "__main__":
    main()

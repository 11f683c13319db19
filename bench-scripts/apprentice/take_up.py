"""Makes a checkpoint and a tokenizer of an exported file again, so that training can go on from what is committed.

    python take_up.py apprentice.gguf run/taken.pt run/tokenizer.json

The weights are those of the file: what q8_0 has rounded stays rounded.
"""

import argparse
from dataclasses import asdict

import gguf
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models

from export import tensors
from model import Decoder, Shape
from tokenizer import deepseek_coder


def field(reader: gguf.GGUFReader, name: str) -> object:
    return reader.get_field(name).contents()


def shape_of(reader: gguf.GGUFReader) -> Shape:
    """Returns the numbers that the header has; the others never change."""
    number = lambda name: int(field(reader, f"qwen3.{name}"))
    return Shape(
        vocabulary=len(field(reader, "tokenizer.ggml.tokens")),
        width=number("embedding_length"),
        layers=number("block_count"),
        heads=number("attention.head_count"),
        head_width=number("attention.key_length"),
        feed_forward=number("feed_forward_length"),
        context=number("context_length"),
    )


def fill(model: Decoder, reader: gguf.GGUFReader) -> None:
    """Writes the weights of the file where `export.tensors` takes them from: its arrays are views of the model's."""
    found = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    for name, weight in tensors(model).items():
        weight[...] = found.pop(name).reshape(weight.shape)
    assert not found, f"the model has no {sorted(found)}"


def tokenizer_of(reader: gguf.GGUFReader) -> Tokenizer:
    """Returns the tokenizer that the file was exported with."""
    tokens, types = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    added = [number for number, kind in enumerate(types) if kind != gguf.TokenType.NORMAL]
    learnt = {text: number for number, text in enumerate(tokens) if types[number] == gguf.TokenType.NORMAL}
    # The library gives tokens that are added the next ids, in their order; the ids of the file decide.
    vocabulary = learnt | {tokens[number]: number for number in added}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = deepseek_coder(), decoders.ByteLevel()
    for number in added:
        special = types[number] == gguf.TokenType.CONTROL
        token = AddedToken(tokens[number], special=special, normalized=False)
        tokenizer.add_special_tokens([token]) if special else tokenizer.add_tokens([token])
        assert tokenizer.token_to_id(tokens[number]) == number, f"{tokens[number]} has another id"
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("checkpoint")
    parser.add_argument("tokenizer")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.model)
    shape = shape_of(reader)
    model = Decoder(shape)
    fill(model, reader)
    parameters = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    fresh = {"momentum": torch.zeros_like(parameters), "second": torch.zeros_like(parameters)}
    torch.save({"shape": asdict(shape), "parameters": parameters, **fresh, "step": 0, "tokens": 0, "seconds": 0.0},
               options.checkpoint)
    tokenizer_of(reader).save(options.tokenizer)
    print(f"{options.checkpoint}: {parameters.numel()} parameters; {options.tokenizer}: {shape.vocabulary} tokens")


if __name__ == "__main__":
    main()

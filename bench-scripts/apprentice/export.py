"""Writes a checkpoint as a GGUF file that llama.cpp loads as `qwen3`, chat template included.

    python export.py run/apprentice.pt tokenizer.json apprentice.gguf [--type q8_0]
"""

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch

from model import Decoder, Shape

TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def load(path: str) -> Decoder:
    """Returns the model of a checkpoint."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    model = Decoder(Shape(**saved["shape"]))
    start = 0
    for parameter in model.parameters():
        parameter.data = saved["parameters"][start : start + parameter.numel()].view(parameter.shape)
        start += parameter.numel()
    return model


def tensors(model: Decoder) -> dict[str, np.ndarray]:
    """Returns the weights under llama.cpp's names, the fused matrices cut apart."""
    found = {"token_embd.weight": model.embedding, "output_norm.weight": model.norm.weight}
    for number, block in enumerate(model.blocks):
        query, key, value = block.qkv.chunk(3)
        gate, up = block.gate_up.chunk(2)
        layer = {
            "attn_norm": block.attn_norm.weight,
            "attn_q_norm": block.q_norm.weight,
            "attn_k_norm": block.k_norm.weight,
            "attn_q": query,
            "attn_k": key,
            "attn_v": value,
            "attn_output": block.out,
            "ffn_norm": block.ffn_norm.weight,
            "ffn_gate": gate,
            "ffn_up": up,
            "ffn_down": block.down,
        }
        found |= {f"blk.{number}.{name}.weight": weight for name, weight in layer.items()}
    return {name: weight.detach().float().numpy() for name, weight in found.items()}


def add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)


def add_tokenizer(writer: gguf.GGUFWriter, path: str, vocabulary: int) -> None:
    """Writes vocabulary, merges and special tokens as llama.cpp's byte-level BPE wants them."""
    with open(path, encoding="utf-8") as file:
        description = json.load(file)
    tokens = [""] * vocabulary
    types = [gguf.TokenType.NORMAL] * vocabulary
    for text, number in description["model"]["vocab"].items():
        tokens[number] = text
    for token in description["added_tokens"]:
        tokens[token["id"]] = token["content"]
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    assert all(tokens), f"token {tokens.index('')} of {vocabulary} has no text"
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-coder")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in description["model"]["merges"]])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template((Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8").strip())


def write(model: Decoder, tokenizer: str, output: str, kind: str) -> None:
    """Writes the file; the old one stays whole until the new one is."""
    tensor_type, file_type = TYPES[kind]
    writer = gguf.GGUFWriter(output + ".new", "qwen3")
    writer.add_name("apprentice")
    writer.add_license("MIT OR Apache-2.0")
    add_shape(writer, model.shape)
    writer.add_file_type(file_type)
    add_tokenizer(writer, tokenizer, model.shape.vocabulary)
    for name, weight in tensors(model).items():
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
        else:
            writer.add_tensor(name, gguf.quants.quantize(weight, tensor_type), raw_dtype=tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(output + ".new", output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("tokenizer")
    parser.add_argument("output")
    parser.add_argument("--type", choices=TYPES, default="q8_0")
    options = parser.parse_args()
    write(load(options.checkpoint), options.tokenizer, options.output, options.type)
    print(f"{options.output}: {os.path.getsize(options.output)} bytes")


if __name__ == "__main__":
    main()

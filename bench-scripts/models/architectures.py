"""Writes headers of models in their real shapes, one GGUF an architecture, with holes in place of weights.

A model of 80 GB takes a few MB on the disk. Memory can be predicted from such a file, and it cannot be run.
"""

import argparse
import itertools
import string
from dataclasses import dataclass, field
from pathlib import Path

import gguf_file
from gguf_file import BLOCKS, F16, F32, MXFP4, Q4_0, Q4_K, Q6_K, Q8_0, GgufFile


@dataclass(frozen=True)
class Shape:
    """The numbers that decide what a model takes, in the words of its metadata."""

    arch: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int | list[int]
    head: int
    vocabulary: int
    kind: int = Q8_0
    tied: bool = False
    context: int = 131072
    experts: int = 0
    experts_used: int = 0
    expert_width: int = 0
    shared_experts: int = 0
    dense_first: int = 0
    window: int = 0
    more: dict[str, int] = field(default_factory=dict)

    def kv_of(self, layer: int) -> int:
        return self.kv_heads if isinstance(self.kv_heads, int) else self.kv_heads[layer]


SSM = {"ssm.conv_kernel": 4, "ssm.state_size": 16}
MLA = {"attention.kv_lora_rank": 512, "attention.key_length_mla": 192, "attention.value_length_mla": 128}
MLA |= {"attention.key_length": 576, "attention.value_length": 512, "rope.dimension_count": 64}
GRANITE = {"ssm.conv_kernel": 4, "ssm.state_size": 128, "ssm.group_count": 1, "ssm.inner_size": 3072}
GRANITE |= {"ssm.time_step_rank": 48}
# The last layer only guesses further tokens.
GLM = {"rope.dimension_count": 64, "nextn_predict_layers": 1}

# The constants of the estimate were fitted to these.
FITTED = {
    "llama-1b": Shape("llama", 16, 2048, 8192, 32, 8, 64, 128256, tied=True),
    "llama-70b": Shape("llama", 80, 8192, 28672, 64, 8, 128, 128256),
    "qwen2-0.5b": Shape("qwen2", 24, 896, 4864, 14, 2, 64, 151936, tied=True),
    "qwen3-4b": Shape("qwen3", 36, 2560, 9728, 32, 8, 128, 151936, Q4_K, tied=True),
    "qwen3-32b": Shape("qwen3", 64, 5120, 25600, 64, 8, 128, 151936, Q4_K),
    "qwen3moe-30b": Shape("qwen3moe", 48, 2048, 6144, 32, 4, 128, 151936, Q4_K, experts=128, experts_used=8, expert_width=768),
    "gemma3-4b": Shape("gemma3", 34, 2560, 10240, 8, 4, 256, 262208, Q4_0, tied=True, window=1024),
    "deepseek2-lite": Shape("deepseek2", 27, 2048, 10944, 16, 1, 192, 102400, Q4_0, context=163840, experts=64, experts_used=6, expert_width=1408, shared_experts=2, dense_first=1, more=MLA),
    "mamba-130m": Shape("mamba", 24, 768, 0, 0, 0, 0, 50280, tied=True, more=SSM | {"ssm.inner_size": 1536, "ssm.time_step_rank": 48}),
    "granite-1b": Shape("granitehybrid", 40, 1536, 4096, 12, [4 if layer in (5, 15, 25, 35) else 0 for layer in range(40)], 128, 100352, tied=True, more=GRANITE),
    "gpt-oss-20b": Shape("gpt-oss", 24, 2880, 2880, 64, 8, 64, 201088, MXFP4, experts=32, experts_used=4, expert_width=2880, window=128),
}
# And to none of these: what holds for them holds for others too.
HELD_OUT = {
    "llama-8b": Shape("llama", 32, 4096, 14336, 32, 8, 128, 128256, Q4_K),
    "qwen2-7b": Shape("qwen2", 28, 3584, 18944, 28, 4, 128, 152064, Q4_0),
    "qwen3-0.6b": Shape("qwen3", 28, 1024, 3072, 16, 8, 128, 151936, tied=True),
    "qwen3moe-235b": Shape("qwen3moe", 94, 4096, 12288, 64, 4, 128, 151936, Q4_K, experts=128, experts_used=8, expert_width=1536),
    "gemma3-1b": Shape("gemma3", 26, 1152, 6912, 4, 1, 256, 262144, tied=True, context=32768, window=512),
    "gemma3-12b": Shape("gemma3", 48, 3840, 15360, 16, 8, 256, 262208, Q4_0, tied=True, window=1024),
    "deepseek2-lite-q8": Shape("deepseek2", 27, 2048, 10944, 16, 1, 192, 102400, context=163840, experts=64, experts_used=6, expert_width=1408, shared_experts=2, dense_first=1, more=MLA),
    "mamba-2.8b": Shape("mamba", 64, 2560, 0, 0, 0, 0, 50280, F16, tied=True, more=SSM | {"ssm.inner_size": 5120, "ssm.time_step_rank": 160}),
    "jamba-3b": Shape("jamba", 28, 2560, 8192, 20, [1 if layer in (13, 27) else 0 for layer in range(28)], 128, 65536, tied=True, more=SSM | {"ssm.inner_size": 5120, "ssm.time_step_rank": 160}),
    "gpt-oss-120b": Shape("gpt-oss", 36, 2880, 2880, 64, 8, 64, 201088, MXFP4, experts=128, experts_used=4, expert_width=2880, window=128),
    "glm4moe-106b": Shape("glm4moe", 47, 4096, 10944, 96, 8, 128, 151552, Q4_K, experts=128, experts_used=8, expert_width=1408, shared_experts=1, dense_first=1, more=GLM),
    # The same with fewer of everything, so that it can be loaded.
    "glm4moe-small": Shape("glm4moe", 5, 1024, 2816, 16, 4, 64, 151552, experts=8, experts_used=2, expert_width=704, shared_experts=1, dense_first=1, more=GLM | {"rope.dimension_count": 32}),
    # The shape of qwen3moe with as many experts as make 81 GB: the coder of a worked example in docs/memory.md.
    "coder-81gb": Shape("qwen3moe", 48, 2048, 6144, 32, 4, 128, 151936, Q8_0, experts=328, experts_used=8, expert_width=768),
}


def add_facts(file: GgufFile, name: str, shape: Shape) -> None:
    file.add("general.architecture", gguf_file.STRING, shape.arch)
    file.add("general.name", gguf_file.STRING, f"{name}, without weights")
    numbers = {"block_count": shape.layers, "context_length": shape.context, "embedding_length": shape.width}
    numbers |= {"feed_forward_length": shape.feed_forward, "attention.head_count": shape.heads}
    numbers |= {"vocab_size": shape.vocabulary}
    if shape.head:
        head = {"attention.key_length": shape.head, "attention.value_length": shape.head}
        numbers |= head | {"rope.dimension_count": shape.head}
    if shape.experts:
        numbers |= {"expert_count": shape.experts, "expert_used_count": shape.experts_used}
        numbers |= {"expert_feed_forward_length": shape.expert_width}
    if shape.shared_experts:
        numbers |= {"expert_shared_count": shape.shared_experts, "leading_dense_block_count": shape.dense_first}
    if shape.window:
        numbers |= {"attention.sliding_window": shape.window}
    for key, number in (numbers | shape.more).items():
        file.add(f"{shape.arch}.{key}", gguf_file.U32, number)
    if isinstance(shape.kv_heads, int):
        file.add(f"{shape.arch}.attention.head_count_kv", gguf_file.U32, shape.kv_heads)
    else:
        file.add_list(f"{shape.arch}.attention.head_count_kv", gguf_file.I32, shape.kv_heads)
    for key in ("attention.layer_norm_rms_epsilon", "expert_weights_scale"):
        file.add(f"{shape.arch}.{key}", gguf_file.FLOAT, 1e-6 if "epsilon" in key else 1.0)
    file.add(f"{shape.arch}.rope.freq_base", gguf_file.FLOAT, 1e6)


def add_vocabulary(file: GgufFile, shape: Shape) -> None:
    """Adds a vocabulary of the right size, with words that nobody says."""
    key = "tokenizer.ggml."
    count = shape.vocabulary
    if shape.arch == "gemma3":
        tokens = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        tokens += itertools.islice(words(string.ascii_lowercase + "\u2581"), count - len(tokens))
        file.add(f"{key}model", gguf_file.STRING, "llama")
        file.add_list(f"{key}tokens", gguf_file.STRING, tokens)
        file.add_list(f"{key}scores", gguf_file.FLOAT, [-float(at) for at in range(count)])
        file.add_list(f"{key}token_type", gguf_file.I32, [3, 3, 3, 2] + [6] * 256 + [1] * (count - 260))
        file.add(f"{key}bos_token_id", gguf_file.U32, 2)
        file.add(f"{key}eos_token_id", gguf_file.U32, 1)
        return
    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    pairs = [word for word in itertools.islice(words(string.ascii_lowercase + "\u0120"), count) if len(word) > 1]
    pairs = pairs[: count - len(letters) - 300]
    special = [f"<|special_{at}|>" for at in range(count - len(letters) - len(pairs))]
    file.add(f"{key}model", gguf_file.STRING, "gpt2")
    file.add(f"{key}pre", gguf_file.STRING, "qwen2")
    file.add_list(f"{key}tokens", gguf_file.STRING, letters + pairs + special)
    file.add_list(f"{key}token_type", gguf_file.I32, [1] * (count - len(special)) + [3] * len(special))
    file.add_list(f"{key}merges", gguf_file.STRING, [f"{word[:-1]} {word[-1]}" for word in pairs])
    file.add(f"{key}bos_token_id", gguf_file.U32, count - 1)
    file.add(f"{key}eos_token_id", gguf_file.U32, count - 2)


def words(alphabet: str):
    """Yields all words, the short ones first, so that a word's beginning comes before it."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(alphabet, repeat=length))


def fitting(kind: int, columns: int) -> int:
    """Returns `kind`, or the type that a row of so many columns gets in its place."""
    if columns % BLOCKS[kind][0] == 0:
        return kind
    return {Q4_K: Q4_0, Q6_K: Q8_0}[kind] if columns % 32 == 0 else F16


def add_weights(file: GgufFile, shape: Shape) -> None:
    embedding = fitting({Q4_0: Q6_K, Q4_K: Q6_K, MXFP4: F16}.get(shape.kind, shape.kind), shape.width)
    file.add_hole("token_embd.weight", [shape.width, shape.vocabulary], embedding)
    file.add_hole("output_norm.weight", [shape.width], F32)
    if not shape.tied:
        file.add_hole("output.weight", [shape.width, shape.vocabulary], embedding)
    for layer in range(shape.layers):
        for name, dimensions in tensors(shape, layer):
            # Norms, biases and small matrices stay as they are; MXFP4 is for experts only.
            plain = "norm" in name or name.endswith((".bias", "ssm_a", "ssm_d")) or "conv1d" in name
            plain = plain or "gate_inp" in name or "sinks" in name or name.endswith("ssm_dt.weight")
            kind = Q8_0 if shape.kind == MXFP4 and "exps" not in name else shape.kind
            file.add_hole(f"blk.{layer}.{name}", dimensions, F32 if plain else fitting(kind, dimensions[0]))


def tensors(shape: Shape, layer: int):
    yield "attn_norm.weight", [shape.width]
    if shape.arch == "mamba" or shape.kv_of(layer) == 0:
        yield from recurrent(shape)
    else:
        yield from attention(shape, layer)
    if shape.arch != "mamba":
        yield from feed_forward(shape, layer)
    if layer >= shape.layers - shape.more.get("nextn_predict_layers", 0):
        yield "nextn.eh_proj.weight", [2 * shape.width, shape.width]
        for name in ("enorm", "hnorm", "shared_head_norm"):
            yield f"nextn.{name}.weight", [shape.width]


def attention(shape: Shape, layer: int):
    wide, narrow = shape.heads * shape.head, shape.kv_of(layer) * shape.head
    if shape.arch == "deepseek2":
        rank, rope, value = shape.more["attention.kv_lora_rank"], 64, shape.more["attention.value_length_mla"]
        yield "attn_q.weight", [shape.width, wide]
        yield "attn_kv_a_mqa.weight", [shape.width, rank + rope]
        yield "attn_kv_a_norm.weight", [rank]
        yield "attn_k_b.weight", [shape.head - rope, rank, shape.heads]
        yield "attn_v_b.weight", [rank, value, shape.heads]
        yield "attn_output.weight", [shape.heads * value, shape.width]
        return
    for name, size in (("attn_q", wide), ("attn_k", narrow), ("attn_v", narrow)):
        yield f"{name}.weight", [shape.width, size]
        if shape.arch in ("qwen2", "gpt-oss", "glm4moe"):
            yield f"{name}.bias", [size]
    yield "attn_output.weight", [wide, shape.width]
    if shape.arch in ("qwen3", "qwen3moe", "gemma3"):
        yield "attn_q_norm.weight", [shape.head]
        yield "attn_k_norm.weight", [shape.head]
    if shape.arch == "gpt-oss":
        yield "attn_output.bias", [shape.width]
        yield "attn_sinks.weight", [shape.heads]


def recurrent(shape: Shape):
    inner, state = shape.more["ssm.inner_size"], shape.more["ssm.state_size"]
    rank, kernel = shape.more["ssm.time_step_rank"], shape.more["ssm.conv_kernel"]
    if shape.arch == "granitehybrid":
        groups = shape.more["ssm.group_count"]
        mixed = inner + 2 * groups * state
        yield "ssm_in.weight", [shape.width, inner + mixed + rank]
        yield "ssm_conv1d.weight", [kernel, mixed]
        yield "ssm_conv1d.bias", [mixed]
        yield from (("ssm_dt.bias", [rank]), ("ssm_a", [1, rank]), ("ssm_d", [1, rank]))
        yield "ssm_norm.weight", [inner // groups, groups]
    else:
        yield "ssm_in.weight", [shape.width, 2 * inner]
        yield "ssm_conv1d.weight", [kernel, inner]
        yield "ssm_conv1d.bias", [inner]
        yield "ssm_x.weight", [inner, rank + 2 * state]
        yield "ssm_dt.weight", [rank, inner]
        yield from (("ssm_dt.bias", [inner]), ("ssm_a", [state, inner]), ("ssm_d", [inner]))
        if shape.arch == "jamba":
            yield from (("ssm_dt_norm.weight", [rank]), ("ssm_b_norm.weight", [state]), ("ssm_c_norm.weight", [state]))
    yield "ssm_out.weight", [inner, shape.width]


def feed_forward(shape: Shape, layer: int):
    if shape.arch in ("gemma3", "gpt-oss", "glm4moe"):
        yield "post_attention_norm.weight", [shape.width]
    if shape.arch == "gemma3":
        yield "post_ffw_norm.weight", [shape.width]
    if shape.arch not in ("gpt-oss", "glm4moe"):
        yield "ffn_norm.weight", [shape.width]
    is_dense = not shape.experts or layer < shape.dense_first
    suffix, size, count = ("", shape.feed_forward, []) if is_dense else ("_exps", shape.expert_width, [shape.experts])
    yield f"ffn_gate{suffix}.weight", [shape.width, size, *count]
    yield f"ffn_up{suffix}.weight", [shape.width, size, *count]
    yield f"ffn_down{suffix}.weight", [size, shape.width, *count]
    if is_dense:
        return
    yield "ffn_gate_inp.weight", [shape.width, shape.experts]
    if shape.arch == "gpt-oss":
        yield "ffn_gate_inp.bias", [shape.experts]
        yield "ffn_gate_exps.bias", [size, shape.experts]
        yield "ffn_up_exps.bias", [size, shape.experts]
        yield "ffn_down_exps.bias", [shape.width, shape.experts]
    if shape.arch == "glm4moe":
        yield "exp_probs_b.bias", [shape.experts]
    if shape.shared_experts:
        both = size * shape.shared_experts
        yield "ffn_gate_shexp.weight", [shape.width, both]
        yield "ffn_up_shexp.weight", [shape.width, both]
        yield "ffn_down_shexp.weight", [both, shape.width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for part, shapes in (("fitted", FITTED), ("held-out", HELD_OUT)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name, shape in shapes.items():
            file = GgufFile()
            add_facts(file, name, shape)
            add_vocabulary(file, shape)
            add_weights(file, shape)
            path = folder / part / f"{name}.gguf"
            file.write(path)
            print(f"{path}: {path.stat().st_size / 1e9:.1f} GB, {path.stat().st_blocks * 512 / 1e6:.1f} MB on the disk")


if __name__ == "__main__":
    main()

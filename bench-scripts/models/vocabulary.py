"""The vocabularies of three model families, read from the packages that their makers publish.

All three are byte-level BPE given as ranks. llama.cpp wants merges instead, so each token is taken
apart again: the two pieces that are left before its own rank is reached are its merge.
"""

import base64
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

NORMAL, CONTROL, USER = 1, 3, 4  # Token types, as llama.cpp numbers them.


@dataclass
class Vocabulary:
    """Tokens with the id as index, in the printable form that GPT-2 gave to bytes."""

    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    bos: str | None
    eos: str
    pad: str

    def id(self, token: str) -> int:
        return self.tokens.index(token)


def package_file(package: str, inside: str) -> Path:
    """Returns a file of an installed package without running any of the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {package} is not installed")
    for folder in spec.submodule_search_locations:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise SystemExit(f"the package {package} has no file {inside}")


def byte_letters() -> dict[int, str]:
    """Returns the letter that stands for each byte: itself where it prints, else one from 256 on."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in prints}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update((byte, chr(256 + at)) for at, byte in enumerate(others))
    return letters


LETTERS = byte_letters()


def show(token: bytes) -> str:
    return "".join(LETTERS[byte] for byte in token)


def split(ranks: dict[bytes, int], token: bytes, rank: int) -> list[bytes]:
    """Returns what BPE makes of `token` with the merges of lower rank only."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 1:
        found = [(ranks.get(parts[at] + parts[at + 1], rank), at) for at in range(len(parts) - 1)]
        best, at = min(found)
        if best >= rank:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def merges(ranks: dict[bytes, int]) -> list[str]:
    pairs = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = split(ranks, token, rank)
            # A few tokens cannot be reached by merging; all three families take those as whole words.
            if len(parts) == 2:
                pairs.append(" ".join(map(show, parts)))
    return pairs


def read_tiktoken(path: Path) -> dict[bytes, int]:
    lines = path.read_bytes().splitlines()
    pairs = (line.split() for line in lines if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def assemble(pre, ranks, before, after, users, bos, eos, pad) -> Vocabulary:
    """Puts the special tokens before or after the ranks, as the family does."""
    words = [show(token) for token, _ in sorted(ranks.items(), key=lambda item: item[1])]
    special = [USER if token in users else CONTROL for token in [*before, *after]]
    types = special[: len(before)] + [NORMAL] * len(words) + special[len(before) :]
    return Vocabulary(pre, [*before, *words, *after], types, merges(ranks), bos, eos, pad)


def llama3() -> Vocabulary:
    ranks = read_tiktoken(package_file("llama_models", "llama3/tokenizer.model"))
    named = {0: "begin_of_text", 1: "end_of_text", 4: "finetune_right_pad_id", 5: "step_id"}
    named |= {6: "start_header_id", 7: "end_header_id", 8: "eom_id", 9: "eot_id", 10: "python_tag"}
    spare = iter(range(256))
    special = [f"<|{named.get(at) or f'reserved_special_token_{next(spare)}'}|>" for at in range(256)]
    ends = ("<|begin_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>")
    return assemble("llama-bpe", ranks, [], special, set(), *ends)


def qwen() -> Vocabulary:
    ranks = read_tiktoken(package_file("dashscope", "resources/qwen.tiktoken"))
    control = "endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start "
    control += "quad_end vision_start vision_end vision_pad image_pad video_pad"
    users = ["<tool_call>", "</tool_call>"]
    users += [f"<|{name}|>" for name in "fim_prefix fim_middle fim_suffix fim_pad repo_name file_sep".split()]
    users += ["<tool_response>", "</tool_response>", "<think>", "</think>"]
    special = [f"<|{name}|>" for name in control.split()] + users
    return assemble("qwen2", ranks, [], special, set(users), None, "<|im_end|>", "<|endoftext|>")


def mistral() -> Vocabulary:
    data = json.loads(package_file("mistral_common", "data/tekken_240911.json").read_text())
    specials = data["config"]["default_num_special_tokens"]
    words = data["config"]["default_vocab_size"] - specials
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in data["vocab"][:words]}
    named = "<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] "
    named += "[/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] "
    named += "[SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]"
    special = named.split()
    special += [f"<SPECIAL_{at}>" for at in range(len(special), specials)]
    special[32:36] = ["[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"]
    return assemble("tekken", ranks, special, [], set(), "<s>", "</s>", "<pad>")

"""Writes strings and the ids this side finds for them; a test of the engine holds llama.cpp against it.

A line is {"text": TEXT, "special": BOOL, "ids": [..]}: with `special`, the texts of control tokens are tokens.

    python fixture.py CORPUS.jsonl tokenizer.json tokenizer.jsonl [--files FILE ...]
"""

import argparse
import itertools
import json
import random
from collections.abc import Iterator

from tokenizer import ANSWER, CONTROL, DATA, Encoder, fixed_pieces, texts_of

SEED = 5
CHARACTERS = "abcXYZ019 \t\n\"'\\{}[]()<>|:;,.!?/+-=_*&^%$#@~`éüß中文字日本語🙂 —“”\u00a0\u200b\r\u0301कﬁ𝔘"
# Pieces that meet at awkward places: escapes, ends of strings, and texts of control tokens.
FRAGMENTS = ["\\n", "\\\\", '\\"', "\\t", "\\", "n", '"', "}}", '"}}', "'s", " ", "  ", "    ", "foo", "Bar", "\n", "\t", *CONTROL]


def strings(corpus: str, files: list[str]) -> Iterator[tuple[str, bool]]:
    """Yields texts and whether control tokens count in them."""
    source = random.Random(SEED)
    texts = list(itertools.islice(texts_of(corpus, 2000), 12000))
    for text in source.sample(texts, 1100):
        yield cut(text, source, 45), source.random() < 0.5
    for path in files:
        with open(path, encoding="utf-8", errors="replace") as file:
            yield cut(file.read(), source, 70), False
    for _ in range(1150):
        yield "".join(source.choices(CHARACTERS, k=source.randint(1, 16))), False
    for _ in range(900):
        yield "".join(source.choices(FRAGMENTS, k=source.randint(1, 7))), source.random() < 0.5
    for piece in [*CONTROL, *fixed_pieces()]:
        yield piece, True
        yield f"a {piece} {piece}{piece}b", False
    for place in range(0x20, 0x2000, 24):
        yield f"x {chr(place)}{chr(place + 1)} {chr(place + 2)}1", False


def cut(text: str, source: random.Random, longest: int) -> str:
    start = source.randrange(max(1, len(text) - longest))
    return text[start : start + source.randint(10, longest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("tokenizer")
    parser.add_argument("output")
    parser.add_argument("--files", nargs="*", default=[])
    options = parser.parse_args()
    encoder = Encoder(options.tokenizer)
    lines = list(dict.fromkeys(strings(options.corpus, options.files)))
    with open(options.output, "w", encoding="utf-8") as file:
        for text, special in lines:
            ids = encoder.encode(text, ANSWER if special else DATA)
            file.write(json.dumps({"text": text, "special": special, "ids": ids}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{options.output}: {len(lines)} strings")


if __name__ == "__main__":
    main()

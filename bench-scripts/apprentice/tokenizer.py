"""The byte-level BPE tokenizer: learns it, loads it, and encodes the pieces of a trajectory as the worker does.

Merges are learnt inside letter runs and space runs only, so that a word splits the same way in every context;
a small model copies better so. Encoding uses exactly llama.cpp's `deepseek-coder` pre-tokenizer.

    python tokenizer.py learn CORPUS.jsonl tokenizer.json [--vocabulary 1024] [--trajectories 20000]
"""

import argparse
import itertools
import json
import re
from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# Tool and the names of its arguments, in the order in which the worker writes them.
TOOLS = {
    "list_dir": ["path"],
    "read_file": ["path"],
    "search": ["pattern"],
    "write_file": ["path", "content"],
    "edit_file": ["path", "old", "new"],
    "run_check": ["name"],
    "finish": ["summary"],
    "ask": ["question"],
}

TEMPLATE, DATA, ANSWER = 0, 1, 2

WORD_PIECES = Regex(r"\p{Lu}?\p{Ll}+|\p{Lu}+| +|[^\p{Lu}\p{Ll} ]")


def fixed_pieces() -> list[str]:
    """Returns the tokens for the fixed text of a call, so that a call is short.

    No piece for an escaped quote or a double backslash: llama.cpp splits the longest piece first,
    this library the leftmost first; with the pieces below both agree on every call.
    """
    openings = ['{"tool":"%s","args":{"%s":"' % (tool, names[0]) for tool, names in TOOLS.items()]
    later = {name for names in TOOLS.values() for name in names[1:]}
    return openings + ['","%s":"' % name for name in sorted(later)] + ['"}}', "\\n", "\\t"]


def deepseek_coder() -> pre_tokenizers.PreTokenizer:
    """Returns llama.cpp's pre-tokenizer of that name, split by split."""
    splits = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"]
    isolated = [pre_tokenizers.Split(Regex(split), "isolated") for split in splits]
    return pre_tokenizers.Sequence([*isolated, byte_level()])


def byte_level() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def learn(texts: Iterator[str], vocabulary: int) -> Tokenizer:
    """Returns a tokenizer of exactly `vocabulary` tokens learnt from `texts`."""
    added = CONTROL + fixed_pieces()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(WORD_PIECES, "isolated"), byte_level()])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary - len(added), initial_alphabet=alphabet, show_progress=False)
    removed = re.compile("|".join(re.escape(piece) for piece in sorted(added, key=len, reverse=True)))
    tokenizer.train_from_iterator((removed.sub(" ", text) for text in texts), trainer)
    tokenizer.pre_tokenizer, tokenizer.decoder = deepseek_coder(), decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in fixed_pieces()])
    assert tokenizer.get_vocab_size() == vocabulary, f"learnt {tokenizer.get_vocab_size()} tokens, want {vocabulary}"
    return tokenizer


class Encoder:
    """Encodes text with special tokens (template, answers) and without (data: a file may hold `<|im_end|>`)."""

    def __init__(self, path: str):
        with open(path, encoding="utf-8") as file:
            description = json.load(file)
        self.special = Tokenizer.from_str(json.dumps(description))
        plain = [token for token in description["added_tokens"] if not token["special"]]
        # Ids of added tokens follow from their order, so the plain ones are mapped back by name.
        self.plain = Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))
        self.plain.add_tokens([AddedToken(token["content"], special=False, normalized=False) for token in plain])
        target, source = self.special.get_vocab(), self.plain.get_vocab()
        self.plain_ids = {index: target[text] for text, index in source.items()}

    def encode(self, text: str, kind: int) -> list[int]:
        """Returns the ids of one segment."""
        return self.encode_all([(text, kind)])[0]

    def encode_all(self, segments: list[tuple[str, int]]) -> list[list[int]]:
        """Returns the ids of each segment, encoded on its own."""
        ids: list[list[int]] = [[] for _ in segments]
        data = [place for place, (_, kind) in enumerate(segments) if kind == DATA]
        rest = [place for place, (_, kind) in enumerate(segments) if kind != DATA]
        for place, found in zip(rest, self.special.encode_batch_fast([segments[p][0] for p in rest])):
            ids[place] = found.ids
        for place, found in zip(data, self.plain.encode_batch_fast([segments[p][0] for p in data])):
            ids[place] = [self.plain_ids[index] for index in found.ids]
        return ids


def texts_of(path: str, trajectories: int) -> Iterator[str]:
    """Yields the texts of the first trajectories of a corpus."""
    with open(path, encoding="utf-8") as file:
        for line in itertools.islice(file, trajectories):
            for text, _ in json.loads(line)["segments"]:
                yield text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["learn"])
    parser.add_argument("corpus")
    parser.add_argument("output")
    parser.add_argument("--vocabulary", type=int, default=1024)
    parser.add_argument("--trajectories", type=int, default=20000)
    options = parser.parse_args()
    tokenizer = learn(texts_of(options.corpus, options.trajectories), options.vocabulary)
    tokenizer.save(options.output)
    print(f"{options.output}: {tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()

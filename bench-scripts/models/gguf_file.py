"""Writes a GGUF file, version 3: typed key-value pairs, then tensors at aligned offsets.

No library is needed for that: every tensor here is either floats, random bytes as Q8_0, Q4_0, F16 or BF16, or a
hole of any type, which takes no room on the disk.
"""

import math
import random
import struct
from pathlib import Path

ALIGNMENT = 32
# Tensor types, as ggml numbers them, and what a block of them is: values, bytes.
F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, BF16, MXFP4 = 0, 1, 2, 8, 12, 14, 30, 39
BLOCKS = {F32: (1, 4), F16: (1, 2), BF16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34)}
BLOCKS |= {Q4_K: (256, 144), Q6_K: (256, 210), MXFP4: (32, 17)}

# Value types, as the format numbers them.
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind: int, item) -> bytes:
    if kind == STRING:
        return text(item)
    return struct.pack({U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}[kind], item)


class GgufFile:
    """Collects pairs and tensors and writes them at once."""

    def __init__(self):
        self.pairs: list[bytes] = []
        # The last item is what a tensor holds, or how long a hole it is.
        self.tensors: list[tuple[str, list[int], int, bytes | int]] = []

    def add(self, key: str, kind: int, item) -> None:
        self.pairs.append(text(key) + struct.pack("<I", kind) + value(kind, item))

    def add_list(self, key: str, kind: int, items: list) -> None:
        head = struct.pack("<IIQ", ARRAY, kind, len(items))
        self.pairs.append(text(key) + head + b"".join(value(kind, item) for item in items))

    def add_floats(self, name: str, numbers: list[float]) -> None:
        data = struct.pack(f"<{len(numbers)}f", *numbers)
        self.tensors.append((name, [len(numbers)], F32, data))

    def add_blocks(self, name: str, columns: int, data: bytes, kind: int = Q8_0, rows: list[int] | None = None) -> None:
        rows = rows or [len(data) // row_bytes(columns, kind)]
        self.tensors.append((name, [columns, *rows], kind, data))

    def add_hole(self, name: str, shape: list[int], kind: int) -> None:
        values, size = BLOCKS[kind]
        assert shape[0] % values == 0, (name, shape, kind)
        self.tensors.append((name, shape, kind, math.prod(shape) // values * size))

    def write(self, path: Path) -> None:
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.pairs))
        infos, bodies, offset = b"", [], 0
        for name, shape, kind, data in self.tensors:
            infos += text(name) + struct.pack("<I", len(shape))
            infos += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", kind, offset)
            bodies.append((offset, data))
            size = data if isinstance(data, int) else len(data)
            offset += size + -size % ALIGNMENT
        front = head + b"".join(self.pairs) + infos
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(front + bytes(-len(front) % ALIGNMENT))
            begin = file.tell()
            for at, data in bodies:
                if not isinstance(data, int):
                    file.seek(begin + at)
                    file.write(data)
            file.truncate(begin + offset)
        part.replace(path)


def row_bytes(columns: int, kind: int) -> int:
    values, size = BLOCKS[kind]
    return columns // values * size


def random_matrix(dice: random.Random, columns: int, rows: int, spread: float, kind: int = Q8_0) -> bytearray:
    """Returns evenly spread weights whose standard deviation is `spread`."""
    # Whole numbers from -128 to 127 have a standard deviation of 73.9, those from -8 to 7 one of 4.61.
    step = spread / {Q4_0: 4.61}.get(kind, 73.9)
    if kind in (F16, BF16):
        return random_floats(dice, columns * rows, step, kind)
    scale = struct.pack("<e", step)
    values, size = BLOCKS[kind]
    block = size - len(scale)
    noise = dice.randbytes(columns // values * rows * block)
    parts = (scale + noise[at : at + block] for at in range(0, len(noise), block))
    return bytearray().join(parts)


def random_floats(dice: random.Random, count: int, step: float, kind: int) -> bytearray:
    """Returns numbers from -128 to 127 steps, two bytes each."""
    # The upper half of an F32 is its BF16.
    whole, half = (struct.Struct("<f"), 2) if kind == BF16 else (struct.Struct("<e"), 0)
    levels = [whole.pack((byte - 128) * step)[half:] for byte in range(256)]
    noise, floats = dice.randbytes(count), bytearray(2 * count)
    for place in range(2):
        floats[place::2] = noise.translate(bytes(level[place] for level in levels))
    return floats


def set_weight(matrix: bytearray, columns: int, row: int, level: int) -> None:
    """Sets the first weight of a row of Q8_0 to `level` steps of its scale, from -128 to 127."""
    at = row * row_bytes(columns, Q8_0) + 2
    matrix[at] = level % 256


def clear_row(matrix: bytearray, columns: int, row: int, kind: int = Q8_0) -> None:
    """Sets all weights of a row to zero."""
    size = row_bytes(columns, kind)
    matrix[row * size : (row + 1) * size] = bytes(size)

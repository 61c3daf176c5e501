"""A small, complete recipe for the program: photos in two classes, random weights, a config."""

import json
import os
import random
import shutil
import struct
import sys
import zlib
from array import array
from pathlib import Path

CLASSES = {"brown": (160, 110, 60), "grey": (120, 120, 125)}
CHANNELS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
BLOCKS = [2, 2, 3, 3, 3]


def png(red: int, green: int, blue: int, seed: int, side: int = 32) -> bytes:
    """A picture of one colour with noise."""
    noise = random.Random(seed)
    rows = b"".join(
        b"\0" + bytes(value + noise.randrange(-40, 41) for _ in range(side) for value in (red, green, blue))
        for _ in range(side)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_weights(path: Path) -> None:
    """The full-size VGG16 with He's uniform numbers, in safetensors; a pattern of 9,973 numbers repeats."""
    numbers = random.Random(16)
    pattern = [numbers.uniform(-1, 1) for _ in range(9973)]
    header, blobs, offset, inputs, names = {}, [], 0, 3, []
    for block, count in enumerate(BLOCKS, 1):
        names += [f"block{block}_conv{i}" for i in range(1, count + 1)]
    for name, outputs in zip(names, CHANNELS, strict=True):
        limit, size = (6 / (9 * inputs)) ** 0.5, 9 * inputs * outputs
        one = array("f", [limit * value for value in pattern])
        kernel = (one * (size // len(one) + 1))[:size]
        for suffix, shape, values in (("kernel", [3, 3, inputs, outputs], kernel), ("bias", [outputs], array("f", bytes(4 * outputs)))):
            blobs.append(values.tobytes())
            header[f"{name}/{suffix}"] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(blobs[-1])]}
            offset += len(blobs[-1])
        inputs = outputs
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def real_photos(kind: str) -> list[Path]:
    """JPEG files of the reference data set, where the machine has it."""
    folder = Path(os.environ.get("GRAFT_REFERENCE_DIR", "")) / "data/cats_and_dogs/validation" / kind
    return sorted(folder.glob("*.jpg"))


def write_photos(folder: Path, first_seed: int, count: int, jpegs: int = 0) -> None:
    for number, (name, colour) in enumerate(CLASSES.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        real = real_photos(("cats", "dogs")[number])[first_seed : first_seed + jpegs]
        for i, photo in enumerate(real):
            shutil.copy(photo, folder / name / f"photo {i}.jpg")
        for i in range(len(real), count):
            (folder / name / f"photo {i}.png").write_bytes(png(*colour, seed=first_seed + 50 * number + i))


def make_recipe(folder: Path) -> None:
    """FOLDER/config.json, photos/train, photos/validation and weights.safetensors. The output is FOLDER/out."""
    write_photos(folder / "photos/train", 100, 4, jpegs=1)
    write_photos(folder / "photos/validation", 300, 2, jpegs=1)
    write_weights(folder / "weights.safetensors")
    config = {
        "device": "cpu",
        "threads": 2,
        "cache": "",
        "output": str(folder / "out"),
        "data": {"train": str(folder / "photos/train"), "validation": str(folder / "photos/validation"), "image_size": [32, 32]},
        "backbone": {"weights": str(folder / "weights.safetensors"), "batch_size": 3},
        "head": {"hidden": [16]},
        "train": {"epochs": 2, "batch_size": 3},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    make_recipe(Path(sys.argv[1]))

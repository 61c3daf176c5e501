"""The inputs that every engine gets, from seeded generators of the standard library."""

import random
import sys
from array import array
from pathlib import Path

from .work import HeadWork


def write_pictures(path: Path, batch: int, side: int) -> None:
    """Noise: convolutions take the same time for any values, and noise reaches every feature."""
    path.write_bytes(random.Random(1).randbytes(batch * side * side * 3))


def uniform(generator: random.Random, count: int, limit: float) -> array:
    return array("f", (limit * (2 * generator.random() - 1) for _ in range(count)))


def write_head_data(path: Path, work: HeadWork) -> None:
    """Features as a ReLU leaves them, half of them zero; labels in turn; Glorot's uniform kernels."""
    generator = random.Random(2)
    levels = [max(0.0, (byte - 127) / 128) for byte in range(256)]
    features = array("f", map(levels.__getitem__, generator.randbytes(work.rows * work.inputs)))
    labels = array("f", (float(row % 2) for row in range(work.rows)))
    hidden = uniform(generator, work.inputs * work.units, (6 / (work.inputs + work.units)) ** 0.5)
    last = uniform(generator, work.units, (6 / (work.units + 1)) ** 0.5)
    with path.open("wb") as file:
        for values in (features, labels, hidden, array("f", bytes(4 * work.units)), last, array("f", bytes(4))):
            if sys.byteorder == "big":
                values.byteswap()
            values.tofile(file)

"""The work that `bench/peers.py` asks of every engine, as a worker's first request; its input, the same for everyone,
from seeded generators; and whether two engines computed the same. Standard library only."""

import ast
import math
import random
import struct
import sys
from array import array
from dataclasses import asdict, dataclass
from operator import sub
from pathlib import Path


class Request:
    def request(self) -> dict[str, object]:
        return {"command": "prepare", "work": asdict(self)}


@dataclass(frozen=True)
class FeaturesWork(Request):
    """The features of one batch of pictures."""

    side: int
    batch: int
    pictures: str  # file of batch × side × side × 3 bytes, RGB
    weights: str  # safetensors file
    threads: int
    scratch: str  # folder of this worker alone
    device: str = "cpu"  # or "cuda:N"
    precision: str = "fp32"  # of the convolutions: fp32, tf32, fp16
    variant: str = ""  # of an engine that is run in several ways
    # What a peer's clock begins with: "floats", rescaled and in its own layout, or "bytes", the pictures
    # as graft gets them.
    source: str = "floats"
    kind: str = "features"

    def folder(self) -> Path:
        return Path(self.scratch)


@dataclass(frozen=True)
class HeadWork(Request):
    """Training steps of Dense(units, relu) → Dropout → Dense(1, sigmoid), over rows in their order."""

    inputs: int
    units: int
    batch: int
    rows: int
    dropout: float
    learning_rate: float
    data: str  # file of float32: features, labels, then kernel and bias of each Dense
    threads: int
    scratch: str
    device: str = "cpu"
    kind: str = "head"


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


@dataclass(frozen=True)
class Values:
    shape: tuple[int, ...]
    floats: array


def read_npy(path: Path) -> Values:
    """A version 1 file of little-endian float32 in C order; anything else is a ValueError."""
    data = path.read_bytes()
    if data[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError(f"{path} is not a version 1 .npy file")
    (length,) = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10 : 10 + length].decode("latin-1"))
    floats = array("f", data[10 + length :])
    if sys.byteorder == "big":
        floats.byteswap()
    if header["descr"] != "<f4" or header["fortran_order"] or math.prod(header["shape"]) != len(floats):
        raise ValueError(f"{path} does not hold the float32 values of its header: {header}")
    return Values(tuple(header["shape"]), floats)


def differences(found: Values, expected: Values) -> array | None:
    """None where a value is not finite or all that is expected is 0. Shapes that differ are a ValueError."""
    if found.shape != expected.shape:
        raise ValueError(f"shape {found.shape} where {expected.shape} is expected")
    is_finite = all(map(math.isfinite, found.floats)) and all(map(math.isfinite, expected.floats))
    return array("d", map(abs, map(sub, found.floats, expected.floats))) if is_finite and any(expected.floats) else None


def difference(found: Values, expected: Values) -> float:
    """The largest difference as a share of the largest expected value; infinite where there is none."""
    apart = differences(found, expected)
    return max(apart) / max(map(abs, expected.floats)) if apart else math.inf


def mean_difference(found: Values, expected: Values) -> float:
    """The mean difference as a share of the mean size of the expected values; infinite where there is none."""
    apart = differences(found, expected)
    return math.fsum(apart) / math.fsum(map(abs, expected.floats)) if apart else math.inf

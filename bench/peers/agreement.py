"""Whether two engines computed the same: NumPy's files read and compared with the standard library alone."""

import ast
import math
import struct
import sys
from array import array
from dataclasses import dataclass
from operator import sub
from pathlib import Path


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
        raise ValueError(f"{path} does not hold the float32 values that its header tells of: {header}")
    return Values(tuple(header["shape"]), floats)


def comparable(found: Values, due: Values) -> bool:
    """Whether both can be compared: all finite. Shapes that differ are a ValueError."""
    if found.shape != due.shape:
        raise ValueError(f"shape {found.shape} where {due.shape} is due")
    return all(map(math.isfinite, found.floats)) and all(map(math.isfinite, due.floats))


def difference(found: Values, due: Values) -> float:
    """The largest difference as a share of the largest value due; infinite where a value is not finite."""
    if not comparable(found, due):
        return math.inf
    largest = max(map(abs, due.floats))
    return max(map(abs, map(sub, found.floats, due.floats))) / largest if largest > 0 else math.inf


def mean_difference(found: Values, due: Values) -> float:
    """The mean difference as a share of the mean size of the values due; infinite as above."""
    if not comparable(found, due):
        return math.inf
    size = math.fsum(map(abs, due.floats))
    return math.fsum(map(abs, map(sub, found.floats, due.floats))) / size if size > 0 else math.inf

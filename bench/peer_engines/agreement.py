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


def difference(found: Values, due: Values) -> float:
    """The largest difference as a share of the largest value due; infinite where a value is not finite."""
    if found.shape != due.shape:
        raise ValueError(f"shape {found.shape} where {due.shape} is due")
    if not all(map(math.isfinite, found.floats)) or not all(map(math.isfinite, due.floats)):
        return math.inf
    largest = max(map(abs, due.floats))
    return max(map(abs, map(sub, found.floats, due.floats))) / largest if largest > 0 else math.inf

"""A VGG16 whose features can be told without computing convolutions, and work for a worker."""

import json
import struct
import tempfile
import unittest
from array import array
from pathlib import Path

from peer_engines.vgg16 import layers

SIDE = 64  # features are 2×2
# Green of a picture goes to this channel, one row down, and stays there; another has a bias alone.
CHANNEL, BIASED, BIAS = 5, 7, 0.25
GREEN = 1


def telling_tensors() -> dict[str, tuple[list[int], array]]:
    """The first convolution moves green one row down into CHANNEL; the others keep CHANNEL as it is."""
    found = {}
    for number, layer in enumerate(layers()):
        kernel = array("f", bytes(4 * 9 * layer.inputs * layer.outputs))
        tap, source = (1, GREEN) if number == 0 else (4, CHANNEL)  # tap 1 reads the row above
        kernel[(tap * layer.inputs + source) * layer.outputs + CHANNEL] = 1.0
        bias = array("f", bytes(4 * layer.outputs))
        bias[BIASED] = BIAS
        found[f"{layer.name}/kernel"] = ([3, 3, layer.inputs, layer.outputs], kernel)
        found[f"{layer.name}/bias"] = ([layer.outputs], bias)
    return found


def write_safetensors(path: Path, tensors: dict[str, tuple[list[int], array]]) -> None:
    header, offset = {}, 0
    for name, (shape, values) in tensors.items():
        size = 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            values.tofile(file)


def write_npy(path: Path, header: str, floats: array) -> None:
    """A version 1 .npy file with this header."""
    text = header.ljust(117) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text))
    path.write_bytes(start + text.encode() + floats.tobytes())


def telling_pictures() -> bytes:
    """Two of them. The first has its brightest green in row 31, the last of the upper half, which is row 32
    once it is moved; the second is dark."""
    picture = bytearray(SIDE * SIDE * 3)
    picture[(31 * SIDE + 40) * 3 + GREEN] = 255
    picture[(3 * SIDE + 2) * 3 + GREEN] = 51
    return bytes(picture) + bytes(SIDE * SIDE * 3)


def telling_features() -> array:
    """(2, 2, 2, 512): 0.2 above on the left, 1 below on the right, and the bias everywhere."""
    found = array("f", bytes(4 * 2 * 2 * 2 * 512))
    for position in range(8):
        found[position * 512 + BIASED] = BIAS
    found[0 * 512 + CHANNEL], found[3 * 512 + CHANNEL] = 0.2, 1.0
    return found


class InFolder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

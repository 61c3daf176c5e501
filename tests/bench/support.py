"""A VGG16 whose features are known without computing convolutions, and made results."""

import json
import random
import struct
import tempfile
import unittest
from array import array
from pathlib import Path

import results
from peers.vgg16 import layers

SIDE = 64  # features are 2×2
# Green of a picture goes to this channel, one row down, and stays there; another has a bias alone.
CHANNEL, BIASED, BIAS = 5, 7, 0.25
GREEN = 1


def known_tensors() -> dict[str, tuple[list[int], array]]:
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


def known_pictures() -> bytes:
    """Two of them. The first has its brightest green in row 31, the last of the upper half, which is row 32
    once it is moved; the second is dark."""
    picture = bytearray(SIDE * SIDE * 3)
    picture[(31 * SIDE + 40) * 3 + GREEN] = 255
    picture[(3 * SIDE + 2) * 3 + GREEN] = 51
    return bytes(picture) + bytes(SIDE * SIDE * 3)


def known_files(folder: Path) -> tuple[str, str]:
    """The pictures and the weights in this folder."""
    (folder / "pictures").write_bytes(known_pictures())
    write_safetensors(folder / "weights.safetensors", known_tensors())
    return str(folder / "pictures"), str(folder / "weights.safetensors")


def known_features() -> array:
    """(2, 2, 2, 512): 0.2 above on the left, 1 below on the right, and the bias everywhere."""
    found = array("f", bytes(4 * 2 * 2 * 2 * 512))
    for position in range(8):
        found[position * 512 + BIASED] = BIAS
    found[0 * 512 + CHANNEL], found[3 * 512 + CHANNEL] = 0.2, 1.0
    return found


def samples_around(median: float, deviation: float = 0.001, count: int = 30, seed: int = 7) -> list[float]:
    """Normally distributed, with a standard deviation of that share of the median."""
    generator = random.Random(seed)
    return [median * (1 + deviation * generator.gauss(0, 1)) for _ in range(count)]


def measurement(name: str, samples: list[float], **changed: object) -> results.Measurement:
    """A kernel that takes these times; without any, it failed."""
    return {
        "name": name,
        "suite": name.partition("/")[0],
        "axes": {"precision": "fp16", "batch": "8"},
        "cost": {"flop": 4e9, "bytes": 2e6, "arithmetic": "fp16"},
        "clock": "device",
        "items": 8,
        "item": "images",
        "ended": "settled" if samples else "failed",
        "failure": "" if samples else "out of memory",
        "warnings": [],
        "executions": 1,
        "throttled": 0,
        "summary": results.summarise(samples),
        "stages": {"read": 0.25},
        "samples": samples,
    } | changed


def result(*measurements: results.Measurement, **changed: object) -> results.Result:
    """Of a device that does not exist, with everything filled in."""
    conditions = {
        "clock_mhz": 1980.0, "memory_clock_mhz": None, "temperature_celsius": 61.0, "power_watts": None,
        "clocks_locked": True, "other_processes": 0, "throttle_reasons": ["thermal"],
    }
    return {
        "schema": results.SCHEMA,
        "date": "2026-11-24T23:29:52Z",
        "device": {
            "device": "cuda:0", "name": "a made device", "driver": "580.1", "cuda": "13.0", "cudnn": "9.19.0",
            "instruction_set": "sm_90", "memory_bytes": 80_000_000_000,
        },
        "build": {
            "version": "0.1.0", "commit": "0123456789abcdef", "dirty": True, "compiler": "a compiler",
            "build_type": "Release",
        },
        "method": {"cache": "cold", "noise": 0.005, "least_samples": 20, "seconds": 5.0, "warm_up_seconds": 0.5},
        "has_timer": True,
        "complete": True,
        "warnings": [],
        "at_start": conditions,
        "at_end": dict(conditions),
        "ceilings": {"bytes_per_second": 2e12, "flop_per_second": {"fp32": 5e13, "fp16": 8e14}},
        "config": {"device": "cuda"},
        "measurements": list(measurements),
    } | changed


class InFolder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

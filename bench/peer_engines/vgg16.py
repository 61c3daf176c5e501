"""VGG16 without its top, as every engine here needs it: the layers, and the weights from a safetensors file.

Only the standard library, so that the model writers can be tested without any peer installed.
"""

import json
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

# Output channels of each block's convolutions; a 2×2 max-pool that drops the odd row ends a block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@dataclass(frozen=True)
class Layer:
    """One 3×3 convolution with zero padding and ReLU."""

    name: str
    inputs: int
    outputs: int
    pool_after: bool


def layers() -> list[Layer]:
    """The thirteen convolutions, first to last, under Keras' names."""
    found, inputs = [], 3
    for block, widths in enumerate(BLOCKS, start=1):
        for place, outputs in enumerate(widths, start=1):
            found.append(Layer(f"block{block}_conv{place}", inputs, outputs, place == len(widths)))
            inputs = outputs
    return found


def feature_side(side: int) -> int:
    """Rows and columns of the features of a picture with this side."""
    for _ in BLOCKS:
        side //= 2
    return side


class Weights:
    """The tensors of a safetensors file that `graft` wrote: kernels (3, 3, in, out), biases (out)."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self._header = json.loads(file.read(length))
            self._values = file.read()

    def bytes_of(self, tensor: str, shape: tuple[int, ...]) -> memoryview:
        """The tensor's float32 values, little-endian, row-major; its shape must be the one given."""
        entry = self._header[tensor]
        if entry["dtype"] != "F32" or tuple(entry["shape"]) != shape:
            raise ValueError(f"{tensor} is {entry['dtype']} {entry['shape']} where F32 {list(shape)} is due")
        begin, end = entry["data_offsets"]
        return memoryview(self._values)[begin:end]

    def hwio(self, layer: Layer) -> memoryview:
        """The kernel as it stands in the file: (3, 3, in, out)."""
        return self.bytes_of(f"{layer.name}/kernel", (3, 3, layer.inputs, layer.outputs))

    def bias(self, layer: Layer) -> memoryview:
        return self.bytes_of(f"{layer.name}/bias", (layer.outputs,))

    def oihw(self, layer: Layer) -> bytes:
        """The kernel as (out, in, 3, 3): the layout of PyTorch, ONNX and ncnn."""
        values = array("f", bytes(self.hwio(layer)))
        turned = array("f", bytes(4 * len(values)))
        plane = layer.inputs * layer.outputs
        for tap in range(9):
            for channel in range(layer.inputs):
                first = tap * plane + channel * layer.outputs
                turned[channel * 9 + tap :: layer.inputs * 9] = values[first : first + layer.outputs]
        return turned.tobytes()


def direct_operations(side: int) -> float:
    """Multiplications and additions that direct convolutions of one picture need."""
    found = 0.0
    for layer in layers():
        found += 2.0 * 9 * layer.inputs * layer.outputs * side * side
        side = side // 2 if layer.pool_after else side
    return found

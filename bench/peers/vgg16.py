"""VGG16 without its top, as engines need it: the layers, the weights from a safetensors file, and the network as the
files of ONNX and of ncnn. Standard library only, so that the writers can be tested without any peer installed.
"""

import json
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

from .work import FeaturesWork

# Output channels of each block's convolutions; a 2×2 max-pool that drops the odd row ends a block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
INPUT, OUTPUT = "pictures", "features"  # names in the written files


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
            raise ValueError(f"{tensor} is {entry['dtype']} {entry['shape']}, not F32 {list(shape)}")
        begin, end = entry["data_offsets"]
        return memoryview(self._values)[begin:end]

    def hwio(self, layer: Layer) -> memoryview:
        """The kernel as in the file: (3, 3, in, out)."""
        return self.bytes_of(f"{layer.name}/kernel", (3, 3, layer.inputs, layer.outputs))

    def bias(self, layer: Layer) -> memoryview:
        return self.bytes_of(f"{layer.name}/bias", (layer.outputs,))

    def oihw(self, layer: Layer) -> bytes:
        """The kernel as (out, in, 3, 3): the layout of PyTorch, ONNX and ncnn."""
        values = array("f", bytes(self.hwio(layer)))
        turned = array("f", bytes(4 * len(values)))
        per_tap = layer.inputs * layer.outputs
        for tap in range(9):
            for channel in range(layer.inputs):
                first = tap * per_tap + channel * layer.outputs
                turned[channel * 9 + tap :: layer.inputs * 9] = values[first : first + layer.outputs]
        return turned.tobytes()


def direct_operations(side: int) -> float:
    """Multiplications and additions that direct convolutions of one picture need."""
    found = 0.0
    for layer in layers():
        found += 2.0 * 9 * layer.inputs * layer.outputs * side * side
        side = side // 2 if layer.pool_after else side
    return found


# An ONNX file is one protobuf message. The dozen fields that are needed are written by hand: no exporter then
# chooses, unseen, another graph than the one that is compared. Field numbers: onnx/onnx.proto.

FLOAT, UINT8, FLOAT16 = 1, 2, 10  # TensorProto.DataType


def varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the top bit says that more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    """A field with a length: bytes, text, or a message of its own."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: int | list[int]) -> bytes:
    """An AttributeProto that holds a number or a list of them."""
    if isinstance(value, int):
        return block(1, name) + number(3, value) + number(20, 2)
    return block(1, name) + b"".join(number(8, v) for v in value) + number(20, 7)


def node(operation: str, inputs: list[str], output: str, attributes: dict[str, int | list[int]]) -> bytes:
    return (
        b"".join(block(1, name) for name in inputs)
        + block(2, output)
        + block(3, output)
        + block(4, operation)
        + b"".join(block(5, attribute(*item)) for item in attributes.items())
    )


def tensor(name: str, shape: list[int], values: bytes, half: bool = False) -> bytes:
    """Float32 values, kept as float16 with `half`."""
    if half:
        floats = array("f", values)
        values = struct.pack(f"<{len(floats)}e", *floats)
    dimensions = b"".join(number(1, n) for n in shape)
    return dimensions + number(2, FLOAT16 if half else FLOAT) + block(8, name) + block(9, values)


def value_info(name: str, kind: int, shape: list[int]) -> bytes:
    dimensions = b"".join(block(1, number(1, n)) for n in shape)
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, dimensions)))


def write_onnx(path: Path, weights: Weights, work: FeaturesWork) -> None:
    """An ONNX model of IR version 8 and operator set 13, which ONNX Runtime, OpenVINO and MNN's converter read:
    Conv → Relu (→ MaxPool) thirteen times, in fp16 with that precision. Features are float32 and
    (batch, 512, y, x); the input is as work.source says, floats as (batch, 3, side, side)."""
    half, of_bytes, side = work.precision == "fp16", work.source == "bytes", work.side
    nodes: list[bytes] = []
    tensors: list[bytes] = []
    value = INPUT

    def append(operation: str, output: str, attributes: dict[str, int | list[int]], *others: str) -> None:
        nonlocal value
        nodes.append(node(operation, [value, *others], output, attributes))
        value = output

    if of_bytes:  # (batch, y, x, channel)
        tensors.append(tensor("scale", [], struct.pack("<f", 1 / 255)))
        append("Cast", "floats", {"to": FLOAT})
        append("Mul", "rescaled", {}, "scale")
        append("Transpose", "turned", {"perm": [0, 3, 1, 2]})
    if half:
        append("Cast", "halved", {"to": FLOAT16})
    last = "half_features" if half else OUTPUT
    for layer in layers():
        kernel, bias = f"{layer.name}/kernel", f"{layer.name}/bias"
        tensors.append(tensor(kernel, [layer.outputs, layer.inputs, 3, 3], weights.oihw(layer), half))
        tensors.append(tensor(bias, [layer.outputs], bytes(weights.bias(layer)), half))
        append("Conv", layer.name, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, kernel, bias)
        append("Relu", f"{layer.name}/relu", {})
        if layer.pool_after:
            pooled = last if layer.name == "block5_conv3" else f"{layer.name}/pool"
            append("MaxPool", pooled, {"kernel_shape": [2, 2], "strides": [2, 2]})
    if half:
        append("Cast", OUTPUT, {"to": FLOAT})
    shape = [work.batch, side, side, 3] if of_bytes else [work.batch, 3, side, side]
    found = [work.batch, 512, feature_side(side), feature_side(side)]
    graph = b"".join(block(1, n) for n in nodes) + block(2, "vgg16") + b"".join(block(5, t) for t in tensors)
    graph += block(11, value_info(INPUT, UINT8 if of_bytes else FLOAT, shape))
    graph += block(12, value_info(OUTPUT, FLOAT, found))
    path.write_bytes(number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 13)))


# ncnn's "param and model file structure": a list of layers as text, and the weights. A line is: type, name, number
# of inputs and of outputs, their names, then key=value. A convolution's weights are a tag (0: plain float32), the
# kernel, the bias.


def write_ncnn(folder: Path, weights: Weights) -> tuple[Path, Path]:
    """vgg16.param and vgg16.bin in this folder. Keys of Convolution: 0 outputs, 1 kernel, 4 padding, 5 bias,
    6 values, 9 ReLU; of Pooling: 0=0 maximum, 1 kernel, 2 stride, 5=1 without padding, which drops the odd row."""
    text, values = folder / "vgg16.param", folder / "vgg16.bin"
    lines, value = [f"Input {INPUT} 0 1 {INPUT}"], INPUT
    with values.open("wb") as file:
        for layer in layers():
            file.write(bytes(4) + weights.oihw(layer) + weights.bias(layer))
            size = 9 * layer.inputs * layer.outputs
            keys = f"0={layer.outputs} 1=3 4=1 5=1 6={size} 9=1"
            lines.append(f"Convolution {layer.name} 1 1 {value} {layer.name} {keys}")
            value = layer.name
            if layer.pool_after:
                value = OUTPUT if layer.name == "block5_conv3" else f"{layer.name}_pool"
                lines.append(f"Pooling {value} 1 1 {layer.name} {value} 0=0 1=2 2=2 5=1")
    # Every layer here has one output, so that there are as many values as layers.
    text.write_text("\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""]), encoding="ascii")
    return text, values

"""Writes VGG16 as an ONNX file, which ONNX Runtime, OpenVINO and MNN's converter read.

An ONNX file is one protobuf message. The dozen fields that are needed are written by hand: no exporter
then chooses, unseen, another graph than the one that is compared. Field numbers: onnx/onnx.proto.
"""

import struct
from array import array
from pathlib import Path

from .vgg16 import Weights, feature_side, layers
from .work import FeaturesWork

FLOAT, UINT8, FLOAT16 = 1, 2, 10  # TensorProto.DataType
INPUT, OUTPUT = "pictures", "features"


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


def rescaling() -> tuple[list[bytes], list[bytes]]:
    """The nodes and tensors from bytes (batch, y, x, channel) to "turned", floats with channels first."""
    nodes = [
        node("Cast", [INPUT], "floats", {"to": FLOAT}),
        node("Mul", ["floats", "scale"], "rescaled", {}),
        node("Transpose", ["rescaled"], "turned", {"perm": [0, 3, 1, 2]}),
    ]
    return nodes, [tensor("scale", [], struct.pack("<f", 1 / 255))]


def graph(weights: Weights, work: FeaturesWork) -> bytes:
    """Conv → Relu (→ MaxPool) thirteen times, in fp16 where that is asked for. Features are float32 and
    (batch, 512, y, x); the input is as work.source says, floats as (batch, 3, side, side)."""
    half, of_bytes, side = work.precision == "fp16", work.source == "bytes", work.side
    nodes, tensors = rescaling() if of_bytes else ([], [])
    value = "turned" if of_bytes else INPUT
    if half:
        nodes.append(node("Cast", [value], "halved", {"to": FLOAT16}))
        value = "halved"
    last = "half_features" if half else OUTPUT
    for layer in layers():
        kernel, bias = f"{layer.name}/kernel", f"{layer.name}/bias"
        tensors.append(tensor(kernel, [layer.outputs, layer.inputs, 3, 3], weights.oihw(layer), half))
        tensors.append(tensor(bias, [layer.outputs], bytes(weights.bias(layer)), half))
        nodes.append(
            node("Conv", [value, kernel, bias], layer.name, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
        )
        value = f"{layer.name}/relu"
        nodes.append(node("Relu", [layer.name], value, {}))
        if layer.pool_after:
            pooled = last if layer.name == "block5_conv3" else f"{layer.name}/pool"
            nodes.append(node("MaxPool", [value], pooled, {"kernel_shape": [2, 2], "strides": [2, 2]}))
            value = pooled
    if half:
        nodes.append(node("Cast", [last], OUTPUT, {"to": FLOAT}))
    shape = [work.batch, side, side, 3] if of_bytes else [work.batch, 3, side, side]
    found = [work.batch, 512, feature_side(side), feature_side(side)]
    return (
        b"".join(block(1, n) for n in nodes)
        + block(2, "vgg16")
        + b"".join(block(5, t) for t in tensors)
        + block(11, value_info(INPUT, UINT8 if of_bytes else FLOAT, shape))
        + block(12, value_info(OUTPUT, FLOAT, found))
    )


def write(path: Path, weights: Weights, work: FeaturesWork) -> None:
    """An ONNX model of IR version 8 and operator set 13."""
    operators = block(1, "") + number(2, 13)
    model = number(1, 8) + block(7, graph(weights, work)) + block(8, operators)
    path.write_bytes(model)

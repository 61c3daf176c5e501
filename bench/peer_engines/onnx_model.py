"""Writes VGG16 as an ONNX file, which ONNX Runtime, OpenVINO and MNN's converter read.

An ONNX file is one protobuf message. The dozen fields that are needed are written by hand: no exporter
then chooses, unseen, another graph than the one that is compared. Field numbers: onnx/onnx.proto.
"""

from pathlib import Path

from .vgg16 import Weights, layers

FLOAT = 1  # TensorProto.DataType
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


def integers(name: str, values: list[int]) -> bytes:
    """An AttributeProto that holds a list."""
    return block(1, name) + b"".join(number(8, v) for v in values) + number(20, 7)


def node(operation: str, inputs: list[str], output: str, attributes: dict[str, list[int]]) -> bytes:
    return (
        b"".join(block(1, name) for name in inputs)
        + block(2, output)
        + block(3, output)
        + block(4, operation)
        + b"".join(block(5, integers(*item)) for item in attributes.items())
    )


def tensor(name: str, shape: list[int], values: bytes) -> bytes:
    return b"".join(number(1, n) for n in shape) + number(2, FLOAT) + block(8, name) + block(9, values)


def value_info(name: str, shape: list[int]) -> bytes:
    dimensions = b"".join(block(1, number(1, n)) for n in shape)
    return block(1, name) + block(2, block(1, number(1, FLOAT) + block(2, dimensions)))


def graph(weights: Weights, batch: int, side: int, feature_side: int) -> bytes:
    """Conv → Relu (→ MaxPool) thirteen times, on (batch, 3, side, side)."""
    nodes, tensors, value = [], [], INPUT
    for layer in layers():
        kernel, bias = f"{layer.name}/kernel", f"{layer.name}/bias"
        tensors.append(tensor(kernel, [layer.outputs, layer.inputs, 3, 3], weights.oihw(layer)))
        tensors.append(tensor(bias, [layer.outputs], bytes(weights.bias(layer))))
        nodes.append(
            node("Conv", [value, kernel, bias], layer.name, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
        )
        value = f"{layer.name}/relu"
        nodes.append(node("Relu", [layer.name], value, {}))
        if layer.pool_after:
            pooled = OUTPUT if layer.name == "block5_conv3" else f"{layer.name}/pool"
            nodes.append(node("MaxPool", [value], pooled, {"kernel_shape": [2, 2], "strides": [2, 2]}))
            value = pooled
    return (
        b"".join(block(1, n) for n in nodes)
        + block(2, "vgg16")
        + b"".join(block(5, t) for t in tensors)
        + block(11, value_info(INPUT, [batch, 3, side, side]))
        + block(12, value_info(OUTPUT, [batch, 512, feature_side, feature_side]))
    )


def write(path: Path, weights: Weights, batch: int, side: int, feature_side: int) -> None:
    """An ONNX model of IR version 8 and operator set 13."""
    operators = block(1, "") + number(2, 13)
    model = number(1, 8) + block(7, graph(weights, batch, side, feature_side)) + block(8, operators)
    path.write_bytes(model)

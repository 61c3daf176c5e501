import struct
import tempfile
import unittest
from array import array
from pathlib import Path

import support
from peers import vgg16
from peers.vgg16 import Layer, Weights, direct_operations, feature_side, layers
from peers.work import FeaturesWork

Fields = list[tuple[int, int | bytes]]


def fields(message: bytes) -> Fields:
    """The fields of a protobuf message: a reader for what the writer writes."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        else:
            length = varint()
            found.append((key >> 3, message[at : at + length]))
            at += length
    return found


def only(message: Fields, number: int) -> list:
    return [value for field, value in message if field == number]


class Vgg16(unittest.TestCase):
    def test_is_keras_network_without_its_top(self) -> None:
        self.assertEqual(len(layers()), 13)
        self.assertEqual(sum(9 * x.inputs * x.outputs + x.outputs for x in layers()), 14_714_688)
        self.assertAlmostEqual(direct_operations(150) / 1e9, 13.2, delta=0.1)
        self.assertEqual((feature_side(150), feature_side(224), feature_side(32)), (4, 7, 1))


class WeightsFile(support.InFolder):
    def weights(self, shape: list[int]) -> Weights:
        path = self.folder / "weights.safetensors"
        count = shape[0] * shape[1] * shape[2] * shape[3]
        support.write_safetensors(path, {"one/kernel": (shape, array("f", range(count)))})
        return Weights(path)

    def test_kernels_are_turned_from_hwio_to_oihw(self) -> None:
        inputs, outputs = 2, 3
        turned = array("f", self.weights([3, 3, inputs, outputs]).oihw(Layer("one", inputs, outputs, False)))
        for o in range(outputs):
            for i in range(inputs):
                for tap in range(9):
                    self.assertEqual(turned[(o * inputs + i) * 9 + tap], (tap * inputs + i) * outputs + o)

    def test_another_shape_is_refused_with_both(self) -> None:
        with self.assertRaisesRegex(ValueError, r"one/kernel is F32 \[3, 3, 2, 4\], not F32 \[3, 3, 2, 3\]"):
            self.weights([3, 3, 2, 4]).hwio(Layer("one", 2, 3, False))


class Writers(support.InFolder):
    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights.safetensors")
            support.write_safetensors(path, support.known_tensors())
            cls.weights = Weights(path)

    def onnx_graph(self, precision: str = "fp32", source: str = "floats") -> Fields:
        path = self.folder / "vgg16.onnx"
        work = FeaturesWork(64, 2, "", "", 1, "", precision=precision, source=source)
        vgg16.write_onnx(path, self.weights, work)
        (graph,) = only(fields(path.read_bytes()), 7)
        return fields(graph)

    def chain(self, graph: Fields) -> list[str]:
        """The operations, each on what the one before gave: from the input to the output."""
        nodes = [fields(node) for node in only(graph, 1)]
        value = vgg16.INPUT.encode()
        for node in nodes:
            self.assertEqual(only(node, 1)[0], value)
            (value,) = only(node, 2)
        self.assertEqual(value.decode(), vgg16.OUTPUT)
        return [only(node, 4)[0].decode() for node in nodes]

    def test_the_onnx_file_is_a_chain_of_the_layers(self) -> None:
        operations = self.chain(self.onnx_graph())
        self.assertEqual([operations.count(o) for o in ("Conv", "Relu", "MaxPool")], [13, 13, 5])
        self.assertEqual(len(operations), 31)

    def test_a_chain_from_bytes_rescales_and_turns_them_first(self) -> None:
        graph = self.onnx_graph(source="bytes")
        self.assertEqual(self.chain(graph)[:4], ["Cast", "Mul", "Transpose", "Conv"])
        scale = next(fields(t) for t in only(graph, 5) if only(fields(t), 8) == [b"scale"])
        self.assertAlmostEqual(struct.unpack("<f", only(scale, 9)[0])[0], 1 / 255)

    def test_half_a_network_is_between_two_casts_and_has_its_weights_rounded(self) -> None:
        graph = self.onnx_graph("fp16")
        operations = self.chain(graph)
        self.assertEqual((operations[0], operations[-1], operations.count("Cast")), ("Cast", "Cast", 2))
        first = fields(only(graph, 5)[0])
        self.assertEqual(only(first, 2), [vgg16.FLOAT16])
        kernel = array("f", self.weights.oihw(layers()[0]))
        self.assertEqual(struct.unpack(f"<{len(kernel)}e", only(first, 9)[0]), tuple(kernel))

    def test_the_onnx_tensors_hold_the_weights(self) -> None:
        tensors = [fields(tensor) for tensor in only(self.onnx_graph(), 5)]
        self.assertEqual(len(tensors), 26)
        for tensor, layer in zip(tensors[::2], layers()):
            self.assertEqual(only(tensor, 1), [layer.outputs, layer.inputs, 3, 3])
            self.assertEqual(only(tensor, 9), [self.weights.oihw(layer)])

    def test_ncnns_layers_are_chained_and_counted_and_its_weights_are_tag_kernel_bias(self) -> None:
        text, values = vgg16.write_ncnn(self.folder, self.weights)
        magic, counts, *lines = text.read_text().strip().split("\n")
        self.assertEqual((magic, counts), ("7767517", f"{len(lines)} {len(lines)}"))
        value = None
        for line in lines:
            kind, _, inputs, outputs, *rest = line.split()
            if kind != "Input":
                self.assertEqual(rest[0], value)
            self.assertEqual((inputs, outputs), ("0" if kind == "Input" else "1", "1"))
            value = rest[int(inputs)]
        self.assertEqual(value, vgg16.OUTPUT)
        data = values.read_bytes()
        self.assertEqual(len(data), 4 * (14_714_688 + 13))
        self.assertEqual(struct.unpack_from("<I", data)[0], 0)
        self.assertEqual(data[4 : 4 + 4 * 9 * 3 * 64], self.weights.oihw(layers()[0]))


if __name__ == "__main__":
    unittest.main()

"""Writes one VGG16 by the packages that people use, and imports each file with graft.

    weight_formats_test.py GRAFT

All values are bfloat16 numbers, and within float16's normal range, so that no form loses any: the digest is the same.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import keras
import ml_dtypes
import numpy as np
import onnx
import safetensors.numpy
from onnx import helper, numpy_helper

GRAFT = sys.argv[1]
BLOCKS = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)
TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def random_layers(network):
    """(kernel OIHW, bias, whether a pool follows) of each convolution."""
    random = np.random.default_rng(7)
    inputs, layers = 3, []
    for count, width in zip(BLOCKS[network], WIDTHS):
        for i in range(count):
            kernel = random.uniform(0.01, 1, (width, inputs, 3, 3)) * random.choice((-1, 1), (width, inputs, 3, 3))
            values = [v.astype(ml_dtypes.bfloat16).astype(np.float32) for v in (kernel, random.uniform(0.1, 1, width))]
            layers.append((*values, i + 1 == count))
            inputs = width
    return layers


def torchvision(layers, dtype=np.float32, prefix="", normalised=False):
    """The tensors of torchvision's and timm's models, with a head of another type and a counter."""
    tensors, index = {}, 0
    for kernel, bias, pool in layers:
        tensors[f"{prefix}features.{index}.weight"] = kernel.astype(dtype)
        tensors[f"{prefix}features.{index}.bias"] = bias.astype(dtype)
        if normalised:
            index += 1
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{prefix}features.{index}.{name}"] = bias.astype(dtype)
            tensors[f"{prefix}features.{index}.num_batches_tracked"] = np.array(3, np.int64)
        index += 3 if pool else 2
    tensors[f"{prefix}classifier.0.weight"] = np.ones((2, 5), np.float16)
    tensors["step"] = np.array(7, np.int64)
    return tensors


def onnx_model(layers, dtype=np.float32, constants=False, typed=False, order=(0, 1, 2, 3)):
    """Names and order of the tensors say nothing; the head is int64 and not needed."""
    tensors, nodes, last = [], [], "images"
    for i, (kernel, bias, pool) in enumerate(layers):
        for name, values in ((f"k{99 - i}", kernel.transpose(order)), (f"b{99 - i}", bias)):
            tensor = numpy_helper.from_array(np.ascontiguousarray(values.astype(dtype)), name)
            if typed:  # float_data or int32_data
                numbers = values.astype(dtype)
                if dtype != np.float32:
                    numbers = numbers.view(np.uint16)
                tensor.ClearField("raw_data")
                (tensor.float_data if dtype == np.float32 else tensor.int32_data).extend(numbers.ravel().tolist())
            if constants:
                nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            else:
                tensors.append(tensor)
        nodes.append(helper.make_node("Conv", [last, f"k{99 - i}", f"b{99 - i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        last = f"r{i}"
        if pool:
            nodes.append(helper.make_node("MaxPool", [last], [f"p{i}"], kernel_shape=[2, 2], strides=[2, 2]))
            last = f"p{i}"
    tensors.append(numpy_helper.from_array(np.ones(3, np.int64), "unused"))
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes, "vgg", [helper.make_tensor_value_info("images", element, ["n", 3, 64, 64])],
        [helper.make_tensor_value_info(last, element, None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])


def keras_model(layers, dtype="float32", normalised=False):
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for kernel, bias, _ in layers:
        convolution = keras.layers.Conv2D(bias.size, 3, padding="same", dtype=dtype)
        model.add(convolution)
        convolution.set_weights([kernel.transpose(2, 3, 1, 0), bias])
        if normalised:
            model.add(keras.layers.BatchNormalization())
    return model


def write_keras2(path, layers, dtype):
    with h5py.File(path, "w") as file:
        names = [f"layer{99 - i}" for i in range(len(layers))]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name, (kernel, bias, _) in zip(names, layers):
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            group["kernel:0"] = kernel.transpose(2, 3, 1, 0).astype(dtype)
            group["bias:0"] = bias.astype(dtype)


def saved(*parts):
    tensors = {name: values for part in parts for name, values in part.items()}
    return lambda path: safetensors.numpy.save_file(tensors, path)


def saved_onnx(layers, form=None, moved_to=None, **keywords):
    """`form` are the arguments of onnx_model, `keywords` those of onnx.save_model. The model names `moved_to` as the
    file of its external data."""
    def write(path):
        onnx.save_model(onnx_model(layers, **(form or {})), path, **keywords)
        if moved_to:
            model = onnx.load(path, load_external_data=False)
            for tensor in model.graph.initializer:
                for entry in tensor.external_data:
                    if entry.key == "location":
                        entry.value = moved_to
            path.write_bytes(model.SerializeToString())
    return write


def equal_files(vgg16):
    """Name and writer of each file with the same values."""
    for name, dtype in TYPES.items():
        yield f"{name}.safetensors", saved(torchvision(vgg16, dtype))
        yield f"{name}.onnx", saved_onnx(vgg16, {"dtype": dtype})
        yield f"typed_{name}.onnx", saved_onnx(vgg16, {"dtype": dtype, "typed": True})
        yield f"constants_{name}.onnx", saved_onnx(vgg16, {"dtype": dtype, "constants": True})
        yield f"external_{name}.onnx", saved_onnx(vgg16, {"dtype": dtype}, save_as_external_data=True, location="w.bin")
        yield f"{name}.weights.h5", keras_model(vgg16, name).save_weights
    for prefix in ("module.", "model.", "backbone.", "vgg16.", "module.model."):
        yield f"{prefix}safetensors", saved(torchvision(vgg16, ml_dtypes.bfloat16, prefix))
    yield "float16.h5", lambda path: write_keras2(path, vgg16, np.float16)
    yield "each.onnx", saved_onnx(vgg16, save_as_external_data=True, all_tensors_to_one_file=False)


def refused_files(vgg16):
    """Name, writer, and words of the refusal."""
    for network in ("vgg11", "vgg19"):
        layers, name = random_layers(network), f"looks like a {network.upper()}:"
        yield f"{network}.safetensors", saved(torchvision(layers)), name
        yield f"{network}.onnx", saved_onnx(layers), name
        yield f"{network}.weights.h5", keras_model(layers).save_weights, name
    normalised = torchvision(vgg16, normalised=True)
    yield "vgg16_bn.safetensors", saved(normalised), "looks like a VGG16 with batch normalisation"
    yield "vgg16_bn.weights.h5", keras_model(vgg16, normalised=True).save_weights, "13 batch normalisations"
    tensors = torchvision(vgg16)
    yield "two.safetensors", saved(tensors, torchvision(vgg16, prefix="ema.")), "save one network alone"
    for order, axes in (("HWIO", (2, 3, 1, 0)), ("OHWI", (0, 2, 3, 1))):
        transposed = {n: np.ascontiguousarray(v.transpose(axes)) if v.ndim == 4 else v for n, v in tensors.items()}
        yield f"{order}.safetensors", saved(transposed), f"in the order {order}: transpose it to OIHW"
        yield f"{order}.onnx", saved_onnx(vgg16, {"order": axes}), f"in the order {order}: transpose it to OIHW"
    external = {"save_as_external_data": True, "convert_attribute": False}
    yield "outside.onnx", saved_onnx(vgg16, moved_to="../w.bin", **external), "outside the model's folder"
    yield "absent.onnx", saved_onnx(vgg16, moved_to="absent.bin", **external), "next to the model"


def run(*arguments):
    return subprocess.run([GRAFT, *arguments], capture_output=True, text=True, timeout=100)


def main():
    vgg16, digests, failures = random_layers("vgg16"), set(), []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.safetensors"

        def read(name, write):
            for path in Path(folder).iterdir():
                path.unlink()
            write(Path(folder) / name)
            shown = run("weights", "show", str(Path(folder) / name))
            if shown.returncode != 0:
                failures.append(f"{name}: show ended with {shown.returncode}: {shown.stderr}")
            return run("weights", "import", str(Path(folder) / name), "-o", str(output))

        for name, write in equal_files(vgg16):
            result = read(name, write)
            if result.returncode != 0:
                failures.append(f"{name}: {result.stderr}")
                continue
            digests.add(re.search(r"digest (\w{32})", result.stdout)[1])
            tensors = safetensors.numpy.load_file(output)
            for (kernel, bias, _), stored in zip(vgg16, sorted(n for n in tensors if n.endswith("/kernel"))):
                if not (np.array_equal(tensors[stored], kernel.transpose(2, 3, 1, 0))
                        and np.array_equal(tensors[stored.replace("kernel", "bias")], bias)):
                    failures.append(f"{name}: {stored} has other values")
        for name, write, words in refused_files(vgg16):
            result = read(name, write)
            if result.returncode != 4 or words not in result.stderr or output.exists():
                failures.append(f"{name}: {result.returncode} {result.stderr}")
    if len(digests) != 1:
        failures.append(f"the digests differ: {digests}")
    sys.exit("\n".join(failures) or 0)


main()

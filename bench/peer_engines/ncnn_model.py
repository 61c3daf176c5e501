"""Writes VGG16 as ncnn's two files: a list of layers in text, and the weights.

Format: ncnn's "param and model file structure". A line is: type, name, number of inputs and of outputs,
their names, then key=value. A convolution's weights are a tag (0: plain float32), the kernel, the bias.
"""

from pathlib import Path

from .vgg16 import Weights, layers

MAGIC = "7767517"
INPUT, OUTPUT = "pictures", "features"


def lines() -> list[str]:
    """The layers. Keys of Convolution: 0 outputs, 1 kernel, 4 padding, 5 bias, 6 values, 9 ReLU;
    of Pooling: 0=0 maximum, 1 kernel, 2 stride, 5=1 without padding, which drops the odd row."""
    found, value = [f"Input {INPUT} 0 1 {INPUT}"], INPUT
    for layer in layers():
        size = 9 * layer.inputs * layer.outputs
        found.append(
            f"Convolution {layer.name} 1 1 {value} {layer.name} 0={layer.outputs} 1=3 4=1 5=1 6={size} 9=1"
        )
        value = layer.name
        if layer.pool_after:
            pooled = OUTPUT if layer.name == "block5_conv3" else f"{layer.name}_pool"
            found.append(f"Pooling {pooled} 1 1 {value} {pooled} 0=0 1=2 2=2 5=1")
            value = pooled
    return found


def param() -> str:
    found = lines()
    # Every layer here has one output, so that there are as many values as layers.
    return "\n".join([MAGIC, f"{len(found)} {len(found)}", *found, ""])


def write(folder: Path, weights: Weights) -> tuple[Path, Path]:
    """vgg16.param and vgg16.bin in this folder."""
    text, values = folder / "vgg16.param", folder / "vgg16.bin"
    text.write_text(param(), encoding="ascii")
    with values.open("wb") as file:
        for layer in layers():
            file.write(bytes(4) + weights.oihw(layer) + weights.bias(layer))
    return text, values

"""Keras on TensorFlow: its own VGG16 as a compiled function of one batch, the head in its fastest form, and the
blog's recipe as one would write it today: photos → VGG16 → .npy → Dense head.

    python -m peers.keras_engine PHOTOS WEIGHTS OUTPUT EPOCHS THREADS    the recipe, a process of its own
"""

import json
import sys
from pathlib import Path

import keras
import numpy
import tensorflow

from .head_engine import HeadEngine
from .pictures import rescaled
from .protocol import Message
from .vgg16 import Weights, layers
from .work import FeaturesWork, HeadWork

VERSION = f"{keras.__version__} (TensorFlow {tensorflow.__version__})"
SIDE, BATCH = 150, 16  # of the recipe


def use_threads(threads: int) -> None:
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)


def network(weights: Weights, side: int) -> keras.Model:
    model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(side, side, 3))
    for layer in layers():
        kernel = numpy.frombuffer(weights.hwio(layer), "<f4").reshape(3, 3, layer.inputs, layer.outputs)
        model.get_layer(layer.name).set_weights([kernel, numpy.frombuffer(weights.bias(layer), "<f4")])
    return model


class Features:
    setting = "tf.function of model(x, training=False)"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        use_threads(work.threads)
        model = network(weights, work.side)
        self._input = tensorflow.constant(rescaled(pictures))
        self._function = tensorflow.function(lambda x: model(x, training=False))

    def run(self) -> numpy.ndarray:
        return self._function(self._input).numpy()

    def check(self, _: Message) -> numpy.ndarray:
        return self.run()


def dense_head(first: keras.KerasTensor | keras.Layer, units: int, dropout: float) -> keras.Sequential:
    return keras.Sequential(
        [
            first,
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


class Trainer:
    """`train_on_batch` is Keras' own step at its fastest: `fit` adds callbacks."""

    def __init__(
        self, work: HeadWork, kernels: list[numpy.ndarray], biases: list[numpy.ndarray], dropout: float, way: str
    ) -> None:
        self._head = dense_head(keras.Input((work.inputs,)), work.units, dropout)
        self._head.set_weights([v for pair in zip(kernels, biases) for v in pair])
        optimizer = keras.optimizers.RMSprop(work.learning_rate, rho=0.9, epsilon=1e-7)
        self._head.compile(optimizer, "binary_crossentropy", jit_compile=way == "XLA")
        self.step = self._head.train_on_batch

    def loss_of_step(self, features: tensorflow.Tensor, labels: tensorflow.Tensor) -> float:
        self._head.reset_metrics()  # else the mean of all steps so far
        return float(self.step(features, labels))


class Head(HeadEngine):
    epsilon_inside_sqrt = True

    def __init__(self, work: HeadWork) -> None:
        use_threads(work.threads)
        super().__init__(work, ("XLA", "no XLA"), tensorflow.constant, Trainer)


def batches_of(folder: Path) -> tuple[tensorflow.data.Dataset, numpy.ndarray]:
    """Batches in order, rescaled, decoded in parallel ahead of the network; and the labels."""
    found = keras.utils.image_dataset_from_directory(
        folder, labels="inferred", label_mode="binary", batch_size=BATCH, image_size=(SIDE, SIDE),
        shuffle=False, interpolation="nearest",
    )
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    labels = [float(classes.index(Path(path).parent)) for path in found.file_paths]
    batches = found.map(lambda x, _: tensorflow.cast(x, "float32") / 255.0, num_parallel_calls=tensorflow.data.AUTOTUNE)
    return batches.prefetch(tensorflow.data.AUTOTUNE), numpy.array(labels, "f4")


def bottleneck(model: keras.Model, photos: Path, output: Path, part: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Features of train or validation, through a .npy file as in the recipe."""
    batches, labels = batches_of(photos / part)
    numpy.save(output / f"{part}.npy", model.predict(batches, verbose=0))
    return numpy.load(output / f"{part}.npy"), labels


def main(photos: Path, weights: Path, output: Path, epochs: int, threads: int) -> None:
    use_threads(threads)
    output.mkdir(parents=True)
    keras.utils.set_random_seed(1)
    model = network(Weights(weights), SIDE)
    train, validation = (bottleneck(model, photos, output, part) for part in ("train", "validation"))
    head = dense_head(keras.layers.Flatten(), 256, 0.5)
    head.compile(keras.optimizers.RMSprop(1e-3), "binary_crossentropy", metrics=["accuracy"])
    found = head.fit(*train, epochs=epochs, batch_size=BATCH, validation_data=validation, verbose=2)
    (output / "history.json").write_text(json.dumps({"history": found.history, "version": VERSION}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))

"""Keras on TensorFlow: its own VGG16 as a compiled function of one batch; the head in its quickest form."""

from functools import partial

import keras
import numpy
import tensorflow

from .head_data import HeadData, HeadEngine
from .pictures import rescaled
from .protocol import Message
from .vgg16 import Weights, layers
from .work import FeaturesWork, HeadWork

VERSION = f"{keras.__version__} (TensorFlow {tensorflow.__version__})"


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


class Trainer:
    """`train_on_batch` is Keras' own step at its quickest: `fit` adds callbacks."""

    def __init__(self, work: HeadWork, data: HeadData, dropout: float, way: str) -> None:
        self._head = keras.Sequential(
            [
                keras.Input((work.inputs,)),
                keras.layers.Dense(work.units, activation="relu"),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        self._head.set_weights([v for pair in zip(data.kernels, data.biases) for v in pair])
        optimizer = keras.optimizers.RMSprop(work.learning_rate, rho=0.9, epsilon=1e-7)
        self._head.compile(optimizer, "binary_crossentropy", jit_compile=way == "XLA")
        self.step = self._head.train_on_batch

    def loss_of_step(self, features: tensorflow.Tensor, labels: tensorflow.Tensor) -> float:
        self._head.reset_metrics()  # else the mean of all steps so far
        return float(self.step(features, labels))


class Head(HeadEngine):
    epsilon_inside_sqrt = True

    def __init__(self, work: HeadWork, data: HeadData) -> None:
        use_threads(work.threads)
        trainer = partial(Trainer, work, data)
        super().__init__(work, data, ("XLA", "no XLA"), tensorflow.constant, trainer)

"""ONNX Runtime: every optimisation of the graph, one pool of threads."""

import numpy
import onnxruntime

from . import onnx_model
from .pictures import channels_first, channels_last
from .protocol import Message
from .vgg16 import Weights, feature_side
from .work import FeaturesWork

VERSION = onnxruntime.__version__


class Features:
    setting = "ORT_ENABLE_ALL, intra_op_num_threads"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        model = work.folder() / "vgg16.onnx"
        onnx_model.write(model, weights, work.batch, work.side, feature_side(work.side))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = work.threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = {onnx_model.INPUT: channels_first(pictures)}

    def run(self) -> numpy.ndarray:
        return self._session.run(None, self._input)[0]

    def check(self, _: Message) -> numpy.ndarray:
        return channels_last(self.run())

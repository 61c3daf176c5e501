"""OpenVINO: the latency hint (one stream with every thread), fp32 arithmetic."""

import numpy
import openvino

from .pictures import channels_first, channels_last
from .protocol import Message
from .vgg16 import Weights, write_onnx
from .work import FeaturesWork

VERSION = openvino.__version__.split("-")[0]


class Features:
    setting = "PERFORMANCE_HINT LATENCY, INFERENCE_PRECISION_HINT f32, INFERENCE_NUM_THREADS"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        model = work.folder() / "vgg16.onnx"
        write_onnx(model, weights, work)
        compiled = openvino.Core().compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32",
                "INFERENCE_NUM_THREADS": work.threads,
            },
        )
        self._request = compiled.create_infer_request()
        self._input = channels_first(pictures)  # the tensor borrows it
        self._request.set_input_tensor(openvino.Tensor(self._input, shared_memory=True))

    def run(self) -> numpy.ndarray:
        self._request.infer()
        return self._request.get_output_tensor().data

    def check(self, _: Message) -> numpy.ndarray:
        return channels_last(self.run())

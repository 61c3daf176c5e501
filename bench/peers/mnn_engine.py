"""MNN: the CPU backend with precision "high", which is fp32; its converter reads our ONNX file.

Copying the input changes it into MNN's own layout of channels by four or more, and copying the output back:
both are inside the clock, for no caller can do without them.
"""

import subprocess
import sys

import MNN
import numpy

from .pictures import channels_first, channels_last
from .protocol import Message
from .vgg16 import Weights, write_onnx
from .work import FeaturesWork

VERSION = MNN.version()


class Features:
    setting = "backend CPU, precision high, numThread"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        onnx, model = work.folder() / "vgg16.onnx", work.folder() / "vgg16.mnn"
        write_onnx(onnx, weights, work)
        command = ["-m", "MNN.tools.mnnconvert", "-f", "ONNX", "--modelFile", onnx, "--MNNModel", model]
        subprocess.run([sys.executable, *command, "--bizCode", "graft"], check=True, stdout=sys.stderr)
        self._net = MNN.Interpreter(str(model))
        self._session = self._net.createSession(
            {"backend": "CPU", "precision": "high", "numThread": work.threads}
        )
        values = channels_first(pictures)
        layout = MNN.Tensor_DimensionType_Caffe
        self._input = MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, layout)
        output = self._net.getSessionOutput(self._session)
        shape = output.getShape()
        self._output = MNN.Tensor(shape, MNN.Halide_Type_Float, numpy.zeros(shape, "f4"), layout)

    def run(self) -> None:
        self._net.getSessionInput(self._session).copyFrom(self._input)
        self._net.runSession(self._session)
        self._net.getSessionOutput(self._session).copyToHostTensor(self._output)

    def check(self, _: Message) -> numpy.ndarray:
        self.run()
        return channels_last(numpy.array(self._output.getNumpyData()).reshape(self._output.getShape()))

"""ncnn: fp32 with Winograd. It knows no batches, so that a batch is one picture after another."""

import ncnn
import numpy

from .pictures import channels_first, channels_last
from .protocol import Message
from .vgg16 import INPUT, OUTPUT, Weights, write_ncnn
from .work import FeaturesWork

VERSION = ncnn.__version__


class Features:
    setting = "Winograd and sgemm, no fp16, no bf16, num_threads"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        self._net = ncnn.Net()
        options = self._net.opt
        options.num_threads = work.threads
        options.use_vulkan_compute = False
        options.use_winograd_convolution = True
        options.use_sgemm_convolution = True
        options.use_packing_layout = True
        for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
            setattr(options, f"use_{reduced}", False)
        text, values = write_ncnn(work.folder(), weights)
        self._net.load_param(str(text))
        self._net.load_model(str(values))
        self._pictures = [ncnn.Mat(picture).clone() for picture in channels_first(pictures)]

    def run(self) -> list[ncnn.Mat]:
        found = []
        for picture in self._pictures:
            extractor = self._net.create_extractor()
            extractor.input(INPUT, picture)
            found.append(extractor.extract(OUTPUT)[1])
        return found

    def check(self, _: Message) -> numpy.ndarray:
        return channels_last(numpy.stack([numpy.array(one) for one in self.run()]))

"""PyTorch in the ways that people run it, in inference mode; the head in eager mode.

    eager          NCHW: one feature map after the other
    channels_last  NHWC: the default, and the layout of the ways below
    compiled       by torch.compile; on a GPU a CUDA graph is recorded and replayed
    amp            weights in fp32, convolutions in fp16 by autocast
"""

import os
from functools import partial

import numpy
import torch
from torch import nn

from .head_engine import HeadEngine
from .pictures import rescaled
from .protocol import Message
from .vgg16 import Weights, layers
from .work import FeaturesWork, HeadWork

VERSION = torch.__version__.split("+")[0]


def network(weights: Weights) -> nn.Sequential:
    parts: list[nn.Module] = []
    for layer in layers():
        convolution = nn.Conv2d(layer.inputs, layer.outputs, 3, padding=1)
        shape = convolution.weight.shape
        convolution.weight.data = torch.tensor(numpy.frombuffer(weights.oihw(layer), "<f4").reshape(shape))
        convolution.bias.data = torch.tensor(numpy.frombuffer(weights.bias(layer), "<f4"))
        parts += [convolution, nn.ReLU(inplace=True)]
        if layer.pool_after:
            parts.append(nn.MaxPool2d(2))
    return nn.Sequential(*parts).eval()


def use(threads: int, precision: str) -> None:
    """Settings of the process. PyTorch's convolutions take TF32 unless set otherwise."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # tries out cuDNN's algorithms, once
    torch.backends.cudnn.conv.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = "ieee"


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Features:
    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        way = work.variant or "channels_last"
        use(work.threads, work.precision)
        self.setting = f"{way}, inference_mode, set_num_threads"
        self._device = torch.device(work.device)
        self._layout = torch.contiguous_format if way == "eager" else torch.channels_last
        self._amp = way == "amp"
        self._type = torch.half if work.precision == "fp16" and not self._amp else torch.float
        self._network = network(weights).to(self._device, self._type).to(memory_format=self._layout)
        self._input = self._source(work, pictures)
        self._compute = self._features
        if way == "compiled":
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = work.scratch
            self._compute = torch.compile(self._features, mode="reduce-overhead")
        self._results: torch.Tensor | None = None

    def _source(self, work: FeaturesWork, pictures: numpy.ndarray) -> torch.Tensor:
        """What the clock begins with, in host memory; pinned where a GPU copies from it."""
        if work.source == "floats":
            values = torch.from_numpy(rescaled(pictures)).permute(0, 3, 1, 2)
            return values.to(self._type).contiguous(memory_format=self._layout)
        pixels = torch.from_numpy(pictures)
        return pixels.pin_memory() if self._device.type == "cuda" else pixels

    def _features(self, pictures: torch.Tensor) -> torch.Tensor:
        if pictures.dtype == torch.uint8:
            values = pictures.permute(0, 3, 1, 2).to(self._type, memory_format=self._layout)
            pictures = values * (1 / 255)
        with torch.autocast(self._device.type, torch.half, enabled=self._amp):
            return self._network(pictures).float()

    def run(self) -> torch.Tensor:
        with torch.inference_mode():
            found = self._compute(self._input.to(self._device, non_blocking=True))
            return found if self._device.type == "cpu" else self._fetched(found)

    def _fetched(self, found: torch.Tensor) -> torch.Tensor:
        """In pinned host memory, once the device is done."""
        if self._results is None:
            self._results = torch.empty_like(found, device="cpu", pin_memory=True)
        self._results.copy_(found, non_blocking=True)
        synchronise(self._device)
        return self._results

    def check(self, _: Message) -> numpy.ndarray:
        return self.run().permute(0, 2, 3, 1).contiguous().numpy()


FOREACH = "eager, RMSprop foreach=True"


class Trainer:
    """PyTorch's RMSprop divides by sqrt(a) + eps, as Keras 2 does."""

    def __init__(
        self, work: HeadWork, kernels: list[numpy.ndarray], biases: list[numpy.ndarray], dropout: float, way: str
    ) -> None:
        dense = [nn.Linear(work.inputs, work.units), nn.Linear(work.units, 1)]
        for layer, kernel, bias in zip(dense, kernels, biases):
            layer.weight.data = torch.tensor(kernel.T.copy())
            layer.bias.data = torch.tensor(bias)
        head = nn.Sequential(dense[0], nn.ReLU(), nn.Dropout(dropout), dense[1])
        self._head = head.to(work.device).train()
        self._loss = nn.BCEWithLogitsLoss()
        self._optimizer = torch.optim.RMSprop(
            self._head.parameters(), lr=work.learning_rate, alpha=0.9, eps=1e-7, foreach=way == FOREACH
        )

    def step(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self._head(features), labels)
        loss.backward()
        self._optimizer.step()
        return loss

    def loss_of_step(self, features: torch.Tensor, labels: torch.Tensor) -> float:
        return self.step(features, labels).item()


class Head(HeadEngine):
    epsilon_inside_sqrt = False

    def __init__(self, work: HeadWork) -> None:
        use(work.threads, "fp32")
        self._device = torch.device(work.device)
        tensor = partial(torch.tensor, device=self._device)
        super().__init__(work, (FOREACH, "eager, RMSprop foreach=False"), tensor, Trainer)

    def synchronise(self) -> None:
        synchronise(self._device)

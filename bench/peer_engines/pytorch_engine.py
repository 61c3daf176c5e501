"""PyTorch: oneDNN's convolutions on channels_last tensors, inference mode; the head in eager mode."""

import numpy
import torch
from torch import nn

from .fastest import fastest
from .head_data import HeadData
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


class Features:
    setting = "channels_last, inference_mode, set_num_threads"

    def __init__(self, work: FeaturesWork, pictures: numpy.ndarray, weights: Weights) -> None:
        torch.set_num_threads(work.threads)
        self._network = network(weights).to(memory_format=torch.channels_last)
        values = torch.from_numpy(rescaled(pictures)).permute(0, 3, 1, 2)
        self._input = values.contiguous(memory_format=torch.channels_last)

    def run(self) -> torch.Tensor:
        with torch.inference_mode():
            return self._network(self._input)

    def check(self, _: Message) -> numpy.ndarray:
        return self.run().permute(0, 2, 3, 1).contiguous().numpy()


class Trainer:
    """A head with its optimizer. PyTorch's RMSprop divides by sqrt(a) + eps, as Keras 2 does."""

    def __init__(self, work: HeadWork, data: HeadData, dropout: float, foreach: bool) -> None:
        self.foreach = foreach
        self.name = f"eager, RMSprop foreach={foreach}"
        dense = [nn.Linear(work.inputs, work.units), nn.Linear(work.units, 1)]
        for layer, kernel, bias in zip(dense, data.kernels, data.biases):
            layer.weight.data = torch.tensor(kernel.T.copy())
            layer.bias.data = torch.tensor(bias)
        self._head = nn.Sequential(dense[0], nn.ReLU(), nn.Dropout(dropout), dense[1]).train()
        self._loss = nn.BCEWithLogitsLoss()
        self._optimizer = torch.optim.RMSprop(
            self._head.parameters(), lr=work.learning_rate, alpha=0.9, eps=1e-7, foreach=foreach
        )

    def step(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(self._head(features), labels)
        loss.backward()
        self._optimizer.step()
        return loss


class Head:
    epsilon_inside_sqrt = False

    def __init__(self, work: HeadWork, data: HeadData) -> None:
        torch.set_num_threads(work.threads)
        self._work, self._data = work, data
        self._batches = [(torch.tensor(x), torch.tensor(y)) for x, y in data.batches(work.batch)]
        trainers = [Trainer(work, data, work.dropout, foreach) for foreach in (True, False)]
        self._step = 0
        self._trainer = fastest(trainers, lambda trainer: trainer.step(*self._batches[0]))
        self.setting = self._trainer.name

    def run(self) -> None:
        self._trainer.step(*self._batches[self._step % len(self._batches)])
        self._step += 1

    def check(self, request: Message) -> numpy.ndarray:
        """The losses of the first steps without dropout, the way that is timed."""
        trainer = Trainer(self._work, self._data, 0.0, self._trainer.foreach)
        batches = (self._batches[step % len(self._batches)] for step in range(request["steps"]))
        return numpy.array([trainer.step(*batch).item() for batch in batches], "f4")
